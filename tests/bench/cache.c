/*
 * How small the cache makes a scan, and how fast it gives it back.
 *
 *   bench_cache VOLUME [FOLDER]
 *
 * First the candidates: what stands for a voxel x how it is compressed x how much at
 * once. Ratios are of the voxels clipped to [-1000, 1000] as int16, speeds those of
 * decompression alone, on one core. Then the cache itself, made in FOLDER (or $TMPDIR):
 * preparing, a whole read, and random crops of 32 x 48 x 48, nothing decoded kept from
 * one to the next, the file's pages in memory. Times are those that the thread had a
 * core.
 */
#include <stdbool.h>
#include <time.h>
#include <zlib.h>
#include <zstd.h>

#include "cache/cache.h"
#include "cache/chunk.h"
#include "measure.h"

enum { MOST_VOXELS = 32 * 64 * 64, CROPS = 3000 };

static void hold(enum status status, const struct error *err)
{
    if (status == STATUS_OK)
        return;
    fprintf(stderr, "bench_cache: %s\n", err->message);
    exit(1);
}

/* ---- candidates ---- */

/* A scan clipped, dense. */
struct voxels {
    int64_t size[3];
    int16_t *data;
};

enum prediction { NOTHING, LEFT, MEDIAN, PREDICTIONS };
static const char *const PREDICTION_NAMES[] = {"voxels", "left", "median"};

struct layout {
    const char *name;
    bool fold, planes,
        apart; /* zigzag; bytes in planes; planes compressed on their own */
};

static const struct layout LAYOUTS[] = {
    {"as they are", false, false, false},
    {"planes", false, true, false},
    {"zigzag", true, false, false},
    {"zigzag, planes", true, true, false},
    {"zigzag, planes apart", true, true, true},
};

static const int BLOCKS[][3] = {
    {32, 64, 64}, {16, 64, 64}, {8, 64, 64}, {16, 32, 32}, {8, 32, 32}, {8, 16, 16},
};

enum codec { ZSTD_1, ZSTD_3, ZLIB_1, CODECS };
static const char *const CODEC_NAMES[] = {"zstd-1", "zstd-3", "zlib-1"};

struct candidate {
    const int *block;
    enum prediction prediction;
    struct layout layout;
    enum codec codec;
};

struct trial {
    ZSTD_CCtx *compress;
    ZSTD_DCtx *decompress;
    int16_t block[MOST_VOXELS];
    unsigned char plain[2 * MOST_VOXELS], packed[4 * MOST_VOXELS], back[2 * MOST_VOXELS];
    int64_t raw_bytes, packed_bytes;
    double seconds;
};

static int predict(const struct trial *t, enum prediction p, const int n[3], int i)
{
    const int x = i % n[2], y = i / n[2] % n[1];
    const int16_t *v = t->block + i;
    if (p == NOTHING || (x == 0 && y == 0))
        return 0;
    if (x == 0)
        return v[-n[2]];
    if (p == LEFT || y == 0)
        return v[-1];
    const int left = v[-1], up = v[-n[2]], slope = left + up - v[-n[2] - 1];
    const int low = left < up ? left : up, high = left < up ? up : left;
    return slope < low ? low : slope > high ? high : slope;
}

static void lay_out(struct trial *t, const struct candidate *c, const int n[3])
{
    const int count = n[0] * n[1] * n[2];
    for (int i = 0; i < count; i++) {
        int d = t->block[i] - predict(t, c->prediction, n, i);
        unsigned u = !c->layout.fold ? (unsigned)d
                     : d < 0         ? (unsigned)-d * 2 - 1
                                     : (unsigned)d * 2;
        t->plain[c->layout.planes ? i : 2 * i] = (unsigned char)u;
        t->plain[c->layout.planes ? count + i : 2 * i + 1] = (unsigned char)(u >> 8);
    }
}

static void pack(struct trial *t, enum codec codec, const unsigned char *data, size_t n)
{
    size_t packed;
    uLongf length = sizeof t->packed, whole = n;
    if (codec == ZLIB_1) {
        CHECK(compress2(t->packed, &length, data, n, 1) == Z_OK);
        packed = length;
    } else {
        packed = ZSTD_compressCCtx(t->compress, t->packed, sizeof t->packed, data, n,
                                   codec == ZSTD_1 ? 1 : 3);
        CHECK(!ZSTD_isError(packed));
    }
    double start = core_seconds();
    if (codec == ZLIB_1)
        CHECK(uncompress(t->back, &whole, t->packed, length) == Z_OK);
    else
        CHECK(ZSTD_decompressDCtx(t->decompress, t->back, n, t->packed, packed) == n);
    t->seconds += core_seconds() - start;
    CHECK(memcmp(t->back, data, n) == 0);
    t->raw_bytes += (int64_t)n;
    t->packed_bytes += (int64_t)packed;
}

static void try_block(struct trial *t, const struct candidate *c, const struct voxels *v,
                      const int64_t first[3])
{
    int n[3];
    int16_t *to = t->block;
    for (int a = 0; a < 3; a++) {
        int64_t left = v->size[a] - first[a];
        n[a] = left < c->block[a] ? (int)left : c->block[a];
    }
    for (int z = 0; z < n[0]; z++)
        for (int y = 0; y < n[1]; y++, to += n[2])
            memcpy(to,
                   v->data + ((first[0] + z) * v->size[1] + first[1] + y) * v->size[2] +
                       first[2],
                   (size_t)n[2] * sizeof *to);
    const size_t count = (size_t)(to - t->block);
    lay_out(t, c, n);
    pack(t, c->codec, t->plain, c->layout.apart ? count : 2 * count);
    if (c->layout.apart)
        pack(t, c->codec, t->plain + count, count);
}

static void try_candidate(struct trial *t, const struct candidate *c,
                          const struct voxels *v)
{
    int64_t at[3];
    t->raw_bytes = t->packed_bytes = 0;
    t->seconds = 0;
    for (at[0] = 0; at[0] < v->size[0]; at[0] += c->block[0])
        for (at[1] = 0; at[1] < v->size[1]; at[1] += c->block[1])
            for (at[2] = 0; at[2] < v->size[2]; at[2] += c->block[2])
                try_block(t, c, v, at);
    printf("| %d x %d x %d | %s | %s | %s | %.4f | %.2f |\n", c->block[0], c->block[1],
           c->block[2], PREDICTION_NAMES[c->prediction], c->layout.name,
           CODEC_NAMES[c->codec], (double)t->packed_bytes / (double)t->raw_bytes,
           (double)t->raw_bytes * 1e-9 / t->seconds);
}

static void try_candidates(const struct voxels *v)
{
    struct trial *t = room(1, sizeof *t);
    t->compress = ZSTD_createCCtx();
    t->decompress = ZSTD_createDCtx();
    printf("| at once | prediction | bytes | codec | ratio | GB/s "
           "|\n|---|---|---|---|---|---|\n");
    for (int p = 0; p < PREDICTIONS; p++) /* what stands for a voxel */
        for (size_t l = 0; l < sizeof LAYOUTS / sizeof *LAYOUTS; l++)
            try_candidate(t, &(struct candidate){BLOCKS[0], p, LAYOUTS[l], ZSTD_1}, v);
    for (int codec = ZSTD_3; codec < CODECS; codec++)
        try_candidate(t, &(struct candidate){BLOCKS[0], MEDIAN, LAYOUTS[4], codec}, v);
    for (size_t b = 1; b < sizeof BLOCKS / sizeof *BLOCKS; b++)
        for (int p = LEFT; p < PREDICTIONS; p++)
            try_candidate(t, &(struct candidate){BLOCKS[b], p, LAYOUTS[4], ZSTD_1}, v);
    ZSTD_freeCCtx(t->compress);
    ZSTD_freeDCtx(t->decompress);
    free(t);
}

/* ---- the cache ---- */

static void read_voxels(const struct cached_scan *s, struct crop_reader *r,
                        struct voxels *v)
{
    struct error err;
    const int64_t zero[3] = {0};
    memcpy(v->size, cached_scan_geometry(s)->size, sizeof v->size);
    v->data = room((size_t)geometry_voxels(cached_scan_geometry(s)), sizeof *v->data);
    double start = core_seconds();
    hold(crop_reader_read(r, s, zero, v->size, v->data, &err), &err);
    double seconds = core_seconds() - start;
    double bytes = 2.0 * (double)geometry_voxels(cached_scan_geometry(s));
    printf("read whole: %.2f GB/s\n", bytes * 1e-9 / seconds);
}

static void read_crops(const struct cached_scan *s, struct crop_reader *r)
{
    const int64_t want[3] = {32, 48, 48}, *whole = cached_scan_geometry(s)->size;
    int64_t size[3], start[3];
    struct error err;
    uint32_t x = 1;
    float *crop = room(32 * 48 * 48, sizeof *crop);
    for (int a = 0; a < 3; a++)
        size[a] = whole[a] < want[a] ? whole[a] : want[a];
    double from = core_seconds();
    for (int i = 0; i < CROPS; i++) {
        for (int a = 0; a < 3; a++) {
            x = x * 1664525u + 1013904223u;
            start[a] = (int64_t)(x >> 8) % (whole[a] - size[a] + 1);
        }
        hold(crop_reader_read_float(r, s, start, size, crop, &err), &err);
    }
    printf("crops of 32 x 48 x 48: %.0f a second\n", CROPS / (core_seconds() - from));
    free(crop);
}

int main(int count, char **arguments)
{
    struct volume *v;
    struct cache *c;
    struct cache_source source;
    struct cache_prepared made;
    struct cached_scan *s;
    struct crop_reader *r;
    struct voxels voxels;
    struct error err;
    char folder[4096];
    const char *temporary = getenv("TMPDIR");
    if (count < 2 || count > 3) {
        fprintf(stderr, "usage: bench_cache VOLUME [FOLDER]\n");
        return 2;
    }
    snprintf(folder, sizeof folder, "%s/pulmo-bench-cache",
             count == 3  ? arguments[2]
             : temporary ? temporary
                         : "/tmp");
    hold(volume_open(arguments[1], NULL, &v, &err), &err);
    hold(cache_open(&(struct cache_options){.folder = folder}, &c, &err), &err);
    hold(cache_source_of(v, "scan", 0, &source, &err), &err);
    double start = core_seconds();
    hold(cache_prepare(c, &source, CACHE_REWRITE, &made, &err), &err);
    double seconds = core_seconds() - start;
    double bytes = 2.0 * (double)geometry_voxels(volume_geometry(v));
    printf("prepared in %.2f s, file of %.4f of the voxels' size\n", seconds,
           (double)made.file_bytes / bytes);
    hold(cache_open_scan(c, made.key, &s, &err), &err);
    hold(crop_reader_new(&r, &err), &err);
    read_voxels(s, r, &voxels);
    for (int i = 0; i < 3; i++)
        read_crops(s, r);
    try_candidates(&voxels);
    free(voxels.data);
    crop_reader_free(r);
    cached_scan_close(s);
    cache_close(c);
    volume_close(v);
    return 0;
}
