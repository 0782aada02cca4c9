/*
 * A plane cut out of a volume, turned as radiologists look at it: the patient's right on
 * the left of the picture, the front up in axial planes and to the left in sagittal ones,
 * the head up in the others.
 *
 * A plane runs along two axes of the voxels and shows voxels as they are: nothing is
 * resampled across slices. In an oblique volume "axial" is therefore the plane that lies
 * nearest to it: each axis of the voxels stands for the axis of the patient that it goes
 * along most.
 *
 * A section takes its voxels from slabs of slices in any order, so that nobody needs to
 * hold the volume: an axial plane needs a single slice.
 */
#ifndef PICTURE_SECTION_H
#define PICTURE_SECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "ct/geometry.h"

enum section_plane { SECTION_AXIAL, SECTION_CORONAL, SECTION_SAGITTAL, SECTION_PLANES };

/* "axial", "coronal", "sagittal". */
const char *section_plane_name(enum section_plane p);

/* Along a side of the picture: rows go down, columns to the right. */
struct section_side {
    int axis;             /* of the voxels: 0 z, 1 y, 2 x */
    bool reversed;        /* voxel indices fall along it */
    int64_t first, count; /* voxels that are shown */
    double spacing;       /* mm */
    double point; /* where the point is: 0 is the centre of the first voxel shown */
};

struct section {
    enum section_plane plane;
    int normal;    /* axis of the voxels that the plane stands across */
    int64_t index; /* of the plane along it */
    struct section_side rows, columns;
    float *values; /* [rows][columns], the upper left first; zeros until taken */
};

/* The plane through the voxel nearest to a point (x, y, z in mm). With `field_mm` above 0
 * it ends at a square of that side around the point, moved inwards at the border of the
 * volume. section_release frees. Errors: STATUS_JOB_CONFIG when the point lies outside
 * the volume, naming it; STATUS_STAGE_MEMORY. Not collective. */
enum status section_init(struct section *s, const struct geometry *g,
                         enum section_plane plane, const double xyz[3], double field_mm,
                         struct error *err);
void section_release(struct section *s);

/* The slices that have a part in it: [*first, *first + *count). */
void section_slices(const struct section *s, int64_t *first, int64_t *count);

/* Takes what is in slices [first, first + count) of the volume, voxels[count][y][x]. */
void section_take(struct section *s, const struct geometry *g, int64_t first,
                  int64_t count, const float *voxels);

#endif
