/*
 * Connected components of a mask that arrives row by row, in raster order.
 *
 * Each row is cut into runs of set voxels. A run takes the component of a run that it
 * touches in the row above or in the same row of the slice before (6-connectivity); when
 * it touches several they are one from then on (union-find, the earliest is the root);
 * when it touches none it opens a new one. What is summed over a component's voxels stays
 * with the provisional component that the run was given and moves to the root only at the
 * end, in ascending order: one fixed order of additions, whatever merged when.
 */
#ifndef STAGE_COMPONENT_H
#define STAGE_COMPONENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* Provisional components are numbered by their first voxel in raster order, and a root
 * has the lowest number of its set. */
struct component {
    int64_t parent; /* its own number: a root */
    int64_t voxels;
    double weight;
    double moment[3]; /* weight times z, y, x */
};

struct labeller;

/* *out = a labeller for slices of `height` rows, the caller's to free. */
enum status labeller_new(int64_t height, struct labeller **out, struct error *err);
void labeller_free(struct labeller *l);

/* The next row, z and y ascending; every row of a slice is given. mask[width] of 0 and 1,
 * or NULL for a row without a set voxel; a voxel weighs hu + 1001. Errors:
 * STATUS_STAGE_MEMORY. */
enum status labeller_row(struct labeller *l, int64_t z, int64_t y, const uint8_t *mask,
                         const float *hu, int64_t width, struct error *err);

/* Sums everything into the roots. *out = all provisional components, the labeller's own:
 * those that are their own parent are the components, ordered by their first voxel. */
void labeller_finish(struct labeller *l, const struct component **out, size_t *count);

#endif
