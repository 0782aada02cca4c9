/* Scans made in memory, of odd sizes, as sources of the cache. */
#ifndef MADE_SCAN_H
#define MADE_SCAN_H

#include <stdarg.h>

#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cache/cache.h"
#include "temporary_folder.h"

struct made_scan {
    struct geometry geometry;
    unsigned seed;
    int reads, hashes; /* how often slices and content were asked for */
};

static inline uint32_t made_bits(uint32_t x)
{
    x ^= x >> 16;
    x *= 0x7feb352d;
    x ^= x >> 15;
    x *= 0x846ca68b;
    return x ^ x >> 16;
}

/* Smooth tissue with noise, air, and values beyond the range of the cache. */
static inline float made_hu(const struct made_scan *m, int64_t z, int64_t y, int64_t x)
{
    uint32_t r = made_bits((uint32_t)((z * 4099 + y) * 4099 + x) + m->seed * 77777u);
    if (y % 50 < 9)
        return -1000;
    if (r % 997 == 0)
        return r % 2 ? 3071 : -3024;
    return (float)(20 * z - 3 * y + 2 * x - 300 + (int)(r % 201));
}

static inline int16_t made_voxel(const struct made_scan *m, int64_t z, int64_t y,
                                 int64_t x)
{
    float hu = made_hu(m, z, y, x);
    return (int16_t)(hu < -1000 ? -1000 : hu > 1000 ? 1000 : hu);
}

static inline enum status made_content(void *context, struct hash128 *out,
                                       struct error *err)
{
    struct made_scan *m = context;
    (void)err;
    m->hashes++;
    *out = (struct hash128){.high = m->seed, .low = 1};
    return STATUS_OK;
}

static inline enum status made_slices(void *context, int64_t first, int64_t count,
                                      float *hu, struct error *err)
{
    struct made_scan *m = context;
    const int64_t *size = m->geometry.size;
    (void)err;
    m->reads++;
    for (int64_t z = first; z < first + count; z++)
        for (int64_t y = 0; y < size[1]; y++)
            for (int64_t x = 0; x < size[2]; x++)
                *hu++ = made_hu(m, z, y, x);
    return STATUS_OK;
}

static inline struct made_scan made_scan(unsigned seed, int64_t z, int64_t y, int64_t x)
{
    struct made_scan m = {.seed = seed};
    m.geometry = (struct geometry){
        .size = {z, y, x},
        .spacing = {0.7, 0.7, 1.25},
        .origin = {-100.1, 50, -312.5},
        .direction = {-1, 0, 0, 0, -1, 0, 0, 0, 1},
    };
    return m;
}

static inline struct cache_source made_source(struct made_scan *m, const char *seriesuid)
{
    return (struct cache_source){
        .seriesuid = seriesuid,
        .subset = 3,
        .geometry = &m->geometry,
        .identity = {.low = m->seed},
        .context = m,
        .content = made_content,
        .slices = made_slices,
    };
}

static inline struct cache *made_cache(int64_t quota_bytes, bool hold)
{
    struct cache_options o = {
        .folder = temporary_path("cache"), .quota_bytes = quota_bytes, .hold = hold};
    struct cache *c;
    struct error err = {0};
    if (cache_open(&o, &c, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return c;
}

static inline struct cache_prepared made_prepare(struct cache *c, struct made_scan *m,
                                                 const char *seriesuid,
                                                 enum cache_trust trust)
{
    struct cache_source s = made_source(m, seriesuid);
    struct cache_prepared p;
    struct error err = {0};
    if (cache_prepare(c, &s, trust, &p, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return p;
}

/* Holds a crop against what the scan was made of. */
static inline void made_check_crop(struct crop_reader *r, const struct cached_scan *s,
                                   const struct made_scan *m, const int64_t start[3],
                                   const int64_t size[3])
{
    struct error err = {0};
    int16_t *got = malloc((size_t)(size[0] * size[1] * size[2]) * sizeof *got), *p = got;
    if (crop_reader_read(r, s, start, size, got, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    for (int64_t z = 0; z < size[0]; z++)
        for (int64_t y = 0; y < size[1]; y++)
            for (int64_t x = 0; x < size[2]; x++, p++)
                if (*p != made_voxel(m, start[0] + z, start[1] + y, start[2] + x))
                    fail_msg("voxel (%ld, %ld, %ld) of the crop is %d", (long)z, (long)y,
                             (long)x, *p);
    free(got);
}

#endif
