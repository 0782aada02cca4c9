/*
 * How the sums of a weight gradient lie while they are made, and where the algorithms put
 * them. Included by conv_gradient*.c only.
 *
 * [kz][ky][kx][in][out], with `columns` floats for the out channels: the products of one
 * row of taps are one block, and (kx, in) is contiguous as it is in the input.
 */
#ifndef TENSOR_CONV_GRADIENT_INTERNAL_H
#define TENSOR_CONV_GRADIENT_INTERNAL_H

#include "tensor/conv_gradient.h"
#include "tensor/conv_internal.h"

/* Adds the sum over all voxels to sums[.][columns], zeroed before. */
void conv_gradient_blis(const struct conv_shape *s, const struct view *in,
                        const struct view *gradient, float *sums);

/* sums[channel] += the sum over a row of voxels, `step` floats apart. */
void conv_gradient_add_row(const float *row, int64_t width, int64_t step, int channels,
                           double *sums);

/* Out channels, padded to whole vectors. */
int conv_gradient_columns(const struct conv_gradient *g);
/* Floats of scratch beside the sums. */
size_t conv_gradient_copy_floats(const struct conv_gradient *g, int64_t height,
                                 int64_t width);
void conv_gradient_direct(const struct conv_gradient *g, const struct view *in,
                          const struct view *gradient, float *sums, float *copy);

/* The same of conv_gradient_quads.c, which writes the sums. */
int conv_gradient_quads_columns(const struct conv_gradient *g);
size_t conv_gradient_quads_floats(const struct conv_gradient *g, int64_t depth,
                                  int64_t height, int64_t width);
void conv_gradient_quads(const struct conv_gradient *g, const struct view *in,
                         const struct view *gradient, float *sums, float *scratch);

#endif
