/* A candidate: what grouping makes, classification scores and diagnosis judges. */
#ifndef STAGE_CANDIDATE_H
#define STAGE_CANDIDATE_H

#include <stdint.h>

struct candidate {
    double index[3];     /* centre, voxel index z, y, x, not rounded */
    double xyz[3];       /* the same in mm, LPS */
    int64_t voxels;      /* of the eroded component; 0 for a listed candidate */
    double diameter_mm;  /* of the ball with that volume; 0 for a listed candidate */
    float probability;   /* of being a nodule; NaN until classified */
    float malignancy;    /* NaN without a malignancy model */
};

#endif
