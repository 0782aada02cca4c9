/*
 * A volume seen through cells of a few voxels, and what is done with sets of cells:
 * components, distances, closing. A set is one byte a cell, [z][y][x], 0 or 1.
 */
#ifndef CT_CELLS_H
#define CT_CELLS_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "ct/geometry.h"

struct cells {
    int64_t size[3]; /* cells: z, y, x */
    int64_t
        factor[3]; /* voxels a cell: z, y, x; the last cell of an axis may hold less */
    double spacing[3]; /* mm between cells: z, y, x */
};

/* Cells of about `cell_mm`, never less than one voxel. */
void cells_init(struct cells *c, const struct geometry *g, double cell_mm);

size_t cells_count(const struct cells *c);

/* Mean of each cell's voxels, each clipped to [-1000, 1000] HU: mean[z][y][x]. */
void cells_mean(const struct cells *c, const struct geometry *g, const float *hu,
                float *mean);

/* Numbers the components (6 neighbours) of a set from 1 in label[], 0 outside it. Errors
 * (of all below): STATUS_STAGE_MEMORY. */
enum status cells_components(const struct cells *c, const uint8_t *set, int32_t *label,
                             int32_t *count, struct error *err);

/* Squared distance of each cell to the nearest cell of the set, mm^2; huge for an empty
 * set. The exact Euclidean transform of Felzenszwalb and Huttenlocher (Theory of
 * Computing 8, 2012). */
enum status cells_distance(const struct cells *c, const uint8_t *set, float *squared,
                           struct error *err);

/* Closes a set with a ball and fills what it encloses, in place. Beyond the volume's
 * border lies neither the set nor its complement. */
enum status cells_close(const struct cells *c, uint8_t *set, double radius_mm,
                        struct error *err);

#endif
