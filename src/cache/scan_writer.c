#include "cache/scan_writer.h"

#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/size.h"
#include "cache/chunk.h"
#include "io/chunk_file.h"

enum { PIECE_SLICES = 4 };

/* What one write holds. */
struct scan_writer {
    const struct cache_source *source;
    struct chunk_writer *file;
    struct chunk_codec *codec;
    size_t slice;  /* voxels */
    float *hu;     /* PIECE_SLICES slices */
    int16_t *slab; /* CHUNK_DEPTH slices */
    unsigned char *chunk;
};

/* Clips and rounds. Adding and taking off 1.5 * 2^23 leaves a float no bits behind the
 * point, rounded as the processor rounds: to nearest, ties to even. */
static void clip(const float *hu, size_t count, int16_t *out)
{
    const float no_fraction = 12582912.0f;
    for (size_t i = 0; i < count; i++) {
        float v = hu[i] < CACHE_LEAST_HU ? CACHE_LEAST_HU : hu[i];
        v = v > CACHE_MOST_HU ? CACHE_MOST_HU : v;
        out[i] = (int16_t)((v + no_fraction) - no_fraction);
    }
}

static enum status read_slab(struct scan_writer *w, int64_t first, int64_t count,
                             struct error *err)
{
    const struct cache_source *s = w->source;
    for (int64_t z = 0; z < count; z += PIECE_SLICES) {
        const int64_t n = count - z < PIECE_SLICES ? count - z : PIECE_SLICES;
        enum status status = s->slices(s->context, first + z, n, w->hu, err);
        if (status != STATUS_OK)
            return status;
        clip(w->hu, (size_t)n * w->slice, w->slab + (size_t)z * w->slice);
    }
    return STATUS_OK;
}

static int part_of(int64_t size, int64_t first, int whole)
{
    return size - first < whole ? (int)(size - first) : whole;
}

static enum status write_slab(struct scan_writer *w, int64_t count, int64_t *index,
                              struct error *err)
{
    const int64_t *size = w->source->geometry->size;
    for (int64_t y = 0; y < size[1]; y += CHUNK_ROWS)
        for (int64_t x = 0; x < size[2]; x += CHUNK_COLUMNS) {
            const int part[3] = {(int)count, part_of(size[1], y, CHUNK_ROWS),
                                 part_of(size[2], x, CHUNK_COLUMNS)};
            size_t bytes =
                chunk_encode(w->codec, w->slab + y * size[2] + x, (ptrdiff_t)w->slice,
                             (ptrdiff_t)size[2], part, w->chunk);
            enum status status =
                chunk_writer_put(w->file, (*index)++, w->chunk, bytes, err);
            if (status != STATUS_OK)
                return status;
        }
    return STATUS_OK;
}

static enum status write_all(struct scan_writer *w, struct error *err)
{
    enum status status = STATUS_OK;
    const int64_t depth = w->source->geometry->size[0];
    int64_t index = 0;
    for (int64_t z = 0; z < depth; z += CHUNK_DEPTH) {
        const int64_t count = part_of(depth, z, CHUNK_DEPTH);
        TRY(read_slab(w, z, count, err));
        TRY(write_slab(w, count, &index, err));
    }
out:
    return status;
}

static enum status make_buffers(struct scan_writer *w, struct error *err)
{
    enum status status = STATUS_OK;
    const int64_t *size = w->source->geometry->size;
    void *hu, *slab, *chunk;
    w->slice = (size_t)size[1] * (size_t)size[2]; /* geometry_check counted them */
    TRY(memory_new(PIECE_SLICES * w->slice, sizeof(float), w->source->seriesuid, &hu,
                   err));
    w->hu = hu;
    TRY(memory_new((size_t)part_of(size[0], 0, CHUNK_DEPTH) * w->slice, sizeof(int16_t),
                   w->source->seriesuid, &slab, err));
    w->slab = slab;
    TRY(memory_new(CHUNK_MOST_BYTES, 1, w->source->seriesuid, &chunk, err));
    w->chunk = chunk;
    TRY(chunk_codec_new(&w->codec, err));
out:
    return status;
}

static struct chunk_file_head head_of(const struct geometry *g, struct hash128 key)
{
    struct chunk_file_head h = {.key = key, .numerics = CACHE_NUMERICS};
    h.chunk[0] = CHUNK_DEPTH;
    h.chunk[1] = CHUNK_ROWS;
    h.chunk[2] = CHUNK_COLUMNS;
    memcpy(h.size, g->size, sizeof h.size);
    memcpy(h.spacing, g->spacing, sizeof h.spacing);
    memcpy(h.origin, g->origin, sizeof h.origin);
    memcpy(h.direction, g->direction, sizeof h.direction);
    return h;
}

/* PATH.HOST-PID.part: two writers of one scan never share a file. */
static enum status part_path(const char *path, char **out, struct error *err)
{
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    if (asprintf(out, "%s.%s-%ld.part", path, host, (long)getpid()) < 0)
        return error_set(err, STATUS_STAGE_MEMORY, "%s: no memory", path);
    return STATUS_OK;
}

enum status scan_write(const char *path, struct hash128 key, const struct cache_source *s,
                       struct error *err)
{
    enum status status = STATUS_OK;
    struct scan_writer w = {.source = s};
    const struct chunk_file_head head = head_of(s->geometry, key);
    char *part = NULL;
    TRY(make_buffers(&w, err));
    TRY(part_path(path, &part, err));
    TRY(chunk_writer_open(part, &head, &w.file, err));
    TRY(write_all(&w, err));
    status = chunk_writer_finish(w.file, err);
    w.file = NULL;
    TRY(status);
    TRY(file_publish(part, path, err));
out:
    chunk_writer_abandon(w.file);
    if (status != STATUS_OK && part)
        unlink(part);
    chunk_codec_free(w.codec);
    free(w.hu);
    free(w.slab);
    free(w.chunk);
    free(part);
    return status;
}
