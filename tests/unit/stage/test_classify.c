/* Classification around a network that a test can see through: it gives the mean of a
 * crop. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_model.h"
#include "stage/classify.h"

enum { DEPTH = 40, SIDE = 4, CANDIDATES = 37 };

static const struct model mean_of_two_slices = {
    .dimensions = 3, .channels = 1, .divisor = 1, .crop = {2, SIDE, SIDE}};

/* A volume whose voxels hold the number of their slice. */
static struct slices numbered_slices(float *hu)
{
    for (int i = 0; i < DEPTH * SIDE * SIDE; i++)
        hu[i] = (float)(i / (SIDE * SIDE));
    return (struct slices){
        .hu = hu, .first = 0, .count = DEPTH, .size = {DEPTH, SIDE, SIDE}};
}

static struct classifier *classifier_of(int threads)
{
    struct classify_options o = {.threads = threads};
    struct classifier *c;
    assert_int_equal(classifier_new(&mean_of_two_slices, &o, &c, NULL), STATUS_OK);
    return c;
}

static void each_candidate_gets_its_own_probability_for_any_threads(void **state)
{
    (void)state;
    float hu[DEPTH * SIDE * SIDE], probabilities[CANDIDATES], disagreements[CANDIDATES];
    struct candidate candidates[CANDIDATES] = {0};
    struct slices s = numbered_slices(hu);

    for (int i = 0; i < CANDIDATES; i++)
        candidates[i].index[0] = i * 7 % CANDIDATES + 1;
    for (int threads = 1; threads <= 3; threads++) {
        struct classifier *c = classifier_of(threads);
        assert_int_equal(classifier_run(c, &s, candidates, CANDIDATES, probabilities,
                                        disagreements, NULL, NULL, NULL),
                         STATUS_OK);
        for (int i = 0; i < CANDIDATES; i++)
            assert_true(probabilities[i] == (float)candidates[i].index[0] - 0.5f &&
                        isnan(disagreements[i]));
        classifier_free(c);
    }
}

static void no_candidates_are_no_work(void **state)
{
    (void)state;
    float hu[DEPTH * SIDE * SIDE];
    struct slices s = numbered_slices(hu);
    struct classifier *c = classifier_of(1);
    assert_int_equal(classifier_run(c, &s, NULL, 0, NULL, NULL, NULL, NULL, NULL),
                     STATUS_OK);
    classifier_free(c);
}

static void the_range_of_a_centre_is_what_its_crop_reads(void **state)
{
    (void)state;
    struct classifier *c = classifier_of(1);
    const int64_t size[3] = {DEPTH, SIDE, SIDE}, flat[3] = {1, SIDE, SIDE};
    const double middle[3] = {20.2, 0, 0}, last[3] = {DEPTH - 1, 0, 0};
    int64_t first, count;

    classifier_range(c, size, middle, &first, &count);
    assert_int_equal(first, 19);
    assert_int_equal(count, 2);
    classifier_range(c, size, last, &first, &count);
    assert_int_equal(first, DEPTH - 2);
    classifier_range(c, flat, middle, &first, &count);
    assert_int_equal(first, 0);
    assert_int_equal(count, 1);
    classifier_free(c);
}

static void a_probability_that_is_not_finite_is_named_by_its_voxel(void **state)
{
    (void)state;
    float hu[DEPTH * SIDE * SIDE], probabilities[2], disagreements[2];
    const struct candidate candidates[2] = {{.index = {3, 1, 2}},
                                            {.index = {30.25, 1, 2}}};
    struct slices s = numbered_slices(hu);
    struct classifier *c = classifier_of(2);
    struct error err;

    hu[30 * SIDE * SIDE] = NAN;
    assert_int_equal(classifier_run(c, &s, candidates, 2, probabilities, disagreements,
                                    NULL, NULL, &err),
                     STATUS_STAGE_NUMERIC);
    assert_non_null(strstr(err.message, "(30.250, 1.000, 2.000)"));
    classifier_free(c);
}

/* Around an odd slice: the number of that slice, where two slices give half less. */
static const struct model mean_of_three_slices = {
    .dimensions = 3, .channels = 1, .divisor = 1, .crop = {3, SIDE, SIDE}};

static void
several_networks_give_their_mean_and_disagreement_for_any_threads(void **state)
{
    (void)state;
    float hu[DEPTH * SIDE * SIDE], probabilities[CANDIDATES], disagreements[CANDIDATES];
    struct candidate candidates[CANDIDATES] = {0};
    struct slices s = numbered_slices(hu);

    for (int i = 0; i < CANDIDATES; i++)
        candidates[i].index[0] = i * 7 % 17 * 2 + 3;
    for (int threads = 1; threads <= 3; threads++) {
        struct classifier *c = classifier_of(threads);
        assert_int_equal(classifier_add(c, &mean_of_three_slices, NULL), STATUS_OK);
        assert_int_equal(classifier_add(c, &mean_of_three_slices, NULL), STATUS_OK);
        assert_int_equal(classifier_run(c, &s, candidates, CANDIDATES, probabilities,
                                        disagreements, NULL, NULL, NULL),
                         STATUS_OK);
        for (int i = 0; i < CANDIDATES; i++) {
            /* x - 1/2, x, x: their mean is x - 1/6, their distances 1/3, 1/6, 1/6 */
            const double mean = candidates[i].index[0] - 1.0 / 6;
            assert_true(fabs((double)probabilities[i] - mean) < 1e-5);
            assert_true(fabs((double)disagreements[i] - sqrt(1.0 / 18)) < 1e-5);
        }
        classifier_free(c);
    }
}

static void equal_networks_give_what_one_gives_and_do_not_disagree(void **state)
{
    (void)state;
    float hu[DEPTH * SIDE * SIDE], one[CANDIDATES], many[CANDIDATES],
        disagreements[CANDIDATES];
    struct candidate candidates[CANDIDATES] = {0};
    struct slices s = numbered_slices(hu);

    for (int i = 0; i < DEPTH * SIDE * SIDE; i++)
        hu[i] = 1 / (float)(i + 3);
    for (int i = 0; i < CANDIDATES; i++)
        candidates[i].index[0] = i + 1;
    for (int networks = 2; networks <= 11; networks++) {
        struct classifier *c = classifier_of(2);
        assert_int_equal(classifier_run(c, &s, candidates, CANDIDATES, one, disagreements,
                                        NULL, NULL, NULL),
                         STATUS_OK);
        for (int k = 1; k < networks; k++)
            assert_int_equal(classifier_add(c, &mean_of_two_slices, NULL), STATUS_OK);
        assert_int_equal(classifier_run(c, &s, candidates, CANDIDATES, many,
                                        disagreements, NULL, NULL, NULL),
                         STATUS_OK);
        assert_memory_equal(one, many, sizeof one);
        for (int i = 0; i < CANDIDATES; i++)
            assert_true(disagreements[i] == 0);
        classifier_free(c);
    }
}

static void the_range_of_several_networks_holds_all_their_crops(void **state)
{
    (void)state;
    static const struct model deep = {
        .dimensions = 3, .channels = 1, .divisor = 1, .crop = {9, SIDE, SIDE}};
    const int64_t size[3] = {DEPTH, SIDE, SIDE};
    const double middle[3] = {20.2, 0, 0};
    struct classifier *c = classifier_of(1), *alone;
    struct classify_options o = {.threads = 1};
    int64_t first[2], count[2];

    assert_int_equal(classifier_new(&deep, &o, &alone, NULL), STATUS_OK);
    assert_int_equal(classifier_add(c, &deep, NULL), STATUS_OK);
    classifier_range(c, size, middle, &first[0], &count[0]);
    classifier_range(alone, size, middle, &first[1], &count[1]);
    assert_memory_equal(&first[0], &first[1], sizeof first[0]);
    assert_memory_equal(&count[0], &count[1], sizeof count[0]);
    classifier_free(c);
    classifier_free(alone);
}

static enum status stop_after(void *context)
{
    int *left = context;
    return (*left)-- > 0 ? STATUS_OK : STATUS_JOB_INTERRUPTED;
}

static void what_poll_returns_stops_the_work(void **state)
{
    (void)state;
    float hu[DEPTH * SIDE * SIDE], probabilities[CANDIDATES] = {0},
                                   disagreements[CANDIDATES];
    struct candidate candidates[CANDIDATES] = {0};
    struct slices s = numbered_slices(hu);
    struct classifier *c = classifier_of(1);
    int left = 1;

    for (int i = 0; i < CANDIDATES; i++)
        candidates[i].index[0] = 10;
    assert_int_equal(classifier_run(c, &s, candidates, CANDIDATES, probabilities,
                                    disagreements, stop_after, &left, NULL),
                     STATUS_JOB_INTERRUPTED);
    assert_true(probabilities[0] == 9.5f);
    assert_true(probabilities[CANDIDATES - 1] == 0);
    classifier_free(c);
}

static void models_that_do_not_classify_are_refused(void **state)
{
    (void)state;
    const struct model refused[] = {
        {.dimensions = 2, .channels = 1, .crop = {1, 4, 4}},
        {.dimensions = 3, .channels = 2, .crop = {4, 4, 4}},
        {.dimensions = 3, .channels = 1, .crop = {0, 0, 0}},
        {.dimensions = 3, .channels = 1, .crop = {4, 4, 4}, .outputs = 3},
    };
    struct classify_options o = {.threads = 1};
    struct classifier *c;
    struct error err;

    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        assert_int_equal(classifier_new(&refused[i], &o, &c, &err), STATUS_JOB_CONFIG);
        assert_non_null(strstr(err.message, "\"fake\""));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_candidate_gets_its_own_probability_for_any_threads),
        cmocka_unit_test(no_candidates_are_no_work),
        cmocka_unit_test(the_range_of_a_centre_is_what_its_crop_reads),
        cmocka_unit_test(a_probability_that_is_not_finite_is_named_by_its_voxel),
        cmocka_unit_test(
            several_networks_give_their_mean_and_disagreement_for_any_threads),
        cmocka_unit_test(equal_networks_give_what_one_gives_and_do_not_disagree),
        cmocka_unit_test(the_range_of_several_networks_holds_all_their_crops),
        cmocka_unit_test(what_poll_returns_stops_the_work),
        cmocka_unit_test(models_that_do_not_classify_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
