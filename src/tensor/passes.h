/*
 * Passes over tensors that are bound by memory, once for each instruction set: those of a
 * batch norm, and the conversions of fixed_sum.h. As kernels.h, one source
 * (passes_lanes.h) for a lane count, but compiled without fused multiply-adds: a norm
 * divides by what may be small, and its results are the same bits with every set, up to
 * the order of its sums.
 */
#ifndef TENSOR_PASSES_H
#define TENSOR_PASSES_H

#include <stddef.h>
#include <stdint.h>

#include "tensor/isa.h"

/* A vector of every voxel of some rows, for the passes of a batch norm (passes_lanes.h):
 * vectors are in_step floats apart, and `count` in a row. constants: a vector each, sums:
 * [2][lanes], added to. A pass uses what it needs of them. */
struct kernel_norm {
    int64_t rows, count;
    const float *in;
    int64_t in_row, in_step;
    const float *gradient;
    int64_t gradient_row, gradient_step;
    float *to;
    int64_t to_row, to_step;
    const float *constants[4];
    double *sums;
};

typedef void kernel_norm_function(const struct kernel_norm *norm);

/* What a convolution's gradient by one input channel's weights gives a norm in front of
 * it (conv_norm_gradient.h): for k < taps, o < count
 *   sums[0] += weights * values, sums[1] += weights * boxes,
 *   values = values * scale + boxes * shift
 * of weights[k * stride + o], values[k * stride + o], boxes[k * count + o]. */
struct kernel_fold {
    int64_t taps, count, stride;
    const float *weights, *boxes;
    float *values;
    float scale, shift;
    double sums[2];
};

typedef void kernel_fold_function(struct kernel_fold *fold);

struct passes {
    int lanes;
    kernel_fold_function *norm_fold;
    /* Passes of a batch norm: sums of x; of x and x^2; of g and g * (x - constants[0]) *
     * constants[1]; to = x * constants[0] + constants[1]; to = (g - constants[1] - (x -
     * constants[0]) * constants[2]) * constants[3], [1] 0 where x is not
     * above 0, and the sums of that. */
    kernel_norm_function *norm_totals, *norm_squares, *norm_products, *norm_scale,
        *norm_back[2];
    /* What fixed_sum.c is made of. */
    uint32_t (*fixed_most)(const float *values, size_t count);
    void (*fixed_add)(int64_t *sums, const float *values, size_t count, double scale);
};

extern const struct passes passes_portable, passes_avx2, passes_avx512;

/* The passes of an instruction set that this machine has. */
const struct passes *passes_of(enum isa isa);

#endif
