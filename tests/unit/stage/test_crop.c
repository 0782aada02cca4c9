/* Crops, against values computed by hand from the book's rule and numpy's "reflect". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stage/crop.h"

static void a_crop_starts_where_the_book_starts_it(void **state)
{
    static const struct {
        double centre;
        int64_t width, size, start;
    } rows[] = {
        {50, 48, 100, 26},
        /* centres half-way between voxels go to the even one */
        {30.5, 32, 99, 14},
        {31.5, 32, 99, 16},
        {17.5, 32, 99, 2},
        {17.4999, 32, 99, 1},
        /* and so do starts, for odd widths */
        {50, 7, 100, 46},
        {51, 7, 100, 48},
        {50.5, 7, 100, 46},
        {49.5, 7, 100, 46},
        {0.5, 1, 5, 0},
        {1.5, 1, 5, 2},
        {4.4, 3, 5, 2},
        {2.5, 2, 5, 1},
        /* the low border */
        {16, 32, 99, 0},
        {15.5, 32, 99, 0},
        {0, 32, 99, 0},
        {-0.4, 32, 99, 0},
        /* the high border */
        {83, 32, 99, 67},
        {82.5, 32, 99, 66},
        {84.2, 32, 99, 67},
        {98, 32, 99, 67},
        {98.4, 32, 99, 67},
        /* as large as the crop, and smaller */
        {5, 32, 32, 0},
        {5, 32, 10, 0},
        {0, 32, 1, 0},
        /* far outside */
        {1e300, 32, 99, 67},
        {-1e300, 32, 99, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(crop_start(rows[i].centre, rows[i].width, rows[i].size),
                         rows[i].start);
}

/* The value of a voxel names it. */
static float voxel(int64_t z, int64_t y, int64_t x)
{
    return (float)(z * 10000 + y * 100 + x);
}

enum { SLICE_ROOM = 20 * 20, ROOM = 20 * SLICE_ROOM };

/* Slices [first, first + count) of a volume of named voxels. */
static struct slices named_slices(float *hu, int64_t depth, int64_t height, int64_t width,
                                  int64_t first, int64_t count)
{
    struct slices s = {
        .hu = hu, .first = first, .count = count, .size = {depth, height, width}};
    for (int64_t z = 0; z < count; z++)
        for (int64_t y = 0; y < height; y++)
            for (int64_t x = 0; x < width; x++)
                hu[(z * height + y) * width + x] = voxel(first + z, y, x);
    return s;
}

/* Each axis of a crop holds the voxels that the lists name. */
static void assert_crop(const float *crop, const int64_t size[3], const int64_t *z,
                        const int64_t *y, const int64_t *x)
{
    for (int64_t d = 0; d < size[0]; d++)
        for (int64_t h = 0; h < size[1]; h++)
            for (int64_t w = 0; w < size[2]; w++)
                assert_true(crop[(d * size[1] + h) * size[2] + w] ==
                            voxel(z[d], y[h], x[w]));
}

static void a_crop_inside_is_the_box_around_its_centre(void **state)
{
    (void)state;
    float hu[ROOM], crop[2 * 4 * 3];
    const int64_t size[3] = {2, 4, 3};
    const double index[3] = {8.5, 9.2, 12.9};
    const int64_t z[] = {7, 8}, y[] = {7, 8, 9, 10}, x[] = {12, 13, 14};
    struct slices s = named_slices(hu, 20, 20, 20, 0, 20);

    crop_copy(&s, index, size, crop);
    assert_crop(crop, size, z, y, x);
}

static void a_crop_needs_only_the_slices_it_touches(void **state)
{
    (void)state;
    float hu[ROOM], crop[4 * 2 * 2];
    const int64_t size[3] = {4, 2, 2}, volume[3] = {20, 10, 10};
    const double index[3] = {18.7, 0, 9};
    const int64_t z[] = {16, 17, 18, 19}, y[] = {0, 1}, x[] = {8, 9};
    int64_t first, count;

    crop_range(volume, index, size, &first, &count);
    assert_int_equal(first, 16);
    assert_int_equal(count, 4);
    struct slices s = named_slices(hu, 20, 10, 10, first, count);
    crop_copy(&s, index, size, crop);
    assert_crop(crop, size, z, y, x);
}

static void a_volume_smaller_than_the_crop_is_reflected_on_the_high_side(void **state)
{
    (void)state;
    float hu[ROOM], crop[7 * 8 * 5];
    const int64_t size[3] = {7, 8, 5};
    const double index[3] = {1, 2, 4};
    /* numpy.pad(numpy.arange(n), (0, width - n), mode="reflect") for n = 2, 3 and 1 */
    const int64_t z[] = {0, 1, 0, 1, 0, 1, 0};
    const int64_t y[] = {0, 1, 2, 1, 0, 1, 2, 1};
    const int64_t x[] = {0, 0, 0, 0, 0};
    struct slices s = named_slices(hu, 2, 3, 1, 0, 2);

    crop_copy(&s, index, size, crop);
    assert_crop(crop, size, z, y, x);
}

static void only_the_axes_that_are_too_small_are_padded(void **state)
{
    (void)state;
    float hu[ROOM], crop[4 * 7 * 4];
    const int64_t size[3] = {4, 7, 4};
    const double index[3] = {17, 4, 9};
    const int64_t z[] = {15, 16, 17, 18}, y[] = {0, 1, 2, 3, 4, 3, 2}, x[] = {6, 7, 8, 9};
    struct slices s = named_slices(hu, 20, 5, 10, 14, 6);

    crop_copy(&s, index, size, crop);
    assert_crop(crop, size, z, y, x);
}

static void one_voxel_fills_a_crop(void **state)
{
    (void)state;
    float hu[1], crop[3 * 3 * 3];
    const int64_t size[3] = {3, 3, 3}, zeros[] = {0, 0, 0};
    const double index[3] = {0, 0, 0};
    struct slices s = named_slices(hu, 1, 1, 1, 0, 1);

    crop_copy(&s, index, size, crop);
    assert_crop(crop, size, zeros, zeros, zeros);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crop_starts_where_the_book_starts_it),
        cmocka_unit_test(a_crop_inside_is_the_box_around_its_centre),
        cmocka_unit_test(a_crop_needs_only_the_slices_it_touches),
        cmocka_unit_test(a_volume_smaller_than_the_crop_is_reflected_on_the_high_side),
        cmocka_unit_test(only_the_axes_that_are_too_small_are_padded),
        cmocka_unit_test(one_voxel_fills_a_crop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
