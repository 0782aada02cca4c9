/* The schedule, driven by a simulated cluster: a clock, workers with speeds, failures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hash.h"
#include "run/schedule.h"

enum { SUBSETS = 10, MOST_WORKERS = 64, MOST_SCANS = 2000 };

/* A counter-based random number below n. */
static uint64_t draw(uint64_t seed, uint64_t counter, uint64_t n)
{
    uint64_t key[2] = {seed, counter};
    return hash64(key, sizeof key) % n;
}

struct simulation {
    struct schedule *schedule;
    int workers;
    int64_t scans;
    int64_t slabs[MOST_SCANS], batches[MOST_SCANS];
    int32_t done[MOST_SCANS]; /* tasks done of each scan */
    int32_t finished[MOST_SCANS];
    bool busy[MOST_WORKERS];
    double free_at[MOST_WORKERS], speed[MOST_WORKERS];
    struct task task[MOST_WORKERS];
    double now;
};

static void begin(struct simulation *s, int64_t scans, int workers, uint64_t seed)
{
    struct schedule_scan plan[MOST_SCANS];
    struct error err;
    *s = (struct simulation){.workers = workers, .scans = scans};
    for (int64_t i = 0; i < scans; i++) {
        s->slabs[i] = 1 + (int64_t)draw(seed, (uint64_t)(3 * i), 12);
        s->batches[i] = (int64_t)draw(seed, (uint64_t)(3 * i + 1), 9);
        plan[i] = (struct schedule_scan){(int)draw(seed, (uint64_t)(3 * i + 2), SUBSETS),
                                         s->slabs[i]};
    }
    for (int w = 0; w < workers; w++)
        s->speed[w] = 1 + (double)draw(seed, (uint64_t)(1000000 + w), 3);
    assert_int_equal(
        schedule_new(plan, (size_t)scans, SUBSETS, workers, &s->schedule, &err),
        STATUS_OK);
}

static int64_t parts_of(const struct simulation *s, const struct task *t)
{
    return t->kind == TASK_OPEN ? s->slabs[t->scan] : s->batches[t->scan];
}

static void enter(struct simulation *s, const struct task *t)
{
    struct error err;
    bool finished;
    s->done[t->scan]++;
    assert_int_equal(schedule_done(s->schedule, t, parts_of(s, t), &finished, &err),
                     STATUS_OK);
    s->finished[t->scan] += finished;
}

static void give_all(struct simulation *s)
{
    for (int w = 0; w < s->workers; w++)
        if (!s->busy[w] && schedule_next(s->schedule, w, &s->task[w])) {
            s->busy[w] = true;
            s->free_at[w] = s->now + s->speed[w];
        }
}

/* The worker that ends next, or -1 when nobody works. */
static int next_to_end(const struct simulation *s)
{
    int first = -1;
    for (int w = 0; w < s->workers; w++)
        if (s->busy[w] && (first < 0 || s->free_at[w] < s->free_at[first]))
            first = w;
    return first;
}

static void run(struct simulation *s)
{
    for (give_all(s); !schedule_is_finished(s->schedule); give_all(s)) {
        int w = next_to_end(s);
        assert_true(w >= 0); /* else nobody works and nothing is given: a hang */
        s->now = s->free_at[w];
        s->busy[w] = false;
        enter(s, &s->task[w]);
    }
}

static void check_all_done(const struct simulation *s)
{
    for (int64_t i = 0; i < s->scans; i++) {
        assert_int_equal(s->done[i], 2 + s->slabs[i] + s->batches[i]);
        assert_int_equal(s->finished[i], 1);
        assert_int_equal(schedule_state(s->schedule, i), SCAN_FINISHED);
    }
    struct schedule_counts c = schedule_counts(s->schedule);
    assert_int_equal(c.finished, s->scans);
    assert_int_equal(c.work, c.work_finished);
}

static void every_task_is_done_once_for_any_number_of_workers(void **state)
{
    (void)state;
    static struct simulation s;
    const int64_t scans[] = {0, 1, 2, 7, 100, MOST_SCANS};
    const int workers[] = {1, 2, 3, 9, 10, 11, MOST_WORKERS};
    for (size_t i = 0; i < sizeof scans / sizeof *scans; i++)
        for (size_t k = 0; k < sizeof workers / sizeof *workers; k++) {
            begin(&s, scans[i], workers[k], i * 100 + k);
            run(&s);
            check_all_done(&s);
            schedule_free(s.schedule);
        }
}

static void many_workers_share_one_scan(void **state)
{
    (void)state;
    static struct simulation s;
    begin(&s, 1, 4, 1);
    s.slabs[0] = 12;
    s.batches[0] = 8;
    for (int w = 0; w < 4; w++)
        s.speed[w] = 1;
    run(&s);
    check_all_done(&s);
    /* open 1, slabs 12 / 4, group 1, batches 8 / 4 */
    assert_true(s.now == 1 + 3 + 1 + 2);
    schedule_free(s.schedule);
}

static void whoever_did_the_last_slab_is_the_reader_until_grouping_is_given(void **state)
{
    (void)state;
    struct schedule_scan plan[] = {{0, 5}};
    struct schedule *s;
    struct task t, first, last;
    struct error err;
    bool finished;
    assert_int_equal(schedule_new(plan, 1, 1, 2, &s, &err), STATUS_OK);
    assert_int_equal(schedule_reader(s, 0), -1);
    assert_true(schedule_next(s, 0, &t));
    assert_int_equal(schedule_done(s, &t, 2, &finished, &err), STATUS_OK);
    assert_true(schedule_next(s, 0, &first));
    assert_true(schedule_next(s, 1, &last)); /* helps, from the end */
    assert_int_equal(last.part, 1);
    assert_int_equal(schedule_done(s, &last, 0, &finished, &err), STATUS_OK);
    assert_int_equal(schedule_reader(s, 0), -1); /* there is a slab to do */
    assert_int_equal(schedule_done(s, &first, 0, &finished, &err), STATUS_OK);
    assert_int_equal(schedule_reader(s, 0), 1);
    assert_true(schedule_next(s, 1, &t));
    assert_int_equal(t.kind, TASK_GROUP);
    assert_int_equal(schedule_reader(s, 0), -1);
    schedule_free(s);
}

static void a_worker_begins_with_its_own_subsets_largest_first(void **state)
{
    (void)state;
    struct schedule_scan plan[] = {{0, 5}, {1, 9}, {1, 20}, {0, 7}, {3, 90}};
    struct schedule *s;
    struct task t;
    struct error err;
    assert_int_equal(schedule_new(plan, 5, SUBSETS, 2, &s, &err), STATUS_OK);
    /* Two workers: 0 owns the even subsets, 1 the odd ones; of these, most work first. */
    assert_true(schedule_next(s, 0, &t));
    assert_int_equal(t.scan, 3);
    assert_true(schedule_next(s, 1, &t));
    assert_int_equal(t.scan, 4);
    schedule_free(s);
}

static void a_lost_worker_s_task_is_given_out_again(void **state)
{
    (void)state;
    static struct simulation s;
    begin(&s, 3, 2, 5);
    give_all(&s);
    schedule_release(s.schedule, 0); /* gone: its task comes back */
    s.busy[0] = false;
    run(&s);
    check_all_done(&s);
    schedule_free(s.schedule);
}

static void a_quarantined_scan_ends_and_late_results_change_nothing(void **state)
{
    (void)state;
    static struct simulation s;
    begin(&s, 6, 3, 9);
    give_all(&s);
    int64_t bad = s.task[1].scan;
    schedule_quarantine(s.schedule, bad);
    run(&s);
    assert_int_equal(schedule_state(s.schedule, bad), SCAN_QUARANTINED);
    assert_int_equal(s.finished[bad], 0);
    struct schedule_counts c = schedule_counts(s.schedule);
    assert_int_equal(c.finished, 5);
    assert_int_equal(c.quarantined, 1);
    schedule_free(s.schedule);
}

/* What an earlier start did, told before anything is given out, is not given out again.
 */
static void restored_tasks_are_not_done_again(void **state)
{
    (void)state;
    static struct simulation s;
    begin(&s, 2, 2, 3);
    s.slabs[0] = 5;
    enter(&s, &(struct task){TASK_OPEN, 0, 0});
    enter(&s, &(struct task){TASK_SEGMENT, 0, 1});
    enter(&s, &(struct task){TASK_SEGMENT, 0, 4});
    schedule_finish(s.schedule, 1);
    schedule_finish(s.schedule, 1);
    assert_int_equal(schedule_counts(s.schedule).restored, 1);
    s.done[1] = (int32_t)(2 + s.slabs[1] + s.batches[1]);
    s.finished[1] = 1;
    run(&s);
    check_all_done(&s);
    schedule_free(s.schedule);
}

static void doing_a_task_twice_counts_once(void **state)
{
    (void)state;
    static struct simulation s;
    begin(&s, 1, 1, 2);
    s.slabs[0] = 3;
    enter(&s, &(struct task){TASK_OPEN, 0, 0});
    enter(&s, &(struct task){TASK_SEGMENT, 0, 2});
    enter(&s, &(struct task){TASK_SEGMENT, 0, 2});
    enter(&s, &(struct task){TASK_OPEN, 0, 0});
    s.done[0] -= 2;
    run(&s);
    check_all_done(&s);
    schedule_free(s.schedule);
}

static void workers_die_and_come_back_and_every_scan_is_done(void **state)
{
    (void)state;
    static struct simulation s;
    uint64_t deaths = 0, step = 0;
    begin(&s, 300, 20, 77);
    for (give_all(&s); !schedule_is_finished(s.schedule); give_all(&s), step++) {
        int w = next_to_end(&s);
        assert_true(w >= 0);
        s.now = s.free_at[w];
        s.busy[w] = false;
        if (draw(4, step, 20) == 0) {
            schedule_release(s.schedule, w);
            deaths++;
        } else {
            enter(&s, &s.task[w]);
        }
    }
    assert_true(deaths > 50);
    check_all_done(&s);
    schedule_free(s.schedule);
}

static void preparing_comes_first_or_is_all(void **state)
{
    (void)state;
    static struct simulation s;
    begin(&s, 50, 7, 3);
    schedule_prepare(s.schedule, false);
    run(&s);
    for (int64_t i = 0; i < s.scans; i++)
        s.done[i]--;
    check_all_done(&s);
    schedule_free(s.schedule);

    begin(&s, 50, 7, 3);
    schedule_prepare(s.schedule, true);
    struct task t;
    assert_true(schedule_next(s.schedule, 0, &t));
    assert_int_equal(t.kind, TASK_PREPARE);
    schedule_release(s.schedule, 0);
    run(&s);
    for (int64_t i = 0; i < s.scans; i++)
        s.done[i] += 1 + s.slabs[i] + s.batches[i];
    check_all_done(&s);
    schedule_free(s.schedule);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_task_is_done_once_for_any_number_of_workers),
        cmocka_unit_test(many_workers_share_one_scan),
        cmocka_unit_test(whoever_did_the_last_slab_is_the_reader_until_grouping_is_given),
        cmocka_unit_test(a_worker_begins_with_its_own_subsets_largest_first),
        cmocka_unit_test(a_lost_worker_s_task_is_given_out_again),
        cmocka_unit_test(a_quarantined_scan_ends_and_late_results_change_nothing),
        cmocka_unit_test(restored_tasks_are_not_done_again),
        cmocka_unit_test(doing_a_task_twice_counts_once),
        cmocka_unit_test(preparing_comes_first_or_is_all),
        cmocka_unit_test(workers_die_and_come_back_and_every_scan_is_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
