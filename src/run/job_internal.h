/*
 * What a job is made of: job.c is its life, job_begin.c what it needs before any work.
 *
 * A sweep is one pass over the scans: the master hands out tasks, the workers do them. A
 * job that does not train has one; one that trains has a sweep that fills the cache, the
 * training, and a sweep that finds nodules with the new models, if it is asked for; and
 * one in the middle of the training that looks for hard negatives, if these are.
 */
#ifndef RUN_JOB_INTERNAL_H
#define RUN_JOB_INTERNAL_H

#include "ct/dataset.h"
#include "run/job.h"
#include "run/master.h"
#include "run/run_folder.h"
#include "run/train_stage.h"
#include "run/worker.h"

/* What a job that is part of another one takes from that: machines have been agreed on.
 */
struct job_around {
    enum isa isa;
    int threads;
    /* On rank 0: hears where the job stands, often. */
    void (*tell)(void *context, const char *line);
    void *context;
    double *timings; /* TIMING_COUNT seconds, added to */
    job_report *page;
};

struct job {
    const struct comm *comm;
    const struct job_around *around; /* NULL: a job of its own */
    const struct settings *asked;    /* all of the job */
    struct settings now;             /* the same with the stages of the sweep under way;
                                        its texts are borrowed but for `weights` */
    const struct settings *settings; /* now */
    char *weights[TRAIN_STAGES];     /* of the models that were trained */
    const struct job_hooks *hooks;   /* NULL: none */
    const char *journal;             /* its name; NULL: the sweep's usual one */
    char *hard_list;                 /* that the training made; NULL: none */
    job_report *page;
    struct watchdog *watchdog; /* of comm */
    struct detector *detector; /* of a worker, or of rank 0 */
    struct worker worker;
    struct master master;
    enum isa isa;
    int threads;
    double started, started_unix;
    double ping_time;             /* when the others were last told that rank 0 lives */
    double timings[TIMING_COUNT]; /* of the sweeps that are over, and the training */
    /* Rank 0 only: */
    struct run_folder folder;
    bool claimed;
    struct dataset dataset;
    struct schedule *schedule;
    struct ledger *ledger;
    struct progress *progress;
    const char *writing; /* at the end, what is watched as */
};

static inline bool job_is_master(const struct job *j)
{
    return j->comm->rank == 0;
}

/* Runs a job within another one, on its communicator; collective as job_run. */
int job_run_within(const struct comm *c, const struct settings *s,
                   const struct job_around *around);

/* The folds of a cross-validation, their merge and score, on all ranks of a job that has
 * begun: crossval.c. Returns the exit code. Collective. */
int job_cross_validate(struct job *j);

/* Scores what the job found. Collective. */
enum status job_score(struct job *j, struct error *err);

/* The page of the run, where it is asked for; the watchdog stays armed. Rank 0 only,
 * while the others wait in vigil_end. */
enum status job_show(struct job *j, struct error *err);

/* The last word of a job, of rank 0. Returns the exit code. */
int job_conclude(struct job *j, enum status status, int exit_code,
                 const struct error *err);

/* Before any work: machines, settings, run directory, scans. *done: an earlier start
 * finished the run. Collective. */
enum status job_begin(struct job *j, bool *done, struct error *err);

/* Gets ready for a sweep with these stages: schedule, books, models. Collective. */
enum status job_open_sweep(struct job *j, bool prepare, bool detect, struct error *err);
void job_close_sweep(struct job *j);

/* Where a step of the job does not end it. */
enum { JOB_GO_ON = -1 };

/* A sweep; `last`: results are assembled after it. Returns the exit code, or JOB_GO_ON.
 * Collective. */
int job_sweep(struct job *j, bool prepare, bool detect, bool last);

/* Says on rank 0 why nothing more is done. Returns the exit code. */
int job_give_up(struct job *j, enum status status, const struct error *err);

/* Waits until this host sees a file that rank 0 has made: network file systems may take a
 * moment. `folder` is what the message names. */
enum status job_wait_to_see(const struct job *j, const char *key, const char *folder,
                            const char *made, struct error *err);

/* Finds the hard negatives of a training between its networks: job_hard.c. Returns the
 * exit code, or JOB_GO_ON. Collective. */
int job_find_hard(struct job *j, struct train_work *w);

#endif
