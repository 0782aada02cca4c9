#include "ct/inflater.h"

#include <inttypes.h>
#include <stdbool.h>
#include <zlib.h>

#include "base/memory.h"

enum {
    INPUT_BYTES = 128 << 10,
    PASS_BYTES = 64 << 10,
    DETECT_WRAPPER = 15 + 32, /* full window, zlib or gzip */
    GZIP_FIRST_BYTE = 0x1f,
};

struct inflater {
    z_stream z;
    const struct data_file *file;
    int64_t next;     /* file offset of the byte after the input buffer */
    int64_t position; /* inflated bytes handed out */
    bool gzip, ended;
    unsigned char input[INPUT_BYTES];
    unsigned char passed[PASS_BYTES]; /* where bytes go that nobody wants */
};

/* Makes at least one byte of input available, if the file holds more. */
static enum status refill(struct inflater *i, struct error *err)
{
    size_t got;
    if (i->z.avail_in > 0)
        return STATUS_OK;
    enum status status =
        data_file_read(i->file, i->next, i->input, sizeof i->input, &got, err);
    if (status != STATUS_OK)
        return status;
    i->next += (int64_t)got;
    i->z.next_in = i->input;
    i->z.avail_in = (uInt)got;
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
    if (inflateInit2(&i->z, DETECT_WRAPPER) != Z_OK) {
        free(i);
        return error_set(err, STATUS_STAGE_MEMORY, "%s: no memory to decompress",
                         f->path);
    }
    status = refill(i, err);
    i->gzip = i->z.avail_in > 0 && i->input[0] == GZIP_FIRST_BYTE;
    if (status != STATUS_OK) {
        inflater_free(i);
        return status;
    }
    *out = i;
    return STATUS_OK;
}

void inflater_free(struct inflater *i)
{
    if (!i)
        return;
    inflateEnd(&i->z);
    free(i);
}

int64_t inflater_position(const struct inflater *i)
{
    return i->position;
}

/* After the end of a stream: a gzip file may go on with another member, or be padded with
 * zeros; anything else does not belong there. */
static enum status look_behind_end(struct inflater *i, struct error *err)
{
    for (;;) {
        enum status status = refill(i, err);
        if (status != STATUS_OK)
            return status;
        if (i->z.avail_in == 0) {
            i->ended = true;
            return STATUS_OK;
        }
        if (i->gzip && *i->z.next_in == GZIP_FIRST_BYTE) {
            inflateReset(&i->z);
            return STATUS_OK;
        }
        if (!i->gzip || *i->z.next_in != 0)
            break;
        i->z.next_in++;
        i->z.avail_in--;
    }
    int64_t end = i->next - i->z.avail_in;
    return error_set(err, STATUS_ITEM_FORMAT,
                     "%s: %" PRId64
                     " bytes follow the end of the compressed stream at byte "
                     "%" PRId64,
                     i->file->path, i->file->bytes - end, end);
}

static enum status inflate_some(struct inflater *i, void *data, size_t bytes, size_t *got,
                                struct error *err)
{
    enum status status = refill(i, err);
    if (status != STATUS_OK)
        return status;
    i->z.next_out = data;
    i->z.avail_out = (uInt)bytes;
    int code = inflate(&i->z, Z_NO_FLUSH);
    *got = bytes - i->z.avail_out;
    i->position += (int64_t)*got;
    if (code == Z_STREAM_END)
        return look_behind_end(i, err);
    if (code == Z_OK)
        return STATUS_OK;
    int64_t at = i->next - i->z.avail_in;
    if (code == Z_MEM_ERROR)
        return error_set(err, STATUS_STAGE_MEMORY, "%s: no memory to decompress",
                         i->file->path);
    if (code == Z_BUF_ERROR)
        return error_set(
            err, STATUS_ITEM_FORMAT,
            "%s: the compressed stream is cut off: the file ends at byte %" PRId64
            ", after %" PRId64 " bytes of voxels",
            i->file->path, at, i->position);
    return error_set(err, STATUS_ITEM_FORMAT,
                     "%s: corrupt compressed stream near byte %" PRId64 ": %s",
                     i->file->path, at, i->z.msg ? i->z.msg : "a dictionary is wanted");
}

enum status inflater_read(struct inflater *i, void *data, int64_t bytes, int64_t *got,
                          struct error *err)
{
    int64_t done = 0;
    while (done < bytes && !i->ended) {
        int64_t left = bytes - done;
        int64_t most = data ? 1 << 30 : PASS_BYTES;
        size_t n;
        enum status status =
            inflate_some(i, data ? (char *)data + done : (void *)i->passed,
                         (size_t)(left < most ? left : most), &n, err);
        if (status != STATUS_OK)
            return status;
        done += (int64_t)n;
    }
    *got = done;
    return STATUS_OK;
}
