/* The voxels of a bright ball in darker surroundings, told from them by a threshold. */
#ifndef STAGE_BLOB_REGION_H
#define STAGE_BLOB_REGION_H

#include <stdint.h>

#include "base/status.h"
#include "ct/geometry.h"

/* Counts the voxels of hu[z][y][x] that are connected to a place (mm along the axes of
 * the volume: z, y, x), brighter than the threshold that parts the voxels within
 * diameter_mm of it best (T. W. Ridler, S. Calvard: Picture thresholding using an
 * iterative selection method. IEEE Trans. SMC 8(8), 1978), and within 3/4 of diameter_mm:
 * a vessel or the wall that it hangs on is cut off there. 0 when the place itself is no
 * brighter. Errors: STATUS_STAGE_MEMORY. */
enum status blob_region_count(const struct geometry *g, const float *hu,
                              const double at[3], double diameter_mm, int64_t *voxels,
                              struct error *err);

#endif
