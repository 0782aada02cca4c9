/*
 * A chunk of a cached scan: 32 x 64 x 64 voxels of int16 as they lie in the file.
 *
 * A chunk is sixteen blocks (block.h) of 8 x 32 x 32, four layers of two by two, so that
 * a crop decodes little that it does not need. Each block is two zstd frames, its low
 * and its high bytes; frames of blocks that lie outside the volume are left out. Before
 * them stand the sizes of the frames:
 *
 *     uint16 frame_bytes[16][2]    little endian; blocks z-major, low before high; 0:
 *                                  outside
 *     frames, one after the other
 *
 * At the border of a volume blocks are as large as what is left of it.
 */
#ifndef CACHE_CHUNK_H
#define CACHE_CHUNK_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "cache/block.h"

enum {
    CHUNK_DEPTH = 32,
    CHUNK_ROWS = 64,
    CHUNK_COLUMNS = 64,
    CHUNK_VOXELS = CHUNK_DEPTH * CHUNK_ROWS * CHUNK_COLUMNS,
    CHUNK_BLOCKS = CHUNK_VOXELS / BLOCK_VOXELS,
    CHUNK_HEAD_BYTES = CHUNK_BLOCKS * 2 * 2,
    /* more than any chunk takes: what zstd may add to a plane that it cannot compress */
    CHUNK_MOST_BYTES = CHUNK_HEAD_BYTES + CHUNK_BLOCKS * 2 * (BLOCK_VOXELS + 128),
};

/* Voxels of a chunk [first, end), zyx. */
struct chunk_box {
    int first[3], end[3];
};

/* Contexts and scratch of one thread. */
struct chunk_codec;

enum status chunk_codec_new(struct chunk_codec **out, struct error *err);
void chunk_codec_free(struct chunk_codec *c);

/* Encodes voxels [z][y][x] of size zyx (1 .. the chunk's), `plane` and `row` voxels
 * apart, into out (CHUNK_MOST_BYTES); returns the bytes used. */
size_t chunk_encode(struct chunk_codec *c, const int16_t *voxels, ptrdiff_t plane,
                    ptrdiff_t row, const int size[3], unsigned char *out);

/* Decodes the voxels of a box in a chunk of size zyx; out is the box's first voxel, rows
 * `row` and slices `plane` voxels apart. Only blocks that the box touches are decoded.
 * Errors: STATUS_ITEM_FORMAT when the bytes are no chunk of that size. */
enum status chunk_decode(struct chunk_codec *c, const unsigned char *data, size_t count,
                         const int size[3], const struct chunk_box *box, int16_t *out,
                         ptrdiff_t plane, ptrdiff_t row, struct error *err);

#endif
