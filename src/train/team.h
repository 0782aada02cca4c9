/*
 * The ranks of a training and how they work together: this folder knows no MPI.
 *
 * All functions are collective: called by all ranks in the same order.
 */
#ifndef TRAIN_TEAM_H
#define TRAIN_TEAM_H

#include "nn/training.h"

struct team {
    int rank, ranks;
    struct training_reducer reducer;
    /* Rank 0's bytes to all. */
    void (*share)(void *data, size_t bytes, void *context);
    /* The worst status of all ranks, with its message, to all. */
    enum status (*agree)(enum status status, void *context, struct error *err);
    void *context;
};

/* What of `count` samples is this rank's: [first, end). */
static inline void team_share_of(const struct team *t, int64_t count, int64_t *first,
                                 int64_t *end)
{
    *first = count * t->rank / t->ranks;
    *end = count * (t->rank + 1) / t->ranks;
}

/* The most samples of a batch that one rank has. */
static inline int64_t team_share_most(const struct team *t, int64_t batch)
{
    return (batch + t->ranks - 1) / t->ranks;
}

#endif
