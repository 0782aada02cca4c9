/* The box of voxels around a centre that a classifier looks at. */
#ifndef STAGE_CROP_H
#define STAGE_CROP_H

#include <stdint.h>

/* Some whole slices of a volume, clipped HU, and what volume they are of. */
struct slices {
    const float *hu;      /* [count][size[1]][size[2]] */
    int64_t first, count; /* slices [first, first + count) */
    int64_t size[3];      /* of the volume: z, y, x */
};

/* Where the crop of a centre starts along one axis: round_half_even(rounded centre -
 * width / 2), shifted inwards at the borders; 0 when the volume is smaller than the crop.
 * The centre is finite; it may lie outside of the volume. */
int64_t crop_start(double centre, int64_t width, int64_t size);

/* Slices [*first, *first + *count) of a volume that the crop of a centre touches. */
void crop_range(const int64_t size[3], const double index[3], const int64_t crop_size[3],
                int64_t *first, int64_t *count);

/* The voxel at position i >= 0 of an axis that is continued by repeated reflection (numpy
 * "reflect"; one voxel is repeated). */
int64_t crop_reflect(int64_t i, int64_t size);

/* Copies the crop of a centre (z, y, x) to crop[d][h][w]. Axes on which the volume is
 * smaller than the crop are padded on the high side by repeated reflection
 * (crop_reflect). The slices hold the crop (a CHECK). */
void crop_copy(const struct slices *s, const double index[3], const int64_t crop_size[3],
               float *crop);

#endif
