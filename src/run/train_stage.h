/*
 * The stage train: the networks of train.stages, one after the other, on all workers.
 *
 * Each leaves RUN/models/NAME.h5 (NAME-foldK.h5 in a fold), its lines of metrics.csv, and
 * its last checkpoint in RUN/checkpoints, by which a job that is started again passes
 * over it.
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

/* Trains; *seconds is what this rank spent its time on. The scans of the data set are in
 * the cache. Errors, the same on all ranks: STATUS_JOB_INTERRUPTED (a checkpoint is
 * there), STATUS_STAGE_NUMERIC, STATUS_JOB_CONFIG, ... Collective. */
enum status train_stage_run(const struct train_job *j, struct trainer_seconds *seconds,
                            struct error *err);

/* *out = the model file that a stage leaves, to be freed. */
enum status train_stage_model(const struct settings *s, enum train_stage stage,
                              char **out, struct error *err);

#endif
