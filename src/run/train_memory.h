/*
 * What training a network holds in memory, from its description and settings alone.
 *
 * Most of it is what each sample of a rank's share of the batch keeps between the phases
 * of a step (nn/training.h), so more workers need less each. Beside it stand what threads
 * work in, weights with their moments and gradients, the loaders' batches, and the
 * outcomes of an epoch. Lists of places (16 bytes each) and the program come on top.
 */
#ifndef RUN_TRAIN_MEMORY_H
#define RUN_TRAIN_MEMORY_H

#include "config/settings.h"
#include "nn/network.h"
#include "run/train_recipe.h"
#include "tensor/isa.h"

struct train_memory {
    int64_t batch;
    int64_t sample_bytes; /* of each sample of a rank's share */
    int64_t fixed_bytes;  /* beside those */
};

/* The network that a stage trains, and how; network_release frees, also after a failure.
 * Errors: STATUS_JOB_CONFIG. Not collective. */
enum status train_network_describe(const struct settings *s, enum train_stage stage,
                                   struct network *n, struct train_recipe *r,
                                   struct error *err);

/* Errors: STATUS_JOB_CONFIG, STATUS_STAGE_MEMORY. Not collective. */
enum status train_memory_init(struct train_memory *m, const struct settings *s,
                              enum train_stage stage, enum isa isa, int threads,
                              struct error *err);

/* Of one rank, when so many workers share a batch. */
int64_t train_memory_bytes(const struct train_memory *m, int64_t workers);

/* The fewest workers that keep within a limit; 0: not even one sample each does. */
int64_t train_memory_workers(const struct train_memory *m, double limit_bytes);

/* Holds all networks of train.stages against limits.memory_gb. Errors: STATUS_JOB_CONFIG
 * naming what to change. Not collective. */
enum status train_memory_check(const struct settings *s, enum isa isa, int threads,
                               int64_t workers, struct error *err);

#endif
