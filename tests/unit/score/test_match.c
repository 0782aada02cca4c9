#include "score_maker.h"

static uint8_t verdicts[300];
static size_t best[8];

static struct match_counts match(const struct scored_scan *scan)
{
    struct match_counts counts = {0};
    match_scan(scan, verdicts, best, &counts);
    return counts;
}

static void a_mark_on_the_surface_of_a_nodule_misses_it(void **state)
{
    (void)state;
    struct nodule nodules[] = {FINDING(10, 8)};
    struct mark marks[] = {MARK(14, .9), MARK(nextafter(14, 0), .5)};
    struct match_counts c =
        match(&(struct scored_scan){LAY(mark, marks), INCLUDED(nodules)});
    assert_int_equal(c.true_positives, 1);
    assert_int_equal(c.false_positives, 1);
    assert_int_equal(verdicts[0], MARK_FALSE);
    assert_int_equal(verdicts[1], MARK_HIT);
    assert_int_equal(best[0], 1);
}

static void a_nodule_without_a_diameter_is_ten_millimetres_wide(void **state)
{
    (void)state;
    struct nodule nodules[] = {FINDING(0, -1)}, none[] = {FINDING(100, 0)};
    struct mark marks[] = {MARK(4.999, .9), MARK(5, .9), MARK(100, .9)};
    struct match_counts c =
        match(&(struct scored_scan){LAY(mark, marks), INCLUDED(nodules), EXCLUDED(none)});
    assert_int_equal(verdicts[0], MARK_HIT);
    assert_int_equal(verdicts[1], MARK_FALSE);
    assert_int_equal(verdicts[2], MARK_FALSE); /* a diameter of 0 holds nothing */
    assert_int_equal(c.excluded, 0);
}

static void
the_most_probable_of_several_marks_counts_and_the_rest_are_doubles(void **state)
{
    (void)state;
    struct nodule nodules[] = {FINDING(0, 10)};
    struct mark marks[] = {MARK(1, .2), MARK(2, .7), MARK(3, .7), MARK(0, .1)};
    struct match_counts c =
        match(&(struct scored_scan){LAY(mark, marks), INCLUDED(nodules)});
    assert_int_equal(best[0], 1);
    assert_int_equal(c.true_positives, 1);
    assert_int_equal(c.doubles, 3);
    assert_int_equal(c.false_positives, 0);
    assert_int_equal(verdicts[1], MARK_HIT);
    assert_int_equal(verdicts[2], MARK_DOUBLE);
}

static void a_mark_in_two_nodules_finds_both(void **state)
{
    (void)state;
    struct nodule nodules[] = {FINDING(0, 10), FINDING(6, 10)};
    struct mark marks[] = {MARK(3, .4), MARK(7, .9)};
    struct match_counts c =
        match(&(struct scored_scan){LAY(mark, marks), INCLUDED(nodules)});
    assert_int_equal(c.true_positives, 2);
    assert_int_equal(c.doubles, 1); /* the first mark on the second nodule */
    assert_int_equal(c.shared, 1);
    assert_int_equal(c.false_positives, 0);
    assert_int_equal(best[0], 0);
    assert_int_equal(best[1], 1);
    assert_int_equal(verdicts[0], MARK_HIT); /* of the first */
}

static void a_mark_on_excluded_findings_alone_is_neither_right_nor_wrong(void **state)
{
    (void)state;
    struct nodule included[] = {FINDING(0, 10)};
    struct nodule excluded[] = {FINDING(2, 10), FINDING(50, -1), FINDING(52, -1)};
    struct mark marks[] = {MARK(1, .9), MARK(51, .8), MARK(6, .7), MARK(80, .6)};
    struct match_counts c = match(
        &(struct scored_scan){LAY(mark, marks), INCLUDED(included), EXCLUDED(excluded)});
    assert_int_equal(verdicts[0], MARK_HIT); /* included findings come first */
    assert_int_equal(verdicts[1], MARK_EXCLUDED);
    assert_int_equal(verdicts[2], MARK_EXCLUDED);
    assert_int_equal(verdicts[3], MARK_FALSE);
    assert_int_equal(c.excluded, 2); /* marks, not hits */
    assert_int_equal(c.false_positives, 1);
    assert_int_equal(c.excluded_findings, 3);
}

static void ties_at_the_hundredth_mark_all_go(void **state)
{
    (void)state;
    struct mark marks[103];
    for (int i = 0; i < 103; i++)
        marks[i] = (struct mark)MARK(i, i < 97 ? 1 - i / 1000. : .5);
    /* 103 marks: the 101st is .5, so the 98th to 103rd go: 97 stay. */
    struct match_counts c = match(&(struct scored_scan){LAY(mark, marks)});
    assert_int_equal(c.marks, 103);
    assert_int_equal(c.candidates, 97);
    assert_int_equal(c.cut, 6);
    assert_int_equal(c.false_positives, 97);
    assert_int_equal(verdicts[97], MARK_CUT);
    /* Of exactly 100, equal or not, all stay. */
    c = match(&(struct scored_scan){.marks = marks, .mark_count = 100});
    assert_int_equal(c.candidates, 100);
    /* Of 101 equal ones none is above the 101st. */
    for (int i = 0; i < 101; i++)
        marks[i].probability = .5;
    c = match(&(struct scored_scan){.marks = marks, .mark_count = 101});
    assert_int_equal(c.candidates, 0);
}

static void the_hundred_that_count_are_found_in_any_order(void **state)
{
    (void)state;
    static struct mark marks[250];
    for (int i = 0; i < 250; i++) /* 97 and 250 have no divisor in common */
        marks[i] = (struct mark)MARK(i, (i * 97 % 250) / 250.);
    struct match_counts c = match(&(struct scored_scan){LAY(mark, marks)});
    assert_int_equal(c.candidates, 100);
    for (int i = 0; i < 250; i++)
        assert_int_equal(verdicts[i], i * 97 % 250 >= 150 ? MARK_FALSE : MARK_CUT);
}

static void a_mark_that_was_cut_finds_nothing(void **state)
{
    (void)state;
    struct mark marks[101];
    struct nodule nodules[] = {FINDING(1000, 10)};
    for (int i = 0; i < 101; i++)
        marks[i] = (struct mark)MARK(i, 1 - i / 1000.);
    marks[100] = (struct mark)MARK(1000, .01);
    struct match_counts c =
        match(&(struct scored_scan){LAY(mark, marks), INCLUDED(nodules)});
    assert_int_equal(c.true_positives, 0);
    assert_int_equal(c.false_negatives, 1);
    assert_int_equal(best[0], MATCH_MISSED);
}

static void an_empty_scan_counts_its_nodules_as_missed(void **state)
{
    (void)state;
    struct nodule nodules[] = {FINDING(0, 10), FINDING(9, 10)};
    struct match_counts c = match(&(struct scored_scan){INCLUDED(nodules)});
    assert_int_equal(c.false_negatives, 2);
    assert_int_equal(c.nodules, 2);
    c = match(&(struct scored_scan){0});
    assert_int_equal(c.nodules + c.candidates, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mark_on_the_surface_of_a_nodule_misses_it),
        cmocka_unit_test(a_nodule_without_a_diameter_is_ten_millimetres_wide),
        cmocka_unit_test(
            the_most_probable_of_several_marks_counts_and_the_rest_are_doubles),
        cmocka_unit_test(a_mark_in_two_nodules_finds_both),
        cmocka_unit_test(a_mark_on_excluded_findings_alone_is_neither_right_nor_wrong),
        cmocka_unit_test(ties_at_the_hundredth_mark_all_go),
        cmocka_unit_test(the_hundred_that_count_are_found_in_any_order),
        cmocka_unit_test(a_mark_that_was_cut_finds_nothing),
        cmocka_unit_test(an_empty_scan_counts_its_nodules_as_missed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
