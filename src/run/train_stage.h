/*
 * The stage train: the networks of train.stages, one after the other, on all workers.
 *
 * Each leaves RUN/models/NAME.h5 (NAME-foldK.h5 in a fold), its lines of metrics.csv, and
 * its last checkpoint in RUN/checkpoints, by which a job that is started again passes
 * over it. Between networks a job may do other work with the same ranks: it looks for the
 * hard negatives of the classifier (job_hard.c).
 */
#ifndef RUN_TRAIN_STAGE_H
#define RUN_TRAIN_STAGE_H

#include "base/watchdog.h"
#include "comm/comm.h"
#include "config/settings.h"
#include "ct/dataset.h"
#include "run/progress.h"
#include "tensor/isa.h"
#include "train/trainer.h"

struct train_job {
    const struct comm *comm;
    const struct settings *settings;
    struct watchdog *watchdog;
    enum isa isa;
    int threads;
    const struct dataset *dataset; /* rank 0's */
    struct progress *progress;     /* rank 0's */
};

/* Of the settings alone, before any work. Errors: STATUS_JOB_CONFIG. */
enum status train_stage_check(const struct settings *s, struct error *err);

/* A training under way. */
struct train_work;

/* Divides the scans, which are in the cache. *out is to be freed (collectively), also
 * after a failure. Errors, the same on all ranks: STATUS_JOB_CONFIG, STATUS_STAGE_MEMORY.
 * Collective. */
enum status train_stage_open(const struct train_job *j, struct train_work **out,
                             struct error *err);
void train_stage_close(struct train_work *w);

/* Trains those of the stages [first, end) that the job asks for. Errors, the same on all
 * ranks: STATUS_JOB_INTERRUPTED (a checkpoint is there), STATUS_STAGE_NUMERIC,
 * STATUS_JOB_CONFIG, ... Collective. */
enum status train_stage_run(struct train_work *w, enum train_stage first,
                            enum train_stage end, struct error *err);

/* What this rank spent its time on. */
struct trainer_seconds train_stage_seconds(const struct train_work *w);

/* Whether a scan takes part: it is in the cache, and not left alone for a test. */
bool train_stage_uses(const struct train_work *w, const char *seriesuid);

/* The classifier learns from what a list names beside the listed candidates. `path` is
 * borrowed; `segmenter`, the weights that it was found with, NULL: unknown, "": none.
 * Errors: STATUS_JOB_CONFIG when these have seen a scan that is tested on. Not
 * collective: the caller agrees. */
enum status train_stage_take_hard(struct train_work *w, const char *path,
                                  const char *segmenter, struct error *err);

/* *out = the model file that a stage leaves, to be freed. */
enum status train_stage_model(const struct settings *s, enum train_stage stage,
                              char **out, struct error *err);

#endif
