/*
 * A convolution and the max pooling behind it as one: what the convolution gives is
 * pooled while it is in the cache, and never stored whole.
 *
 * Serves windows that neither overlap nor reach beyond the map (stride = kernel, no
 * padding). Results are those of conv_forward and max_pool_forward, to the bit, for
 * windows of even size, or any but CONV_WINOGRAD.
 *
 * Training keeps one byte a window and channel beside the maximum: the number of the
 * voxel that had it, x fastest, the first of equals. It is all that the way back needs
 * (conv_peaks.h).
 */
#ifndef TENSOR_CONV_POOL_H
#define TENSOR_CONV_POOL_H

#include "tensor/conv.h"
#include "tensor/layers.h"

/* The peak of a window whose maximum ReLU has cut off: nothing is passed back. */
enum { CONV_POOL_DEAD = 255 };

/* Whether a pooling can be done together with the convolution before it. */
bool conv_pool_serves(const struct pool_shape *s);

/* Scratch that conv_pool_forward needs for an output of this size, in bytes; 64-byte
 * aligned. */
size_t conv_pool_scratch_bytes(const struct conv *c, const struct pool_shape *s,
                               int64_t depth, int64_t height, int64_t width);

/* out = the maxima over windows of what conv_forward gives. peaks[z][y][x][channel] are
 * written when not NULL; the epilogue then has no scale. `in` as for conv_forward. No
 * allocation, no threads. */
void conv_pool_forward(const struct conv *c, const struct pool_shape *s,
                       const struct view *in, const struct view *out, uint8_t *peaks,
                       const struct conv_epilogue *e, void *scratch);

#endif
