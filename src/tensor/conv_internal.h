/*
 * What the algorithms behind conv.h share: the prepared convolution, and the table entry
 * that an algorithm is (conv_backend). Included by conv*.c and kernels*.c only.
 *
 * A tap is a kernel offset (kz, ky, kx). A run is a stretch of input floats that is
 * contiguous in memory and in the packed weights: the channels of one tap, or, where
 * voxels lie densely (stride_w == channels), the channels of all kx at once.
 */
#ifndef TENSOR_CONV_INTERNAL_H
#define TENSOR_CONV_INTERNAL_H

#include "tensor/conv.h"

struct conv_backend;

struct conv {
    struct conv_shape shape;
    enum conv_algorithm algorithm;
    enum isa isa;
    const struct conv_backend *backend;
    float *weights; /* in the layout that the algorithm wants */
};

struct conv_backend {
    const char *name;
    bool (*serves)(const struct conv_shape *s);
    size_t (*weights_floats)(const struct conv_shape *s, enum isa isa);
    /* Writes the weights, given in PyTorch's order, to c->weights (zeroed). */
    void (*pack)(struct conv *c, const float *weights);
    size_t (*scratch_bytes)(const struct conv *c, int64_t depth, int64_t height,
                            int64_t width);
    void (*forward)(const struct conv *c, const struct view *in, const struct view *out,
                    const struct conv_epilogue *e, void *scratch);
};

extern const struct conv_backend conv_reference, conv_blis, conv_direct, conv_winograd,
    conv_quads, conv_planes, conv_lines;

/* Number of kernel taps. */
static inline int conv_taps(const struct conv_shape *s)
{
    return s->kernel[0] * s->kernel[1] * s->kernel[2];
}

/* Where the input of output voxel (z, y, x) begins for tap (kz, ky, kx). */
static inline const float *conv_input(const struct conv_shape *s, const struct view *in,
                                      int64_t z, int64_t y, int64_t x, int kz, int ky,
                                      int kx)
{
    return in->data + (z * s->stride[0] - s->pad[0] + kz) * in->stride_d +
           (y * s->stride[1] - s->pad[1] + ky) * in->stride_h +
           (x * s->stride[2] - s->pad[2] + kx) * in->stride_w;
}

/* Where the channels of an output voxel begin. */
static inline float *conv_output(const struct view *out, int64_t z, int64_t y, int64_t x)
{
    return out->data + z * out->stride_d + y * out->stride_h + x * out->stride_w;
}

/* Whether an output of this size reads only voxels and halo of the input. */
bool conv_reads_within(const struct conv_shape *s, const struct view *in,
                       const struct view *out);

/* No scratch: for algorithms that need none. */
size_t conv_no_scratch(const struct conv *c, int64_t depth, int64_t height,
                       int64_t width);

/* Number of weights as they come, and a serves() for algorithms without limits. */
size_t conv_weights_floats(const struct conv_shape *s, enum isa isa);
bool conv_serves_all(const struct conv_shape *s);

#endif
