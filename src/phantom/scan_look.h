/*
 * How a scan looks whose scanner nobody knows: its sharpness, from the edges between lung
 * and chest wall, and its noise.
 */
#ifndef PHANTOM_SCAN_LOOK_H
#define PHANTOM_SCAN_LOOK_H

#include <stdint.h>

#include "ct/geometry.h"

struct scan_look {
    double blur_mm;  /* standard deviation of the in-plane blur, beyond the voxel's box */
    double noise_hu; /* standard deviation from voxel to voxel, in lung */
    int64_t edges;   /* how many the blur was measured at; 0: it is a default */
};

/* mask: of the lungs (ct/lung_mask.h). Not collective. */
struct scan_look scan_look_of(const struct geometry *g, const float *hu,
                              const uint8_t *mask);

#endif
