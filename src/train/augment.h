/*
 * Augmentation: a sample turned, flipped, moved, stretched and made noisier, each in its
 * own way.
 *
 * The transform of a sample is a function of (seed, epoch, sample), never of the batch it
 * stands in. It is drawn and applied as in chapter 12 of Deep Learning with PyTorch,
 * whose grid_sample it reproduces (trilinear, border padding, align_corners false).
 */
#ifndef TRAIN_AUGMENT_H
#define TRAIN_AUGMENT_H

#include <stdbool.h>
#include <stdint.h>

struct augmentation {
    bool flip;       /* each axis with probability one half */
    double offset;   /* up to this share of half the extent, each axis */
    double scale;    /* by 1 +- up to this, each axis */
    bool rotate;     /* in the axial plane, by any angle */
    bool keep_depth; /* slices stay what they are: nothing along z (2D networks) */
    double noise_hu; /* standard deviation of white noise */
};

/* The matrix [flip * scale | offset] R: where in the input the value of an output voxel
 * comes from. Rows and columns are x, y, z; +-1 is half the extent of the crop. */
struct augment_transform {
    float m[3][4];
};

/* The stream of a sample's random numbers: sample < 2^32, epoch < 2^24 (a CHECK). */
uint64_t augment_stream(uint64_t epoch, uint64_t sample);

void augment_draw(const struct augmentation *a, uint64_t seed, uint64_t epoch,
                  uint64_t sample, struct augment_transform *t);

/* out[z][y][x] from in[z][y][x], both of this size, apart from each other. */
void augment_apply(const struct augment_transform *t, const int64_t size[3],
                   const float *in, float *out);

#endif
