/*
 * Stage 3, grouping: the mask to candidates, in one pass over slices.
 *
 * Slices are pushed in order. Erosion (one iteration, 6-neighbour cross in 3D,
 * 4-neighbour in plane, or none; outside counts as 0), 6-connected components and
 * weighted centres (weight = clipped HU + 1001, in double) follow as soon as their
 * neighbours are there. EROSION_3D holds two slices of mask and one of HU between pushes,
 * the others none; all hold the runs of two slices (24 bytes each) and 48 bytes a
 * provisional component. Local to a rank.
 *
 * Deterministic: the sums behind a centre are taken along each run of voxels in a row,
 * then over runs, then over the parts that met late, each in raster order (z, y, x). For
 * whole HU all sums are exact, so that order shows only with fractional ones.
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

/* *out = a grouper for one volume, the caller's to free. The geometry was checked and is
 * copied. Errors: STATUS_STAGE_MEMORY. */
enum status grouper_new(const struct geometry *g, const struct group_options *o,
                        struct grouper **out, struct error *err);
void grouper_free(struct grouper *g);

/* The next slice: mask[height][width] of 0 and 1, hu[height][width] clipped. Borrowed for
 * the call. More slices than the volume has are a CHECK. Errors: STATUS_STAGE_MEMORY. */
enum status grouper_push(struct grouper *g, const uint8_t *mask, const float *hu,
                         struct error *err);

/* After the last slice (earlier is a CHECK): *out = the candidates, to be freed, ordered
 * by their first voxel in raster order (z, y, x); probability and malignancy NaN. Once a
 * grouper. */
enum status grouper_finish(struct grouper *g, struct candidate **out, size_t *count,
                           struct error *err);

/* The erosion of a whole mask: mask and eroded are [z][y][x] of 0 and 1, apart from each
 * other. */
void group_erode(const struct geometry *g, enum group_erosion e, const uint8_t *mask,
                 uint8_t *eroded);

#endif
