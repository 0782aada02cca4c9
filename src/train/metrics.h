/*
 * What a person watches: how well the samples of an epoch, or of a validation, were told
 * apart.
 *
 * Every sample leaves one number, its outcome. Ranks write those of their own samples
 * into an array of zeros and add the arrays up, so all of them hold all outcomes and
 * compute the same metrics from them, in the same order. Networks of maps leave counts of
 * voxels instead: whole numbers, that add up in any order.
 */
#ifndef TRAIN_METRICS_H
#define TRAIN_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* A probability from here on is called positive. */
#define METRICS_THRESHOLD 0.5

/* NaN where it has no meaning: nothing of a kind was there, an area of maps. */
struct metrics {
    double samples, loss;
    double correct, correct_positive, correct_negative; /* shares */
    double precision, recall, f1;
    double auc; /* exact */
};

enum { METRICS_VALUES = sizeof(struct metrics) / sizeof(double) };

/* The probability of class 1 and the true class, and back. */
int64_t outcome_pack(float probability, int label);
float outcome_probability(int64_t outcome);
int outcome_label(int64_t outcome);

/* Errors: STATUS_STAGE_NUMERIC for a probability that is not finite, STATUS_STAGE_MEMORY.
 */
enum status metrics_of_outcomes(const int64_t *outcomes, size_t count, double loss,
                                struct metrics *out, struct error *err);

enum voxel_count { VOXELS_TRUE, VOXELS_FALSE, VOXELS_MISSED, VOXELS_RIGHT_OUT, VOXELS };

/* Adds the voxels of one map: called positive rightly, wrongly, missed, left out rightly.
 */
void voxels_count(const float *probabilities, const float *target, size_t count,
                  int64_t counts[VOXELS]);

void metrics_of_voxels(const int64_t counts[VOXELS], size_t samples, double loss,
                       struct metrics *out);

/* By which metric the best epoch is chosen. */
enum metric { METRIC_F1, METRIC_AUC, METRIC_RECALL };

/* "f1", "auc", "recall". Errors: STATUS_JOB_CONFIG. */
enum status metric_parse(const char *name, enum metric *out, struct error *err);
const char *metric_name(enum metric m);
/* 0 where it has no meaning. */
double metric_value(const struct metrics *m, enum metric which);

#endif
