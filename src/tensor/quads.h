/*
 * Maps cut into tiles of 4 x 4 voxels, for Winograd's F(4x4, 3x3) in 2D (conv_quads.c,
 * conv_gradient_quads.c, kernels_quads.h). Tiles are numbered x fastest, slices last.
 *
 * Tiles that reach beyond the map, and all tiles when the channels do not fill vectors,
 * go through a border tile in scratch: nothing outside the tensors is read or written.
 */
#ifndef TENSOR_QUADS_H
#define TENSOR_QUADS_H

#include "tensor/kernels.h"

enum {
    QUAD_SIDE = 4,
    QUAD_AROUND = 6, /* with a voxel around it */
    QUAD_POSITIONS = 36,
    QUAD_LINE = 16, /* floats of a cache line */
};

/* Whether a convolution is of the one kind: 2D, kernel 3, stride 1, pad 1. */
bool quads_serve(const struct conv_shape *s);

/* Whether it is faster that way: all channels fill vectors. */
bool quads_pay(const struct conv_shape *s, enum isa isa);

struct quads {
    int64_t height, width; /* of the map */
    int64_t rows, columns; /* of tiles */
    int64_t tiles;         /* in all slices */
};

struct quads quads_of(int64_t depth, int64_t height, int64_t width);

/* The floats from one position to the next for `floats` of each: an odd number of cache
 * lines, since all positions of a tile are touched together. */
int64_t quads_stride(int64_t floats);

/* Tiles on their way between a map and their 36 positions. */
struct quads_pass {
    const struct quads *quads;
    kernel_tiles_function *transform;
    int side;       /* of what a tile has in the map: QUAD_AROUND or QUAD_SIDE */
    int channels;   /* padded to whole vectors */
    int64_t stride; /* from position to position */
    float *border;  /* QUAD_POSITIONS * channels floats */
    struct kernel_epilogue epilogue;
};

/* transformed[position][tile][channel] of `count` tiles of `from`, from tile `first` on.
 * With a voxel around it the map's halo is read. */
void quads_read(const struct quads_pass *p, const struct view *from, int64_t first,
                int64_t count, float *transformed);

/* The way back. */
void quads_write(const struct quads_pass *p, const struct view *to, int64_t first,
                 int64_t count, float *transformed);

#endif
