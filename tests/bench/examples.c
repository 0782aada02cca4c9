/*
 * What a training example costs before the network sees it: the classifier's crop of
 * 32 x 48 x 48, read from the cache, moved, turned, and made noisy.
 *
 *   bench_examples VOLUME
 *
 * The volume is prepared in $TMPDIR. One line a part, microseconds an example that this
 * thread had a core, the file's pages in memory: reading alone, resampling alone, noise
 * alone, and the whole, at places that never come again.
 */
#include "base/random.h"
#include "cache/cache.h"
#include "measure.h"
#include "train/example.h"
#include "train/noise.h"
#include "train/resample.h"

enum { EXAMPLES = 1000, AXES = 3, VOXELS = 32 * 48 * 48 };

static struct error err;

static void ok(enum status s)
{
    if (s == STATUS_OK)
        return;
    fprintf(stderr, "bench_examples: %s\n", err.message);
    exit(1);
}

static const struct example_options options = {
    .window = {32, 48, 48},
    .crop = {32, 48, 48},
    .augment = true,
    .augmentation =
        {.flip = true, .offset = 0.1, .scale = 0.2, .rotate = true, .noise_hu = 25},
};

static void print_part(const char *what, double seconds)
{
    printf("example part=%s us=%.0f\n", what, 1e6 * seconds / EXAMPLES);
}

static void measure_augmentation(float *in, float *out)
{
    struct augment_transform t;
    struct resampler *r;
    ok(resampler_new(options.crop, &r, &err));
    double start = core_seconds();
    for (uint64_t i = 0; i < EXAMPLES; i++) {
        augment_draw(&options.augmentation, 1, 0, i, &t);
        resampler_apply(r, &t, in, out);
    }
    print_part("resample", core_seconds() - start);
    resampler_free(r);
    start = core_seconds();
    for (uint64_t i = 0; i < EXAMPLES; i++)
        noise_add(25, 1, 0, i, out, VOXELS);
    print_part("noise", core_seconds() - start);
}

static void measure_reading(const struct cached_scan *s, float *out)
{
    struct crop_reader *r;
    struct random at = random_stream(1, RANDOM_CROP, 0, 0);
    const int64_t *size = cached_scan_geometry(s)->size;
    ok(crop_reader_new(&r, &err));
    double start = core_seconds();
    for (int i = 0; i < EXAMPLES; i++) {
        int64_t first[AXES];
        for (int a = 0; a < AXES; a++)
            first[a] =
                (int64_t)random_below(&at, (uint64_t)(size[a] - options.crop[a] + 1));
        ok(crop_reader_read_float(r, s, first, options.crop, out, &err));
    }
    print_part("read", core_seconds() - start);
    crop_reader_free(r);
}

static void measure_whole(const struct cached_scan *s, float *out)
{
    struct example_maker *m;
    const struct example_scan scan = {.voxels = s};
    struct random at = random_stream(2, RANDOM_CROP, 0, 0);
    ok(example_maker_new(&options, &m, &err));
    double start = core_seconds();
    for (uint64_t i = 0; i < EXAMPLES; i++) {
        struct example_item item = {.sample = i};
        for (int a = 0; a < AXES; a++)
            item.place.voxel[a] =
                (int32_t)random_below(&at, (uint64_t)cached_scan_geometry(s)->size[a]);
        ok(example_make(m, &scan, &item, out, NULL, &err));
    }
    print_part("whole", core_seconds() - start);
    example_maker_free(m);
}

int main(int count, char **arguments)
{
    struct volume *v;
    struct cache *c;
    struct cache_source source;
    struct cache_prepared made;
    struct cached_scan *s;
    char folder[4096];
    const char *temporary = getenv("TMPDIR");
    if (count != 2) {
        fprintf(stderr, "usage: bench_examples VOLUME\n");
        return 2;
    }
    snprintf(folder, sizeof folder, "%s/pulmo-bench-cache",
             temporary ? temporary : "/tmp");
    ok(volume_open(arguments[1], NULL, &v, &err));
    ok(cache_open(&(struct cache_options){.folder = folder}, &c, &err));
    ok(cache_source_of(v, "scan", 0, &source, &err));
    ok(cache_prepare(c, &source, CACHE_REWRITE, &made, &err));
    ok(cache_open_scan(c, made.key, &s, &err));
    float *in = room(VOXELS, sizeof *in), *out = room(VOXELS, sizeof *out);
    measure_reading(s, in);
    measure_augmentation(in, out);
    measure_whole(s, out);
    free(in), free(out);
    cached_scan_close(s);
    cache_close(c);
    volume_close(v);
    return 0;
}
