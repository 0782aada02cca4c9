/* Measures at a threshold, calibration and strata, against figures done by hand. */
#include "score_maker.h"

#include "score/calibration.h"
#include "score/confusion.h"
#include "score/strata.h"

static void precision_recall_and_f1_are_those_of_the_table(void **state)
{
    (void)state;
    double scores[] = {.9, .5, .5, .4, .1, NAN};
    bool positive[] = {true, true, false, true, false, true};
    struct confusion c = {0};
    confusion_add(&c, scores, positive, 3, .5);
    confusion_add(&c, scores + 3, positive + 3, 3, .5);
    assert_int_equal(c.true_positives, 2);
    assert_int_equal(c.false_positives, 1);
    assert_int_equal(c.false_negatives, 2);
    assert_int_equal(c.true_negatives, 1);
    assert_true(confusion_precision(&c) == 2. / 3);
    assert_true(confusion_recall(&c) == .5);
    assert_true(confusion_f1(&c) == 4. / 7);
    assert_true(confusion_accuracy(&c) == .5);
    c = (struct confusion){0};
    assert_true(confusion_precision(&c) == 0 && confusion_recall(&c) == 0 &&
                confusion_f1(&c) == 0);
}

static void the_books_table_says_where_a_nodule_was_lost(void **state)
{
    (void)state;
    struct book_table t = {0};
    struct book_thresholds half = {.5, .5};
    struct nodule nodules[] = {FINDING(0, 10), FINDING(10, 10), FINDING(50, 10),
                               FINDING(80, 10)};
    nodules[0].malignant = nodules[2].malignant = 1;
    nodules[1].malignant = 0;
    struct book_candidate candidates[] = {
        {{6, 0, 0}, .9, .8},     /* near the first two: 6 and 4 of 7 mm */
        {{0, 0, 0}, .9, .1},     /* on the first, but benign */
        {{57, 0, 0}, .9, .9},    /* 7 mm from the third: not near */
        {{56.9, 0, 0}, .49, .9}, /* near it, filtered */
        {{200, 0, 0}, .1, NAN},
    };
    book_table_add(&t, candidates, COUNT(candidates), nodules, COUNT(nodules), &half);
    const int64_t wanted[TRUTH_KINDS][FOUND_KINDS] = {
        {0, 1, 0, 1},
        {1, 0, 0, 1}, /* the fourth is not said to be malignant */
        {0, 1, 0, 1},
    };
    assert_memory_equal(t.cells, wanted, sizeof wanted);
}

static void probabilities_fall_into_the_bins_they_name(void **state)
{
    (void)state;
    struct calibration c;
    double p[] = {0, .05, .1, .3, .3, .7, .99, 1};
    bool positive[] = {false, false, false, true, false, true, true, true};
    calibration_compute(&c, p, positive, COUNT(p));
    const int64_t wanted[] = {2, 1, 0, 2, 0, 0, 0, 1, 0, 2};
    for (size_t k = 0; k < CALIBRATION_BINS; k++)
        assert_int_equal(c.bins[k].observed.of, wanted[k]);
    assert_true(c.bins[3].observed.share == .5 && c.bins[3].predicted == .3);
    assert_true(isnan(c.bins[2].predicted) && isnan(c.bins[2].observed.share));
    double brier =
        (.05 * .05 + .1 * .1 + .7 * .7 + .3 * .3 + .3 * .3 + .01 * .01) / COUNT(p);
    assert_true(fabs(c.brier - brier) < 1e-15);
    assert_true(fabs(c.error - (.05 + .1 + .4 + .3 + .01) / COUNT(p)) < 1e-15);
    assert_true(fabs(c.skill - (1 - brier / .25)) < 1e-12);
    calibration_compute(&c, p, positive, 0);
    assert_true(isnan(c.brier) && isnan(c.error) && isnan(c.skill));
    for (int k = 0; k < CALIBRATION_BINS; k++) { /* edges belong to the bin above them */
        double edge = k / 10.;
        calibration_compute(&c, &edge, positive, 1);
        assert_int_equal(c.bins[k].observed.of, 1);
    }
}

static void intervals_of_proportions_are_wilsons(void **state)
{
    (void)state;
    struct proportion p = proportion_of(81, 263); /* Newcombe 1998, table I */
    assert_true(fabs(p.lower - .2553) < 5e-5 && fabs(p.upper - .3662) < 5e-5);
    p = proportion_of(0, 20);
    assert_true(p.lower == 0 && fabs(p.upper - .1611) < 5e-5);
    p = proportion_of(1, 29);
    assert_true(fabs(p.lower - .0061) < 5e-5 && fabs(p.upper - .1718) < 5e-5);
    p = proportion_of(29, 29);
    assert_true(p.upper == 1 && p.lower > .88);
    assert_true(isnan(proportion_of(0, 0).share));
}

static void nodules_are_counted_in_the_bin_of_their_value(void **state)
{
    (void)state;
    double diameters[] = {2, 3, 4.9, 5, 25, -1, NAN};
    bool found[] = {true, false, true, true, false, true, true};
    int labels[] = {0, 1, 1, 2, -1, 0, 7};
    struct proportion bins[STRATA_DIAMETER_EDGES - 1];
    assert_int_equal(strata_by_value(diameters, found, 7, strata_diameter_edges,
                                     STRATA_DIAMETER_EDGES, bins),
                     2);
    assert_true(bins[0].share == 1 && bins[1].share == .5 && bins[2].share == 1);
    assert_int_equal(bins[3].of, 0);
    assert_true(bins[5].of == 1 && bins[5].count == 0);
    assert_int_equal(strata_by_label(labels, found, 7, 3, bins), 2);
    assert_true(bins[0].count == 2 && bins[1].of == 2 && bins[2].of == 1);
}

static void the_threshold_at_an_allowance_finds_what_the_curve_says(void **state)
{
    (void)state;
    struct nodule nodules[] = {FINDING(0, 10), FINDING(50, 10), FINDING(90, 10)};
    struct mark marks[] = {MARK(0, .9), MARK(20, .8), MARK(50, .7), MARK(30, .6)};
    struct scored_scan scan = {LAY(mark, marks), INCLUDED(nodules)};
    struct froc_result r;
    struct error err;
    bool found[3];
    assert_int_equal(froc_score(&scan, 1, &r, &err), STATUS_OK);
    assert_true(froc_threshold(&r, .5) == .9 && froc_threshold(&r, 1) == .7 &&
                froc_threshold(&r, 8) == .6);
    froc_found(&r, froc_threshold(&r, .5), found);
    assert_true(found[0] && !found[1] && !found[2]);
    froc_found(&r, froc_threshold(&r, 1), found);
    assert_true(found[0] && found[1] && !found[2]);
    froc_result_release(&r);
    scan.marks = marks + 1; /* a false positive first: none is allowed */
    scan.mark_count = 2;
    assert_int_equal(froc_score(&scan, 1, &r, &err), STATUS_OK);
    assert_true(isinf(froc_threshold(&r, .5)));
    froc_result_release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(precision_recall_and_f1_are_those_of_the_table),
        cmocka_unit_test(the_books_table_says_where_a_nodule_was_lost),
        cmocka_unit_test(probabilities_fall_into_the_bins_they_name),
        cmocka_unit_test(intervals_of_proportions_are_wilsons),
        cmocka_unit_test(nodules_are_counted_in_the_bin_of_their_value),
        cmocka_unit_test(the_threshold_at_an_allowance_finds_what_the_curve_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
