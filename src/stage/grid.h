/*
 * A part of a scan on points that stand equally far apart along all axes: what a filter
 * that knows no direction needs. Points lie along the axes of the volume; positions are
 * in mm along these axes from voxel (0, 0, 0), in the order z, y, x. Local to a rank.
 */
#ifndef STAGE_GRID_H
#define STAGE_GRID_H

#include <stdint.h>

#include "base/status.h"
#include "ct/geometry.h"

struct grid {
    int64_t size[3]; /* points: z, y, x */
    double step;     /* mm between neighbours */
    double first[3]; /* mm: where point (0, 0, 0) is */
    float *values;   /* [z][y][x] */
    uint8_t *wanted; /* [z][y][x]: 1 where something is looked for */
};

struct grid_options {
    double step;   /* mm, at least: it is widened where the box around what is wanted
                      would have more points than the volume has voxels */
    double margin; /* mm around what is wanted, as far as the volume goes */
    double reach;  /* mm by which what is wanted is widened along each axis */
    float highest; /* larger values count as this */
    int threads;
};

/* Samples hu[z][y][x], linear between voxels, in the box of `mask` (1: wanted, else 0); a
 * mask of zeros gives no points, and a grid without memory. 5 bytes a point. grid_release
 * frees, also after a failure. Errors: STATUS_STAGE_MEMORY. */
enum status grid_init(struct grid *grid, const struct geometry *g, const float *hu,
                      const uint8_t *mask, const struct grid_options *o,
                      struct error *err);
void grid_release(struct grid *grid);

/* Convolves the values with a Gaussian of standard deviation sigma, in steps; the values
 * at the border go on outside. The same bits for every number of threads. Errors:
 * STATUS_STAGE_MEMORY. */
enum status grid_smooth(struct grid *grid, double sigma, int threads, struct error *err);

/* Keeps every other point along each axis. The values should be smooth by then. */
void grid_halve(struct grid *grid);

static inline int64_t grid_points(const struct grid *grid)
{
    return grid->size[0] * grid->size[1] * grid->size[2];
}

#endif
