/*
 * Where the voxels of a volume lie in the patient.
 *
 * Index order is always (z, y, x) = (slice, row, column) for voxels, and (x, y, z) in
 * millimetres, LPS, for patient space:
 *
 *     xyz = D (cri * spacing) + origin          cri = (x, y, z) index
 *     cri = inv(D) (xyz - origin) / spacing
 *
 * D is kept as a matrix in row-major order. MetaImage's TransformMatrix lists its
 * *columns* one after the other: the reader transposes.
 */
#ifndef CT_GEOMETRY_H
#define CT_GEOMETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

struct geometry {
    int64_t size[3];     /* voxels: z, y, x */
    double spacing[3];   /* mm: x, y, z */
    double origin[3];    /* mm, LPS: centre of voxel (0, 0, 0) */
    double direction[9]; /* D, row-major */
};

/* Holds a geometry against what can be worked with: sizes positive and their product
 * countable in bytes of float, spacing finite and positive, origin finite, D finite and
 * invertible. Errors: STATUS_ITEM_FORMAT or STATUS_ITEM_LIMIT, naming the value. Not
 * collective. */
enum status geometry_check(const struct geometry *g, struct error *err);

/* Voxel index (z, y, x), not necessarily whole, to millimetres (x, y, z). Exact for
 * oblique D. */
void geometry_to_mm(const struct geometry *g, const double index_zyx[3], double xyz[3]);

/* Millimetres (x, y, z) to a voxel index (z, y, x), not rounded. */
void geometry_to_index(const struct geometry *g, const double xyz[3],
                       double index_zyx[3]);

/* The book's way back, which multiplies by D on the wrong side: ((xyz - origin) inv(D)) /
 * spacing with a row vector. Equal to geometry_to_index only for symmetric D. For mode
 * "book". */
void geometry_to_index_book(const struct geometry *g, const double xyz[3],
                            double index_zyx[3]);

/* The voxel nearest to an index, ties to even. */
void geometry_round(const double index_zyx[3], int64_t voxel[3]);

/* Number of voxels. The geometry was checked. */
int64_t geometry_voxels(const struct geometry *g);

/* The index of a point and the voxel that it rounds to; false when that lies outside, and
 * then voxel is not to be used. */
bool geometry_find_voxel(const struct geometry *g, const double xyz[3], double index[3],
                         int64_t voxel[3]);

#endif
