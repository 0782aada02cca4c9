#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "picture/section.h"

enum { VOXELS = 12 * 14 * 16 };

/* All ways a grid may lie in the patient that tests go through. */
static const double directions[][9] = {
    {1, 0, 0, 0, 1, 0, 0, 0, 1},
    {-1, 0, 0, 0, -1, 0, 0, 0, 1},
    {1, 0, 0, 0, 1, 0, 0, 0, -1},
    /* Turned by 0.3 about z and then tilted by 0.2 about x. */
    {0.95534, -0.29552, 0, 0.28963, 0.93629, -0.19867, 0.05871, 0.18980, 0.98007},
    /* Sagittal slices: x of the voxels to the back, y to the feet, z to the left. */
    {0, 0, 1, 1, 0, 0, 0, -1, 0},
    /* Coronal slices, tilted by 0.3: x to the right, y to the feet, z to the back. */
    {-1, 0, 0, 0, -0.29552, 0.95534, 0, -0.95534, -0.29552},
};
enum { DIRECTIONS = sizeof directions / sizeof *directions };

static struct geometry geometry_of(const double direction[9])
{
    struct geometry g = {
        .size = {12, 14, 16}, .spacing = {0.5, 0.7, 2}, .origin = {-100, -50, 10}};
    memcpy(g.direction, direction, sizeof g.direction);
    return g;
}

/* The section of a volume of zeros with one marked voxel. */
static void cut(struct section *s, const struct geometry *g, enum section_plane plane,
                const double xyz[3], const int64_t marked[3])
{
    static float volume[VOXELS];
    struct error err;
    memset(volume, 0, sizeof volume);
    volume[(marked[0] * g->size[1] + marked[1]) * g->size[2] + marked[2]] = 1;
    assert_int_equal(section_init(s, g, plane, xyz, 0, &err), STATUS_OK);
    for (int64_t z = g->size[0] - 1; z >= 0; z -= 3) /* slabs in any order */
        for (int64_t k = 0; k < 3 && z - k >= 0; k++)
            section_take(s, g, z - k, 1, volume + (z - k) * g->size[1] * g->size[2]);
}

/* Row and column of the only mark, false without one. */
static bool find_mark(const struct section *s, int64_t *row, int64_t *column)
{
    int marks = 0;
    for (int64_t i = 0; i < s->rows.count * s->columns.count; i++)
        if (s->values[i] > 0) {
            *row = i / s->columns.count;
            *column = i % s->columns.count;
            marks++;
        }
    assert_true(marks <= 1);
    return marks == 1;
}

static void the_voxel_at_the_point_is_shown_where_the_point_is(void **state)
{
    (void)state;
    const double index[3] = {3, 9, 5};
    const int64_t voxel[3] = {3, 9, 5};
    for (int d = 0; d < DIRECTIONS; d++)
        for (int plane = 0; plane < SECTION_PLANES; plane++) {
            struct geometry g = geometry_of(directions[d]);
            struct section s;
            double xyz[3];
            int64_t row = -1, column = -1;
            geometry_to_mm(&g, index, xyz);
            cut(&s, &g, plane, xyz, voxel);
            assert_true(find_mark(&s, &row, &column));
            assert_true(fabs((double)row - s.rows.point) < 1e-4);
            assert_true(fabs((double)column - s.columns.point) < 1e-4);
            section_release(&s);
        }
}

/* Moves from the point towards left, back and head, and looks which way the mark goes. */
static void left_is_on_the_right_the_back_below_or_right_and_the_head_above(void **state)
{
    (void)state;
    static const struct {
        int row, column; /* which axis of the patient they run along */
        int row_sign;
    } wanted[SECTION_PLANES] = {{1, 0, 1}, {2, 0, -1}, {2, 1, -1}};
    for (int d = 0; d < DIRECTIONS; d++)
        for (int plane = 0; plane < SECTION_PLANES; plane++)
            for (int axis = 0; axis < 3; axis++) {
                struct geometry g = geometry_of(directions[d]);
                const double middle[3] = {6, 7, 8};
                double xyz[3], there[3], index[3];
                int64_t voxel[3], row = -1, column = -1;
                struct section s;
                geometry_to_mm(&g, middle, xyz);
                memcpy(there, xyz, sizeof there);
                there[axis] += 3; /* mm: more than one voxel */
                geometry_to_index(&g, there, index);
                /* The step along the axis of the voxels that goes there most. */
                int64_t step[3] = {6, 7, 8};
                int most = 0;
                for (int a = 1; a < 3; a++)
                    if (fabs((index[a] - middle[a]) * g.spacing[2 - a]) >
                        fabs((index[most] - middle[most]) * g.spacing[2 - most]))
                        most = a;
                geometry_round(index, voxel);
                step[most] = voxel[most];
                cut(&s, &g, plane, xyz, step);
                bool shown = find_mark(&s, &row, &column);
                assert_int_equal(shown, axis == wanted[plane].row ||
                                            axis == wanted[plane].column);
                if (shown && axis == wanted[plane].row)
                    assert_true(wanted[plane].row_sign * ((double)row - s.rows.point) >
                                0.9);
                if (shown && axis == wanted[plane].column)
                    assert_true((double)column - s.columns.point > 0.9);
                section_release(&s);
            }
}

static void sides_keep_the_spacing_of_their_axis(void **state)
{
    (void)state;
    struct geometry g = geometry_of(directions[4]);
    const double index[3] = {6, 7, 8};
    double xyz[3];
    struct section s;
    struct error err;
    geometry_to_mm(&g, index, xyz);
    assert_int_equal(section_init(&s, &g, SECTION_AXIAL, xyz, 0, &err), STATUS_OK);
    assert_int_equal(s.normal, 1);
    assert_true(s.rows.count == 16 && s.rows.spacing == 0.5);
    assert_true(s.columns.count == 12 && s.columns.spacing == 2);
    section_release(&s);
}

static void an_axial_plane_needs_one_slice_the_others_all(void **state)
{
    (void)state;
    struct geometry g = geometry_of(directions[1]);
    const double index[3] = {3, 9, 5};
    double xyz[3];
    struct error err;
    geometry_to_mm(&g, index, xyz);
    for (int plane = 0; plane < SECTION_PLANES; plane++) {
        struct section s;
        int64_t first, count;
        assert_int_equal(section_init(&s, &g, plane, xyz, 0, &err), STATUS_OK);
        section_slices(&s, &first, &count);
        assert_int_equal(first, plane == SECTION_AXIAL ? 3 : 0);
        assert_int_equal(count, plane == SECTION_AXIAL ? 1 : 12);
        section_release(&s);
    }
}

static void a_field_is_moved_inwards_at_the_border_and_keeps_the_point(void **state)
{
    (void)state;
    const double indices[][3] = {{6, 7, 8}, {0, 0, 0}, {11, 13, 15}, {1, 12, 14}};
    for (int d = 0; d < 3; d++)
        for (int i = 0; i < 4; i++) {
            struct geometry g = geometry_of(directions[d]);
            double xyz[3];
            struct section s;
            struct error err;
            geometry_to_mm(&g, indices[i], xyz);
            assert_int_equal(section_init(&s, &g, SECTION_AXIAL, xyz, 3, &err),
                             STATUS_OK);
            assert_int_equal(s.columns.count, 6); /* 3 mm / 0.5 mm */
            assert_int_equal(s.rows.count, 5);    /* 3 mm / 0.7 mm, up */
            assert_true(s.columns.first >= 0 && s.columns.first + 6 <= 16);
            assert_true(s.columns.point > -0.5 && s.columns.point < 5.5);
            assert_true(s.rows.point > -0.5 && s.rows.point < 4.5);
            section_release(&s);
        }
}

static void a_point_outside_is_refused_with_its_value(void **state)
{
    (void)state;
    struct geometry g = geometry_of(directions[0]);
    const double outside[][3] = {{-100.3, -50, 10}, {-100, -50, 33.1}, {NAN, 0, 0}};
    for (int i = 0; i < 3; i++) {
        struct section s;
        struct error err;
        assert_int_equal(section_init(&s, &g, SECTION_AXIAL, outside[i], 0, &err),
                         STATUS_JOB_CONFIG);
        assert_non_null(strstr(err.message, "lies outside the volume"));
        section_release(&s);
    }
    /* The outer edge of the last voxel is inside still. */
    const double edge[3] = {-100 + 15.49 * 0.5, -50, 10 + 11.5 * 2};
    struct section s;
    struct error err;
    assert_int_equal(section_init(&s, &g, SECTION_AXIAL, edge, 0, &err), STATUS_OK);
    assert_int_equal(s.index, 11);
    section_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_voxel_at_the_point_is_shown_where_the_point_is),
        cmocka_unit_test(left_is_on_the_right_the_back_below_or_right_and_the_head_above),
        cmocka_unit_test(sides_keep_the_spacing_of_their_axis),
        cmocka_unit_test(an_axial_plane_needs_one_slice_the_others_all),
        cmocka_unit_test(a_field_is_moved_inwards_at_the_border_and_keeps_the_point),
        cmocka_unit_test(a_point_outside_is_refused_with_its_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
