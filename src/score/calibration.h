/*
 * Whether probabilities mean what they say: of cases given a probability around p, a
 * share of p should be positive. Not collective.
 */
#ifndef SCORE_CALIBRATION_H
#define SCORE_CALIBRATION_H

#include <stdbool.h>
#include <stddef.h>

#include "score/proportion.h"

enum { CALIBRATION_BINS = 10 };

/* Of equal width: bin k holds probabilities from k / 10 to below (k + 1) / 10, the last
 * one 1 as well. */
struct calibration_bin {
    double predicted;           /* mean probability; NaN of no cases */
    struct proportion observed; /* positives */
};

struct calibration {
    size_t count;
    struct calibration_bin bins[CALIBRATION_BINS];
    double brier; /* mean (probability - truth)^2; NaN of no cases */
    double error; /* expected calibration error: mean |predicted - observed| over cases */
    double skill; /* 1 - brier / brier of always saying the share of positives; NaN when
                     all cases are of one kind */
};

/* Probabilities are within 0 .. 1 (a CHECK). */
void calibration_compute(struct calibration *c, const double *probabilities,
                         const bool *positive, size_t count);

#endif
