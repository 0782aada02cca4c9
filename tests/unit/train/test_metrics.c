/* Promise: metrics are those of the outcomes, exactly, whatever order ranks left them in.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "train/metrics.h"

static struct error err;

static void an_outcome_keeps_every_bit_of_its_probability(void **state)
{
    (void)state;
    static const float values[] = {0, 1, 0.5f, 0x1p-149f, 0.1f, 0x1.fffffep-1f};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        for (int label = 0; label < 2; label++) {
            const int64_t o = outcome_pack(values[i], label);
            assert_true(outcome_probability(o) == values[i]);
            assert_int_equal(outcome_label(o), label);
            assert_true(o >= 0); /* sums over ranks add zeros to it */
        }
}

static void shares_are_of_the_kind_they_name(void **state)
{
    (void)state;
    const int64_t outcomes[] = {outcome_pack(0.9f, 1), outcome_pack(0.4f, 1),
                                outcome_pack(0.6f, 0), outcome_pack(0.1f, 0),
                                outcome_pack(0.5f, 0)};
    struct metrics m;
    assert_int_equal(metrics_of_outcomes(outcomes, 5, 0.25, &m, &err), STATUS_OK);
    assert_true(m.samples == 5 && m.loss == 0.25);
    assert_true(fabs(m.correct - 2.0 / 5) < 1e-12);
    assert_true(fabs(m.correct_positive - 0.5) < 1e-12);
    assert_true(fabs(m.correct_negative - 1.0 / 3) < 1e-12); /* 0.5 is called positive */
    assert_true(fabs(m.precision - 1.0 / 3) < 1e-12);
    assert_true(fabs(m.recall - 0.5) < 1e-12);
    assert_true(fabs(m.f1 - 0.4) < 1e-12);
    assert_true(fabs(m.auc - 4.0 / 6) < 1e-12); /* pairs in order */
}

static void what_was_not_there_has_no_share(void **state)
{
    (void)state;
    const int64_t outcomes[] = {outcome_pack(0.9f, 1), outcome_pack(0.4f, 1)};
    struct metrics m;
    assert_int_equal(metrics_of_outcomes(outcomes, 2, 0, &m, &err), STATUS_OK);
    assert_true(isnan(m.correct_negative) && isnan(m.auc));
    assert_true(metric_value(&m, METRIC_AUC) == 0);
    assert_true(metric_value(&m, METRIC_RECALL) == 0.5);
}

static void a_probability_that_is_not_finite_is_refused(void **state)
{
    (void)state;
    const int64_t outcomes[] = {outcome_pack(NAN, 1), outcome_pack(0.4f, 0)};
    struct metrics m;
    assert_int_equal(metrics_of_outcomes(outcomes, 2, 0, &m, &err), STATUS_STAGE_NUMERIC);
}

static void voxels_are_counted_by_what_they_are_called(void **state)
{
    (void)state;
    const float p[] = {0.9f, 0.9f, 0.5f, 0.1f, 0.2f, 0.3f}, t[] = {1, 0, 1, 1, 0, 0};
    int64_t counts[VOXELS] = {0};
    struct metrics m;
    voxels_count(p, t, 6, counts);
    assert_int_equal(counts[VOXELS_TRUE], 1);
    assert_int_equal(counts[VOXELS_FALSE], 1);
    assert_int_equal(counts[VOXELS_MISSED], 2);
    assert_int_equal(counts[VOXELS_RIGHT_OUT], 2);
    metrics_of_voxels(counts, 1, 0, &m);
    assert_true(fabs(m.recall - 1.0 / 3) < 1e-12 && m.precision == 0.5 && isnan(m.auc));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_outcome_keeps_every_bit_of_its_probability),
        cmocka_unit_test(shares_are_of_the_kind_they_name),
        cmocka_unit_test(what_was_not_there_has_no_share),
        cmocka_unit_test(a_probability_that_is_not_finite_is_refused),
        cmocka_unit_test(voxels_are_counted_by_what_they_are_called),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
