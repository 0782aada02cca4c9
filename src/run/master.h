/*
 * Rank 0 while scans are worked on: hands out tasks, keeps the books, watches its
 * workers, shows progress. It sleeps while it waits. Alone (one rank) it does the tasks
 * itself, and as the leader of a group in which all compute it does some, looking after
 * the others between slices and candidates.
 */
#ifndef RUN_MASTER_H
#define RUN_MASTER_H

#include "base/status.h"
#include "base/watchdog.h"
#include "comm/comm.h"
#include "config/settings.h"
#include "run/detector.h"
#include "run/ledger.h"
#include "run/progress.h"
#include "run/schedule.h"

/* Seconds that an idle master sleeps at most before it looks for messages. */
#define MASTER_SLEEP_LONGEST 1e-3

struct loop;

struct master {
    const struct comm *comm;
    const struct settings *settings;
    struct watchdog *watchdog;
    const struct dataset *dataset;
    struct schedule *schedule;
    struct ledger *ledger;
    struct progress *progress;
    int64_t quarantine_limit; /* more quarantined scans than this stop the job */
    struct loop *loop;        /* of master_run while it has workers; else NULL */
};

/* Runs until every scan is finished or quarantined, somebody asks to stop, or the job
 * fails; then all workers are idle. `detector` is that of a master who computes, else
 * NULL. Errors: STATUS_JOB_INTERRUPTED (books are synced), STATUS_JOB_FAILED (too many
 * quarantined), a worker's STAGE status. Rank 0 only; the workers are in worker_serve
 * meanwhile. */
enum status master_run(struct master *m, struct detector *detector, struct error *err);

/* Tells all workers to join, or to leave with an exit code, or that the master lives. */
void master_tell(const struct master *m, int kind, int part, const void *payload,
                 size_t bytes);

/* The poll function of the detector of a master; context is the struct master. */
enum status master_poll(void *context);

#endif
