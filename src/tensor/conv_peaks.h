/*
 * What a convolution passes back when a max pooling stands behind it (conv_pool.h): the
 * gradient by its output is zero but at one voxel of each window and channel, the peak.
 * So the sums go over peaks alone, with an eighth of the work for windows of 2 x 2 x 2,
 * and give the same as conv_gradient.h and conv_transpose.h give for the whole gradient.
 *
 * Sums are of one sample, in an order that depends on shape, instruction set and the
 * peaks. Not collective, no threads.
 */
#ifndef TENSOR_CONV_PEAKS_H
#define TENSOR_CONV_PEAKS_H

#include "tensor/conv_pool.h"

struct conv_peaks;

/* *out is the caller's to free; weights [out][in][kd][kh][kw] are copied. Errors:
 * STATUS_STAGE_MEMORY. */
enum status conv_peaks_new(const struct conv_shape *s, const struct pool_shape *pool,
                           enum isa isa, const float *weights, struct conv_peaks **out,
                           struct error *err);
void conv_peaks_free(struct conv_peaks *p);

/* Other weights of the same shape; not while conv_peaks_backward runs. */
void conv_peaks_set_weights(struct conv_peaks *p, const float *weights);

/* Scratch that conv_peaks_backward needs for windows of this number, in bytes; 64-byte
 * aligned. */
size_t conv_peaks_scratch_bytes(const struct conv_peaks *p, int64_t depth, int64_t height,
                                int64_t width);

/* From the gradient by the pooled output and conv_pool_forward's peaks to those by
 * weights, bias and input; NULL for what is not wanted. `in` and `to` are whole dense
 * tensors (view_make) of the same size, with a halo of at least the pad; that of `to` is
 * zeros afterwards. No allocation. */
void conv_peaks_backward(const struct conv_peaks *p, const struct view *in,
                         const struct view *gradient, const uint8_t *peaks,
                         float *weights, float *bias, const struct view *to,
                         void *scratch);

#endif
