/* White noise on the voxels of a training example. */
#ifndef TRAIN_NOISE_H
#define TRAIN_NOISE_H

#include <stdint.h>

/* Adds normal noise of this standard deviation to count values. What value i gets
 * depends on (seed, epoch, sample, i) alone, and is the same bits with every instruction
 * set. Limits: augment_stream's. */
void noise_add(double deviation, uint64_t seed, uint64_t epoch, uint64_t sample,
               float *values, int64_t count);

#endif
