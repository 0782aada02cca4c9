/*
 * A job from its settings to its exit code: what `pulmo run` does on every rank.
 */
#ifndef RUN_JOB_H
#define RUN_JOB_H

#include "comm/comm.h"
#include "config/settings.h"

/* The stage report: writes the page of a run directory and calls `alive` now and then.
 * Pages lie above this layer, so the caller brings it. Called on rank 0, when everything
 * but DONE is there. */
typedef enum status job_report(const char *folder, void (*alive)(void *context),
                               void *context, struct error *err);

/* Runs the job on all ranks of `c`. Returns the exit code, the same on all ranks: 0 done,
 * 1 failed, 2 configuration, 3 done with scans quarantined, 75 stopped on request and to
 * be started again. Messages are written by rank 0. Collective. */
int job_run(const struct comm *c, const struct settings *s, job_report *page);

#endif
