/*
 * Transposed convolution forward, 2D and 3D, any kernel, stride and pad (PyTorch's
 * ConvTranspose2d/3d). Output voxel o receives input voxel i through weight k when
 * o = i * stride - pad + k.
 */
#ifndef TENSOR_CONV_TRANSPOSE_H
#define TENSOR_CONV_TRANSPOSE_H

#include "tensor/conv.h"

struct conv_transpose_shape {
    int in_channels, out_channels;
    /* d, h, w; 2D: kernel[0] = stride[0] = 1, the others 0. output_pad < stride. */
    int kernel[3], stride[3], pad[3], output_pad[3];
};

struct conv_transpose;

/* Size of the output along an axis of `in` voxels; below 1 when there is none. */
int64_t conv_transpose_size(const struct conv_transpose_shape *s, int axis, int64_t in);

/* Voxels of halo that the input needs along an axis. */
int conv_transpose_halo(const struct conv_transpose_shape *s, int axis);

/* *out = the layer, the caller's to free; weights [in][out][kd][kh][kw] are copied. `a`
 * is used where it serves. Errors: STATUS_STAGE_MEMORY. Not collective. */
enum status conv_transpose_new(const struct conv_transpose_shape *s,
                               enum conv_algorithm a, enum isa isa, const float *weights,
                               struct conv_transpose **out, struct error *err);
void conv_transpose_free(struct conv_transpose *t);

/* Other weights of the same shape; not while conv_transpose_forward runs. */
void conv_transpose_set_weights(struct conv_transpose *t, const float *weights);

/* Scratch that conv_transpose_forward needs for an output of this size, in bytes. */
size_t conv_transpose_scratch_bytes(const struct conv_transpose *t, int64_t depth,
                                    int64_t height, int64_t width);

/* out has the size of conv_transpose_size (or less); its halo is not touched. */
void conv_transpose_forward(const struct conv_transpose *t, const struct view *in,
                            const struct view *out, const struct conv_epilogue *e,
                            void *scratch);

/* The obvious loops, in double. Reads no halo. */
void conv_transpose_reference(const struct conv_transpose_shape *s, const float *weights,
                              const struct view *in, const struct view *out,
                              const struct conv_epilogue *e);

#endif
