/*
 * Where the lungs are in a CT scan: air inside the body, with the vessels and nodules
 * that it surrounds or that bulge into it.
 *
 * The mask follows air voxel by voxel; where tissue was closed over (vessels, nodules on
 * the pleura) its surface is known to one coarse cell, 2 mm. Trachea and main bronchi are
 * taken out where they can be told from lung; bowel gas, air around the body and the
 * padding of the field of view (-1000 and below) are not lung.
 */
#ifndef CT_LUNG_MASK_H
#define CT_LUNG_MASK_H

#include <stdint.h>

#include "base/status.h"
#include "ct/geometry.h"

/* Writes mask[z][y][x] = 1 in a lung, else 0, for a whole volume hu[z][y][x], clipped to
 * [-1000, 1000] or not. A volume that shows no lung gives zeros and STATUS_OK. Works on
 * cells of 2 mm: about one byte a voxel beside the two volumes. Errors:
 * STATUS_STAGE_MEMORY. Not collective; a function of its arguments. */
enum status lung_mask(const struct geometry *g, const float *hu, uint8_t *mask,
                      struct error *err);

#endif
