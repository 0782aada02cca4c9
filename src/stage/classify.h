/*
 * Stages 4 and 5a, classification: a crop around each candidate through a 3D network to a
 * probability: of being a nodule, or of being malignant. Candidates are independent, so
 * batches of them may be done anywhere, by any number of threads, and give the same bits.
 * Local to a rank.
 *
 * Of several networks (the folds' of a cross-validation) a candidate gets the mean
 * probability, and how far they disagree: the standard deviation of these very networks'
 * probabilities, the root of their mean squared distance from the mean. Both are summed
 * in double in the order of the networks. Equal networks give what one of them gives, and
 * 0.
 */
#ifndef STAGE_CLASSIFY_H
#define STAGE_CLASSIFY_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "nn/model.h"
#include "stage/candidate.h"
#include "stage/crop.h"

enum { CLASSIFY_NUMERICS = 2 };

struct classify_options {
    struct model_plan_options plan;
    int threads;
};

struct classifier;

/* *out = a classifier with one network, the caller's to free; borrows the model. The crop
 * is the model's. Errors: STATUS_JOB_CONFIG when the model is not 3D of one channel,
 * takes no crop of its own, or does not end in two classes. */
enum status classifier_new(const struct model *m, const struct classify_options *o,
                           struct classifier **out, struct error *err);
void classifier_free(struct classifier *c);

/* One more network, to be averaged with those before; its crop may be another one.
 * Errors: as classifier_new; the classifier can then only be freed. */
enum status classifier_add(struct classifier *c, const struct model *m,
                           struct error *err);

/* Slices [*first, *first + *count) of the volume that the crops of a centre touch. */
void classifier_range(const struct classifier *c, const int64_t size[3],
                      const double index[3], int64_t *first, int64_t *count);

/* Called between candidates by the thread that runs the classifier, never by its helpers;
 * a status other than OK stops the work and is passed on. */
typedef enum status classify_poll(void *context);

/* probabilities[i] = that of candidate i: the second of the model's two outputs, the mean
 * over the networks; disagreements[i] = theirs, NaN of one network alone. The slices hold
 * the crops of all candidates (a CHECK). poll may be NULL. Errors: STATUS_STAGE_NUMERIC
 * when one is not finite, naming it; what poll returned. */
enum status classifier_run(struct classifier *c, const struct slices *s,
                           const struct candidate *candidates, size_t count,
                           float *probabilities, float *disagreements,
                           classify_poll *poll, void *context, struct error *err);

#endif
