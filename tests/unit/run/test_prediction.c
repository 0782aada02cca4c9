/* Predictions where they can be worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "run/prediction.h"

enum { SCANS = 200 };

static struct settings settings_of(void)
{
    return (struct settings){.stages = {.detect = true},
                             .segment = {.method = (char *)(uintptr_t) "network",
                                         .weights = (char *)(uintptr_t) "S"},
                             .classify = {.weights = (char *)(uintptr_t) "C"},
                             .cluster = {.bandwidth_gbs = 1e6, .restart_s = 30}};
}

/* A scan is 80 slices of 1000 voxels: 10 runs of 0.5 s, 64 candidates in two batches of
 * 3.2 s each, 1 s of input, 2 s of grouping, 0.1 s of hashing. */
static const struct rates detection = {.open_byte = 1e-4,
                                       .load_voxel = 1.0 / 80000,
                                       .segment_voxel = 5.0 / 80000,
                                       .group_voxel = 2.0 / 80000,
                                       .classify_candidate = 0.1,
                                       .candidates_voxel = 64.0 / 80000,
                                       .mask_bytes_voxel = 0.01,
                                       .segment_slices = 8};

static void fill(struct prediction_scan scans[SCANS])
{
    for (int i = 0; i < SCANS; i++)
        scans[i] = (struct prediction_scan){1000, {80, 10, 100}, i % 10};
}

static void near(double found, double wanted, double share)
{
    if (fabs(found - wanted) > share * fabs(wanted))
        fail_msg("%.9g is not %.9g", found, wanted);
}

static void a_scan_becomes_the_tasks_that_a_job_gives_it(void **state)
{
    (void)state;
    const struct settings s = settings_of();
    const struct prediction_request r = {.settings = &s, .rates = &detection};
    const struct prediction_scan scan = {1000, {81, 10, 100}, 3};
    struct simulation_scan t;
    prediction_tasks(&r, &scan, &t);
    assert_int_equal(t.runs, 11);
    assert_int_equal(t.batches, 3); /* 65 candidates */
    assert_int_equal(t.subset, 3);
    near(t.parallel[TASK_SEGMENT] * 11, 5.0 * 81 / 80, 1e-5);
    near(t.parallel[TASK_CLASSIFY] * 3, 6.5, 1e-5);
    near(t.serial[TASK_OPEN], 0.1, 1e-5);
    near(t.load, 81.0 / 80, 1e-5);
}

/* One, two and three ranks of a machine of two cores: two threads, two threads beside a
 * master that sleeps, two workers of one thread. */
static void ranks_share_the_cores_of_their_host(void **state)
{
    (void)state;
    static struct prediction_scan scans[SCANS];
    const struct settings s = settings_of();
    const struct prediction_request r = {.settings = &s,
                                         .rates = &detection,
                                         .scans = scans,
                                         .count = SCANS,
                                         .cores = 2,
                                         .tasks = 3};
    const int ranks[] = {1, 2, 3};
    struct prediction p[3];
    struct error err;
    const double serial = 0.1 + 1 + 2, parallel = 5 + 6.4;
    fill(scans);
    assert_int_equal(prediction_make(&r, ranks, 3, p, &err), STATUS_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(p[i].hosts, 1);
        assert_int_equal(p[i].cores, 2);
        assert_int_equal(p[i].threads, i < 2 ? 2 : 1);
        assert_true(p[i].whole);
    }
    near(p[0].seconds, SCANS * (serial + parallel / 2), 1e-4);
    near(p[1].seconds, SCANS * (serial + parallel / 2), 2e-3); /* and messages */
    near(p[2].seconds, SCANS * (serial + parallel) / 2, 2e-3);
    near(p[2].efficiency, 1, 5e-3);
    near(p[0].speedup, (serial + parallel) / (serial + parallel / 2), 1e-3);
    assert_int_equal(prediction_knee(p, 3), 2);
}

/* More workers than cores take as long together as those that fill them. */
static void a_crowded_host_is_no_faster(void **state)
{
    (void)state;
    static struct prediction_scan scans[SCANS];
    const struct settings s = settings_of();
    struct prediction_request r = {.settings = &s,
                                   .rates = &detection,
                                   .scans = scans,
                                   .count = SCANS,
                                   .cores = 2,
                                   .tasks = 5};
    struct rates parallel = detection;
    const int ranks[] = {5};
    struct prediction p;
    struct error err;
    parallel.open_byte = parallel.load_voxel = parallel.group_voxel = 0;
    r.rates = &parallel;
    fill(scans);
    assert_int_equal(prediction_make(&r, ranks, 1, &p, &err), STATUS_OK);
    near(p.seconds, SCANS * (5 + 6.4) / 2, 1e-2);
}

static void losses_cost_what_starting_again_does(void **state)
{
    (void)state;
    static struct prediction_scan scans[SCANS];
    const struct settings s = settings_of();
    const struct prediction_request r = {.settings = &s,
                                         .rates = &detection,
                                         .scans = scans,
                                         .count = SCANS,
                                         .cores = 1,
                                         .tasks = 1,
                                         .losses = 0.1,
                                         .seed = 7};
    const int ranks[] = {1, 11};
    struct prediction p[2];
    struct error err;
    fill(scans);
    assert_int_equal(prediction_make(&r, ranks, 2, p, &err), STATUS_OK);
    assert_int_equal(p[0].lost, 0);
    near(p[0].lossy_s, p[0].seconds, 1e-9);
    assert_int_equal(p[1].lost, 1);
    assert_int_equal(p[1].launches, 1);
    assert_true(p[1].whole);
    /* Within half of the run nine workers go on where ten were. */
    assert_true(p[1].lossy_s > p[1].seconds + 30 - 10);
    assert_true(p[1].lossy_s < p[1].seconds * 10 / 9 + 30 + 40);
    assert_true(p[1].surviving_s < p[1].lossy_s);
}

/* 100 epochs of 10 steps of 32 samples, validated after the first, every fifth, the last.
 */
static void a_training_is_its_steps_sums_and_validations(void **state)
{
    (void)state;
    struct settings s = settings_of();
    const struct train_rates r = {.trained = true,
                                  .epochs = 100,
                                  .epoch_samples = 320,
                                  .batch = 32,
                                  .every = 5,
                                  .validate_samples = 64,
                                  .step = 0.01,
                                  .example = 0.002,
                                  .validate = 0.004,
                                  .gradient_bytes = 1000000,
                                  .sums = 3};
    double sums;
    const double steps = 1000, validations = 21;
    near(prediction_training(&r, &s, 1, 1, false, &sums),
         steps * 32 * 0.012 + validations * 64 * 0.006, 1e-9);
    assert_true(sums == 0);
    near(prediction_training(&r, &s, 1, 1, true, &sums), /* examples beside the step */
         steps * 32 * 0.01 + validations * 64 * 0.004, 1e-9);
    s.cluster.latency_us = 10;
    s.cluster.bandwidth_gbs = 1;
    const double reduce = 3 * 2 * 3 * 10e-6 + 2 * 7.0 / 8 * 1e6 * 1e-9;
    near(prediction_training(&r, &s, 8, 2, true, &sums),
         steps * (2 * 0.01 + reduce) + validations * 4 * 0.004, 1e-9);
    near(sums, steps * reduce, 1e-9);
    /* A batch is not to be had faster than its samples: more ranks than those wait. */
    assert_true(prediction_training(&r, &s, 64, 1, true, &sums) >= steps * 0.01);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scan_becomes_the_tasks_that_a_job_gives_it),
        cmocka_unit_test(ranks_share_the_cores_of_their_host),
        cmocka_unit_test(a_crowded_host_is_no_faster),
        cmocka_unit_test(losses_cost_what_starting_again_does),
        cmocka_unit_test(a_training_is_its_steps_sums_and_validations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
