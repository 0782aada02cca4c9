/*
 * A tensor in channels-last order (NDHWC with N = 1), as a view into memory owned
 * elsewhere.
 *
 * Voxel (z, y, x), channel c lies at data[z * stride_d + y * stride_h + x * stride_w +
 * c], strides in floats, stride_w >= channels. Around the voxels lies a halo of zeros,
 * `halo` voxels wide in y and x and, when depth > 1 or the network is 3D, in z (halo_d):
 * convolutions read it as padding, so there is no border code. A view may be some
 * channels of a wider tensor (stride_w > channels): concatenation is two producers
 * writing into one tensor. 2D tensors have depth 1, halo_d 0.
 */
#ifndef TENSOR_VIEW_H
#define TENSOR_VIEW_H

#include <stdint.h>

struct view {
    float *data; /* voxel (0, 0, 0), channel 0: not the halo */
    int64_t depth, height, width;
    int channels;
    int halo_d, halo;
    int64_t stride_d, stride_h, stride_w;
};

/* Channels [first, first + count) of a view. */
static inline struct view view_channels(struct view v, int first, int count)
{
    v.data += first;
    v.channels = count;
    return v;
}

/* Floats that a dense tensor with its halo takes. */
static inline int64_t view_floats(int64_t depth, int64_t height, int64_t width,
                                  int channels, int halo_d, int halo)
{
    return (depth + 2 * halo_d) * (height + 2 * halo) * (width + 2 * halo) * channels;
}

/* A dense view with its halo on memory of view_floats() zeroed floats. */
static inline struct view view_make(float *memory, int64_t depth, int64_t height,
                                    int64_t width, int channels, int halo_d, int halo)
{
    struct view v = {.depth = depth,
                     .height = height,
                     .width = width,
                     .channels = channels,
                     .halo_d = halo_d,
                     .halo = halo};
    v.stride_w = channels;
    v.stride_h = (width + 2 * halo) * v.stride_w;
    v.stride_d = (height + 2 * halo) * v.stride_h;
    v.data = memory + halo_d * v.stride_d + halo * v.stride_h + halo * v.stride_w;
    return v;
}

#endif
