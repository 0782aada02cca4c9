/*
 * Labels for segmentation from points: the book's boxes.
 *
 * A nodule is known by its centre. From there a radius grows along each axis while both
 * ends are denser than the threshold; what the box holds above the threshold is labelled.
 * Source: Deep Learning with PyTorch, chapter 13 (buildAnnotationMask), as the
 * specification of the pipeline states it.
 */
#ifndef TRAIN_LABEL_H
#define TRAIN_LABEL_H

#include <stdbool.h>
#include <stdint.h>

/* HU above which a voxel of the box is labelled. */
#define LABEL_THRESHOLD_HU (-700.0f)

/* Voxels [low, high) on each axis, z y x, inside the volume; empty when high <= low. */
struct label_box {
    int64_t low[3], high[3];
};

/* HU of a voxel inside the volume. */
typedef float label_voxel(void *context, int64_t z, int64_t y, int64_t x);

/* The box of a nodule whose centre is the voxel centre[z y x], inside a volume of size[z
 * y x]. `book`: positions below 0 are taken from the far end, and a box that begins below
 * 0 from there too, as Python's indices do; else the border ends the growth like the far
 * border does. */
void label_box_grow(const int64_t size[3], const int64_t centre[3], bool book,
                    label_voxel *voxel, void *context, struct label_box *out);

/* Sets label to 1 where a box covers the voxel and hu is above the threshold, for voxels
 * [start, start + count) of the volume, hu[z][y][x] and label[z][y][x] of that block. */
void label_box_paint(const struct label_box *box, const int64_t start[3],
                     const int64_t count[3], const float *hu, uint8_t *label);

#endif
