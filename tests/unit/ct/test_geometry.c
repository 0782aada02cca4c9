#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>

#include "ct/geometry.h"

static struct geometry simple(void)
{
    return (struct geometry){.size = {10, 20, 30},
                             .spacing = {0.5, 0.75, 2},
                             .origin = {-100, -50, 10},
                             .direction = {1, 0, 0, 0, 1, 0, 0, 0, 1}};
}

/* A turn by atan(3/4) about z, then slices that run along -x of the turned frame: by
 * hand, columns of D are (0.8, 0.6, 0), (0, 0, 1), (0.6, -0.8, 0). Not symmetric. */
static struct geometry oblique(void)
{
    struct geometry g = simple();
    const double d[9] = {0.8, 0, 0.6, 0.6, 0, -0.8, 0, 1, 0};
    for (int i = 0; i < 9; i++)
        g.direction[i] = d[i];
    return g;
}

static void an_oblique_direction_puts_a_voxel_where_a_hand_does(void **state)
{
    (void)state;
    struct geometry g = oblique();
    /* x 4, y 8, z 3: steps of 2, 6 and 6 mm along the columns:
     * 2 (0.8, 0.6, 0) + 6 (0, 0, 1) + 6 (0.6, -0.8, 0) = (5.2, -3.6, 6) */
    const double index[3] = {3, 8, 4};
    double xyz[3];
    geometry_to_mm(&g, index, xyz);
    assert_true(fabs(xyz[0] - (-100 + 5.2)) < 1e-12);
    assert_true(fabs(xyz[1] - (-50 - 3.6)) < 1e-12);
    assert_true(fabs(xyz[2] - (10 + 6)) < 1e-12);
}

static void an_oblique_direction_goes_there_and_back(void **state)
{
    (void)state;
    struct geometry g = oblique();
    for (int z = -3; z < 12; z++)
        for (int y = 0; y < 20; y += 3)
            for (int x = 0; x < 30; x += 7) {
                const double index[3] = {z + 0.25, y, x - 0.5};
                double xyz[3], back[3];
                geometry_to_mm(&g, index, xyz);
                geometry_to_index(&g, xyz, back);
                for (int a = 0; a < 3; a++)
                    assert_true(fabs(back[a] - index[a]) < 1e-11);
            }
}

static void a_turned_patient_goes_there_and_back_without_rounding(void **state)
{
    (void)state;
    struct geometry g = simple();
    g.direction[0] = g.direction[4] = -1;
    const double index[3] = {3, 8, 4};
    double xyz[3], back[3];
    geometry_to_mm(&g, index, xyz);
    assert_true(xyz[0] == -102 && xyz[1] == -56 && xyz[2] == 16);
    geometry_to_index(&g, xyz, back);
    for (int a = 0; a < 3; a++)
        assert_true(back[a] == index[a]);
}

static void
the_way_back_of_the_book_differs_where_the_matrix_is_not_symmetric(void **state)
{
    (void)state;
    struct geometry g = oblique();
    const double index[3] = {3, 8, 4};
    double xyz[3], book[3], exact[3];
    geometry_to_mm(&g, index, xyz);
    geometry_to_index_book(&g, xyz, book);
    /* shift (5.2, -3.6, 6) as a row times inv(D) = D^T, rows (0.8, 0.6, 0), (0, 0, 1),
     * (0.6, -0.8, 0): (7.76, -1.68, -3.6), over the spacing */
    assert_true(fabs(book[2] - 7.76 / 0.5) < 1e-11);
    assert_true(fabs(book[1] - -1.68 / 0.75) < 1e-11);
    assert_true(fabs(book[0] - -3.6 / 2) < 1e-11);

    struct geometry s = simple();
    s.direction[0] = s.direction[4] = -1;
    geometry_to_mm(&s, index, xyz);
    geometry_to_index_book(&s, xyz, book);
    geometry_to_index(&s, xyz, exact);
    for (int a = 0; a < 3; a++)
        assert_true(book[a] == exact[a]);
}

static void halves_are_rounded_to_even(void **state)
{
    (void)state;
    const double index[3] = {0.5, 1.5, -2.5};
    int64_t voxel[3];
    geometry_round(index, voxel);
    assert_true(voxel[0] == 0 && voxel[1] == 2 && voxel[2] == -2);
}

static void what_is_far_outside_stays_outside(void **state)
{
    (void)state;
    const double index[3] = {1e300, -1e300, NAN};
    int64_t voxel[3];
    geometry_round(index, voxel);
    assert_true(voxel[0] > INT32_MAX && voxel[1] < INT32_MIN && voxel[2] < INT32_MIN);
}

static void a_geometry_that_cannot_be_worked_with_is_refused_by_name(void **state)
{
    (void)state;
    struct error err;
    struct geometry g = simple();
    assert_int_equal(geometry_check(&g, &err), STATUS_OK);

    g.size[0] = 0;
    assert_int_equal(geometry_check(&g, &err), STATUS_ITEM_FORMAT);
    assert_non_null(strstr(err.message, "DimSize = 30 20 0"));
    g.size[0] = INT64_MAX / 2;
    assert_int_equal(geometry_check(&g, &err), STATUS_ITEM_LIMIT);

    g = simple();
    g.spacing[1] = NAN;
    assert_int_equal(geometry_check(&g, &err), STATUS_ITEM_FORMAT);
    assert_non_null(strstr(err.message, "ElementSpacing = 0.5 nan 2"));
    g.spacing[1] = -1;
    assert_int_equal(geometry_check(&g, &err), STATUS_ITEM_FORMAT);

    g = simple();
    g.origin[2] = INFINITY;
    assert_int_equal(geometry_check(&g, &err), STATUS_ITEM_FORMAT);
    assert_non_null(strstr(err.message, "Offset"));

    g = simple();
    g.direction[8] = 0;
    assert_int_equal(geometry_check(&g, &err), STATUS_ITEM_FORMAT);
    assert_non_null(strstr(err.message, "singular"));
    g.direction[8] = NAN;
    assert_int_equal(geometry_check(&g, &err), STATUS_ITEM_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_oblique_direction_puts_a_voxel_where_a_hand_does),
        cmocka_unit_test(an_oblique_direction_goes_there_and_back),
        cmocka_unit_test(a_turned_patient_goes_there_and_back_without_rounding),
        cmocka_unit_test(
            the_way_back_of_the_book_differs_where_the_matrix_is_not_symmetric),
        cmocka_unit_test(halves_are_rounded_to_even),
        cmocka_unit_test(what_is_far_outside_stays_outside),
        cmocka_unit_test(a_geometry_that_cannot_be_worked_with_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
