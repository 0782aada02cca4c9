/*
 * The file: 16 bytes that say what it is, then records without gaps, each 80 bytes of
 * header and its payload. Numbers are little-endian.
 *
 *   file    "pulmojnl"  version:u32  0:u32
 *   record  "PREC":u32  kind:u32  part:u32  0:u32  item:2xu64  key:2xu64  bytes:u64
 *           XXH3-128 of the payload:2xu64  XXH3-64 of the header before it:u64
 *
 * Invariants
 *  1. `end` is where the last good record ends. Everything before it is whole; what may
 * stand behind it (after an append that failed) is no part of the journal, and is cut or
 * overwritten.
 *  2. Records are written at `end` by offset, and `end` moves when all of a record is
 * written.
 *  3. Bytes are cut only when they were read and found wrong. A read that fails cuts
 * nothing: a server that is away for a minute must not cost a night of work.
 */
#include "io/journal.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"

enum { JOURNAL_VERSION = 1, SCAN_BLOCK_BYTES = 1 << 20 };

static const char file_magic[8] = "pulmojnl"; /* without its NUL */
static const uint32_t record_magic = 0x43455250;

struct file_header {
    char magic[8];
    uint32_t version, zero;
};

struct record_header {
    uint32_t magic, kind, part, zero;
    struct hash128 item, key;
    uint64_t bytes;
    struct hash128 payload;
    uint64_t checksum; /* of what stands before it */
};

_Static_assert(sizeof(struct file_header) == 16, "no padding in the file");
_Static_assert(sizeof(struct record_header) == 80, "no padding in a record");

struct journal {
    int fd;
    bool writable, dirty;
    int64_t end;
    char *path;
};

static enum status io_error(const struct journal *j, int code, struct error *err)
{
    return error_set(err, STATUS_STAGE_IO, "%s: %s", j->path, strerror(code));
}

/* ---- bytes ---- */

/* Reads `bytes` at `offset`, or what there is before the end of the file: *done says how
 * many. */
static enum status read_at(const struct journal *j, void *data, size_t bytes,
                           int64_t offset, size_t *done, struct error *err)
{
    *done = 0;
    while (*done < bytes) {
        ssize_t n =
            pread(j->fd, (char *)data + *done, bytes - *done, offset + (int64_t)*done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return io_error(j, errno, err);
        if (n == 0)
            break;
        *done += (size_t)n;
    }
    return STATUS_OK;
}

/* Writes all of two buffers at `offset`; 0, or the errno of what stopped it. A write may
 * be cut short before the disk is full: only going on tells why. */
static int write_at(int fd, const void *head, size_t head_bytes, const void *tail,
                    size_t tail_bytes, int64_t offset)
{
    struct iovec parts[2] = {{(void *)head, head_bytes}, {(void *)tail, tail_bytes}};
    while (parts[0].iov_len + parts[1].iov_len > 0) {
        ssize_t n = pwritev(fd, parts, 2, offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? errno : ENOSPC;
        offset += n;
        size_t from_head = (size_t)n < parts[0].iov_len ? (size_t)n : parts[0].iov_len;
        parts[0].iov_base = (char *)parts[0].iov_base + from_head;
        parts[0].iov_len -= from_head;
        if ((size_t)n > from_head) {
            parts[1].iov_base = (char *)parts[1].iov_base + ((size_t)n - from_head);
            parts[1].iov_len -= (size_t)n - from_head;
        }
    }
    return 0;
}

static struct hash128 hash_to_file(struct hash128 h)
{
    return (struct hash128){htole64(h.low), htole64(h.high)};
}

static struct hash128 hash_from_file(struct hash128 h)
{
    return (struct hash128){le64toh(h.low), le64toh(h.high)};
}

static struct record_header record_encode(const struct journal_record *record,
                                          struct hash128 payload)
{
    struct record_header h = {.magic = htole32(record_magic),
                              .kind = htole32(record->kind),
                              .part = htole32(record->part),
                              .item = hash_to_file(record->item),
                              .key = hash_to_file(record->key),
                              .bytes = htole64(record->bytes),
                              .payload = hash_to_file(payload)};
    h.checksum = htole64(hash64(&h, offsetof(struct record_header, checksum)));
    return h;
}

/* False when the header is damaged, or no header. */
static bool record_decode(const struct record_header *h, struct journal_record *record,
                          struct hash128 *payload)
{
    if (le32toh(h->magic) != record_magic ||
        le64toh(h->checksum) != hash64(h, offsetof(struct record_header, checksum)))
        return false;
    record->kind = le32toh(h->kind);
    record->part = le32toh(h->part);
    record->item = hash_from_file(h->item);
    record->key = hash_from_file(h->key);
    record->bytes = le64toh(h->bytes);
    *payload = hash_from_file(h->payload);
    return record->bytes <= JOURNAL_PAYLOAD_BYTES;
}

/* ---- opening ---- */

static struct file_header file_header_here(void)
{
    struct file_header h = {.version = htole32(JOURNAL_VERSION)};
    memcpy(h.magic, file_magic, sizeof file_magic);
    return h;
}

/* Looks at the first bytes. *fresh: there is no whole file header, and what there is of
 * it is torn, not foreign. */
static enum status check_file_header(const struct journal *j, bool *fresh,
                                     struct error *err)
{
    const struct file_header wanted = file_header_here();
    struct file_header found;
    size_t bytes;
    enum status status = read_at(j, &found, sizeof found, 0, &bytes, err);
    if (status != STATUS_OK)
        return status;
    *fresh = bytes < sizeof found;
    if (memcmp(&found, &wanted, bytes) == 0)
        return STATUS_OK;
    if (!*fresh && memcmp(found.magic, file_magic, sizeof file_magic) == 0)
        return error_set(err, STATUS_JOB_FAILED,
                         "%s: a journal of version %u, this program knows version %d",
                         j->path, le32toh(found.version), JOURNAL_VERSION);
    return error_set(err, STATUS_JOB_FAILED, "%s: not a journal", j->path);
}

static enum status write_file_header(struct journal *j, struct error *err)
{
    const struct file_header h = file_header_here();
    int code = write_at(j->fd, &h, sizeof h, NULL, 0, 0);
    if (code)
        return io_error(j, code, err);
    if (fsync(j->fd))
        return io_error(j, errno, err);
    file_sync_name(j->path);
    return STATUS_OK;
}

/* *good = whether the payload at an offset is all there and has this hash. */
static enum status payload_verify(const struct journal *j,
                                  const struct journal_record *record,
                                  struct hash128 wanted, char *block, bool *good,
                                  struct error *err)
{
    struct hash *hash;
    enum status status = hash_new(&hash, err);
    if (status != STATUS_OK)
        return status;
    *good = false;
    for (uint64_t done = 0; done < record->bytes;) {
        uint64_t left = record->bytes - done;
        size_t bytes = left < SCAN_BLOCK_BYTES ? (size_t)left : SCAN_BLOCK_BYTES, got;
        TRY(read_at(j, block, bytes, record->offset + (int64_t)done, &got, err));
        if (got < bytes)
            goto out;
        hash_update(hash, block, bytes);
        done += bytes;
    }
    *good = hash_equal(hash_digest(hash), wanted);
out:
    hash_free(hash);
    return status;
}

/* Visits the good records and sets j->end behind the last of them. */
static enum status scan(struct journal *j, journal_visit *visit, void *context,
                        struct error *err)
{
    enum status status = STATUS_OK;
    void *block = NULL;
    TRY(memory_new(SCAN_BLOCK_BYTES, 1, j->path, &block, err));
    for (;;) {
        struct record_header header;
        struct journal_record record;
        struct hash128 hash;
        size_t bytes;
        bool good;
        TRY(read_at(j, &header, sizeof header, j->end, &bytes, err));
        if (bytes < sizeof header || !record_decode(&header, &record, &hash))
            break;
        record.offset = j->end + (int64_t)sizeof header;
        TRY(payload_verify(j, &record, hash, block, &good, err));
        if (!good)
            break;
        if (visit)
            TRY(visit(context, &record, err));
        j->end = record.offset + (int64_t)record.bytes;
    }
out:
    free(block);
    return status;
}

/* Cuts what stands behind the last good record. */
static enum status cut(struct journal *j, struct error *err)
{
    struct stat s;
    if (fstat(j->fd, &s))
        return io_error(j, errno, err);
    if (s.st_size <= j->end)
        return STATUS_OK;
    if (ftruncate(j->fd, j->end) || fsync(j->fd))
        return io_error(j, errno, err);
    log_warning(
        "%s: the record at byte %lld is torn or damaged: %lld bytes from there on are "
        "cut off, what they held will be done again",
        j->path, (long long)j->end, (long long)(s.st_size - j->end));
    return STATUS_OK;
}

static enum status open_file(const char *path, int flags, struct journal **out,
                             struct error *err)
{
    struct journal *j;
    enum status status = memory_new(1, sizeof *j, "journal", (void **)&j, err);
    if (status != STATUS_OK)
        return status;
    j->fd = -1;
    TRY(text_new(path, &j->path, err));
    j->fd = open(path, flags | O_CLOEXEC, 0666);
    if (j->fd < 0)
        TRY(io_error(j, errno, err));
    *out = j;
    return STATUS_OK;
out:
    journal_close(j);
    return status;
}

enum status journal_open(const char *path, journal_visit *visit, void *context,
                         struct journal **out, struct error *err)
{
    struct journal *j = NULL;
    bool fresh;
    enum status status = open_file(path, O_RDWR | O_CREAT, &j, err);
    if (status != STATUS_OK)
        return status;
    TRY(check_file_header(j, &fresh, err));
    if (fresh)
        TRY(write_file_header(j, err));
    j->end = sizeof(struct file_header);
    TRY(scan(j, visit, context, err));
    TRY(cut(j, err));
    j->writable = true;
    *out = j;
    return STATUS_OK;
out:
    journal_close(j);
    return status;
}

enum status journal_open_reader(const char *path, struct journal **out, struct error *err)
{
    struct journal *j = NULL;
    bool fresh;
    enum status status = open_file(path, O_RDONLY, &j, err);
    if (status != STATUS_OK)
        return status;
    TRY(check_file_header(j, &fresh, err));
    if (fresh) {
        status = error_set(err, STATUS_JOB_FAILED, "%s: not a journal yet", path);
        goto out;
    }
    *out = j;
    return STATUS_OK;
out:
    journal_close(j);
    return status;
}

void journal_close(struct journal *j)
{
    struct error err;
    if (!j)
        return;
    if (journal_sync(j, &err) != STATUS_OK)
        log_warning("%s", err.message);
    if (j->fd >= 0)
        close(j->fd);
    free(j->path);
    free(j);
}

/* ---- records ---- */

enum status journal_append(struct journal *j, struct journal_record *record,
                           const void *payload, struct error *err)
{
    CHECK(j->writable);
    if (record->bytes > JOURNAL_PAYLOAD_BYTES)
        return error_set(err, STATUS_STAGE_IO,
                         "%s: a record of %llu bytes, at most %llu go in", j->path,
                         (unsigned long long)record->bytes,
                         (unsigned long long)JOURNAL_PAYLOAD_BYTES);
    const size_t bytes = (size_t)record->bytes;
    const struct record_header header = record_encode(record, hash128(payload, bytes));
    j->dirty = true;
    int code = write_at(j->fd, &header, sizeof header, payload, bytes, j->end);
    if (code) {
        /* Should this fail too, the torn record is overwritten by the next, or cut on
         * opening. */
        if (ftruncate(j->fd, j->end))
            log_warning("%s: %s", j->path, strerror(errno));
        return io_error(j, code, err);
    }
    record->offset = j->end + (int64_t)sizeof header;
    j->end = record->offset + (int64_t)bytes;
    return STATUS_OK;
}

enum status journal_sync(struct journal *j, struct error *err)
{
    if (!j->dirty)
        return STATUS_OK;
    if (fsync(j->fd))
        return io_error(j, errno, err);
    j->dirty = false;
    return STATUS_OK;
}

enum status journal_read(const struct journal *j, const struct journal_record *record,
                         void **out, struct error *err)
{
    enum status status = STATUS_OK;
    struct record_header header;
    struct journal_record found;
    struct hash128 hash;
    void *payload = NULL;
    size_t got;

    int64_t start = record->offset - (int64_t)sizeof header;
    TRY(read_at(j, &header, sizeof header, start, &got, err));
    if (got < sizeof header || !record_decode(&header, &found, &hash) ||
        found.bytes != record->bytes)
        goto damaged;
    TRY(memory_new((size_t)record->bytes, 1, j->path, &payload, err));
    TRY(read_at(j, payload, (size_t)record->bytes, record->offset, &got, err));
    if (got < record->bytes || !hash_equal(hash128(payload, got), hash))
        goto damaged;
    *out = payload;
    return STATUS_OK;
damaged:
    status = error_set(err, STATUS_STAGE_IO, "%s: the record at byte %lld is damaged",
                       j->path, (long long)start);
out:
    free(payload);
    return status;
}

enum status journal_read_part(const struct journal *j,
                              const struct journal_record *record, uint64_t from,
                              uint64_t bytes, void **out, struct error *err)
{
    enum status status = STATUS_OK;
    void *part = NULL;
    size_t got;
    CHECK(from <= record->bytes && bytes <= record->bytes - from);
    TRY(memory_new((size_t)bytes, 1, j->path, &part, err));
    TRY(read_at(j, part, (size_t)bytes, record->offset + (int64_t)from, &got, err));
    if (got == bytes) {
        *out = part;
        return STATUS_OK;
    }
    status = error_set(err, STATUS_STAGE_IO, "%s: the record at byte %lld is cut short",
                       j->path, (long long)record->offset);
out:
    free(part);
    return status;
}
