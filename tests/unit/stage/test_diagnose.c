/* From candidates to a patient's score, and the order of candidates. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stage/diagnose.h"

static const struct diagnose_options with_malignancy = {
    .nodule_threshold = 0.5, .rule = PATIENT_MAX, .has_malignancy = true};

static const struct candidate scan[] = {
    {.probability = 0.9f, .malignancy = 0.25f},
    {.probability = 0.5f, .malignancy = 0.5f},
    {.probability = 0.4999f, .malignancy = 0.99f},
    {.probability = NAN, .malignancy = 1},
};

static void the_score_is_the_highest_malignancy_of_a_nodule(void **state)
{
    (void)state;
    struct diagnosis d = diagnose(scan, 4, &with_malignancy);
    assert_int_equal(d.status, DIAGNOSIS_OK);
    assert_int_equal(d.nodules, 2);
    assert_true(d.score == 0.5);
}

static void noisy_or_is_the_chance_that_any_nodule_is_malignant(void **state)
{
    (void)state;
    struct diagnose_options o = with_malignancy;
    o.rule = PATIENT_NOISY_OR;
    struct diagnosis d = diagnose(scan, 4, &o);
    assert_int_equal(d.status, DIAGNOSIS_OK);
    assert_true(d.score == 1 - 0.75 * 0.5);
}

/* 0.7 in float32 is below 0.7 in double: the number in the list and the one in the job
 * file are the same to their reader. */
static void a_probability_that_equals_the_threshold_counts(void **state)
{
    (void)state;
    const struct candidate c = {.probability = 0.7f, .malignancy = 0.1f};
    struct diagnose_options o = with_malignancy;
    o.nodule_threshold = 0.7;
    assert_int_equal(diagnose(&c, 1, &o).nodules, 1);
}

static void a_scan_without_candidates_scores_0_with_a_model_or_without(void **state)
{
    (void)state;
    struct diagnose_options o = with_malignancy;
    for (int i = 0; i < 2; i++) {
        o.has_malignancy = i;
        struct diagnosis d = diagnose(NULL, 0, &o);
        assert_int_equal(d.status, DIAGNOSIS_NO_CANDIDATES);
        assert_true(d.score == 0);
        assert_int_equal(d.nodules, 0);
    }
}

static void a_scan_without_nodules_scores_0(void **state)
{
    (void)state;
    struct diagnosis d = diagnose(scan + 2, 2, &with_malignancy);
    assert_int_equal(d.status, DIAGNOSIS_NO_NODULES);
    assert_true(d.score == 0);
    assert_int_equal(d.nodules, 0);
}

static void without_a_malignancy_model_there_is_no_score(void **state)
{
    (void)state;
    struct diagnose_options o = with_malignancy;
    o.has_malignancy = false;
    for (size_t first = 0; first < 4; first += 2) {
        struct diagnosis d = diagnose(scan + first, 4 - first, &o);
        assert_int_equal(d.status, DIAGNOSIS_NO_MALIGNANCY);
        assert_true(isnan(d.score));
        assert_int_equal(d.nodules, first == 0 ? 2 : 0);
    }
}

static void each_status_has_the_name_that_the_results_show(void **state)
{
    (void)state;
    assert_string_equal(diagnosis_status_name(DIAGNOSIS_OK), "ok");
    assert_string_equal(diagnosis_status_name(DIAGNOSIS_NO_CANDIDATES), "no candidates");
    assert_string_equal(diagnosis_status_name(DIAGNOSIS_NO_NODULES), "no nodules");
    assert_string_equal(diagnosis_status_name(DIAGNOSIS_NO_MALIGNANCY),
                        "no malignancy model");
    assert_string_equal(diagnosis_status_name(DIAGNOSIS_QUARANTINED), "quarantined");
}

static void candidates_have_one_order_wherever_they_start(void **state)
{
    (void)state;
    static const struct candidate ordered[] = {
        {.probability = 1},
        {.probability = 0.5f, .xyz = {-3, 9, 9}},
        {.probability = 0.5f, .xyz = {1, 2, 9}},
        {.probability = 0.5f, .xyz = {1, 3, 2}},
        {.probability = 0.5f, .xyz = {1, 3, 4}, .voxels = 1},
        {.probability = 0.5f, .xyz = {1, 3, 4}, .voxels = 2},
        {.probability = 0},
        {.probability = NAN, .xyz = {0, 0, 1}},
        {.probability = NAN, .xyz = {0, 0, 2}},
    };
    enum { COUNT = sizeof ordered / sizeof *ordered };
    assert_true(candidates_are_sorted(ordered, COUNT));
    /* Steps that share no factor with the count visit every candidate once. */
    for (size_t step = 1; step < COUNT; step++) {
        struct candidate shuffled[COUNT];
        if (step % 3 == 0)
            continue;
        for (size_t i = 0; i < COUNT; i++)
            shuffled[i] = ordered[(i * step + 4) % COUNT];
        assert_false(candidates_are_sorted(shuffled, COUNT));
        candidates_sort(shuffled, COUNT);
        assert_memory_equal(shuffled, ordered, sizeof ordered);
    }
    candidates_sort(NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_score_is_the_highest_malignancy_of_a_nodule),
        cmocka_unit_test(noisy_or_is_the_chance_that_any_nodule_is_malignant),
        cmocka_unit_test(a_probability_that_equals_the_threshold_counts),
        cmocka_unit_test(a_scan_without_candidates_scores_0_with_a_model_or_without),
        cmocka_unit_test(a_scan_without_nodules_scores_0),
        cmocka_unit_test(without_a_malignancy_model_there_is_no_score),
        cmocka_unit_test(each_status_has_the_name_that_the_results_show),
        cmocka_unit_test(candidates_have_one_order_wherever_they_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
