/*
 * How good a network is on scans that it is not trained on.
 *
 * The network runs as at detection: running statistics, the kernels of model.h. Its ranks
 * divide the items; outcomes are added up (metrics.h), so the result has the same bits
 * whatever the division.
 */
#ifndef TRAIN_VALIDATION_H
#define TRAIN_VALIDATION_H

#include "nn/losses.h"
#include "nn/model.h"
#include "train/feed.h"
#include "train/metrics.h"
#include "train/team.h"

struct validation_options {
    struct loader *loader; /* without augmentation; borrowed */
    const struct example_item *items;
    int64_t count;
    /* Of each item: the rows and columns of its map, from the first, that are counted;
     * NULL: all. Borrowed. */
    const int64_t (*inside)[2];
    int samples; /* a rank takes at a time */
    const struct example_options *example;
    struct loss loss;
    struct model_plan_options plan;
    int threads;
    feed_repair *repair;
    void *repair_context;
    /* Asked between batches, on each rank; nonzero: stop, on all of them. */
    int (*stop)(void *context);
    void *stop_context;
};

/* Errors, the same on all ranks: STATUS_JOB_INTERRUPTED, STATUS_STAGE_NUMERIC,
 * feed_take's. Collective. */
enum status validation_run(const struct validation_options *o, const struct team *team,
                           const struct model *model, struct metrics *out,
                           struct error *err);

#endif
