/*
 * What one thread of a loader has of its own: the scans that it keeps open, and the room
 * to make an example from one of them.
 */
#ifndef TRAIN_MAKER_H
#define TRAIN_MAKER_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "train/loader.h"

/* Scans that the threads of a loader keep open, all together: each takes up to two files,
 * and a process is often allowed 1024. A thread keeps two at least. */
enum { OPEN_SCANS = 64, LEAST_OPEN_SCANS = 2 };

struct open_scan {
    int32_t scan; /* -1: free */
    uint64_t used, repairs;
    struct cached_scan *voxels, *mask;
    struct label_box *boxes;
    size_t box_count;
};

struct maker {
    const struct loader_options *options;
    struct cache *cache;
    struct example_maker *example;
    struct open_scan scans[OPEN_SCANS];
    int most_open;
    uint64_t clock;
};

/* Opens the cache. `o` is borrowed and outlives the maker; release also after an error.
 * Not collective. */
enum status maker_init(struct maker *m, const struct loader_options *o,
                       struct error *err);
void maker_release(struct maker *m);

/* The example of an item: `input` and `target` as example_make() has them. `repairs` is
 * how often files may have been made anew so far: a scan opened before the last time is
 * opened again. Errors: those of the cache and of example_make(), with the seriesuid
 * before them. Not collective. */
enum status maker_make(struct maker *m, const struct example_item *item, uint64_t repairs,
                       float *input, float *target, struct error *err);

#endif
