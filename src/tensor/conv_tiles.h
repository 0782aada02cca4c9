/*
 * The tiles that Winograd's algorithms cut an output into, and what happens at its
 * borders. (Internal to tensor.)
 *
 * A tile has `edge` voxels along y and x, and along z when it is deep; its input is 2
 * voxels wider (kernel 3). Tiles are numbered x fastest. One that reaches beyond the
 * output goes through a border tile, so that nothing outside the tensors is ever read or
 * written.
 */
#ifndef TENSOR_CONV_TILES_H
#define TENSOR_CONV_TILES_H

#include "tensor/view.h"

#include <stdbool.h>

enum { TILE_OVERLAP = 2 };

struct tiles {
    int edge;
    bool deep;
    int64_t grid[3]; /* along z, y, x */
};

struct tiles tiles_make(int edge, bool deep, int64_t depth, int64_t height,
                        int64_t width);

int64_t tiles_count(const struct tiles *t);

/* A stretch of tiles of one row: `whole` of them lie inside the output, or it is a single
 * one that does not. */
struct stretch {
    int64_t z, y, x; /* first output voxel */
    int64_t count;
    bool whole;
};

/* The stretch that begins with a tile and has at most `most`. */
struct stretch tiles_stretch(const struct tiles *t, const struct view *out, int64_t tile,
                             int64_t most);

/* Copies the input of one tile, whose first voxel is `from`, to the border tile of
 * `padded` channels a voxel, with zeros for what the output does not need. */
void tiles_copy_input(const struct tiles *t, const struct stretch *s,
                      const struct view *in, const struct view *out, const float *from,
                      int64_t padded, float *border);

/* Copies the part of a border tile that lies inside the output to `to`, its first voxel.
 */
void tiles_paste_output(const struct tiles *t, const struct stretch *s,
                        const struct view *out, const float *border, int64_t padded,
                        float *to);

#endif
