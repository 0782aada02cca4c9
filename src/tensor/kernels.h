/*
 * The innermost loops of the convolutions, once for each instruction set.
 *
 * One source (kernels_lanes.h, kernels_transform.h), written in GCC's vector extensions
 * for a lane count, is compiled by kernels_portable.c, kernels_avx2.c and
 * kernels_avx512.c with the options of their set (src/CMakeLists.txt); each of these
 * files fills one struct kernels. Lanes are output channels, which lie next to each other
 * in memory, so that nothing is ever transposed. Which kernel runs for which part of a
 * tensor is decided outside, in plain C (conv_direct.c, conv_winograd.c).
 *
 * Panels. Weights lie in panels of 2 vectors of output channels (the last may be 1):
 * within a panel [tap][in_channel][panel lanes], zero where a lane has no channel.
 *
 * Pairs. When the output channels fill at most half a vector, the other half would idle.
 * Then lane 2o + p sums for channel o the input floats of parity p, two floats are
 * broadcast at a time as if they were one 64-bit number, and the two partial sums are
 * added at the very end. This halves the multiply-adds of layers with 8 output channels
 * under AVX-512. Weights: for every (kz, ky) vectors of two consecutive floats of (kx,
 * in_channel), the last one half zero if their number is odd.
 */
#ifndef TENSOR_KERNELS_H
#define TENSOR_KERNELS_H

#include "tensor/conv_internal.h"

/* A row of outputs, one panel wide: for x < width, lane l of panel
 *   out[x*out_step + l] = epilogue(sum over tap offsets t, i < run of
 *                         in[x*step + t + i] * weights[...][l])
 * Tap offsets: i0*strides[0] + i1*strides[1] + i2*strides[2] for i_k < taps[k]. */
struct kernel_row {
    const float *in, *weights;
    int64_t step;
    int64_t taps[3], strides[3];
    int64_t run;
    float *out;
    int64_t out_step, width;
    int channels; /* of the panel, that exist and are stored */
    /* Padded to whole vectors: max(sum + bias, floor) * scale + shift. */
    const float *bias, *scale, *shift;
    float floor;
};

typedef void kernel_row_function(const struct kernel_row *row);

/* Register tiles: so many voxels of a row are summed at a time. */
enum { KERNEL_TILES = 8 };
extern const int kernel_tile_sizes[KERNEL_TILES];

/* Consecutive Winograd tiles along x, all channels. Positions are the points of the
 * transformed tile, 16 in 2D and 64 in 3D, x fastest. */
struct kernel_tiles {
    int64_t count;
    float *transformed; /* [position][tile][channel] */
    int64_t position_stride, tile_stride;
    /* Input: its first float read; output: its first float written. */
    float *data;
    int64_t stride_d, stride_h, stride_w;
    int channels;
    const float *bias, *scale, *shift; /* as above, for the output */
    float floor;
};

typedef void kernel_tiles_function(const struct kernel_tiles *tiles);

struct kernels {
    int lanes;
    /* Sums that fit into registers: a tile has at most so many voxels times vectors. */
    int accumulators;
    /* [vectors - 1][tile]; NULL where the registers do not suffice. `sum` has no epilogue
     * and stores whole vectors (with pairs: both partial sums). */
    kernel_row_function *convolve[2][KERNEL_TILES], *convolve_pairs[KERNEL_TILES];
    kernel_row_function *sum[2][KERNEL_TILES], *sum_pairs[KERNEL_TILES];
    /* [0] 2D, [1] 3D. Input channels are a multiple of the vector: of lanes, or of
     * `half_lanes`. */
    int half_lanes;
    kernel_tiles_function *input[2], *input_half[2];
    kernel_tiles_function *output[2], *output_pairs[2];
};

extern const struct kernels kernels_portable, kernels_avx2, kernels_avx512;

/* The kernels of an instruction set that this machine has. */
const struct kernels *kernels_of(enum isa isa);

/* The tile with which a row of this width and so many vectors is done soonest. */
int kernels_choose_tile(const struct kernels *k, int64_t width, int vectors);

/* How output channels are spread over vectors. */
struct kernel_channels {
    bool pairs;
    int vectors; /* in all; with pairs 1 */
    int padded;  /* lanes of all vectors */
};

struct kernel_channels kernels_channels(const struct kernels *k, int out_channels);

/* Writes bias, scale and shift, padded, to memory of 3 * padded floats and points the
 * row's or tiles' fields there. */
struct kernel_epilogue {
    const float *bias, *scale, *shift;
    float floor;
};

struct kernel_epilogue kernels_epilogue(const struct conv_epilogue *e, int channels,
                                        int padded, float *memory);

#endif
