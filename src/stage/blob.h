/*
 * Stages 2 to 4 without a network: nodules are bright dots in the lungs. The baseline
 * that networks have to beat, and what a job without weights falls back on.
 *
 * The scan is sampled to equal steps of 1 mm around the lungs and smoothed to one scale
 * after the other, a third of an octave apart; a filter for dots (stage/dot_filter.h)
 * finds places and sizes. Of places that overlap the best is kept. Around it, the voxels
 * above half of its contrast are its region, whose volume gives the diameter. A logistic
 * function of contrast, roundness and size, fixed, scores it.
 *
 * A function of its arguments: the same bits for every number of threads. Local to a
 * rank.
 */
#ifndef STAGE_BLOB_H
#define STAGE_BLOB_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "ct/geometry.h"
#include "stage/candidate.h"

/* Raised also when another lung mask or grid changes results. */
enum { BLOB_NUMERICS = 1, BLOB_VOXEL_BYTES = 5 /* of the grid, a voxel at most */ };

struct blob_options {
    double min_mm, max_mm;  /* diameters that are looked for */
    double min_score;       /* candidates score at least this, compared in float32 */
    int64_t max_candidates; /* the best are kept */
    int threads;
};

/* Called a few times a second or so; a status other than OK stops the work and is passed
 * on. */
typedef enum status blob_poll(void *context);

/* Finds blobs in clipped hu[z][y][x] around lung[z][y][x] (1: lung; one closed over what
 * grows on the pleura). *out, to be freed, holds *count candidates, best first, with
 * their score as probability. Memory: 5 bytes a point of the sampled box, of which there
 * are hardly more than voxels, and about 100 a dot. poll may be NULL. Errors:
 * STATUS_STAGE_MEMORY; what poll returned. */
enum status blob_find(const struct geometry *g, const float *hu, const uint8_t *lung,
                      const struct blob_options *o, blob_poll *poll, void *context,
                      struct candidate **out, size_t *count, struct error *err);

#endif
