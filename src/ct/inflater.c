#include "ct/inflater.h"

#include <inttypes.h>
#include <isa-l/igzip_lib.h>
#include <stdbool.h>

#include "base/memory.h"

enum {
    INPUT_BYTES = 128 << 10,
    PASS_BYTES = 64 << 10,
    AHEAD_BYTES = 8, /* what the library may have taken beyond the end of a stream */
    GZIP_FIRST_BYTE = 0x1f,
};

struct inflater {
    struct inflate_state state;
    const struct data_file *file;
    int64_t next;     /* file offset of the byte after the input buffer */
    int64_t position; /* inflated bytes handed out */
    bool gzip, ended, broken;
    unsigned char input[AHEAD_BYTES + INPUT_BYTES]; /* the last bytes of the one before,
                                                       then the buffer */
    unsigned char passed[PASS_BYTES];               /* where bytes go that nobody wants */
};

/* Makes at least one byte of input available, if the file holds more. */
static enum status refill(struct inflater *i, struct error *err)
{
    size_t got;
    unsigned char *buffer = i->input + AHEAD_BYTES;
    if (i->state.avail_in > 0)
        return STATUS_OK;
    if (i->state.next_in)
        memmove(i->input, i->state.next_in - AHEAD_BYTES, AHEAD_BYTES);
    enum status status = data_file_read(i->file, i->next, buffer, INPUT_BYTES, &got, err);
    if (status != STATUS_OK)
        return status;
    i->next += (int64_t)got;
    i->state.next_in = buffer;
    i->state.avail_in = (uint32_t)got;
    return STATUS_OK;
}

enum status inflater_new(const struct data_file *f, int64_t start, struct inflater **out,
                         struct error *err)
{
    void *room;
    enum status status = memory_new(1, sizeof(struct inflater), f->path, &room, err);
    if (status != STATUS_OK)
        return status;
    struct inflater *i = room;
    i->file = f;
    i->next = start;
    isal_inflate_init(&i->state);
    i->state.next_in = NULL;
    status = refill(i, err);
    if (status != STATUS_OK) {
        inflater_free(i);
        return status;
    }
    i->gzip = i->state.avail_in > 0 && *i->state.next_in == GZIP_FIRST_BYTE;
    i->state.crc_flag = i->gzip ? ISAL_GZIP : ISAL_ZLIB;
    *out = i;
    return STATUS_OK;
}

void inflater_free(struct inflater *i)
{
    free(i);
}

int64_t inflater_position(const struct inflater *i)
{
    return i->position;
}

/* What the library has taken in beyond the end of the stream is given back. */
static void give_back(struct inflate_state *s)
{
    const uint32_t ahead = (uint32_t)s->read_in_length / 8;
    s->next_in -= ahead;
    s->avail_in += ahead;
    s->read_in = 0;
    s->read_in_length = 0;
}

/* After the end of a stream: a gzip file may go on with another member, or be padded with
 * zeros; anything else does not belong there. */
static enum status look_behind_end(struct inflater *i, struct error *err)
{
    struct inflate_state *s = &i->state;
    give_back(s);
    for (;;) {
        enum status status = refill(i, err);
        if (status != STATUS_OK)
            return status;
        if (s->avail_in == 0) {
            i->ended = true;
            return STATUS_OK;
        }
        if (i->gzip && *s->next_in == GZIP_FIRST_BYTE) {
            isal_inflate_reset(s);
            return STATUS_OK;
        }
        if (!i->gzip || *s->next_in != 0)
            break;
        s->next_in++;
        s->avail_in--;
    }
    int64_t end = i->next - s->avail_in;
    return error_set(err, STATUS_ITEM_FORMAT,
                     "%s: %" PRId64
                     " bytes follow the end of the compressed stream at byte "
                     "%" PRId64,
                     i->file->path, i->file->bytes - end, end);
}

static const char *reason(int code)
{
    switch (code) {
    case ISAL_INVALID_BLOCK:
        return "a block is none";
    case ISAL_INVALID_SYMBOL:
        return "a symbol is none";
    case ISAL_INVALID_LOOKBACK:
        return "it refers to what was before its start";
    case ISAL_INVALID_WRAPPER:
        return "its head is neither zlib's nor gzip's";
    case ISAL_UNSUPPORTED_METHOD:
        return "it is packed by another method than deflate";
    case ISAL_INCORRECT_CHECKSUM:
        return "its checksum is another";
    default:
        return "a dictionary is wanted";
    }
}

static enum status inflate_some(struct inflater *i, void *data, size_t bytes, size_t *got,
                                struct error *err)
{
    struct inflate_state *s = &i->state;
    enum status status = refill(i, err);
    if (status != STATUS_OK)
        return status;
    const uint32_t available = s->avail_in;
    s->next_out = data;
    s->avail_out = (uint32_t)bytes;
    const int code = isal_inflate(s);
    *got = bytes - s->avail_out;
    i->position += (int64_t)*got;
    const int64_t at = i->next - s->avail_in;
    if (code >= 0 && s->block_state == ISAL_BLOCK_FINISH)
        return look_behind_end(i, err);
    const bool stuck = *got == 0 && s->avail_in == available;
    if (code < 0 || (stuck && available > 0))
        return error_set(err, STATUS_ITEM_FORMAT,
                         "%s: corrupt compressed stream near byte %" PRId64 ": %s",
                         i->file->path, at, reason(code));
    if (stuck)
        return error_set(
            err, STATUS_ITEM_FORMAT,
            "%s: the compressed stream is cut off: the file ends at byte %" PRId64
            ", after %" PRId64 " bytes of voxels",
            i->file->path, at, i->position);
    return STATUS_OK;
}

enum status inflater_read(struct inflater *i, void *data, int64_t bytes, int64_t *got,
                          struct error *err)
{
    int64_t done = 0;
    if (i->broken)
        return error_set(err, STATUS_ITEM_FORMAT,
                         "%s: the compressed stream is broken before byte %" PRId64,
                         i->file->path, i->next);
    while (done < bytes && !i->ended) {
        int64_t left = bytes - done;
        int64_t most = data ? 1 << 30 : PASS_BYTES;
        size_t n;
        enum status status =
            inflate_some(i, data ? (char *)data + done : (void *)i->passed,
                         (size_t)(left < most ? left : most), &n, err);
        if (status != STATUS_OK) {
            i->broken = true;
            return status;
        }
        done += (int64_t)n;
    }
    *got = done;
    return STATUS_OK;
}
