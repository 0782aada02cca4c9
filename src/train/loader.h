/*
 * Examples made ready beside the compute.
 *
 * Batches are asked for some time before they are needed; threads make their examples
 * from the volume cache and the rank takes the batches in the order it asked for them.
 * What an example is depends on nothing but its item, so neither the number of threads
 * nor their order shows.
 *
 * File systems hang: a batch that does not come within the deadline is an error of the
 * rank, which goes on without the threads (loader_free leaves threads that are stuck to
 * themselves).
 */
#ifndef TRAIN_LOADER_H
#define TRAIN_LOADER_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "cache/cache.h"
#include "train/example.h"

/* Batches that may be asked for and not yet given back. */
enum { LOADER_BATCHES = 3 };

/* A scan of the pool, as the cache knows it. */
struct loader_scan {
    const char *seriesuid; /* for messages */
    struct hash128 voxels, mask;
    bool cached, has_mask;
};

struct loader_options {
    struct example_options example;
    struct cache_options cache; /* each thread opens it for itself */
    const struct loader_scan *scans;
    size_t scan_count;
    const struct pool *pool; /* whose LIST_NODULE gives TARGET_BOXES */
    int threads;             /* at least 1 */
    int samples;             /* most of one batch */
    double deadline_s;       /* 0: none */
};

struct loader;

/* *out is the caller's to free. Lists are copied; the strings of `cache` are borrowed
 * until then. Errors: STATUS_STAGE_MEMORY. */
enum status loader_new(const struct loader_options *o, struct loader **out,
                       struct error *err);
void loader_free(struct loader *l);

/* Asks for a batch (items are copied; count may be 0). At most LOADER_BATCHES - 1 are
 * asked for and not taken (a CHECK). After a batch that failed, files are opened again:
 * the caller may have had them made anew. */
void loader_ask(struct loader *l, const struct example_item *items, int count);

struct loader_batch {
    int count;
    const struct example_item *items;
    const float *inputs;  /* [count][example_input_floats] */
    const float *targets; /* [count][example_target_floats] */
};

/* Takes the batch that was asked for first; it stays until the next one is taken. Errors:
 * those of the first item that failed, naming its scan; STATUS_STAGE_DEADLINE naming the
 * scan that is waited for; cache_open's, of any thread. */
enum status loader_take(struct loader *l, struct loader_batch *out, struct error *err);

/* Index of the scan that the last error was about, -1: none. */
int32_t loader_failed_scan(const struct loader *l);

/* Seconds spent waiting in loader_take. */
double loader_waited(const struct loader *l);

#endif
