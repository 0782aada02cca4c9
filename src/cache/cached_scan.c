#include "cache/cached_scan.h"

#include <inttypes.h>

#include "base/memory.h"
#include "base/size.h"
#include "cache/chunk.h"
#include "io/chunk_file.h"

struct cached_scan {
    struct chunk_file file;
    struct geometry geometry;
};

struct crop_reader {
    struct chunk_codec *codec;
    unsigned char *chunk;
    void *crop; /* int16 of a crop that is wanted as float */
    size_t crop_capacity;
};

static const int64_t CHUNK_SIZE[3] = {CHUNK_DEPTH, CHUNK_ROWS, CHUNK_COLUMNS};

/* ---- a scan ---- */

static enum status check_head(const struct chunk_file *f, struct hash128 key,
                              struct error *err)
{
    const struct chunk_file_head *h = &f->head;
    if (!hash_equal(h->key, key))
        return error_set(err, STATUS_ITEM_FORMAT, "%s: holds another key than its name",
                         f->path);
    if (h->numerics != CACHE_NUMERICS)
        return error_set(err, STATUS_ITEM_FORMAT,
                         "%s: numerics %" PRIu32 ", this version of pulmo has %d",
                         f->path, h->numerics, CACHE_NUMERICS);
    for (int a = 0; a < 3; a++)
        if (h->chunk[a] != CHUNK_SIZE[a])
            return error_set(err, STATUS_ITEM_FORMAT,
                             "%s: chunks of %d x %d x %d voxels cannot be read", f->path,
                             h->chunk[0], h->chunk[1], h->chunk[2]);
    if (f->most_bytes > CHUNK_MOST_BYTES)
        return error_set(err, STATUS_ITEM_FORMAT, "%s: a chunk of %" PRId64 " bytes",
                         f->path, f->most_bytes);
    return STATUS_OK;
}

enum status cached_scan_open(const char *path, struct hash128 key,
                             struct cached_scan **out, struct error *err)
{
    void *room;
    enum status status = memory_new(1, sizeof(struct cached_scan), path, &room, err);
    if (status != STATUS_OK)
        return status;
    struct cached_scan *s = room;
    s->file.fd = -1;
    TRY(chunk_file_open(path, &s->file, err));
    TRY(check_head(&s->file, key, err));
    const struct chunk_file_head *h = &s->file.head;
    memcpy(s->geometry.size, h->size, sizeof h->size);
    memcpy(s->geometry.spacing, h->spacing, sizeof h->spacing);
    memcpy(s->geometry.origin, h->origin, sizeof h->origin);
    memcpy(s->geometry.direction, h->direction, sizeof h->direction);
    *out = s;
    s = NULL;
out:
    cached_scan_close(s);
    return status;
}

void cached_scan_close(struct cached_scan *s)
{
    if (!s)
        return;
    chunk_file_close(&s->file);
    free(s);
}

const struct geometry *cached_scan_geometry(const struct cached_scan *s)
{
    return &s->geometry;
}

int64_t cached_scan_file_bytes(const struct cached_scan *s)
{
    return s->file.file_bytes;
}

int64_t cached_scan_used_ns(const struct cached_scan *s)
{
    return s->file.changed_ns;
}

const char *cached_scan_path(const struct cached_scan *s)
{
    return s->file.path;
}

enum status cached_scan_verify(const struct cached_scan *s, struct error *err)
{
    void *chunk;
    enum status status =
        memory_new((size_t)s->file.most_bytes, 1, s->file.path, &chunk, err);
    for (int64_t i = 0; status == STATUS_OK && i < s->file.count; i++)
        status = chunk_file_read(&s->file, i, chunk, err);
    if (status != STATUS_STAGE_MEMORY)
        free(chunk);
    return status;
}

/* ---- crops ---- */

enum status crop_reader_new(struct crop_reader **out, struct error *err)
{
    enum status status = STATUS_OK;
    void *room, *chunk;
    struct crop_reader *r = NULL;
    TRY(memory_new(1, sizeof *r, "crop reader", &room, err));
    r = room;
    TRY(chunk_codec_new(&r->codec, err));
    TRY(memory_new(CHUNK_MOST_BYTES, 1, "crop reader", &chunk, err));
    r->chunk = chunk;
    *out = r;
    r = NULL;
out:
    crop_reader_free(r);
    return status;
}

void crop_reader_free(struct crop_reader *r)
{
    if (!r)
        return;
    chunk_codec_free(r->codec);
    free(r->chunk);
    free(r->crop);
    free(r);
}

/* The part of chunk `at` (zyx, counted in chunks) that a crop wants, into its place. */
static enum status read_part(struct crop_reader *r, const struct cached_scan *s,
                             const int64_t at[3], const int64_t start[3],
                             const int64_t size[3], int16_t *out, struct error *err)
{
    const struct chunk_file *f = &s->file;
    const int64_t index = (at[0] * f->chunks[1] + at[1]) * f->chunks[2] + at[2];
    struct chunk_box box;
    int chunk_size[3];
    int64_t place[3]; /* of the box in the crop */
    for (int a = 0; a < 3; a++) {
        const int64_t first = at[a] * CHUNK_SIZE[a], left = f->head.size[a] - first;
        const int64_t end = start[a] + size[a] - first;
        chunk_size[a] = (int)(left < CHUNK_SIZE[a] ? left : CHUNK_SIZE[a]);
        box.first[a] = start[a] > first ? (int)(start[a] - first) : 0;
        box.end[a] = end < chunk_size[a] ? (int)end : chunk_size[a];
        place[a] = first + box.first[a] - start[a];
    }
    enum status status = chunk_file_read(f, index, r->chunk, err);
    if (status != STATUS_OK)
        return status;
    struct error inner;
    status =
        chunk_decode(r->codec, r->chunk, (size_t)f->places[index].bytes, chunk_size, &box,
                     out + (place[0] * size[1] + place[1]) * size[2] + place[2],
                     size[1] * size[2], size[2], &inner);
    if (status != STATUS_OK)
        return error_set(err, status, "%s: chunk %" PRId64 ": %s", f->path, index,
                         inner.message);
    return STATUS_OK;
}

enum status crop_reader_read(struct crop_reader *r, const struct cached_scan *s,
                             const int64_t start[3], const int64_t size[3], int16_t *out,
                             struct error *err)
{
    int64_t first[3], last[3], at[3];
    for (int a = 0; a < 3; a++) {
        CHECK(start[a] >= 0 && size[a] > 0 && size[a] <= s->file.head.size[a] - start[a]);
        first[a] = start[a] / CHUNK_SIZE[a];
        last[a] = (start[a] + size[a] - 1) / CHUNK_SIZE[a];
    }
    for (at[0] = first[0]; at[0] <= last[0]; at[0]++)
        for (at[1] = first[1]; at[1] <= last[1]; at[1]++)
            for (at[2] = first[2]; at[2] <= last[2]; at[2]++) {
                enum status status = read_part(r, s, at, start, size, out, err);
                if (status != STATUS_OK)
                    return status;
            }
    return STATUS_OK;
}

enum status crop_reader_read_float(struct crop_reader *r, const struct cached_scan *s,
                                   const int64_t start[3], const int64_t size[3],
                                   float *out, struct error *err)
{
    size_t count = 1;
    for (int a = 0; a < 3; a++)
        CHECK(size_multiply(count, (size_t)size[a], &count));
    enum status status =
        memory_grow(&r->crop, &r->crop_capacity, count, sizeof(int16_t), "crop", err);
    if (status == STATUS_OK)
        status = crop_reader_read(r, s, start, size, r->crop, err);
    if (status != STATUS_OK)
        return status;
    const int16_t *voxels = r->crop;
    for (size_t i = 0; i < count; i++)
        out[i] = voxels[i];
    return STATUS_OK;
}
