/*
 * What a convolution passes back to a norm in front of it whose own input needs nothing
 * (the norm of a network's input), without the gradient by what lies between them.
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

/* Scratch for a gradient of this size, in bytes; 64-byte aligned. */
size_t conv_norm_gradient_scratch_bytes(const struct conv_gradient *g, int64_t depth,
                                        int64_t height, int64_t width);

/* `normal`: n, with zeros in its halo, as conv_forward wants its input. `weights`, scale
 * and shift: those of the forward pass. Writes the three gradients; by_scale and by_shift
 * have in_channels values, or are NULL. */
void conv_norm_gradient(const struct conv_gradient *g, const float *weights,
                        const float *scale, const float *shift, const struct view *normal,
                        const struct view *gradient, float *by_weights, float *by_scale,
                        float *by_shift, void *scratch);

#endif
