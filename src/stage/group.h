/*
 * Stage 3, grouping: the mask to candidates, in one pass over slices.
 *
 * Slices are pushed in order. Erosion (one iteration, 6-neighbour cross in 3D, 4-neighbour in
 * plane, or none; outside counts as 0), 6-connected components and weighted centres
 * (weight = clipped HU + 1001, in double, summed in raster order) follow as soon as their
 * neighbours are there: two slices of mask, three of HU, two of labels are held, and 56 bytes a
 * component. Local to a rank; deterministic.
 */
#ifndef STAGE_GROUP_H
#define STAGE_GROUP_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "ct/geometry.h"
#include "stage/candidate.h"

enum { GROUP_NUMERICS = 1 };

enum group_erosion { EROSION_3D, EROSION_IN_PLANE, EROSION_NONE };

struct group_options {
    enum group_erosion erosion;
    int64_t min_voxels; /* smaller eroded components are dropped; 1 keeps all */
};

struct grouper;

enum status grouper_new(const struct geometry *g, const struct group_options *o,
                        struct grouper **out, struct error *err);
void grouper_free(struct grouper *g);

/* The next slice: mask[height][width] of 0 and 1, hu[height][width] clipped. Borrowed for the
 * call. */
enum status grouper_push(struct grouper *g, const uint8_t *mask, const float *hu,
                         struct error *err);

/* After the last slice: *out = the candidates, to be freed, ordered by their first voxel in
 * raster order (z, y, x); probability and malignancy NaN. */
enum status grouper_finish(struct grouper *g, struct candidate **out, size_t *count,
                           struct error *err);

/* Eroded voxels so far: what `pulmo why` and tests look at. NULL for the erosion of a whole mask. */
enum status group_erode(const struct geometry *g, enum group_erosion e, const uint8_t *mask,
                        uint8_t *eroded, struct error *err);

#endif
