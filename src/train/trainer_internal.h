/*
 * What a trainer is made of: trainer.c goes through steps and epochs, trainer_state.c
 * keeps and restores the state, which is all that a checkpoint holds.
 */
#ifndef TRAIN_TRAINER_INTERNAL_H
#define TRAIN_TRAINER_INTERNAL_H

#include "train/trainer.h"

/* Whole numbers of a state, in the order of the checkpoint's array. */
enum number {
    NUMBER_EPOCH,      /* whole epochs done */
    NUMBER_STEP,       /* steps of the next one done */
    NUMBER_OPTIMIZER,  /* its steps */
    NUMBER_BEST_EPOCH, /* 0: there is no best yet */
    NUMBER_SINCE_BEST, /* validations */
    NUMBER_ENDED,      /* patience is over */
    NUMBERS,
};

enum sum { SUM_LOSS, SUM_BEST, SUMS }; /* of the epoch, over samples; the best metric */

struct state {
    int64_t numbers[NUMBERS];
    double sums[SUMS];
    float *values, *best; /* all tensors */
    size_t value_count;
    /* Of the epoch's samples. Those before `together` are of all ranks, the ones after it
     * are this rank's alone; counts_mine likewise come on top of counts. */
    int64_t *outcomes, together;
    int64_t counts[VOXELS], counts_mine[VOXELS];
    struct trainer_epoch *epochs;
};

struct trainer {
    struct trainer_options o;
    struct team team;
    struct training_reducer timed; /* the team's, with the time it takes */
    struct optimizer optimizer;
    struct sampler sampler;
    struct state state;
    struct trainer_seconds seconds;
    double checkpoint_time;
    int64_t steps, samples_now;
    uint64_t saved; /* position of the newest checkpoint, or of the beginning */
    size_t target_floats;
    float **gradients; /* clipping: of each trained tensor */
    size_t *gradient_counts;
};

enum status state_init(struct trainer *t, struct error *err);
void state_release(struct state *s);

/* Adds up what the ranks hold of the epoch since the last time. Collective. */
enum status state_gather(struct trainer *t, struct error *err);

/* Writes a checkpoint; the state has been gathered. Collective. */
enum status state_save(struct trainer *t, struct error *err);

/* Takes the newest checkpoint, if there is one. Collective. */
enum status state_restore(struct trainer *t, struct error *err);

/* Ends local work: the worst status of all ranks. Collective. */
enum status trainer_agree(const struct trainer *t, enum status mine, struct error *err);

static inline int64_t trainer_step(const struct trainer *t)
{
    return t->state.numbers[NUMBER_EPOCH] * t->steps + t->state.numbers[NUMBER_STEP];
}

/* A number that grows with every state there is: the end of an epoch's steps, before its
 * validation, is another one than the beginning of the next. Checkpoints are named by it.
 */
static inline uint64_t trainer_position(const struct trainer *t)
{
    return (uint64_t)(t->state.numbers[NUMBER_EPOCH] * (t->steps + 1) +
                      t->state.numbers[NUMBER_STEP]);
}

#endif
