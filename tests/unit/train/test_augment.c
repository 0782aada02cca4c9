/* Promise: a sample is transformed as PyTorch's affine_grid and grid_sample do it, by the
 * fast way too, and noise is as asked for. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "temporary_folder.h"
#include "train/augment.h"
#include "train/noise.h"
#include "train/resample.h"

enum { DEPTH = 5, ROWS = 6, COLUMNS = 7, VOXELS = DEPTH * ROWS * COLUMNS, CASES = 20 };
static const int64_t size[3] = {DEPTH, ROWS, COLUMNS};
static const struct augmentation all = {
    .flip = true, .offset = 0.1, .scale = 0.2, .rotate = true, .noise_hu = 25};

static void fill(float *in, uint64_t key)
{
    struct random r = random_stream(key, RANDOM_SAMPLE, 0, 0);
    for (int i = 0; i < VOXELS; i++)
        in[i] = (float)random_between(&r, -1000, 1000);
}

static void nothing_asked_for_changes_nothing(void **state)
{
    (void)state;
    const struct augmentation none = {.flip = false};
    struct augment_transform t;
    float in[VOXELS], out[VOXELS];
    fill(in, 1);
    augment_draw(&none, 1, 2, 3, &t);
    augment_apply(&t, size, in, out);
    for (int i = 0; i < VOXELS; i++)
        assert_true(fabsf(in[i] - out[i]) < 1e-3f);
}

static void a_flip_is_exact_and_an_offset_of_whole_voxels_too(void **state)
{
    (void)state;
    struct augment_transform t = {{{-1, 0, 0, 0}, {0, 1, 0, 2.0f / ROWS}, {0, 0, 1, 0}}};
    float in[VOXELS], out[VOXELS];
    fill(in, 2);
    augment_apply(&t, size, in, out);
    for (int z = 0; z < DEPTH; z++)
        for (int y = 0; y < ROWS; y++)
            for (int x = 0; x < COLUMNS; x++) {
                int from = y + 1 < ROWS ? y + 1 : y;
                float wanted = in[(z * ROWS + from) * COLUMNS + COLUMNS - 1 - x];
                assert_true(fabsf(out[(z * ROWS + y) * COLUMNS + x] - wanted) < 2e-3f);
            }
}

static void slices_stay_apart_when_depth_is_kept(void **state)
{
    (void)state;
    struct augmentation flat = all;
    flat.keep_depth = true;
    for (uint64_t n = 0; n < CASES; n++) {
        struct augment_transform t;
        augment_draw(&flat, 1, 0, n, &t);
        const float row[4] = {0, 0, 1, 0};
        assert_memory_equal(t.m[2], row, sizeof row);
    }
}

static void a_transform_belongs_to_its_sample(void **state)
{
    (void)state;
    struct augment_transform a, b, c;
    augment_draw(&all, 1, 2, 3, &a);
    augment_draw(&all, 1, 2, 3, &b);
    augment_draw(&all, 1, 2, 4, &c);
    assert_memory_equal(&a, &b, sizeof a);
    assert_memory_not_equal(&a, &c, sizeof a);
}

/* PyTorch on the same inputs and matrices, run here and now when it is installed. */
static const char script[] =
    "import sys, numpy, torch\n"
    "d = numpy.fromfile(sys.argv[1], numpy.float32).reshape(-1, 12 + 5 * 6 * 7)\n"
    "m = torch.from_numpy(d[:, :12].reshape(-1, 3, 4).copy())\n"
    "v = torch.from_numpy(d[:, 12:].reshape(-1, 1, 5, 6, 7).copy())\n"
    "g = torch.nn.functional.affine_grid(m, v.size(), align_corners=False)\n"
    "o = torch.nn.functional.grid_sample(v, g, padding_mode='border',"
    " align_corners=False)\n"
    "o.numpy().astype(numpy.float32).tofile(sys.argv[2])\n";

static void it_is_what_pytorch_does(void **state)
{
    (void)state;
    const char *in_path = temporary_path("in"), *out_path = temporary_path("out");
    FILE *f = fopen(in_path, "wb");
    assert_non_null(f);
    for (uint64_t n = 0; n < CASES; n++) {
        struct augment_transform t;
        float in[VOXELS];
        augment_draw(&all, 9, 0, n, &t);
        fill(in, n);
        assert_int_equal(fwrite(t.m, sizeof t.m, 1, f), 1);
        assert_int_equal(fwrite(in, sizeof in, 1, f), 1);
    }
    fclose(f);
    char command[2048];
    snprintf(command, sizeof command,
             "env -u LD_PRELOAD /usr/bin/python3 -c \"%s\" %s %s 2>/dev/null", script,
             in_path, out_path);
    int failed = system(command);
    f = failed ? NULL : fopen(out_path, "rb");
    float worst = 0;
    for (uint64_t n = 0; !failed && n < CASES; n++) {
        struct augment_transform t;
        float in[VOXELS], out[VOXELS], wanted[VOXELS];
        augment_draw(&all, 9, 0, n, &t);
        fill(in, n);
        augment_apply(&t, size, in, out);
        assert_int_equal(fread(wanted, sizeof wanted, 1, f), 1);
        for (int i = 0; i < VOXELS; i++)
            worst = fmaxf(worst, fabsf(out[i] - wanted[i]));
    }
    if (failed) {
        print_message("PyTorch is not installed: not compared\n");
        skip();
    }
    fclose(f);
    print_message("largest difference to PyTorch: %g HU of +-1000\n", (double)worst);
    assert_true(worst < 5e-3f);
}

static void the_fast_way_is_the_obvious_one(void **state)
{
    (void)state;
    static const int64_t sizes[][3] = {{5, 6, 7},  {1, 9, 5},   {8, 8, 8},
                                       {3, 1, 4},  {7, 64, 64}, {32, 48, 48},
                                       {17, 3, 1}, {24, 21, 13}};
    struct random r = random_stream(5, RANDOM_SAMPLE, 0, 0);
    float worst = 0;
    for (uint64_t n = 0; n < sizeof sizes / sizeof *sizes; n++) {
        const int64_t *s = sizes[n], voxels = s[0] * s[1] * s[2];
        float *in = malloc((size_t)voxels * sizeof *in);
        float *wanted = malloc((size_t)voxels * sizeof *wanted);
        float *out = malloc((size_t)voxels * sizeof *out);
        struct resampler *fast;
        struct error err;
        assert_int_equal(resampler_new(s, &fast, &err), STATUS_OK);
        for (int64_t i = 0; i < voxels; i++)
            in[i] = (float)random_between(&r, -1000, 1000);
        for (uint64_t k = 0; k < CASES; k++) {
            struct augmentation a = all;
            struct augment_transform t;
            a.keep_depth = k % 2;
            a.offset = k % 3 ? 0.1 : 1.5; /* beyond the border */
            augment_draw(&a, 3, n, k, &t);
            augment_apply(&t, s, in, wanted);
            resampler_apply(fast, &t, in, out);
            for (int64_t i = 0; i < voxels; i++)
                worst = fmaxf(worst, fabsf(out[i] - wanted[i]));
        }
        resampler_free(fast);
        free(in), free(wanted), free(out);
    }
    assert_true(worst < 2e-3f);
}

/* Whether the values are the normal distribution's: moments, and what lies beyond one and
 * three deviations. */
static void noise_is_normal_with_the_deviation_asked_for(void **state)
{
    (void)state;
    enum { COUNT = 400001 };
    static float values[COUNT], again[COUNT];
    noise_add(25, 1, 2, 3, values, COUNT);
    noise_add(25, 1, 2, 3, again, COUNT - 3);
    assert_memory_equal(values, again, (COUNT - 3) * sizeof *values);
    noise_add(25, 1, 2, 4, again, COUNT);
    double sum = 0, square = 0, fourth = 0, product = 0, next = 0;
    int beyond[2] = {0, 0};
    for (int i = 0; i < COUNT; i++) {
        const double v = values[i] / 25;
        assert_true(isfinite(v));
        sum += v;
        square += v * v;
        fourth += v * v * v * v;
        product += v * (again[i] - values[i]) / 25;
        next += i ? v * values[i - 1] / 25 : 0;
        beyond[0] += fabs(v) > 1;
        beyond[1] += fabs(v) > 3;
    }
    assert_true(fabs(sum / COUNT) < 0.008);
    assert_true(fabs(square / COUNT - 1) < 0.012);
    assert_true(fabs(fourth / COUNT - 3) < 0.08);
    assert_true(fabs(next / COUNT) < 0.008);
    assert_true(fabs(product / COUNT) < 0.012);
    assert_true(fabs((double)beyond[0] / COUNT - 0.31731) < 0.004);
    assert_true(fabs((double)beyond[1] / COUNT - 0.0027) < 0.0005);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_asked_for_changes_nothing),
        cmocka_unit_test(a_flip_is_exact_and_an_offset_of_whole_voxels_too),
        cmocka_unit_test(slices_stay_apart_when_depth_is_kept),
        cmocka_unit_test(a_transform_belongs_to_its_sample),
        cmocka_unit_test(it_is_what_pytorch_does),
        cmocka_unit_test(the_fast_way_is_the_obvious_one),
        cmocka_unit_test(noise_is_normal_with_the_deviation_asked_for),
    };
    return cmocka_run_group_tests_name("train/augment", tests, temporary_folder_make,
                                       temporary_folder_remove);
}
