/*
 * The layers of a network that are no convolution, forward, over channels-last views
 * (view.h).
 *
 * Each has a slow, obvious reference beside it (layers_reference.c, in double), which
 * tests hold the fast form against. None allocates or starts threads; in and out do not
 * overlap; the halo of out is not touched, and no layer here reads the halo of in.
 * Results are the same bits on every machine: no fused multiply-add, no libm.
 */
#ifndef TENSOR_LAYERS_H
#define TENSOR_LAYERS_H

#include "tensor/view.h"

/* Pooling windows. As in PyTorch: a maximum leaves padding out of account, an average
 * counts it as zeros. pad <= kernel / 2, so that no window lies outside. */
struct pool_shape {
    int kernel[3], stride[3], pad[3]; /* d, h, w */
};

/* out[z][y][x][c] = max or mean of in[z*s-p .. z*s-p+k)...[c]. Of equal values the first
 * in (z, y, x) wins. */
void max_pool_forward(const struct pool_shape *s, const struct view *in,
                      const struct view *out);
void max_pool_reference(const struct pool_shape *s, const struct view *in,
                        const struct view *out);
void average_pool_forward(const struct pool_shape *s, const struct view *in,
                          const struct view *out);
void average_pool_reference(const struct pool_shape *s, const struct view *in,
                            const struct view *out);

/* Batch normalisation with known statistics, as one scale and shift a channel:
 * out[..][c] = in[..][c] * scale[c] + shift[c]. */
void batch_norm_forward(const float *scale, const float *shift, const struct view *in,
                        const struct view *out);
void batch_norm_reference(const float *scale, const float *shift, const struct view *in,
                          const struct view *out);

/* The scale and shift of a batch norm, of arrays of `channels`. */
void batch_norm_fold(const float *weight, const float *bias, const float *mean,
                     const float *variance, double eps, int channels, float *scale,
                     float *shift);

/* out = max(0, in). */
void relu_forward(const struct view *in, const struct view *out);
void relu_reference(const struct view *in, const struct view *out);

/* out = 1 / (1 + exp(-in)). */
void sigmoid_forward(const struct view *in, const struct view *out);
void sigmoid_reference(const struct view *in, const struct view *out);

/* Softmax over the channels of each voxel. */
void softmax_forward(const struct view *in, const struct view *out);
void softmax_reference(const struct view *in, const struct view *out);

/* out[o] = bias[o] + sum over i of weights[o][i] * in[i], for vectors (views of one
 * voxel). bias may be NULL. */
void linear_forward(const float *weights, const float *bias, const struct view *in,
                    const struct view *out);
void linear_reference(const float *weights, const float *bias, const struct view *in,
                      const struct view *out);

/* Copies voxels between views of the same size. */
void view_copy(const struct view *in, const struct view *out);

/* Dense planes [depth][height][width], one a channel, to a view, with batch_norm's scale
 * and shift on the way; NULL for none. */
void view_from_planes(const float *const *planes, const float *scale, const float *shift,
                      const struct view *out);

/* A view to dense [channels][depth][height][width]: PyTorch's order, which is also its
 * flatten. */
void view_to_planes(const struct view *in, float *planes);

/* Zeroes the halo of a view that is a whole tensor (view_make). */
void view_clear_halo(const struct view *v);

#endif
