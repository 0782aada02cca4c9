/*
 * What a convolution passes back: the gradient of a loss by its weights and bias, from
 * the gradient by its output.
 *
 *   weights[o][i][k] = sum over voxels v of gradient[v][o] * in[v * stride - pad + k][i]
 *   bias[o]          = sum over voxels v of gradient[v][o]
 *
 * The gradient by its input needs no code of its own: it is the transposed convolution
 * with the same weights (conv_transpose.h). And a transposed convolution passes back, to
 * its input, a convolution with the same weights; to its weights, the sum above with
 * input and gradient changing places.
 *
 * Sums are of one sample, and in an order that depends on the shape and the instruction
 * set alone. REFERENCE (double), BLIS and DIRECT serve all shapes, WINOGRAD_4 those of
 * conv_algorithm_serves; AUTO takes it where it pays; the others are DIRECT.
 */
#ifndef TENSOR_CONV_GRADIENT_H
#define TENSOR_CONV_GRADIENT_H

#include "tensor/conv.h"

struct conv_gradient {
    struct conv_shape shape;
    enum conv_algorithm algorithm;
    enum isa isa;
};

struct conv_gradient conv_gradient_make(const struct conv_shape *s, enum conv_algorithm a,
                                        enum isa isa);

/* Scratch that conv_gradient_weights needs for a gradient of this size, in bytes; 64-byte
 * aligned. */
size_t conv_gradient_scratch_bytes(const struct conv_gradient *g, int64_t depth,
                                   int64_t height, int64_t width);

/* Writes the sum over all voxels of `gradient` to `weights` ([out][in][kd][kh][kw]). `in`
 * as for conv_forward: its halo holds the padding. No allocation, no threads. */
void conv_gradient_weights(const struct conv_gradient *g, const struct view *in,
                           const struct view *gradient, float *weights, void *scratch);

/* The same as they are made, in an order of their own: for sums over many samples, which
 * need PyTorch's order once. The scratch is the same. */
size_t conv_gradient_packed_floats(const struct conv_gradient *g);
void conv_gradient_packed(const struct conv_gradient *g, const struct view *in,
                          const struct view *gradient, float *packed, void *scratch);

/* [out][in][kd][kh][kw] in that order, and zeros where it has no weight. */
void conv_gradient_pack(const struct conv_gradient *g, const float *weights,
                        float *packed);

/* From that order to [out][in][kd][kh][kw]. */
void conv_gradient_unpack(const struct conv_gradient *g, const int64_t *packed,
                          int64_t *weights);

/* bias[c] = the sum of channel c over all voxels. */
void conv_gradient_bias(enum isa isa, const struct view *gradient, float *bias);

#endif
