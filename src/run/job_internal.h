/*
 * What a job is made of: job.c is its life, job_begin.c what it needs before any work.
 *
 * A sweep is one pass over the scans: the master hands out tasks, the workers do them. A
 * job that does not train has one; one that trains has a sweep that fills the cache, the
 * training, and a sweep that finds nodules with the new models, if it is asked for.
 */
#ifndef RUN_JOB_INTERNAL_H
#define RUN_JOB_INTERNAL_H

#include "ct/dataset.h"
#include "run/job.h"
#include "run/master.h"
#include "run/run_folder.h"
#include "run/worker.h"

struct job {
    const struct comm *comm;
    const struct settings *asked;    /* all of the job */
    struct settings now;             /* the same with the stages of the sweep under way;
                                        its texts are borrowed but for `weights` */
    const struct settings *settings; /* now */
    char *weights[TRAIN_STAGES];     /* of the models that were trained */
    struct watchdog *watchdog;
    struct detector *detector; /* of a worker, or of rank 0 */
    struct worker worker;
    struct master master;
    enum isa isa;
    int threads;
    double started, started_unix;
    double ping_time;
    double timings[TIMING_COUNT]; /* of the sweeps that are over, and the training */
    /* Rank 0 only: */
    struct run_folder folder;
    bool claimed;
    struct dataset dataset;
    struct schedule *schedule;
    struct ledger *ledger;
    struct progress *progress;
};

static inline bool job_is_master(const struct job *j)
{
    return j->comm->rank == 0;
}

/* Before any work: machines, settings, run directory, scans. *done: an earlier start
 * finished the run. Collective. */
enum status job_begin(struct job *j, bool *done, struct error *err);

/* Gets ready for a sweep with these stages: schedule, books, models. Collective. */
enum status job_open_sweep(struct job *j, bool prepare, bool detect, struct error *err);
void job_close_sweep(struct job *j);

#endif
