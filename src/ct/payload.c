#include "ct/payload.h"

#include <fcntl.h>
#include <inttypes.h>

#include "base/file.h"
#include "base/memory.h"

enum { HASH_BYTES = 1 << 20 };

void payload_init(struct payload *p)
{
    *p = (struct payload){.stored_bytes = -1, .file = {.fd = -1}};
}

static void close_file(struct payload *p)
{
    inflater_free(p->inflater);
    p->inflater = NULL;
    data_file_close(&p->file);
}

void payload_release(struct payload *p)
{
    close_file(p);
    file_series_release(&p->series);
}

/* ---- checks at opening ---- */

static enum status check_raw(const struct payload *p, const char *path, int64_t bytes,
                             const char *wanted, struct error *err)
{
    int64_t offset = p->offset < 0 ? 0 : p->offset, expected;
    bool fits = !__builtin_add_overflow(offset, p->file_voxel_bytes, &expected);
    if (fits && (bytes == expected || (p->offset < 0 && bytes > expected)))
        return STATUS_OK;
    return error_set(err, STATUS_ITEM_IO,
                     "%s holds %" PRId64 " bytes, %s than the %" PRId64 " of %s%s", path,
                     bytes, fits && bytes > expected ? "more" : "fewer",
                     p->file_voxel_bytes, wanted,
                     offset > 0 ? " and what stands before them" : "");
}

static enum status check_deflated(const struct payload *p, const char *path,
                                  int64_t bytes, const char *wanted, struct error *err)
{
    int64_t stored = bytes - p->offset, most;
    if (stored <= 0)
        return error_set(err, STATUS_ITEM_IO,
                         "%s holds %" PRId64 " bytes, none of them after byte %" PRId64,
                         path, bytes, p->offset);
    if (__builtin_mul_overflow(stored, (int64_t)INFLATER_MAX_RATIO, &most))
        most = INT64_MAX;
    if (p->file_voxel_bytes > most)
        return error_set(err, STATUS_ITEM_IO,
                         "%s: its %" PRId64 " compressed bytes cannot hold the %" PRId64
                         " bytes of %s",
                         path, stored, p->file_voxel_bytes, wanted);
    return STATUS_OK;
}

static enum status check_stored_bytes(struct payload *p, int64_t stored,
                                      struct error *err)
{
    if (!p->deflated || p->stored_bytes < 0 || p->stored_bytes == stored)
        return STATUS_OK;
    return error_set(err, STATUS_ITEM_FORMAT,
                     "CompressedDataSize = %" PRId64 ", but there are %" PRId64
                     " compressed bytes",
                     p->stored_bytes, stored);
}

enum status payload_check(struct payload *p, const char *wanted, int64_t *total,
                          struct error *err)
{
    int64_t stored = 0;
    *total = 0;
    for (int64_t i = 0; i < p->series.count; i++) {
        char *path;
        int64_t bytes;
        enum status status = file_series_path(&p->series, i, &path, err);
        if (status != STATUS_OK)
            return status;
        status = data_file_measure(path, &bytes, err);
        if (status == STATUS_OK && p->deflated && p->offset < 0)
            p->offset = bytes > p->stored_bytes ? bytes - p->stored_bytes : 0;
        if (status == STATUS_OK)
            status = p->deflated ? check_deflated(p, path, bytes, wanted, err)
                                 : check_raw(p, path, bytes, wanted, err);
        free(path);
        if (status != STATUS_OK)
            return status;
        stored += bytes - p->offset;
        *total += bytes;
    }
    return check_stored_bytes(p, stored, err);
}

/* ---- reading ---- */

static enum status open_file(struct payload *p, int64_t index, struct error *err)
{
    char *path;
    if (data_file_is_open(&p->file) && p->file_index == index)
        return STATUS_OK;
    close_file(p);
    enum status status = file_series_path(&p->series, index, &path, err);
    if (status != STATUS_OK)
        return status;
    status = data_file_open(path, &p->file, err);
    free(path);
    if (status != STATUS_OK)
        return status;
    p->file_index = index;
    /* Advice only: a file system that takes none reads all the same. */
    if (p->file.fd >= 0)
        posix_fadvise(p->file.fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return STATUS_OK;
}

static enum status read_raw(struct payload *p, int64_t at, void *data, int64_t bytes,
                            struct error *err)
{
    size_t got;
    int64_t offset = p->offset < 0 ? p->file.bytes - p->file_voxel_bytes : p->offset;
    if (offset < 0) /* shortened since it was opened */
        return error_set(err, STATUS_ITEM_IO, "%s: only %" PRId64 " bytes long",
                         p->file.path, p->file.bytes);
    enum status status =
        data_file_read(&p->file, offset + at, data, (size_t)bytes, &got, err);
    if (status == STATUS_OK && got < (size_t)bytes)
        return error_set(err, STATUS_ITEM_IO,
                         "%s: ends at byte %" PRId64 ", in the voxels", p->file.path,
                         offset + at + (int64_t)got);
    return status;
}

/* Brings the stream to inflated byte `target`. */
static enum status inflate_to(struct payload *p, int64_t target, struct error *err)
{
    int64_t got;
    if (p->inflater && inflater_position(p->inflater) > target) {
        inflater_free(p->inflater);
        p->inflater = NULL;
    }
    if (!p->inflater) {
        enum status status = inflater_new(&p->file, p->offset, &p->inflater, err);
        if (status != STATUS_OK)
            return status;
    }
    return inflater_read(p->inflater, NULL, target - inflater_position(p->inflater), &got,
                         err);
}

static enum status read_deflated(struct payload *p, int64_t at, void *data, int64_t bytes,
                                 struct error *err)
{
    int64_t got, beyond;
    char extra;
    enum status status = inflate_to(p, p->lead + at, err);
    if (status != STATUS_OK)
        return status;
    status = inflater_read(p->inflater, data, bytes, &got, err);
    if (status != STATUS_OK)
        return status;
    if (got < bytes)
        return error_set(err, STATUS_ITEM_FORMAT,
                         "%s: the compressed stream ends after %" PRId64
                         " bytes, %" PRId64 " are needed",
                         p->file.path, inflater_position(p->inflater),
                         p->lead + p->file_voxel_bytes);
    if (at + bytes < p->file_voxel_bytes)
        return STATUS_OK;
    status = inflater_read(p->inflater, &extra, 1, &beyond, err);
    if (status == STATUS_OK && beyond > 0)
        return error_set(err, STATUS_ITEM_FORMAT,
                         "%s: the compressed stream holds more than the %" PRId64
                         " bytes that are needed",
                         p->file.path, p->file_voxel_bytes);
    return status;
}

enum status payload_read(struct payload *p, int64_t position, void *data, int64_t bytes,
                         struct error *err)
{
    int64_t done = 0;
    while (done < bytes) {
        int64_t at = (position + done) % p->file_voxel_bytes;
        int64_t n = p->file_voxel_bytes - at;
        if (n > bytes - done)
            n = bytes - done;
        enum status status = open_file(p, (position + done) / p->file_voxel_bytes, err);
        if (status == STATUS_OK)
            status = p->deflated ? read_deflated(p, at, (char *)data + done, n, err)
                                 : read_raw(p, at, (char *)data + done, n, err);
        if (status != STATUS_OK) {
            close_file(p); /* a stream that failed must not be continued */
            return status;
        }
        done += n;
    }
    return STATUS_OK;
}

/* ---- hashes ---- */

static enum status hash_file(const char *path, unsigned char *buffer, struct hash *h,
                             struct error *err)
{
    struct data_file f;
    size_t got = HASH_BYTES;
    enum status status = data_file_open(path, &f, err);
    if (status != STATUS_OK)
        return status;
    for (int64_t at = 0; got == HASH_BYTES && status == STATUS_OK; at += HASH_BYTES) {
        status = data_file_read(&f, at, buffer, HASH_BYTES, &got, err);
        if (status == STATUS_OK)
            hash_update(h, buffer, got);
    }
    data_file_close(&f);
    return status;
}

enum status payload_hash(const struct payload *p, struct hash *h, struct error *err)
{
    void *buffer;
    enum status status = memory_new(HASH_BYTES, 1, "hash", &buffer, err);
    if (status != STATUS_OK)
        return status;
    for (int64_t i = 0; i < p->series.count && status == STATUS_OK; i++) {
        char *path;
        status = file_series_path(&p->series, i, &path, err);
        if (status != STATUS_OK)
            break;
        status = hash_file(path, buffer, h, err);
        free(path);
    }
    free(buffer);
    return status;
}

enum status payload_hash_identity(const struct payload *p, struct hash *h,
                                  struct error *err)
{
    enum status status = STATUS_OK;
    for (int64_t i = 0; i < p->series.count && status == STATUS_OK; i++) {
        struct file_identity identity;
        char *path;
        status = file_series_path(&p->series, i, &path, err);
        if (status != STATUS_OK)
            break;
        status = data_file_identify(path, &identity, err);
        free(path);
        if (status == STATUS_OK)
            hash_update(h, &identity, sizeof identity);
    }
    return status;
}
