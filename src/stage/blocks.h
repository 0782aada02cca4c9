/*
 * One axis of a volume, divided into overlapping blocks of one length.
 *
 * What a network says near the border of a block is worth less than what it says in the
 * middle, so blocks overlap, and where two do, their weights ramp linearly from one to
 * the other. Weights of an axis add up to 1 at each of its voxels, and so do the products
 * of the weights of three axes at each voxel of a volume.
 *
 *   ├────── 0 ───────┤
 *              ├──────── 1 ────────┤            weight of 1:  0 / 1 \ 0
 *                         ├──────── 2 ───────┤
 *
 * All of it is a function of the length of the axis alone. Blocks begin at multiples of
 * the network's divisor: its poolings then fall on the same voxels as in a run over the
 * whole volume. The last block may reach beyond the end by less than that; an axis
 * shorter than `least` is made that long. Beyond the end an axis is continued by
 * reflection (crop_reflect).
 */
#ifndef STAGE_BLOCKS_H
#define STAGE_BLOCKS_H

#include <stdint.h>

struct blocks_options {
    int64_t least;   /* an axis is continued to this length */
    int64_t most;    /* length of a block */
    int64_t overlap; /* of two neighbours, at least */
    int64_t divisor; /* of most and overlap. Most is at least least, and at least twice
                        overlap and divisor together */
};

struct blocks {
    int64_t size;   /* of the axis */
    int64_t padded; /* what the blocks cover, from 0 on */
    int64_t length; /* of each block: as short as their number allows */
    int64_t count;
    int64_t divisor;
};

/* size > 0. */
void blocks_init(struct blocks *b, int64_t size, const struct blocks_options *o);

/* Block i covers [start, start + length). */
int64_t blocks_start(const struct blocks *b, int64_t i);

/* The first block that reaches beyond a voxel: start + length > voxel. */
int64_t blocks_first(const struct blocks *b, int64_t voxel);

/* Weights of the voxels of block i, weight[length]. */
void blocks_weights(const struct blocks *b, int64_t i, float *weight);

#endif
