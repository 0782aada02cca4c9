/*
 * A cluster that is not there: the schedule (run/schedule.h) driven by a simulated clock
 * in place of messages, to tell before a job is submitted how long it will take, what its
 * workers and its master will be doing, and what lost hosts cost.
 *
 *   worker:  order ──latency──> input, then computing ──latency──> result
 *   master:  takes one message after the other; each costs it a little
 *
 * Two ways of losing workers. In that of `pulmo run` a lost rank ends all ranks; the
 * batch script starts the job again on the hosts that are left, which goes on from the
 * journal: every scan is opened anew, results that were entered count, tasks under way
 * are lost. In the other the schedule itself loses the worker and gives its task to
 * somebody else: what a job would be that survived without a new start.
 *
 * Pure: no MPI, no clock, no files; the same result for the same arguments. Memory: about
 * 150 bytes a scan beside the schedule's, and a byte a task of the scans in work.
 */
#ifndef RUN_SIMULATION_H
#define RUN_SIMULATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "run/schedule.h"

enum { SIMULATION_KINDS = 5 }; /* of tasks: enum task_kind */

/* What the tasks of a scan take. Seconds of a worker of speed 1 that has its cores to
 * itself; of SEGMENT and CLASSIFY those of one task. */
struct simulation_scan {
    int64_t bytes; /* of its files */
    int32_t subset;
    int32_t runs, batches;            /* tasks of SEGMENT (0: none), of CLASSIFY */
    float load;                       /* making voxels of its files, beside the tasks */
    float serial[SIMULATION_KINDS];   /* by one thread */
    float parallel[SIMULATION_KINDS]; /* shorter by the worker's speed */
    float result_bytes[SIMULATION_KINDS], order_bytes[SIMULATION_KINDS];
};

struct simulation_cluster {
    int workers; /* rank 0 comes on top, but for one worker `alone` */
    bool alone;  /* one rank, which is master and worker */
    int ranks_a_host;
    const float *speed;       /* of each worker; NULL: all 1 */
    double latency_s, byte_s; /* of a message */
    double storage_byte_s;    /* of the files' system, all ranks together; 0: no bound */
    double enter_s, order_s;  /* what a result and an order cost the master */
    double look_s;            /* the longest that a master sleeps before it looks */
    enum task_kind first, last; /* PREPARE or OPEN; PREPARE: nothing else, or CLASSIFY */
};

struct simulation_losses {
    double share;     /* of the workers that die, each at some time before `until_s` */
    double until_s;   /* 0: nobody dies */
    bool job_goes_on; /* the schedule loses them; else the job starts again */
    double recover_s; /* until a loss is noticed; until ranks work again */
    int retries; /* new starts on the hosts that are left; then, and where none is left,
                    the job is queued again and comes back with all hosts */
    uint64_t seed;
};

struct simulation_result {
    double seconds;        /* until the last scan is finished */
    double busy, input;    /* seconds of all workers: in tasks, of these in input */
    double master_busy;    /* seconds */
    int64_t tasks;         /* given out */
    int64_t interrupted;   /* of these, lost with a worker */
    int64_t finished;      /* scans of which every task was entered once, and no more */
    int64_t lost, started; /* workers that died; launches */
};

/* Errors: STATUS_STAGE_MEMORY. `losses` NULL: none. When all workers are lost the rest is
 * not done: result->finished says so. */
enum status simulation_run(const struct simulation_scan *scans, size_t count,
                           const struct simulation_cluster *cluster,
                           const struct simulation_losses *losses,
                           struct simulation_result *result, struct error *err);

#endif
