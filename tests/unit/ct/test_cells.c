/* Cells of a volume, whatever its header says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ct/cells.h"

static struct cells cells_of(double x, double y, double z, double cell_mm)
{
    struct geometry g = {{5, 9, 12}, {x, y, z}, {0, 0, 0}, {1, 0, 0, 0, 1, 0, 0, 0, 1}};
    struct cells c;
    cells_init(&c, &g, cell_mm);
    return c;
}

static void cells_are_whole_voxels_of_about_the_size_asked_for(void **state)
{
    (void)state;
    struct cells c = cells_of(0.7, 1.3, 2.5, 2);
    assert_int_equal(c.factor[2], 3);
    assert_int_equal(c.factor[1], 2);
    assert_int_equal(c.factor[0], 1);
    assert_int_equal(c.size[2], 4);
    assert_int_equal(c.size[1], 5);
    assert_int_equal(c.size[0], 5);
    assert_float_equal(c.spacing[2], 2.1, 1e-12);
}

static void cells_of_nothing_are_voxels(void **state)
{
    (void)state;
    struct cells c = cells_of(0.7, 1.3, 2.5, 0);
    for (int a = 0; a < 3; a++)
        assert_int_equal(c.factor[a], 1);
}

static void a_cell_is_never_larger_than_the_volume(void **state)
{
    (void)state;
    struct cells c = cells_of(1e-300, 1e-12, 1e300, 2);
    const int64_t factors[3] = {1, 9, 12};
    for (int a = 0; a < 3; a++)
        assert_int_equal(c.factor[a], factors[a]);
    assert_int_equal(cells_count(&c), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_are_whole_voxels_of_about_the_size_asked_for),
        cmocka_unit_test(cells_of_nothing_are_voxels),
        cmocka_unit_test(a_cell_is_never_larger_than_the_volume),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
