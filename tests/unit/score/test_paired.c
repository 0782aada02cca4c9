#include "score_maker.h"

#include "score/paired.h"

enum { SCANS = 30, MARKS = 8, RESAMPLES = 300 };

static struct nodule nodules[SCANS];
static struct mark marks[2][SCANS][MARKS];

/* Scans with a nodule each and marks of which a few lie in it; two systems that agree on
 * many of them. */
static void score_both(struct froc_result out[2])
{
    struct error err;
    for (int k = 0; k < 2; k++) {
        struct scored_scan scans[SCANS];
        for (int i = 0; i < SCANS; i++) {
            nodules[i] = (struct nodule)FINDING(0, 10);
            for (int m = 0; m < MARKS; m++)
                marks[k][i][m] =
                    (struct mark)MARK(m == (i * 5 + k * (i % 3 == 0)) % 11 ? 1 : 50 + m,
                                      (i * 17 + m * 29 + k * (i % 4)) % 97 / 97.);
            scans[i] = (struct scored_scan){.marks = marks[k][i],
                                            .mark_count = MARKS,
                                            .included = &nodules[i],
                                            .included_count = 1};
        }
        assert_int_equal(froc_score(scans, SCANS, &out[k], &err), STATUS_OK);
    }
}

static void release_both(struct froc_result r[2])
{
    froc_result_release(&r[0]);
    froc_result_release(&r[1]);
}

static void bounds_are_those_of_the_differences_of_shared_resamples(void **state)
{
    (void)state;
    struct froc_result r[2];
    struct bootstrap_rows rows[2];
    struct paired_result p;
    struct error err;
    double differences[RESAMPLES];
    score_both(r);
    for (int k = 0; k < 2; k++) {
        struct curve_input in = froc_curve_input(&r[k]);
        assert_int_equal(bootstrap_rows_init(&rows[k], RESAMPLES, &err), STATUS_OK);
        assert_int_equal(bootstrap_fill(&rows[k], &in, 3, 0, RESAMPLES, &err), STATUS_OK);
    }
    assert_int_equal(paired_compare(&r[0], &r[1], RESAMPLES, 3, &p, &err), STATUS_OK);
    assert_int_equal(p.resamples, RESAMPLES);
    for (int v = 0; v < BOOTSTRAP_SUMMARY; v++) {
        const struct paired_value *got = v < BOOTSTRAP_POINTS ? &p.points[v] : &p.cpm;
        for (int i = 0; i < RESAMPLES; i++)
            differences[i] = rows[1].summary[i * BOOTSTRAP_SUMMARY + v] -
                             rows[0].summary[i * BOOTSTRAP_SUMMARY + v];
        struct interval wanted = bootstrap_interval(differences, RESAMPLES);
        assert_true(got->lower == wanted.lower && got->upper == wanted.upper);
        assert_true(got->difference == got->b - got->a);
    }
    assert_true(p.cpm.a == r[0].cpm && p.cpm.b == r[1].cpm);
    assert_true(p.points[3].b == r[1].sensitivity[3]);
    assert_true(p.cpm.lower < p.cpm.upper);
    for (int k = 0; k < 2; k++)
        bootstrap_rows_release(&rows[k]);
    release_both(r);
}

static void a_system_does_not_differ_from_itself(void **state)
{
    (void)state;
    struct froc_result r[2];
    struct paired_result p;
    struct error err;
    score_both(r);
    assert_int_equal(paired_compare(&r[1], &r[1], RESAMPLES, 1, &p, &err), STATUS_OK);
    assert_true(p.cpm.difference == 0 && p.cpm.lower == 0 && p.cpm.upper == 0);
    release_both(r);
}

/* One system gives all marks one probability, the other those of every third scan
 * another: each has a hit and three false marks, so both curves are the same line. */
static void rounding_is_no_difference(void **state)
{
    (void)state;
    enum { LINE_MARKS = 4 };
    struct froc_result r[2];
    struct paired_result p;
    struct error err;
    for (int k = 0; k < 2; k++) {
        struct scored_scan scans[SCANS];
        for (int i = 0; i < SCANS; i++) {
            nodules[i] = (struct nodule)FINDING(0, 10);
            for (int m = 0; m < LINE_MARKS; m++)
                marks[k][i][m] =
                    (struct mark)MARK(m == 0 ? 1 : 50 + m, k && i % 3 == 0 ? .7 : .3);
            scans[i] = (struct scored_scan){.marks = marks[k][i],
                                            .mark_count = LINE_MARKS,
                                            .included = &nodules[i],
                                            .included_count = 1};
        }
        assert_int_equal(froc_score(scans, SCANS, &r[k], &err), STATUS_OK);
    }
    assert_int_equal(paired_compare(&r[0], &r[1], RESAMPLES, 1, &p, &err), STATUS_OK);
    for (int v = 0; v < BOOTSTRAP_SUMMARY; v++) {
        const struct paired_value *got = v < BOOTSTRAP_POINTS ? &p.points[v] : &p.cpm;
        assert_true(got->difference == 0 && got->lower == 0 && got->upper == 0);
    }
    release_both(r);
}

static void exchanged_systems_have_the_opposite_difference(void **state)
{
    (void)state;
    struct froc_result r[2];
    struct paired_result p, q;
    struct error err;
    score_both(r);
    assert_int_equal(paired_compare(&r[0], &r[1], 999, 1, &p, &err), STATUS_OK);
    assert_int_equal(paired_compare(&r[1], &r[0], 999, 1, &q, &err), STATUS_OK);
    assert_true(p.cpm.difference == -q.cpm.difference);
    /* floor(.025 n) from below and floor(.975 n), which is one less from above. */
    assert_true(fabs(p.cpm.lower + q.cpm.upper) < .02);
    release_both(r);
}

static void without_resamples_or_nodules_there_are_no_bounds(void **state)
{
    (void)state;
    struct froc_result r[2], none;
    struct paired_result p;
    struct error err;
    const struct scored_scan empty = {0};
    score_both(r);
    assert_int_equal(paired_compare(&r[0], &r[1], 0, 1, &p, &err), STATUS_OK);
    assert_true(isnan(p.cpm.lower) && isnan(p.cpm.upper) && !isnan(p.cpm.difference));
    assert_int_equal(froc_score(&empty, 1, &none, &err), STATUS_OK);
    assert_int_equal(paired_compare(&none, &none, 10, 1, &p, &err), STATUS_OK);
    assert_true(isnan(p.cpm.a) && isnan(p.cpm.lower) && p.resamples == 0);
    froc_result_release(&none);
    release_both(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_are_those_of_the_differences_of_shared_resamples),
        cmocka_unit_test(a_system_does_not_differ_from_itself),
        cmocka_unit_test(rounding_is_no_difference),
        cmocka_unit_test(exchanged_systems_have_the_opposite_difference),
        cmocka_unit_test(without_resamples_or_nodules_there_are_no_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
