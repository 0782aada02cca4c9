/*
 * The stage `score`: a finished detection against the lists of the data set. Writes
 * OUTPUT/froc (score/froc_files.h, score/assessment_files.h).
 *
 * All is read from the run directory, so the stage also serves a run that was made long
 * ago. Rank 0 reads, matches and writes; the bootstraps are shared over the ranks. The
 * files are the same bytes for every number of ranks. A score of the same results, lists
 * and seed is not made again: score.json, written last, holds the key.
 */
#ifndef RUN_SCORE_STAGE_H
#define RUN_SCORE_STAGE_H

#include "base/watchdog.h"
#include "comm/comm.h"
#include "config/settings.h"

enum { SCORE_NUMERICS = 1, SCORE_RESAMPLES = 1000 };

struct score_job {
    const struct comm *comm;
    const struct settings *settings; /* lists that it does not give are the run's own */
    struct watchdog *watchdog;
    void (*alive)(void *context); /* rank 0 works alone: called often */
    void *context;
};

/* Before any work: whether the lists can be read, and a warning when there is nothing
 * to hold the run against. Errors: STATUS_JOB_CONFIG. Rank 0 only. */
enum status score_stage_check(const struct settings *s, struct error *err);

/* Scores settings->output. Errors: STATUS_JOB_FAILED when it holds no results;
 * STATUS_JOB_CONFIG for lists; STATUS_STAGE_IO, STATUS_STAGE_MEMORY. Collective. */
enum status score_stage_run(const struct score_job *j, struct error *err);

#endif
