/*
 * Training one network: epochs of steps, validations, checkpoints.
 *
 * A step is a batch of the epoch's samples (sampler.h), of which each rank has a
 * contiguous share; all ranks end it with the same weights (nn/training.h). Everything a
 * step depends on is a function of the settings, the epoch and the step, so neither the
 * number of ranks nor where a training was stopped shows in the result.
 *
 *       ┌──────────── step: take examples > agree > gradients > optimizer ─┐
 *       │                        │ checkpoint due, stop wanted             │
 *       └──<─────────────────────┴──<─────────────────────────────────<────┘
 *   epoch ends: outcomes added up > metrics > validation > best weights kept
 *
 * Checkpoints hold all of that between two steps; a training begins with the newest whole
 * one of its folder. One made under other conditions (`binding`) is refused, naming them.
 */
#ifndef TRAIN_TRAINER_H
#define TRAIN_TRAINER_H

#include "nn/learning_rate.h"
#include "nn/training.h"
#include "train/metrics.h"
#include "train/pool.h"
#include "train/sampler.h"
#include "train/validation.h"

/* One line of metrics: an epoch, counted from 1. */
struct trainer_epoch {
    double epoch, learning_rate; /* of its last step */
    double validated;            /* 1 or 0 */
    struct metrics training, validation;
};

struct trainer_progress {
    const char *name;
    int64_t epoch, epochs, step, steps; /* done: whole epochs, steps of this one */
    int64_t samples;                    /* by this start, of all ranks */
    double loss;                        /* mean of this epoch so far; NaN: none */
    bool validating;
};

enum { TRAINER_STOP = 1, TRAINER_CHECKPOINT = 2 };

struct trainer_watch {
    /* Between steps and in validations, on each rank: what is wanted, TRAINER_ bits. */
    int (*wanted)(void *context);
    /* After each step, on each rank. */
    void (*progress)(void *context, const struct trainer_progress *p);
    /* After each epoch, on rank 0: all epochs so far. */
    enum status (*epochs)(void *context, const struct trainer_epoch *e, size_t count,
                          struct error *err);
    void *context;
};

struct trainer_options {
    const char *name;              /* of the stage: messages, names of checkpoints */
    const struct network *network; /* borrowed, as all that is pointed to */
    struct training *training;     /* with its initial weights: those of rank 0 count */
    struct optimizer_options optimizer;
    struct learning_rate rate;
    double clip; /* longest gradient; 0: any */
    int64_t epochs, epoch_samples, batch;
    int64_t patience; /* validations without a better one that end it; 0: never */
    int64_t every;    /* epochs between validations; 0: none at all */
    enum metric best;
    struct sampler_options sampler;
    const struct pool *pool;
    const struct loader_scan *scans; /* that places refer to */
    struct loader *loader;
    const struct example_options *example; /* the loader's */
    feed_repair *repair;                   /* may be NULL */
    void *repair_context;
    struct validation_options
        validation;             /* count 0: none; `stop` and `repair` are ours */
    struct trainer_watch watch; /* functions may be NULL */

    const char *folder; /* of checkpoints; NULL: none */
    int keep;
    double checkpoint_seconds; /* between them; 0: after every step */
    const char *binding;       /* "name value" a line: what the result depends on */
};

/* What a rank spent its time on. */
struct trainer_seconds {
    double compute, wait, input, allreduce, validation, checkpoint;
};

struct trainer;

/* Allocates, takes the initial weights of rank 0, then the newest checkpoint, if any.
 * Errors, the same on all ranks: STATUS_JOB_CONFIG (other conditions, nothing to sample),
 * STATUS_STAGE_MEMORY. Collective. */
enum status trainer_new(const struct trainer_options *o, const struct team *team,
                        struct trainer **out, struct error *err);
void trainer_free(struct trainer *t);

/* Trains to the end. Errors, the same on all ranks: STATUS_JOB_INTERRUPTED (a checkpoint
 * is there), STATUS_STAGE_NUMERIC naming stage, epoch, step, layer and scans,
 * STATUS_STAGE_IO when a checkpoint cannot be written, those of the loader. Collective.
 */
enum status trainer_run(struct trainer *t, struct error *err);

/* The weights that the training gives: those of the best validation, or the last ones.
 * All tensors, as training_values_copy gives them. *epoch, from 1: after which. */
const float *trainer_result(const struct trainer *t, int64_t *epoch);

const struct trainer_epoch *trainer_epochs(const struct trainer *t, size_t *count);
struct trainer_seconds trainer_seconds(const struct trainer *t);

#endif
