/*
 * Two systems on the same scans: the difference of their sensitivities and CPM, with 95 %
 * bounds from resamples that both share. Scans that are hard for one are hard for the
 * other, so the bounds of the difference are far narrower than those of either score.
 *
 * Resample i draws what bootstrap_weights draws for (seed, i). Pure functions of arrays,
 * not collective.
 */
#ifndef SCORE_PAIRED_H
#define SCORE_PAIRED_H

#include "score/froc.h"

/* Of b less a. Without a nodule all numbers are NaN. */
struct paired_value {
    double a, b, difference;
    double lower, upper; /* 95 %, of the difference; NaN without resamples */
};

struct paired_result {
    size_t resamples;
    struct paired_value points[BOOTSTRAP_POINTS], cpm;
};

/* Compares two scores of the same list of scans with the same nodules (a CHECK). Errors:
 * STATUS_STAGE_MEMORY. */
enum status paired_compare(const struct froc_result *a, const struct froc_result *b,
                           size_t resamples, uint64_t seed, struct paired_result *out,
                           struct error *err);

#endif
