/* The lungs of a body made of ellipses, with what is mistaken for lung beside them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ct/lung_mask.h"

enum { WIDE = 128, HIGH = 60 };

struct body {
    struct geometry grid;
    float *hu;
    uint8_t *mask;
};

static bool within(double x, double y, double z, const double middle[3],
                   const double radii[3])
{
    return pow((x - middle[0]) / radii[0], 2) + pow((y - middle[1]) / radii[1], 2) +
               pow((z - middle[2]) / radii[2], 2) <
           1;
}

static const double LUNGS[2][3] = {{-70, 0, 0}, {70, 0, 0}};
static const double LUNG_RADII[3] = {50, 75, 110};
static const double VESSEL[3] = {-70, 10, 0}, VESSEL_RADII[3] = {4, 4, 30};
static const double NODULE[3] = {112, 0, 0}; /* at the wall */
static const double NODULE_RADII[3] = {8, 8, 8};
static const double TRACHEA[3] = {0, -10, 40}, TRACHEA_RADII[3] = {9, 9, 70};
static const double TABLE[3] = {0, 150, 0}, TABLE_RADII[3] = {180, 14, 1000};

static float tissue(double x, double y, double z)
{
    const double skin[3] = {0, 0, 0}, skin_radii[3] = {165, 115, 1000};
    const double shell_radii[3] = {183, 17, 1000};
    if (within(x, y, z, NODULE, NODULE_RADII) || within(x, y, z, VESSEL, VESSEL_RADII))
        return 40;
    if (within(x, y, z, LUNGS[0], LUNG_RADII) || within(x, y, z, LUNGS[1], LUNG_RADII))
        return -860;
    if (within(x, y, z, TRACHEA, TRACHEA_RADII))
        return -1000;
    if (within(x, y, z, TABLE, TABLE_RADII))
        return -900; /* foam */
    if (within(x, y, z, skin, skin_radii) || within(x, y, z, TABLE, shell_radii))
        return 30;
    return -1000;
}

static void make(struct body *b)
{
    b->grid = (struct geometry){{HIGH, WIDE, WIDE},
                                {3, 3, 4},
                                {-190.5, -190.5, -118},
                                {1, 0, 0, 0, 1, 0, 0, 0, 1}};
    size_t n = (size_t)geometry_voxels(&b->grid);
    b->hu = malloc(n * sizeof *b->hu);
    b->mask = malloc(n);
    assert_non_null(b->hu);
    assert_non_null(b->mask);
    uint32_t noise = 1;
    for (int64_t z = 0, i = 0; z < HIGH; z++)
        for (int64_t y = 0; y < WIDE; y++)
            for (int64_t x = 0; x < WIDE; x++, i++) {
                double xyz[3], index[3] = {(double)z, (double)y, (double)x};
                geometry_to_mm(&b->grid, index, xyz);
                noise = noise * 1664525U + 1013904223U;
                b->hu[i] = tissue(xyz[0], xyz[1], xyz[2]) +
                           (float)(noise >> 16) / 65536.0F * 60 - 30;
                if (xyz[0] * xyz[0] + xyz[1] * xyz[1] > 190.0 * 190.0)
                    b->hu[i] = -3024;
            }
}

static void release(struct body *b)
{
    free(b->hu);
    free(b->mask);
}

static uint8_t mask_at(const struct body *b, const double xyz[3])
{
    double index[3];
    int64_t at[3];
    geometry_to_index(&b->grid, xyz, index);
    geometry_round(index, at);
    return b->mask[(at[0] * b->grid.size[1] + at[1]) * b->grid.size[2] + at[2]];
}

static void lungs_are_found_with_what_is_in_them_and_nothing_else_is(void **state)
{
    (void)state;
    struct body b;
    struct error err;
    make(&b);
    assert_int_equal(lung_mask(&b.grid, b.hu, b.mask, &err), STATUS_OK);
    double inside = 0, found = 0, extra = 0;
    for (int64_t z = 0, i = 0; z < HIGH; z++)
        for (int64_t y = 0; y < WIDE; y++)
            for (int64_t x = 0; x < WIDE; x++, i++) {
                double xyz[3], index[3] = {(double)z, (double)y, (double)x};
                geometry_to_mm(&b.grid, index, xyz);
                bool lung = within(xyz[0], xyz[1], xyz[2], LUNGS[0], LUNG_RADII) ||
                            within(xyz[0], xyz[1], xyz[2], LUNGS[1], LUNG_RADII);
                inside += lung;
                found += lung && b.mask[i];
                extra += !lung && b.mask[i];
            }
    assert_true(found > 0.98 * inside);
    assert_true(extra < 0.02 * inside);
    assert_int_equal(mask_at(&b, VESSEL), 1);
    assert_int_equal(mask_at(&b, NODULE), 1);
    assert_int_equal(mask_at(&b, TRACHEA), 0);
    assert_int_equal(mask_at(&b, TABLE), 0);
    release(&b);
}

static void a_crop_that_lung_fills_is_lung(void **state)
{
    (void)state;
    struct error err;
    struct geometry g = {{20, 40, 40}, {1, 1, 2}, {0, 0, 0}, {1, 0, 0, 0, 1, 0, 0, 0, 1}};
    float hu[20 * 40 * 40];
    uint8_t mask[20 * 40 * 40];
    double found = 0;
    for (int i = 0; i < 20 * 40 * 40; i++)
        hu[i] = i % 40 > 34 ? 40 : i % 97 == 0 ? -700 : -850;
    assert_int_equal(lung_mask(&g, hu, mask, &err), STATUS_OK);
    for (int i = 0; i < 20 * 40 * 40; i++)
        found += i % 40 < 34 && mask[i];
    assert_true(found > 0.98 * 20 * 40 * 34);
}

static void no_lung_is_no_failure(void **state)
{
    (void)state;
    struct error err;
    struct geometry g = {{3, 5, 7}, {1, 1, 2}, {0, 0, 0}, {1, 0, 0, 0, 1, 0, 0, 0, 1}};
    float hu[105];
    uint8_t mask[105], none[105] = {0};
    for (int i = 0; i < 105; i++)
        hu[i] = 30;
    assert_int_equal(lung_mask(&g, hu, mask, &err), STATUS_OK);
    assert_memory_equal(mask, none, sizeof none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lungs_are_found_with_what_is_in_them_and_nothing_else_is),
        cmocka_unit_test(a_crop_that_lung_fills_is_lung),
        cmocka_unit_test(no_lung_is_no_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
