/* The simulated cluster: what it says where it can be worked out by hand, and that no
 * scan is lost or done twice whoever dies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "base/clock.h"
#include "base/memory.h"
#include "run/simulation.h"

static struct simulation_scan scan_of(int runs, int batches)
{
    return (struct simulation_scan){
        .bytes = 1000,
        .runs = runs,
        .batches = batches,
        .load = 2,
        .serial = {[TASK_OPEN] = 1, [TASK_GROUP] = 3},
        .parallel = {[TASK_SEGMENT] = 4, [TASK_CLASSIFY] = 6}};
}

static struct simulation_scan *scans_of(size_t count, int runs, int batches)
{
    struct simulation_scan *scans;
    struct error err;
    assert_int_equal(memory_new(count, sizeof *scans, "scans", (void **)&scans, &err),
                     STATUS_OK);
    for (size_t i = 0; i < count; i++) {
        scans[i] = scan_of(runs, batches);
        scans[i].subset = (int32_t)(i % 10);
    }
    return scans;
}

static struct simulation_cluster cluster_of(int workers)
{
    return (struct simulation_cluster){
        .workers = workers, .ranks_a_host = 4, .first = TASK_OPEN, .last = TASK_CLASSIFY};
}

static struct simulation_result run(const struct simulation_scan *scans, size_t count,
                                    const struct simulation_cluster *c,
                                    const struct simulation_losses *l)
{
    struct simulation_result r;
    struct error err;
    assert_int_equal(simulation_run(scans, count, c, l, &r, &err), STATUS_OK);
    return r;
}

static void near(double found, double wanted)
{
    if (fabs(found - wanted) > 1e-5 * fabs(wanted))
        fail_msg("%.9g is not %.9g", found, wanted);
}

static void one_worker_takes_the_sum_of_all_tasks(void **state)
{
    (void)state;
    struct simulation_scan scans[] = {scan_of(5, 2), scan_of(5, 2), scan_of(5, 2)};
    struct simulation_cluster c = cluster_of(1);
    struct simulation_result r = run(scans, 3, &c, NULL);
    near(r.seconds, 3 * (1 + 2 + 5 * 4 + 3 + 2 * 6));
    near(r.busy, r.seconds);
    near(r.input, 3 * 2);
    assert_int_equal(r.tasks, 3 * (1 + 5 + 1 + 2));
    assert_int_equal(r.finished, 3);
    assert_int_equal(r.started, 1);
}

static void equal_scans_on_as_many_workers_take_as_long_as_one(void **state)
{
    (void)state;
    struct simulation_scan *scans = scans_of(8, 5, 2);
    struct simulation_cluster c = cluster_of(8);
    near(run(scans, 8, &c, NULL).seconds, 1 + 2 + 5 * 4 + 3 + 2 * 6);
    free(scans);
}

/* One scan of eight runs. Its owner goes through them from the front, a quarter of a
 * second of input each; the helper from the end, so that it reads all of it first. */
static void two_workers_share_one_scan(void **state)
{
    (void)state;
    struct simulation_scan scan = scan_of(8, 2);
    struct simulation_cluster c = cluster_of(2);
    const double owner = 4 * (0.25 + 4), helper = 2 + 4 * 4;
    /* Four runs each; the owner, who is through first, waits, then groups, for which it
     * lacks half of the voxels; both classify. */
    const double segmented = 1 + fmax(owner, helper);
    near(run(&scan, 1, &c, NULL).seconds, segmented + (2 * 0.5 + 3) + 6);
}

static void speed_shortens_what_threads_share(void **state)
{
    (void)state;
    struct simulation_scan scan = scan_of(5, 2);
    struct simulation_cluster c = cluster_of(1);
    const float speed[] = {2};
    c.speed = speed;
    near(run(&scan, 1, &c, NULL).seconds, 1 + 2 + 5 * 2 + 3 + 2 * 3);
}

static void messages_and_the_master_cost_what_they_are_said_to(void **state)
{
    (void)state;
    struct simulation_scan scan = scan_of(1, 0);
    struct simulation_cluster c = cluster_of(1);
    const double work = 1 + 2 + 4 + 3;
    c.latency_s = 0.125;
    near(run(&scan, 1, &c, NULL).seconds, work + 3 * 2 * 0.125);
    c.enter_s = 0.5;
    c.order_s = 0.25;
    const struct simulation_result r = run(&scan, 1, &c, NULL);
    near(r.seconds, work + 3 * (0.25 + 0.75));
    near(r.master_busy, 3 * 0.75);
    c.look_s = 0.0625; /* an idle master looks every so often: half of it on average */
    near(run(&scan, 1, &c, NULL).seconds, work + 3 * (1 + 0.03125));
    c = cluster_of(1);
    c.byte_s = 1e-3;
    scan.result_bytes[TASK_SEGMENT] = 1000;
    scan.order_bytes[TASK_GROUP] = 2000;
    near(run(&scan, 1, &c, NULL).seconds, work + 3);
}

/* Many workers with next to no work: the master's messages alone count. */
static void a_busy_master_is_the_bound(void **state)
{
    (void)state;
    struct simulation_scan *scans = scans_of(400, 0, 0);
    struct simulation_cluster c = cluster_of(100);
    for (int i = 0; i < 400; i++)
        scans[i].load = scans[i].serial[TASK_OPEN] = scans[i].serial[TASK_GROUP] = 0.001f;
    c.enter_s = 0.5;
    c.order_s = 0.5;
    const struct simulation_result r = run(scans, 400, &c, NULL);
    assert_true(r.seconds >= 800 && r.seconds < 801);
    near(r.master_busy, 800);
    free(scans);
}

static void a_shared_file_system_bounds_all_ranks_together(void **state)
{
    (void)state;
    struct simulation_scan *scans = scans_of(100, 1, 0);
    struct simulation_cluster c = cluster_of(100);
    c.storage_byte_s = 1e-1; /* 100 s a scan */
    const struct simulation_result r = run(scans, 100, &c, NULL);
    assert_true(r.seconds > 100 * 100 && r.seconds < 100 * 100 + 20);
    free(scans);
}

static void preparing_alone_is_one_task_a_scan(void **state)
{
    (void)state;
    struct simulation_scan *scans = scans_of(10, 5, 2);
    struct simulation_cluster c = cluster_of(2);
    for (int i = 0; i < 10; i++)
        scans[i].serial[TASK_PREPARE] = 7;
    c.first = c.last = TASK_PREPARE;
    struct simulation_result r = run(scans, 10, &c, NULL);
    near(r.seconds, 5 * 7);
    assert_int_equal(r.finished, 10);
    c.last = TASK_CLASSIFY;
    r = run(scans, 10, &c, NULL);
    near(r.seconds, 5 * (7 + 1 + 2 + 20 + 3 + 12));
    free(scans);
}

static void every_scan_is_done_once_whoever_dies(void **state)
{
    (void)state;
    struct simulation_scan *scans = scans_of(300, 6, 3);
    struct simulation_cluster c = cluster_of(40);
    const double whole = run(scans, 300, &c, NULL).seconds;
    for (int goes_on = 0; goes_on < 2; goes_on++)
        for (uint64_t seed = 0; seed < 20; seed++) {
            const struct simulation_losses l = {.share = 0.2,
                                                .until_s = whole,
                                                .job_goes_on = goes_on,
                                                .recover_s = 5,
                                                .retries = 3,
                                                .seed = seed};
            const struct simulation_result r = run(scans, 300, &c, &l);
            assert_int_equal(r.finished, 300);
            assert_true(r.lost > 0 && r.lost <= 8);
            assert_int_equal(r.started, goes_on ? 1 : 1 + r.lost);
            assert_true(r.seconds > whole && r.interrupted > 0);
            const struct simulation_result again = run(scans, 300, &c, &l);
            assert_memory_equal(&r, &again, sizeof r);
        }
    free(scans);
}

static void a_job_without_hosts_is_queued_again_and_done(void **state)
{
    (void)state;
    struct simulation_scan *scans = scans_of(40, 6, 3);
    struct simulation_cluster c = cluster_of(1);
    const struct simulation_losses l = {.share = 1, .until_s = 10, .recover_s = 100};
    const struct simulation_result r = run(scans, 40, &c, &l);
    assert_int_equal(r.finished, 40);
    assert_int_equal(r.started, 2);
    const double whole = run(scans, 40, &c, NULL).seconds;
    assert_true(r.seconds > whole + 100 && r.seconds < whole + 110 + 10);
    free(scans);
}

static void nobody_left_is_said_by_what_is_finished(void **state)
{
    (void)state;
    struct simulation_scan *scans = scans_of(100, 6, 3);
    struct simulation_cluster c = cluster_of(5);
    const struct simulation_losses l = {
        .share = 1, .until_s = 10, .job_goes_on = true, .recover_s = 1, .seed = 3};
    const struct simulation_result r = run(scans, 100, &c, &l);
    assert_int_equal(r.lost, 5);
    assert_true(r.finished < 100);
    free(scans);
}

/* A sanitizer keeps what was freed for a while. */
#ifdef __SANITIZE_ADDRESS__
static const int64_t memory_limit = 2000000000;
#else
static const int64_t memory_limit = 200000000;
#endif

/* 100,000 scans as those of LUNA16 on 1,024 ranks, 1 %
 * of the workers dying. Says what it took; time fails no test. */
static void a_hundred_thousand_scans_on_a_thousand_ranks(void **state)
{
    (void)state;
    struct simulation_scan *scans = scans_of(100000, 38, 40);
    struct simulation_cluster c = cluster_of(1023);
    for (size_t i = 0; i < 100000; i++)
        scans[i].bytes += (int64_t)(i * 7919 % 1000);
    c.enter_s = c.order_s = 5e-6;
    c.latency_s = 20e-6;
    for (int goes_on = 0; goes_on < 2; goes_on++) {
        const struct simulation_losses l = {.share = 0.01,
                                            .until_s = 38000,
                                            .job_goes_on = goes_on,
                                            .recover_s = 60,
                                            .retries = 3,
                                            .seed = 1};
        const double start = clock_seconds();
        const struct simulation_result r = run(scans, 100000, &c, &l);
        print_message("%s: %.0f s simulated in %.1f s, peak %.0f MB\n",
                      goes_on ? "the schedule loses them" : "the job starts again",
                      r.seconds, clock_seconds() - start,
                      (double)memory_peak_bytes() * 1e-6);
        assert_int_equal(r.finished, 100000);
        assert_int_equal(r.lost, 11);
        assert_true(r.tasks >= 100000LL * 80);
        assert_true(memory_peak_bytes() < memory_limit);
    }
    free(scans);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_worker_takes_the_sum_of_all_tasks),
        cmocka_unit_test(equal_scans_on_as_many_workers_take_as_long_as_one),
        cmocka_unit_test(two_workers_share_one_scan),
        cmocka_unit_test(speed_shortens_what_threads_share),
        cmocka_unit_test(messages_and_the_master_cost_what_they_are_said_to),
        cmocka_unit_test(a_busy_master_is_the_bound),
        cmocka_unit_test(a_shared_file_system_bounds_all_ranks_together),
        cmocka_unit_test(preparing_alone_is_one_task_a_scan),
        cmocka_unit_test(every_scan_is_done_once_whoever_dies),
        cmocka_unit_test(a_job_without_hosts_is_queued_again_and_done),
        cmocka_unit_test(nobody_left_is_said_by_what_is_finished),
        cmocka_unit_test(a_hundred_thousand_scans_on_a_thousand_ranks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
