/* A candidate: what grouping makes, classification scores and diagnosis judges. */
#ifndef STAGE_CANDIDATE_H
#define STAGE_CANDIDATE_H

#include <stddef.h>
#include <stdint.h>

struct candidate {
    double index[3];    /* centre, voxel index z, y, x, not rounded */
    double xyz[3];      /* the same in mm, LPS */
    int64_t voxels;     /* of the eroded component; 0 for a listed candidate */
    double diameter_mm; /* of the ball with that volume; 0 for a listed candidate */
    float probability;  /* of being a nodule; NaN until classified */
    float malignancy;   /* NaN without a malignancy model */
};

/* Descending probability (NaN after all numbers), ties by x, y, z in mm, then by voxels:
 * the order of all lists. Candidates that still tie are the same in all that a list
 * shows. */
void candidates_sort(struct candidate *candidates, size_t count);

/* Whether candidates stand in that order. */
int candidates_are_sorted(const struct candidate *candidates, size_t count);

#endif
