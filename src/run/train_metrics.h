/*
 * metrics.csv: a line for each epoch and set of samples of each network that was trained.
 * Only what is the same for every number of ranks stands in it.
 */
#ifndef RUN_TRAIN_METRICS_H
#define RUN_TRAIN_METRICS_H

#include "train/trainer.h"

/* The epochs of one network; those before it in the file are complete. */
struct train_metrics {
    const char *name;
    struct trainer_epoch *epochs; /* owned */
    size_t count;
};

/* Keeps a copy of the epochs so far. */
enum status train_metrics_take(struct train_metrics *m, const char *name,
                               const struct trainer_epoch *epochs, size_t count,
                               struct error *err);

enum status train_metrics_write(const char *path, const struct train_metrics *m,
                                size_t networks, struct error *err);

#endif
