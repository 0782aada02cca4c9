/*
 * The learning rate as a function of the step.
 *
 *   constant  base
 *   step      base * gamma^(number of whole periods passed)
 *   cosine    from base to `least` along half a cosine over `steps`
 *
 * In the first `warmup` steps the rate rises in a line to where the schedule begins: step
 * s < warmup has (s + 1) / warmup of it, and the schedule counts from there. Large
 * batches scale the base with the batch (Goyal et al., "Accurate, large minibatch SGD",
 * 2017): learning_rate_scale.
 */
#ifndef NN_LEARNING_RATE_H
#define NN_LEARNING_RATE_H

#include <stdint.h>

#include "base/status.h"

enum learning_rate_kind {
    LEARNING_RATE_CONSTANT,
    LEARNING_RATE_STEP,
    LEARNING_RATE_COSINE,
};

struct learning_rate {
    enum learning_rate_kind kind;
    double base;
    int64_t warmup; /* steps */
    int64_t steps;  /* cosine: all, warm-up included */
    int64_t period; /* step: steps */
    double gamma;   /* step */
    double least;   /* cosine */
};

/* "constant", "step", "cosine". Errors: STATUS_JOB_CONFIG for an unknown name. */
enum status learning_rate_parse(const char *name, enum learning_rate_kind *out,
                                struct error *err);
const char *learning_rate_name(enum learning_rate_kind k);

/* The rate of a step, counted from 0. No libm: the same bits on every machine. */
double learning_rate_at(const struct learning_rate *r, int64_t step);

/* base * batch / reference_batch. */
double learning_rate_scale(double base, int64_t batch, int64_t reference_batch);

#endif
