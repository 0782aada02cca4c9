/* A candidate: what grouping makes, classification scores and diagnosis judges. */
#ifndef STAGE_CANDIDATE_H
#define STAGE_CANDIDATE_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct candidate {
    double index[3];    /* centre, voxel index z, y, x, not rounded */
    double xyz[3];      /* the same in mm, LPS */
    int64_t voxels;     /* of the eroded component; 0 for a listed candidate */
    double diameter_mm; /* of the ball with that volume; 0 for a listed candidate */
    float probability;  /* of being a nodule; NaN until classified */
    float malignancy;   /* NaN without a malignancy model */
};

/* How far the models of an ensemble differ about a candidate: standard deviations of
 * their probabilities, NaN where there is one model or none. Kept beside the candidates,
 * since most runs have none. */
struct disagreement {
    float probability, malignancy;
};

/* Descending probability (NaN after all numbers), ties by x, y, z in mm, then by voxels:
 * the order of all lists. Candidates that still tie are the same in all that a list
 * shows. */
void candidates_sort(struct candidate *candidates, size_t count);

/* The same with what goes with each of them. Errors: STATUS_STAGE_MEMORY. */
enum status candidates_sort_both(struct candidate *candidates,
                                 struct disagreement *disagreements, size_t count,
                                 struct error *err);

/* Whether candidates stand in that order. */
int candidates_are_sorted(const struct candidate *candidates, size_t count);

#endif
