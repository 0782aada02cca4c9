#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "phantom/noise.h"
#include "phantom/scanner.h"
#include "phantom/slice_filter.h"

enum { SIDE = 160, SLICES = 12, VOXELS = SLICES * SIDE * SIDE };

static const double PI = 3.141592653589793;

/* A scanner before a body of 300 mm, far from its shoulders. */
static struct scanner a_scanner(void)
{
    struct scanner s = {.grid = {.size = {SLICES, SIDE, SIDE},
                                 .spacing = {0.7, 0.7, 1.25},
                                 .origin = {-56, -56, -100},
                                 .direction = {1, 0, 0, 0, 1, 0, 0, 0, 1}},
                        .sharpness_mm = 0.5,
                        .overlap = 0.1,
                        .noise_hu = 30,
                        .streaks = 1,
                        .padding = -3024,
                        .body = {{-150, -150, -200}, {150, 150, 200}},
                        .lungs = {{-120, -120, -180}, {120, 120, 180}},
                        .seed = 7,
                        .index = 3};
    return s;
}

static int16_t *image_of(const struct scanner *s, float hu)
{
    int64_t count = geometry_voxels(&s->grid);
    float *values = malloc((size_t)count * sizeof *values);
    int16_t *voxels = malloc((size_t)count * sizeof *voxels);
    struct error err;
    for (int64_t i = 0; i < count; i++)
        values[i] = hu;
    assert_int_equal(scanner_image(s, values, voxels, &err), STATUS_OK);
    free(values);
    return voxels;
}

static double deviation(const int16_t *voxels, size_t count, double *mean)
{
    double sum = 0, square = 0;
    for (size_t i = 0; i < count; i++) {
        sum += voxels[i];
        square += (double)voxels[i] * voxels[i];
    }
    *mean = sum / (double)count;
    return sqrt(square / (double)count - *mean * *mean);
}

static void noise_has_the_deviation_that_was_asked_for(void **state)
{
    (void)state;
    const double sharpness[] = {0.35, 0.5, 0.9}, enhancement[] = {1, 0.2, 0};
    for (int i = 0; i < 3; i++) {
        double mean;
        struct scanner s = a_scanner();
        s.grid.origin[0] = 50; /* half way to the skin, where the deviation is stated */
        s.sharpness_mm = sharpness[i];
        s.enhancement = enhancement[i];
        int16_t *voxels = image_of(&s, 40);
        double sd = deviation(voxels, VOXELS, &mean);
        free(voxels);
        assert_true(fabs(sd - 30) < 3);
        assert_true(fabs(mean - 40) < 0.5);
    }
}

/* Power of a plane wave that fits into the slice `wave` times, along x or y. */
static double power(const int16_t *voxels, int wave)
{
    double sum = 0;
    for (int z = 0; z < SLICES; z++)
        for (int axis = 0; axis < 2; axis++) {
            double re = 0, im = 0;
            for (int y = 0; y < SIDE; y++)
                for (int x = 0; x < SIDE; x++) {
                    double angle = 2 * PI * wave * (axis ? y : x) / SIDE;
                    double v = voxels[(z * SIDE + y) * SIDE + x] - 40;
                    re += v * cos(angle);
                    im += v * sin(angle);
                }
            sum += re * re + im * im;
        }
    return sum;
}

/* The mean power of waves of frequencies from low to high, 1/mm. */
static double band(const int16_t *voxels, double spacing, double low, double high)
{
    double sum = 0;
    int waves = 0;
    for (int wave = 1; wave <= SIDE / 2; wave++) {
        double f = wave / (SIDE * spacing);
        if (f < low || f >= high)
            continue;
        sum += power(voxels, wave);
        waves++;
    }
    assert_true(waves > 0);
    return sum / waves;
}

static void noise_rises_to_a_peak_and_falls(void **state)
{
    (void)state;
    struct scanner s = a_scanner();
    int16_t *voxels = image_of(&s, 40);
    double peak = 1 / (2 * PI * s.sharpness_mm * sqrt(2)); /* of f exp(-(2 pi s f)^2) */
    double low = band(voxels, 0.7, 0.005, 0.03);
    double middle = band(voxels, 0.7, peak - 0.06, peak + 0.06);
    double high = band(voxels, 0.7, 0.65, 0.72);
    free(voxels);
    assert_true(low < 0.5 * middle);
    assert_true(high < 0.2 * middle);
}

static void neighbouring_slices_share_a_little_noise(void **state)
{
    (void)state;
    struct scanner s = a_scanner();
    int16_t *voxels = image_of(&s, 40);
    double near = 0, far = 0, square = 0;
    size_t slice = SIDE * SIDE;
    for (size_t i = 0; i + 3 * slice < VOXELS; i++) {
        near += (voxels[i] - 40.0) * (voxels[i + slice] - 40.0);
        far += (voxels[i] - 40.0) * (voxels[i + 3 * slice] - 40.0);
        square += (voxels[i] - 40.0) * (voxels[i] - 40.0);
    }
    free(voxels);
    assert_true(near / square > 0.15 && near / square < 0.35);
    assert_true(fabs(far / square) < 0.03);
}

/* A voxel's noise depends on (seed, index, voxel): on nothing that was asked before. */
static void noise_of_a_slice_does_not_depend_on_the_order(void **state)
{
    (void)state;
    struct scanner s = a_scanner();
    struct noise *forward, *backward;
    struct error err;
    float *once = malloc(sizeof(float) * VOXELS), *again = malloc(sizeof(float) * VOXELS);
    assert_int_equal(noise_new(&s, &forward, &err), STATUS_OK);
    assert_int_equal(noise_new(&s, &backward, &err), STATUS_OK);
    for (int64_t z = 0; z < SLICES; z++) {
        noise_slice(forward, z, once + z * SIDE * SIDE);
        int64_t back = SLICES - 1 - z;
        noise_slice(backward, back, again + back * SIDE * SIDE);
    }
    assert_memory_equal(once, again, sizeof(float) * VOXELS);
    noise_free(forward);
    noise_free(backward);
    s.index++;
    assert_int_equal(noise_new(&s, &forward, &err), STATUS_OK);
    noise_slice(forward, 0, again);
    assert_memory_not_equal(once, again, sizeof(float) * SIDE * SIDE);
    noise_free(forward);
    free(once);
    free(again);
}

static void streaks_run_across_the_shoulders_alone(void **state)
{
    (void)state;
    double along[2], across[2], mean;
    for (int high = 0; high < 2; high++) {
        struct scanner s = a_scanner();
        s.grid.origin[2] = high ? 180 : -100;
        s.sharpness_mm = 0.8;
        int16_t *voxels = image_of(&s, 40);
        double sd = deviation(voxels, VOXELS, &mean);
        along[high] = across[high] = 0;
        for (int i = 0; i + 8 * SIDE < VOXELS; i++) {
            along[high] += (voxels[i] - mean) * (voxels[i + 8] - mean);
            across[high] += (voxels[i] - mean) * (voxels[i + 8 * SIDE] - mean);
        }
        along[high] /= sd * sd * VOXELS;
        across[high] /= sd * sd * VOXELS;
        free(voxels);
    }
    assert_true(fabs(along[0]) < 0.05 && fabs(across[0]) < 0.05);
    assert_true(along[1] > 0.2 && across[1] < 0.1);
}

static void blur_keeps_the_mean_and_what_is_flat(void **state)
{
    (void)state;
    const int64_t size[3] = {2, 40, 50};
    const double spacing[3] = {0.5, 0.8, 1};
    float *values = calloc(2 * 40 * 50, sizeof *values);
    struct error err;
    double sum = 0, widest = 0;
    values[20 * 50 + 25] = 1000;
    for (int i = 40 * 50; i < 2 * 40 * 50; i++)
        values[i] = -850;
    assert_int_equal(scanner_blur(0.7, 0.5, size, spacing, values, &err), STATUS_OK);
    for (int i = 0; i < 40 * 50; i++) {
        sum += values[i];
        widest = fmax(widest, values[i]);
        assert_true(fabsf(values[40 * 50 + i] + 850) < 0.01F);
    }
    assert_true(fabs(sum - 1000) < 0.1);
    assert_true(widest < 400);
    /* Edges are over-emphasised: there is a dark ring. */
    assert_true(values[20 * 50 + 29] < 0);
    free(values);
}

static void voxels_outside_the_circle_are_padding(void **state)
{
    (void)state;
    struct scanner s = a_scanner();
    s.circle = true;
    int16_t *voxels = image_of(&s, -1000);
    assert_int_equal(voxels[0], -3024);
    assert_int_equal(voxels[VOXELS - 1], -3024);
    assert_int_not_equal(voxels[SIDE / 2 * SIDE], -3024);
    for (int i = 0; i < VOXELS; i++)
        assert_true(voxels[i] == -3024 || voxels[i] >= -1024);
    free(voxels);
    s.circle = false;
    voxels = image_of(&s, 40);
    for (int i = 0; i < VOXELS; i++)
        assert_true(voxels[i] > -300);
    free(voxels);
}

static void a_grid_holds_the_lungs_and_looks_like_luna16s(void **state)
{
    (void)state;
    int turned = 0, oblique = 0, thick = 0;
    for (uint64_t index = 0; index < 12; index++) {
        struct patient *p;
        struct error err;
        struct scanner s, again;
        const struct scanner_size luna = {{0}}, some = {{40, 96, 128}};
        assert_int_equal(patient_new(11, index, &p, &err), STATUS_OK);
        scanner_init(&s, p, &luna, 11, index);
        scanner_init(&again, p, &luna, 11, index);
        assert_memory_equal(&s, &again, sizeof s);
        assert_int_equal(geometry_check(&s.grid, &err), STATUS_OK);
        assert_int_equal(s.grid.size[2], 512);
        assert_true(s.grid.spacing[0] >= 0.46 && s.grid.spacing[0] <= 0.98);
        assert_true(s.grid.spacing[2] >= 0.6 && s.grid.spacing[2] <= 2.5);
        assert_true(s.noise_hu >= 12 && s.noise_hu <= 80);
        for (int corner = 0; corner < 2; corner++) {
            double index_zyx[3];
            geometry_to_index(&s.grid, corner ? s.lungs.high : s.lungs.low, index_zyx);
            assert_true(index_zyx[0] >= -0.5 &&
                        index_zyx[0] <= (double)s.grid.size[0] - 0.5);
        }
        turned += s.grid.direction[0] < 0;
        oblique += s.grid.direction[5] != 0;
        thick += s.grid.spacing[2] > 1.1;
        struct geometry world = scanner_world(&s);
        for (int a = 0; a < 3; a++)
            assert_true(fabs(world.origin[a] - s.grid.origin[a] - s.offset[a]) < 1e-9);
        scanner_init(&s, p, &some, 11, index);
        assert_int_equal(s.grid.size[0], 40);
        assert_int_equal(s.grid.size[1], 96);
        assert_int_equal(s.grid.size[2], 128);
        patient_free(p);
    }
    assert_true(thick >= 5);
    assert_true(turned < 6 && oblique < 6);
}

static void sizes_are_read_or_refused(void **state)
{
    (void)state;
    struct scanner_size size;
    struct error err;
    assert_int_equal(scanner_size_parse("luna", &size, &err), STATUS_OK);
    assert_int_equal(size.voxels[0], 0);
    assert_int_equal(scanner_size_parse("small", &size, &err), STATUS_OK);
    assert_int_equal(size.voxels[2], 192);
    assert_int_equal(scanner_size_parse("64x32x16", &size, &err), STATUS_OK);
    assert_int_equal(size.voxels[2], 64);
    assert_int_equal(size.voxels[1], 32);
    assert_int_equal(size.voxels[0], 16);
    const char *bad[] = {"",      "big",    "64",       "64x32",      "64x32x",
                         "0x1x1", "-5x3x3", "9999x2x2", "64x32x16x8", "64 x32x16y"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(scanner_size_parse(bad[i], &size, &err), STATUS_JOB_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(noise_has_the_deviation_that_was_asked_for),
        cmocka_unit_test(noise_rises_to_a_peak_and_falls),
        cmocka_unit_test(neighbouring_slices_share_a_little_noise),
        cmocka_unit_test(noise_of_a_slice_does_not_depend_on_the_order),
        cmocka_unit_test(streaks_run_across_the_shoulders_alone),
        cmocka_unit_test(blur_keeps_the_mean_and_what_is_flat),
        cmocka_unit_test(voxels_outside_the_circle_are_padding),
        cmocka_unit_test(a_grid_holds_the_lungs_and_looks_like_luna16s),
        cmocka_unit_test(sizes_are_read_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
