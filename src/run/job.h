/*
 * A job from its settings to its exit code: what `pulmo run` does on every rank.
 */
#ifndef RUN_JOB_H
#define RUN_JOB_H

#include "comm/comm.h"
#include "config/settings.h"
#include "ct/dataset.h"
#include "run/ledger.h"

/* What a night (night.h) asks of a detection beside its settings. The functions are
 * called on rank 0; what fails is the failure of the job. */
struct job_hooks {
    void *context;
    /* The scans are known, nothing is done yet: leaves some out. */
    enum status (*choose)(void *context, struct dataset *d, struct error *err);
    /* What results depend on is known: puts what carries over where the journal will be.
     */
    enum status (*carry)(void *context, const char *journal, const char *identity,
                         struct error *err);
    /* All scans are done, nothing is written yet: takes back what cannot count. */
    enum status (*inspect)(void *context, const struct dataset *d, struct ledger *l,
                           struct error *err);
};

/* The stage report: writes the page of a run directory and calls `alive` now and then.
 * Pages lie above this layer, so the caller brings it. Called on rank 0, when everything
 * but DONE is there. */
typedef enum status job_report(const char *folder, void (*alive)(void *context),
                               void *context, struct error *err);

/* Runs the job on all ranks of `c`. Returns the exit code, the same on all ranks: 0 done,
 * 1 failed, 2 configuration, 3 done with scans quarantined, 75 stopped on request and to
 * be started again. Messages are written by rank 0. Collective. */
int job_run(const struct comm *c, const struct settings *s, job_report *page);

/* The same with hooks, equal on all ranks; the journal stays in the run directory. */
int job_run_hooked(const struct comm *c, const struct settings *s, job_report *page,
                   const struct job_hooks *hooks);

#endif
