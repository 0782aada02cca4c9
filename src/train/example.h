/*
 * One training example: the voxels around a place of a cached scan, augmented, with its
 * target.
 *
 * A window is cut around the place, a crop of the network's size out of it (at a random
 * offset where the window is larger), then it is augmented. A window reaches beyond a
 * volume only where the crop alone would. All of it depends on (seed, epoch, sample) and
 * the place alone.
 */
#ifndef TRAIN_EXAMPLE_H
#define TRAIN_EXAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "cache/cached_scan.h"
#include "train/augment.h"
#include "train/label.h"
#include "train/pool.h"

enum example_target {
    TARGET_NONE,  /* the label is the sample's class */
    TARGET_BOXES, /* a map of the book's boxes (train/label.h) */
    TARGET_MASK,  /* a map where the scan's mask is above 0 */
};

struct example_options {
    int64_t window[3], crop[3]; /* z y x; crop within window */
    bool middle_slice; /* the map is that of the crop's middle slice: 2D networks */
    enum example_target target;
    bool augment;
    struct augmentation augmentation;
    bool centred; /* the middle slice is the place's, which has enough slices around it;
                     else windows start as those of the book */
    bool book;    /* boxes wrap around as the book's do */
    uint64_t seed;
    size_t keep; /* windows of items that come again, which a maker keeps in memory */
};

/* Floats of an input and of a target (0 for TARGET_NONE). */
int64_t example_input_floats(const struct example_options *o);
int64_t example_target_floats(const struct example_options *o);

struct example_item {
    struct pool_place place;
    uint64_t epoch, sample; /* what it is augmented by */
    int label;              /* handed through */
    bool again;             /* the place comes again often: its window is worth keeping */
};

/* A scan with what its targets are made of. Borrowed by example_make. */
struct example_scan {
    const struct cached_scan *voxels;
    const struct cached_scan *mask; /* of TARGET_MASK; NULL: no nodules in this scan */
    const struct label_box *boxes;  /* of TARGET_BOXES: all nodules of the scan */
    size_t box_count;
};

struct example_maker; /* scratch of one thread */

enum status example_maker_new(const struct example_options *o, struct example_maker **out,
                              struct error *err);
void example_maker_free(struct example_maker *m);

/* The boxes of a scan's nodules, boxes[count] in their order. Errors: crop_reader_read's.
 */
enum status example_boxes(struct example_maker *m, const struct cached_scan *voxels,
                          const struct pool_place *nodules, size_t count,
                          struct label_box *boxes, struct error *err);

/* input[crop], clipped HU; target (may be NULL for TARGET_NONE) of 0 and 1. Errors:
 * crop_reader_read's: the cached file is damaged or gone. */
enum status example_make(struct example_maker *m, const struct example_scan *s,
                         const struct example_item *item, float *input, float *target,
                         struct error *err);

#endif
