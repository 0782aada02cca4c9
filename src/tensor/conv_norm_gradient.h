/*
 * What a convolution passes back to a norm in front of it that nothing else reads,
 * without a look at the gradient by what lies between them.
 *
 * With n the normalised input and y = scale * n + shift what the convolution reads, zeros
 * around both, and d[o][i][k] = sum over voxels of gradient * n,
 * b[o][k] = sum of the gradient over the voxels whose tap k lies inside:
 *
 *   by weights   scale[i] * d[o][i][k] + shift[i] * b[o][k]
 *   by scale[i]  sum over o, k of weights[o][i][k] * d[o][i][k]
 *   by shift[i]  sum over o, k of weights[o][i][k] * b[o][k]
 *
 * which are the sums over voxels that batch_norm_backward_sums makes, in another order.
 */
#ifndef TENSOR_CONV_NORM_GRADIENT_H
#define TENSOR_CONV_NORM_GRADIENT_H

#include "tensor/conv_gradient.h"

/* Scratch in bytes; 64-byte aligned. */
size_t conv_norm_gradient_scratch_bytes(const struct conv_gradient *g);

/* What the forward pass had, and the gradient by its output. */
struct conv_norm {
    const float *weights; /* conv_gradient_pack */
    const float *scale, *shift;
    const struct view *in, *gradient; /* of `in` the size alone */
    const float *totals; /* conv_gradient_bias of the gradient; NULL: not known */
};

/* `packed`: d as conv_gradient_packed makes it of n, becomes the gradient by weights.
 * Writes in_channels values each of by_scale and by_shift. Not of the reference. */
void conv_norm_gradient(const struct conv_gradient *g, const struct conv_norm *n,
                        float *packed, double *by_scale, double *by_shift, void *scratch);

#endif
