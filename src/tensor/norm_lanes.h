/*
 * The passes of batch_norm.c (layers_backward.h), which see there for what they mean,
 * by kernels of an instruction set: twice to four times as fast where vectors are filled,
 * and where they are not, those. A whole number of vectors has to make up the channels of
 * a voxel or, without gaps, a row in which the channels come round to the same lanes.
 */
#ifndef TENSOR_NORM_LANES_H
#define TENSOR_NORM_LANES_H

#include <stdbool.h>

#include "tensor/isa.h"
#include "tensor/layers_backward.h"

void norm_lanes_sums(enum isa isa, const struct view *in, double *sums, double *squares);

void norm_lanes_forward(enum isa isa, const float *scale, const float *shift,
                        const struct view *in, const struct view *out);

void norm_lanes_backward_sums(enum isa isa, const struct view *in,
                              const struct view *gradient, const float *mean,
                              const float *inverse, double *sums, double *products);

/* With `sums`: `in` is what ReLU gave, `to` the gradient by what it took, and sums[c] its
 * sum over channel c. */
void norm_lanes_backward(enum isa isa, const struct view *in, const struct view *gradient,
                         const float *mean, const float *first, const float *second,
                         const float *scale, const struct view *to, double *sums);

/* sums[c] = the sum of channel c over all voxels; false: vectors are not filled. */
bool norm_lanes_totals(enum isa isa, const struct view *in, double *sums);

#endif
