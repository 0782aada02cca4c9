/*
 * How fast a segmenter in 3D is, on one thread.
 *
 *   bench_segment_blocks WEIGHTS [Z Y X]
 *
 * First blocks of several shapes by themselves: what a larger one costs in memory, what a
 * smaller one gains in the caches. Then a volume of noise (128 x 128 x 128 if not said)
 * as detection does it, reading left out: in runs of 64 slices, with all that overlaps
 * computed twice or more. Time is this thread's on a core: others on the machine do not
 * count. Minimum over repeats. tests/bench/pytorch_unet3d.py writes the weights and times
 * PyTorch on the same.
 */
#include <time.h>

#include "base/random.h"
#include "config/places.h"
#include "measure.h"
#include "stage/segment_blocks.h"

enum { REPEATS = 3, RUN_SLICES = 64 };

static float *noise(size_t count)
{
    float *f = room(count, sizeof *f);
    struct random r = random_stream(1, RANDOM_NOISE, 0, 0);
    for (size_t i = 0; i < count; i++)
        f[i] = (float)random_between(&r, -1000, 200);
    return f;
}

static void measure_block(const struct model *m, const int64_t size[3])
{
    const struct model_plan_options o = {.isa = isa_best()};
    struct model_plan *p;
    const int64_t voxels = size[0] * size[1] * size[2];
    CHECK(model_plan_new(m, size[0], size[1], size[2], &o, &p, NULL) == STATUS_OK);
    float *input = noise((size_t)voxels), *output = room((size_t)voxels, sizeof *output);
    void *workspace = room(model_plan_workspace_bytes(p), 1);
    double least = 1e9;
    for (int i = 0; i < REPEATS; i++) {
        const double begun = core_seconds();
        model_run(p, (const float *const[]){input}, output, workspace);
        const double spent = core_seconds() - begun;
        least = spent < least ? spent : least;
    }
    printf("block %3lld x %3lld x %3lld  %6.3f Mvoxel/s  %5.1f G multiply-adds/s  %6.1f "
           "MB of workspace\n",
           (long long)size[0], (long long)size[1], (long long)size[2],
           (double)voxels * 1e-6 / least,
           (double)model_plan_multiply_adds(p) * 1e-9 / least,
           (double)model_plan_workspace_bytes(p) * 1e-6);
    free(input);
    free(output);
    free(workspace);
    model_plan_free(p);
}

static void measure_volume(const struct model *m, const int64_t size[3])
{
    const struct segment_options o = {
        .plan = {.isa = isa_best()}, .threshold = 0.5, .threads = 1};
    const int64_t plane = size[1] * size[2];
    struct block_segmenter *s;
    struct error err;
    float *hu = noise((size_t)(size[0] * plane));
    uint8_t *mask = room((size_t)(RUN_SLICES * plane), 1);
    double least = 1e9;
    CHECK(block_segmenter_new(&(struct model *){(struct model *)m}, 1, size, RUN_SLICES,
                              &o, &s, &err) == STATUS_OK);
    const struct slices all = {
        .hu = hu, .count = size[0], .size = {size[0], size[1], size[2]}};
    for (int i = 0; i < REPEATS; i++) {
        const double begun = core_seconds();
        block_segmenter_turn(s);
        for (int64_t z = 0; z < size[0]; z += RUN_SLICES)
            CHECK(block_segmenter_run(s, &all, z,
                                      size[0] - z < RUN_SLICES ? size[0] - z : RUN_SLICES,
                                      mask, NULL, NULL, NULL, &err) == STATUS_OK);
        const double spent = core_seconds() - begun;
        least = spent < least ? spent : least;
    }
    printf("volume %lld x %lld x %lld  %.3f s  %.3f Mvoxel/s\n", (long long)size[0],
           (long long)size[1], (long long)size[2], least,
           (double)(size[0] * plane) * 1e-6 / least);
    block_segmenter_free(s);
    free(hu);
    free(mask);
}

int main(int count, char **arguments)
{
    static const int64_t blocks[][3] = {{24, 48, 48},   {32, 64, 64},   {40, 96, 96},
                                        {68, 116, 116}, {40, 128, 128}, {68, 128, 128},
                                        {40, 192, 192}, {128, 128, 128}};
    int64_t size[3] = {128, 128, 128};
    char *networks;
    struct model *m;
    struct error err;
    if (count != 2 && count != 5) {
        fprintf(stderr, "bench_segment_blocks WEIGHTS [Z Y X]\n");
        return 2;
    }
    for (int i = 0; i < 3 && count == 5; i++)
        size[i] = strtoll(arguments[2 + i], NULL, 10);
    if (places_conf("models", &networks, &err) != STATUS_OK ||
        model_open(NULL, networks, arguments[1], &m, &err) != STATUS_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    isa_use(isa_best());
    printf("%s, one thread\n", isa_name(isa_best()));
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        measure_block(m, blocks[i]);
    measure_volume(m, size);
    model_free(m);
    free(networks);
    return 0;
}
