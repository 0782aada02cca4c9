/*
 * What the layers of layers.h pass back: from the gradient of a loss by their output to
 * the gradient by their input, for one sample.
 *
 * As there: channels-last views, no allocation, no threads, halos neither read nor
 * written, the same bits on every machine. `gradient` is by the output and `to` by the
 * input; both are the caller's. Where it says "in place allowed", they may be the same.
 */
#ifndef TENSOR_LAYERS_BACKWARD_H
#define TENSOR_LAYERS_BACKWARD_H

#include "tensor/layers.h"

/* To the first voxel of each window, in (z, y, x), that equals its maximum. */
void max_pool_backward(const struct pool_shape *s, const struct view *in,
                       const struct view *out, const struct view *gradient,
                       const struct view *to);

/* To all voxels of each window alike. */
void average_pool_backward(const struct pool_shape *s, const struct view *gradient,
                           const struct view *to);

/* The same, added to what is there. */
void average_pool_backward_add(const struct pool_shape *s, const struct view *gradient,
                               const struct view *to);

/* Where the output was above 0. In place allowed. */
void relu_backward(const struct view *out, const struct view *gradient,
                   const struct view *to);

/* In place allowed. */
void sigmoid_backward(const struct view *out, const struct view *gradient,
                      const struct view *to);
void softmax_backward(const struct view *out, const struct view *gradient,
                      const struct view *to);

/* weights[o][i] and bias[o] receive their gradients (bias may be NULL), `to` that of the
 * input when it is not NULL. */
void linear_backward(const float *weights, const struct view *in,
                     const struct view *gradient, float *weights_gradient,
                     float *bias_gradient, const struct view *to);

/*
 * Batch norm with the statistics of the batch goes in passes, between which sums over
 * voxels are added up over the samples, wherever they are:
 *
 *   batch_norm_sums            of each sample, the sums of x and of x^2
 *   batch_norm_statistics      mean and inverse deviation of the batch, from all of them
 *   batch_norm_forward         of layers.h, with scale = weight * inverse
 *   batch_norm_backward_sums   of each sample, the sums of g and of g * normalised x:
 *                              its gradients by bias and weight
 *   batch_norm_backward        the gradient by the input, from the sums of the batch
 */

/* sums[c] and squares[c] of one sample. */
void batch_norm_sums(const struct view *in, double *sums, double *squares);

struct batch_statistics {
    double mean, variance; /* over the batch, biased */
    double inverse;        /* 1 / sqrt(variance + eps) */
};

struct batch_statistics batch_norm_statistics(double sum, double squares, double count,
                                              double eps);

/* Running statistics after a batch of `count` values: the variance unbiased, as PyTorch
 * does. */
void batch_norm_update(const struct batch_statistics *s, double count, double momentum,
                       float *running_mean, float *running_variance);

void batch_norm_backward_sums(const struct view *in, const struct view *gradient,
                              const float *mean, const float *inverse, double *sums,
                              double *products);

/* to = (gradient - first[c] - (in - mean[c]) * second[c]) * scale[c]; with the sums of
 * the batch over `count` values first = sum / count, second = product / count * inverse,
 * scale = weight * inverse. In place allowed. */
void batch_norm_backward(const struct view *in, const struct view *gradient,
                         const float *mean, const float *first, const float *second,
                         const float *scale, const struct view *to);

/* to += from. */
void view_add(const struct view *from, const struct view *to);

/* Dense [channels][depth][height][width] to a view: what view_to_planes undoes. */
void view_from_dense(const float *dense, const struct view *to);

#endif
