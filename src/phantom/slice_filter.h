/*
 * A difference of two Gaussians on one slice: what kernels of reconstruction do to edges
 * (a little of a wider Gaussian is taken away, which over-emphasises them) and what gives
 * noise its spectrum (most of it is taken away, which leaves a band).
 */
#ifndef PHANTOM_SLICE_FILTER_H
#define PHANTOM_SLICE_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/* Wider Gaussians are cut here: 21 voxels of standard deviation. */
enum { SLICE_FILTER_RADIUS = 64 };

struct slice_filter {
    struct {
        int radius[2]; /* along x, y */
        float taps[2][SLICE_FILTER_RADIUS + 1];
        float weight; /* 0: this Gaussian is not there */
    } part[2];
};

/* weight0 * G(sigma0) + weight1 * G(sigma1); sigmas along x and y, in voxels. */
void slice_filter_init(struct slice_filter *f, double weight0, const double sigma0_xy[2],
                       double weight1, const double sigma1_xy[2]);

/* Standard deviation of white noise of standard deviation 1 that has passed. */
double slice_filter_gain(const struct slice_filter *f);

/* Floats of scratch for a slice. */
int64_t slice_filter_scratch(int64_t height, int64_t width);

/* out[y][x] from in[y][x]; the same array is allowed. Beyond the edges the slice goes on
 * with its other side (wrap) or with its last voxels. */
void slice_filter_apply(const struct slice_filter *f, const float *in, float *out,
                        int64_t height, int64_t width, bool wrap, float *scratch);

#endif
