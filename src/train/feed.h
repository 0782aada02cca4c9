/*
 * Batches in the order they are needed, asked for ahead, and asked for again after a scan
 * of the cache had to be repaired. Local to a rank.
 */
#ifndef TRAIN_FEED_H
#define TRAIN_FEED_H

#include "train/loader.h"

/* Fills this rank's items of batch n; returns how many there are, or FEED_END when there
 * is no such batch. */
enum { FEED_END = -1 };
typedef int feed_fill(void *context, int64_t n, struct example_item *items);

/* Makes the cached file of a scan (its voxels, or its mask) whole again. */
typedef enum status feed_repair(void *context, int32_t scan, struct error *err);

struct feed_options {
    struct loader *loader; /* borrowed */
    int samples;           /* most of one batch */
    int repairs;           /* most of one batch, before it is given up */
    feed_fill *fill;
    void *fill_context;
    feed_repair *repair; /* NULL: a damaged file is an error */
    void *repair_context;
};

struct feed {
    struct feed_options options;
    int64_t next_asked, next_taken; /* batches */
    struct example_item *items;
};

/* Begins at batch `first`. feed_release frees, also after a failure. */
enum status feed_init(struct feed *f, const struct feed_options *o, int64_t first,
                      struct error *err);
void feed_release(struct feed *f);

/* The next batch; it stays until the one after is taken. Errors: loader_take's, the
 * repair's. */
enum status feed_take(struct feed *f, struct loader_batch *out, struct error *err);

/* Gives back what was asked for and not taken: the loader is free for another feed. */
void feed_drain(struct feed *f);

#endif
