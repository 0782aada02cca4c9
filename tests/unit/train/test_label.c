/* Promise: labels are the boxes that buildAnnotationMask of Deep Learning with PyTorch
 * draws; in "fixed" they end at the border. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "train/label.h"

enum { SIDE = 16, VOXELS = SIDE * SIDE * SIDE };
static const int64_t size[3] = {SIDE, SIDE, SIDE};

static int64_t place(int64_t z, int64_t y, int64_t x)
{
    return (z * SIDE + y) * SIDE + x;
}

static float voxel(void *context, int64_t z, int64_t y, int64_t x)
{
    return ((const float *)context)[place(z, y, x)];
}

/* Air with a dense box [low, high) in it. */
static void box_in_air(float *hu, const int64_t low[3], const int64_t high[3])
{
    for (int64_t z = 0; z < SIDE; z++)
        for (int64_t y = 0; y < SIDE; y++)
            for (int64_t x = 0; x < SIDE; x++) {
                int inside = z >= low[0] && z < high[0] && y >= low[1] && y < high[1] &&
                             x >= low[2] && x < high[2];
                hu[place(z, y, x)] = inside ? 0 : -900;
            }
}

static void expect(const struct label_box *b, const int64_t low[3], const int64_t high[3])
{
    for (int i = 0; i < 3; i++) {
        assert_int_equal(b->low[i], low[i]);
        assert_int_equal(b->high[i], high[i]);
    }
}

static void the_radius_that_failed_is_kept(void **state)
{
    (void)state;
    static float hu[VOXELS];
    struct label_box b;
    /* centre 8: dense to radius 3 along z, 1 along y, 4 below and 2 above along x */
    box_in_air(hu, (int64_t[]){5, 7, 4}, (int64_t[]){12, 10, 11});
    label_box_grow(size, (int64_t[]){8, 8, 8}, true, voxel, hu, &b);
    expect(&b, (int64_t[]){4, 6, 5}, (int64_t[]){13, 11, 12});
    label_box_grow(size, (int64_t[]){8, 8, 8}, false, voxel, hu, &b);
    expect(&b, (int64_t[]){4, 6, 5}, (int64_t[]){13, 11, 12});
}

static void the_far_border_takes_one_off(void **state)
{
    (void)state;
    static float hu[VOXELS];
    struct label_box b;
    box_in_air(hu, (int64_t[]){0, 0, 0}, (int64_t[]){SIDE, SIDE, SIDE});
    label_box_grow(size, (int64_t[]){10, 8, 12}, true, voxel, hu, &b);
    expect(&b, (int64_t[]){5, 1, 9}, (int64_t[]){16, 16, 16});
}

/* Centre 1 in air: radius 2 fails, the box would begin at -1: the book's slice [-1:4]
 * holds nothing. */
static void a_box_below_zero_is_empty_in_the_book(void **state)
{
    (void)state;
    static float hu[VOXELS];
    struct label_box b;
    box_in_air(hu, (int64_t[]){0, 0, 0}, (int64_t[]){0, 0, 0});
    hu[place(1, 8, 8)] = 0;
    label_box_grow(size, (int64_t[]){1, 8, 8}, true, voxel, hu, &b);
    assert_true(b.high[0] <= b.low[0]);
    label_box_grow(size, (int64_t[]){1, 8, 8}, false, voxel, hu, &b);
    expect(&b, (int64_t[]){0, 6, 6}, (int64_t[]){4, 11, 11});
}

static void only_dense_voxels_of_the_box_and_block_are_labelled(void **state)
{
    (void)state;
    static float hu[VOXELS], block[8 * 8 * 8];
    static uint8_t label[8 * 8 * 8];
    box_in_air(hu, (int64_t[]){5, 5, 5}, (int64_t[]){12, 12, 12});
    struct label_box b;
    label_box_grow(size, (int64_t[]){8, 8, 8}, false, voxel, hu, &b);
    const int64_t start[3] = {7, 3, 6}, count[3] = {8, 8, 8};
    for (int z = 0; z < 8; z++)
        for (int y = 0; y < 8; y++)
            for (int x = 0; x < 8; x++)
                block[(z * 8 + y) * 8 + x] = hu[place(z + 7, y + 3, x + 6)];
    memset(label, 0, sizeof label);
    label_box_paint(&b, start, count, block, label);
    for (int i = 0; i < 8 * 8 * 8; i++)
        assert_int_equal(label[i], block[i] > -700);
    const int64_t far[3] = {13, 0, 0};
    memset(label, 0, sizeof label);
    label_box_paint(&b, far, (int64_t[]){3, 8, 8}, block, label);
    for (int i = 0; i < 3 * 8 * 8; i++)
        assert_int_equal(label[i], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_radius_that_failed_is_kept),
        cmocka_unit_test(the_far_border_takes_one_off),
        cmocka_unit_test(a_box_below_zero_is_empty_in_the_book),
        cmocka_unit_test(only_dense_voxels_of_the_box_and_block_are_labelled),
    };
    return cmocka_run_group_tests_name("train/label", tests, NULL, NULL);
}
