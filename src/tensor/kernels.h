/*
 * The innermost loops of the convolutions, once for each instruction set.
 *
 * One source (kernels_lanes.h and what it includes), written in GCC's vector extensions
 * for a lane count, is compiled by kernels_portable.c, kernels_avx2.c and
 * kernels_avx512.c with the options of their set (src/CMakeLists.txt); each of these
 * files fills one struct kernels. Lanes are output channels, which lie next to each other
 * in memory, so that nothing is ever transposed (but in kernels_lines.h). Which kernel
 * runs for which part of a tensor is decided outside, in plain C (conv_direct.c,
 * conv_winograd.c).
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

#include "tensor/ahead.h"
#include "tensor/conv_internal.h"

/* What a finished sum goes through: max(sum + bias, floor) * scale + shift. Padded to
 * whole vectors. */
struct kernel_epilogue {
    const float *bias, *scale, *shift;
    float floor;
};

enum { KERNEL_SLICES = 4 };

/* Rows of outputs, one panel wide: for y < rows, x < width, lane l of the panel
 *   out[y*out_row + x*out_step + l] = epilogue(sum over tap offsets t, i < run of
 *       in[y*in_row + x*in_step + t + i] * weights[y*weights_row + ...][l])
 * Tap offsets: i0*strides[0] + i1*strides[1] + i2*strides[2] for i_k < taps[k].
 *
 * A product has no taps and no epilogue. It may have several outputs a row that share
 * inputs: for z < depth, at out + z*out_slice, offsets slice[z + i] for i < slices. */
struct kernel_rows {
    int64_t rows, width;
    const float *in;
    int64_t in_row, in_step;
    int64_t taps[3], strides[3];
    int64_t run;
    int depth, slices; /* of a product; 0 is 1 */
    int64_t slice[KERNEL_SLICES], out_slice;
    const float *weights;
    int64_t weights_row;
    float *out;
    int64_t out_row, out_step;
    int channels; /* of the panel, that exist and are stored */
    struct kernel_epilogue epilogue;
};

typedef void kernel_rows_function(const struct kernel_rows *rows);

/* Consecutive Winograd tiles along x. A tile's input is 4 voxels an axis and its output
 * 2; in 2D it is one voxel deep. Positions are the 16 or 64 points of the transformed
 * tile, x fastest. */
struct kernel_tiles {
    int64_t count;
    float *transformed; /* [position][tile][channel] */
    int64_t position_stride, tile_stride;
    float *data; /* first input voxel read, or first output voxel written */
    int64_t stride_d, stride_h, stride_w;
    int channels; /* input: whole vectors */
    struct kernel_epilogue epilogue;
};

typedef void kernel_tiles_function(const struct kernel_tiles *tiles);

/* Lines of outputs of one input channel, for up to KERNEL_LINE_CHANNELS output channels:
 * as struct kernel_rows, with lanes along x. Weights [tap][KERNEL_LINE_CHANNELS]. A line
 * of fewer voxels than lanes is read as if it had so many. */
enum { KERNEL_LINE_CHANNELS = 8 };

struct kernel_lines {
    int64_t rows, width;
    const float *in;
    int64_t in_row;
    int64_t taps[3], strides[2]; /* along z, y; x lies densely */
    const float *weights;
    float *out;
    int64_t out_row, out_step;
    int channels; /* that exist and are stored */
    struct kernel_epilogue epilogue;
};

typedef void kernel_lines_function(const struct kernel_lines *lines);

/* Sums of outer products over voxels, for the gradient by weights: for `lines` lines l, i
 * below a span, lane c of a panel
 *   sums[l*sums_line + i*sums_step + c] += sum over z < slices, y < rows, x < width of
 *       in[z*in_slice + y*in_row + x*in_step + l*in_line + i] *
 *       gradient[z*gradient_slice + y*gradient_row + x*gradient_step + c]
 * but only for i >= skip: where spans overlap, one of them adds. Whole vectors of the
 * gradient are read and of the sums written. */
struct kernel_outer {
    int64_t slices, rows, width;
    const float *in;
    int64_t in_slice, in_row, in_step, in_line;
    const float *gradient;
    int64_t gradient_slice, gradient_row, gradient_step;
    float *sums;
    int64_t sums_line, sums_step;
    int skip;
};

typedef void kernel_outer_function(const struct kernel_outer *outer);

/* The same over tiles, at all positions of Winograd's: of one span and panel, stored or,
 * with `add`, added. */
struct kernel_products {
    int64_t positions, count;
    const float *in;
    int64_t in_position, in_step;
    const float *gradient;
    int64_t gradient_position, gradient_step;
    float *sums;
    int64_t sums_position, sums_step;
    bool add;
};

typedef void kernel_products_function(const struct kernel_products *products);

/* A row of max pooling windows that neither overlap nor have gaps: of each the maxima of
 * all channels, and which voxel had them (peaks, NULL: not wanted): its number in the
 * window, x fastest, the first of equals; 255 when it is at most `dead`. */
struct kernel_windows {
    int64_t count;
    int window[3];
    const float *in;
    int64_t stride_d, stride_h, stride_w;
    int channels;
    float *out;
    int64_t out_step;
    uint8_t *peaks; /* [window][channel] */
    float dead;
};

typedef void kernel_windows_function(const struct kernel_windows *windows);

/* A piece of the patches around voxels: rows (z, y) of some floats at
 * data + places[i] + z*stride_d + y*stride_h. Gather adds values[i] times each to
 * `weights` (its rows weights_row apart), scatter adds values[i] * weights to each. */
struct kernel_peaks {
    int64_t count;
    const int64_t *places;
    const float *values;
    float *data;
    int64_t stride_d, stride_h;
    float *weights;
    int64_t weights_row;
};

typedef void kernel_peaks_function(const struct kernel_peaks *peaks);

enum { KERNEL_PIECES = 6 };

/* How many voxels of a row are summed at a time. */
enum { KERNEL_SPANS = 9 };
extern const int kernel_spans[KERNEL_SPANS];

struct kernels {
    int lanes;
    /* Sums that fit into registers: at most so many voxels times vectors. */
    int accumulators;
    /* [vectors - 1][span]; NULL where the registers do not suffice. `multiply` is a
     * product: slices instead of taps, no epilogue and stores whole vectors (with pairs:
     * both partial sums). */
    kernel_rows_function *convolve[2][KERNEL_SPANS], *convolve_pairs[KERNEL_SPANS];
    kernel_rows_function *multiply[2][KERNEL_SPANS], *multiply_pairs[KERNEL_SPANS];
    /* Winograd's transforms: [0] 2D, [1] 3D. input_narrow works in vectors of
     * narrow_lanes, for channels that are no multiple of `lanes`. */
    int narrow_lanes;
    kernel_tiles_function *input[2], *input_narrow[2], *output[2], *output_pairs[2];
    /* Those of F(4x4, 3x3), whose tiles are 6 voxels an axis in and 4 out. */
    kernel_tiles_function *input4, *input4_narrow, *output4, *output4_pairs;
    /* [lines == 3][vectors - 1][span]; NULL where the registers do not suffice.
     * outer_pairs takes half a vector of output channels and spans of twice as many
     * sums. */
    kernel_outer_function *outer[2][2][KERNEL_SPANS], *outer_pairs[2][KERNEL_SPANS];
    kernel_windows_function *windows;
    /* Of tiles of 4 x 4 voxels, with 36 positions (kernels_quads.h). quad_points: [36]
     * from [9] vectors of weights; quad_weights: [9] from [36] positions, `count` floats
     * each.
     */
    kernel_tiles_function *quad_input, *quad_gradient, *quad_output, *quad_output_pairs;
    /* [vectors - 1], for spans of products_span[vectors - 1] */
    kernel_products_function *products[2];
    int products_span[2];
    void (*quad_points)(const float *weights, float *points, int64_t stride);
    void (*quad_weights)(const float *sums, int64_t stride, int64_t count, float *weights,
                         int64_t weights_stride);
    kernel_lines_function *lines;
    /* [3x3 rows, 1x3, 1x1][piece]; NULL where the registers do not suffice. peak_pieces:
     * floats of a row, descending; the last is 1. */
    int peak_pieces[KERNEL_PIECES];
    kernel_peaks_function *gather[3][KERNEL_PIECES], *scatter[3][KERNEL_PIECES];
};

extern const struct kernels kernels_portable, kernels_avx2, kernels_avx512;

/* The kernels of an instruction set that this machine has. */
const struct kernels *kernels_of(enum isa isa);

/* The span with which a row of this width and so many vectors is done soonest. */
int kernels_choose_span(const struct kernels *k, int64_t width, int vectors);

/* How output channels are spread over vectors. */
struct kernel_channels {
    bool pairs;
    int vectors; /* in all; with pairs 1 */
    int padded;  /* lanes of all vectors */
};

struct kernel_channels kernels_channels(const struct kernels *k, int out_channels);

/* The epilogue, padded in memory of 3 * padded floats. */
struct kernel_epilogue kernels_epilogue(const struct conv_epilogue *e, int channels,
                                        int padded, float *memory);

/* The epilogue from output channel `first` on. */
static inline struct kernel_epilogue kernel_epilogue_from(struct kernel_epilogue e,
                                                          int first)
{
    return (struct kernel_epilogue){e.bias + first, e.scale + first, e.shift + first,
                                    e.floor};
}

/* Packed weights: `rows` rows of `run` input floats each, for all output channels. */
struct kernel_weights {
    int lanes, out_channels;
    int64_t rows, run;
};

int64_t kernel_weights_floats(const struct kernel_weights *w);

/* Where the weight of input float i of a row for output channel o lies. */
int64_t kernel_weights_place(const struct kernel_weights *w, int64_t row, int64_t i,
                             int o);

/* Where the panel that begins with output channel `first` begins. */
int64_t kernel_weights_panel(const struct kernel_weights *w, int first);

#endif
