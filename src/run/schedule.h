/*
 * Who does what next: the master's plan as a state machine, without MPI, clocks or files
 * in it. `pulmo run` drives it with messages, the tests with a simulated cluster.
 *
 * A scan goes through tasks; each is done by one worker and leaves one record:
 *
 *   [PREPARE ──>] OPEN ──> SEGMENT slab 0..S-1 ──> GROUP ──> CLASSIFY batch 0..B-1 ──>
 * finished
 *
 * S is known when OPEN is done (0: straight to GROUP), B when GROUP is (0: finished). A
 * job that prepares the volume cache has PREPARE first, or alone.
 * Tasks of one kind are independent of one another. A worker goes on with its scan as
 * long as that has a task to give; then it takes the largest waiting scan of its own
 * subsets, then of the subset with most work left, and when no scan waits it helps with
 * the scan that has most tasks left, from the end. What a scan's results are depends on
 * none of this.
 *
 * Every scan is finished or quarantined once; memory is 64 bytes a scan, and four a
 * task of the scans in work. All choices are deterministic for a given order of calls.
 */
#ifndef RUN_SCHEDULE_H
#define RUN_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum task_kind { TASK_OPEN, TASK_SEGMENT, TASK_GROUP, TASK_CLASSIFY, TASK_PREPARE };

struct task {
    enum task_kind kind;
    int64_t scan;
    int64_t part; /* slab or batch; 0 otherwise */
};

enum scan_state { SCAN_WAITING, SCAN_WORKING, SCAN_FINISHED, SCAN_QUARANTINED };

/* What the schedule is told of a scan at the start. */
struct schedule_scan {
    int subset;   /* 0 .. subsets - 1 */
    int64_t work; /* any unit: bytes */
};

struct schedule;

/* *out = a schedule over `count` scans for `workers` workers, the caller's to free.
 * `scans` is borrowed for the call. */
enum status schedule_new(const struct schedule_scan *scans, size_t count, int subsets,
                         int workers, struct schedule **out, struct error *err);
void schedule_free(struct schedule *s);

/* Every scan begins with PREPARE, and ends with it when that is all there is to do.
 * Before any other call. */
void schedule_prepare(struct schedule *s, bool alone);

/* A task for an idle worker; false when there is none for it now. */
bool schedule_next(struct schedule *s, int worker, struct task *out);

/* A task is done. `parts`: the number of slabs after OPEN, of batches after GROUP, else
 * ignored. Returns true when this finished its scan. Also used for tasks that an earlier
 * attempt did, before any schedule_next; they must come in the order of the stages. A
 * task that is done already, and one of a quarantined scan, is passed over. */
enum status schedule_done(struct schedule *s, const struct task *t, int64_t parts,
                          bool *scan_finished, struct error *err);

/* The worker that did the last slab of a scan whose GROUP is still to be given out, which
 * has all slices, where they are a compressed stream; others may have to go on reading it.
 * -1: there is none. */
int schedule_reader(const struct schedule *s, int64_t scan);

/* A scan failed: it gives no more tasks, and results that still come in are passed over.
 */
void schedule_quarantine(struct schedule *s, int64_t scan);

/* The result of a finished scan is taken back: it counts as quarantined. */
void schedule_withdraw(struct schedule *s, int64_t scan);

enum scan_state schedule_state(const struct schedule *s, int64_t scan);

/* An earlier attempt finished a scan whole. */
void schedule_finish(struct schedule *s, int64_t scan);

/* A worker no longer does the task it was given (it failed, gave up or is gone): unless
 * its scan ended meanwhile, the task is given out again. */
void schedule_release(struct schedule *s, int worker);

/* Whether there is a task for anybody now. */
bool schedule_has_task(const struct schedule *s);

/* Nothing left to give out or to wait for. */
bool schedule_is_finished(const struct schedule *s);

/* What progress is reported from. */
struct schedule_counts {
    int64_t scans, finished, quarantined;
    int64_t restored; /* of the finished: whole from an earlier attempt */
    /* In the unit of schedule_scan.work, shares of scans included. */
    int64_t work, work_finished, work_restored;
};
struct schedule_counts schedule_counts(const struct schedule *s);

#endif
