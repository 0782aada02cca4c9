/*
 * A block of voxels as two planes of bytes that compress well, and back.
 *
 * Each voxel is replaced by its difference from what its neighbours in the slice promise:
 * the median of left, above and left + above - above-left (the predictor of JPEG-LS,
 * ITU-T T.87), which follows edges as well as slopes. Small differences of either sign
 * become small numbers (0, -1, 1, -2, 2 -> 0, 1, 2, 3, 4), and their low and high bytes
 * are kept apart, since the high ones are nearly all zero.
 */
#ifndef CACHE_BLOCK_H
#define CACHE_BLOCK_H

#include <stddef.h>
#include <stdint.h>

enum {
    BLOCK_DEPTH = 8,
    BLOCK_ROWS = 32,
    BLOCK_COLUMNS = 32,
    BLOCK_VOXELS = BLOCK_DEPTH * BLOCK_ROWS * BLOCK_COLUMNS,
};

typedef int16_t block_voxels[BLOCK_DEPTH][BLOCK_ROWS][BLOCK_COLUMNS];

/* Voxels [z][y][x] of size zyx (each at least 1 and at most the block's), `plane` and
 * `row` voxels apart, into the dense planes low and high of the same size. */
void block_transform(const int16_t *voxels, ptrdiff_t plane, ptrdiff_t row,
                     const int size[3], unsigned char *low, unsigned char *high);

/* The inverse. What lies beyond `size` in out holds no meaning. */
void block_restore(const unsigned char *low, const unsigned char *high, const int size[3],
                   block_voxels out);

#endif
