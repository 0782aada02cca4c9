#include "score_maker.h"

#include "score/curve.h"

enum { MOST = 600 };

static struct curve_point points[MOST + 1];

/* Sweeps events of one scan, of which there are `scans`, with `missed` further nodules.
 */
static size_t sweep(struct event *events, size_t count, size_t scans, uint32_t missed)
{
    static struct scan_totals totals[2000];
    memset(totals, 0, sizeof totals);
    totals[0].nodules = missed;
    for (size_t i = 0; i < count; i++) {
        totals[0].hits += events[i].hit;
        totals[0].nodules += events[i].hit;
        totals[0].falses += !events[i].hit;
    }
    curve_sort(events, count);
    struct curve_input input = {
        .events = events, .scans = totals, .event_count = count, .scan_count = scans};
    return curve_sweep(&input, NULL, INFINITY, points);
}

static double at(size_t count, double fps)
{
    double y;
    curve_sample(points, count, &fps, 1, &y);
    return y;
}

#define HIT(p)                                                                           \
    {                                                                                    \
        .probability = p, .hit = true                                                    \
    }
#define FALSE_ONE(p)                                                                     \
    {                                                                                    \
        .probability = p                                                                 \
    }

static void equal_scores_make_one_point_and_a_slope_between_two(void **state)
{
    (void)state;
    struct event events[] = {HIT(.9), FALSE_ONE(.5), HIT(.5), FALSE_ONE(.5), HIT(.5)};
    size_t count = sweep(events, COUNT(events), 2, 1);
    assert_int_equal(count, 3); /* (0, 0), one nodule, all */
    assert_true(points[0].fps == 0 && points[0].sensitivity == 0);
    assert_true(points[1].fps == 0 && points[1].sensitivity == .25);
    assert_true(points[2].fps == 1 && points[2].sensitivity == .75);
    assert_true(at(count, .125) == .25 + .125 * .5);
    assert_true(at(count, .5) == .5);
    assert_true(at(count, 8) == .75); /* flat after the last point */
}

static void of_points_at_equal_x_the_last_is_read(void **state)
{
    (void)state;
    /* 1 of 8 scans: a rise at exactly 0.125. */
    struct event events[] = {HIT(.9), FALSE_ONE(.8), HIT(.7), HIT(.6), FALSE_ONE(.5)};
    size_t count = sweep(events, COUNT(events), 8, 0);
    assert_true(points[2].fps == .125);
    assert_true(at(count, .125) == 1);
    assert_true(at(count, nextafter(.125, 0)) < .3334);
    assert_true(curve_attained(points, count, .125) == 1);
    assert_true(curve_attained(points, count, .1) == 1. / 3);
}

/* 111 of N over 888 scans: the quotient taken and undone decides on which side of 0.125
 * the rise stands, as it does for the script. */
static void the_last_bit_decides_a_rise_at_a_whole_count(void **state)
{
    (void)state;
    int seen[3] = {0};
    for (int falses = 112; falses < 400; falses++) {
        struct event events[MOST];
        size_t n = 0;
        for (int i = 0; i < falses; i++) {
            events[n++] = (struct event)FALSE_ONE(1 - i / 1000.);
            if (i == 110)
                events[n++] = (struct event)HIT(1 - (i + .5) / 1000.);
        }
        volatile double quotient = 111. / falses, product = quotient * falses;
        double fps = product / 888., wanted = fps > .125 ? 0 : 1;
        size_t count = sweep(events, n, 888, 0);
        assert_true(points[111].fps == fps && points[112].fps == fps);
        assert_true(fabs(at(count, .125) - wanted) < 1e-9);
        seen[fps > .125 ? 2 : fps < .125]++;
    }
    assert_true(seen[0] > 0);           /* .125 itself */
    assert_true(seen[1] + seen[2] > 0); /* and a neighbour of it */
}

static void without_false_positives_the_curve_is_a_rise_at_zero(void **state)
{
    (void)state;
    struct event events[] = {HIT(.9), HIT(.8), HIT(.8)};
    size_t count = sweep(events, COUNT(events), 4, 1);
    assert_int_equal(count, 3);
    for (size_t i = 0; i < count; i++)
        assert_true(points[i].fps == 0);
    assert_true(at(count, 0) == .75 && at(count, .125) == .75 && at(count, 8) == .75);
}

static void without_detections_the_curve_is_flat(void **state)
{
    (void)state;
    struct event events[] = {FALSE_ONE(.9), FALSE_ONE(.8)};
    size_t count = sweep(events, COUNT(events), 1, 3);
    assert_true(at(count, .125) == 0 && at(count, 8) == 0);
    count = sweep(NULL, 0, 1, 3);
    assert_int_equal(count, 1);
    assert_true(at(count, 1) == 0);
}

static void a_weight_counts_as_often_as_the_scan_was_drawn(void **state)
{
    (void)state;
    struct event events[] = {
        {.probability = .9, .scan = 0, .hit = true}, {.probability = .8, .scan = 1},
        {.probability = .7, .scan = 1, .hit = true}, {.probability = .6, .scan = 2},
        {.probability = .6, .scan = 2, .hit = true},
    };
    struct scan_totals totals[] = {{1, 0, 1}, {1, 1, 2}, {1, 1, 1}};
    struct curve_input input = {events, totals, COUNT(events), 3};
    uint32_t weights[] = {0, 1, 2};
    curve_sort(events, COUNT(events));
    size_t count = curve_sweep(&input, weights, INFINITY, points);
    assert_int_equal(count, 4); /* the score of a scan not drawn is no point */
    assert_true(fabs(points[1].fps - 1. / 3) < 1e-15 && points[1].sensitivity == 0);
    assert_true(points[2].sensitivity == .25); /* 1 of 2 + 2 nodules */
    assert_true(points[3].fps == 1 && points[3].sensitivity == .75);
    /* Stopping early reads the same up to the limit. */
    assert_int_equal(curve_sweep(&input, weights, .2, points), 2);
}

static void corners_are_where_the_curve_turns(void **state)
{
    (void)state;
    struct event events[] = {HIT(.9),       HIT(.8),       HIT(.7), FALSE_ONE(.6),
                             FALSE_ONE(.5), FALSE_ONE(.4), HIT(.3), HIT(.2),
                             HIT(.1),       HIT(.1)};
    bool corner[COUNT(events) + 1];
    size_t count = sweep(events, COUNT(events), 1, 0);
    /* (0, 0) and the first point always; then two of three rises, two of three steps
     * aside, one rise, and before the rise of 2 a rise of 1. */
    const bool wanted[] = {true,  true, false, true, false,
                           false, true, false, true, true};
    curve_corners(points, count, corner);
    assert_int_equal(count, COUNT(wanted));
    assert_memory_equal(corner, wanted, sizeof wanted);
}

static void grids_are_those_of_numpy(void **state)
{
    (void)state;
    double grid[10001];
    curve_grid(.125, 8, 10001, grid);
    assert_true(grid[0] == .125 && grid[10000] == 8);
    assert_true(grid[1] == .1257875 && grid[159] == .2502125 && grid[9999] == 7.9992125);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_scores_make_one_point_and_a_slope_between_two),
        cmocka_unit_test(of_points_at_equal_x_the_last_is_read),
        cmocka_unit_test(the_last_bit_decides_a_rise_at_a_whole_count),
        cmocka_unit_test(without_false_positives_the_curve_is_a_rise_at_zero),
        cmocka_unit_test(without_detections_the_curve_is_flat),
        cmocka_unit_test(a_weight_counts_as_often_as_the_scan_was_drawn),
        cmocka_unit_test(corners_are_where_the_curve_turns),
        cmocka_unit_test(grids_are_those_of_numpy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
