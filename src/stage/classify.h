/*
 * Stages 4 and 5a, classification: a crop around each candidate through a 3D network to a
 * probability: of being a nodule, or of being malignant. Candidates are independent. Local to a
 * rank.
 */
#ifndef STAGE_CLASSIFY_H
#define STAGE_CLASSIFY_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "ct/geometry.h"
#include "nn/model.h"
#include "stage/candidate.h"

enum { CLASSIFY_NUMERICS = 1 };

struct classify_options {
    struct model_plan_options plan;
    int threads;
};

/* Some whole slices of a volume, clipped HU, and what volume they are of. */
struct slices {
    const float *hu;      /* [count][size[1]][size[2]] */
    int64_t first, count; /* slices [first, first + count) */
    int64_t size[3];      /* of the volume: z, y, x */
};

struct classifier;

/* *out = a classifier, the caller's to free; borrows the model. The crop is the model's.
 * Errors: STATUS_JOB_CONFIG when the model takes no crop of its own. */
enum status classifier_new(const struct model *m, const struct classify_options *o,
                           struct classifier **out, struct error *err);
void classifier_free(struct classifier *c);

/* Slices [*first, *first + *count) of the volume that the crop of a centre touches. */
void classifier_range(const struct classifier *c, const int64_t size[3],
                      const double index[3], int64_t *first, int64_t *count);

/* Where the crop of a centre starts along one axis: round_half_even(rounded centre - width / 2),
 * shifted inwards at the borders; 0 when the volume is smaller than the crop. */
int64_t crop_start(double centre, int64_t width, int64_t size);

/* Copies the crop of a centre to crop[d][h][w]. Axes on which the volume is smaller than the crop
 * are padded on the high side by repeated reflection (numpy "reflect"; one voxel is repeated). */
void crop_copy(const struct slices *s, const double index[3], const int64_t crop_size[3],
               float *crop);

typedef enum status classify_poll(void *context);

/* probabilities[i] = that of candidate i (column 1 of the softmax).
 * Errors: STATUS_STAGE_NUMERIC when one is not finite, naming it; what poll returned. */
enum status classifier_run(struct classifier *c, const struct slices *s,
                           const struct candidate *candidates, size_t count,
                           float *probabilities, classify_poll *poll, void *context,
                           struct error *err);

#endif
