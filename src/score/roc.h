/*
 * Receiver operating characteristic of a score that tells positive cases from negative
 * ones: candidates, nodules (malignancy) or patients.
 *
 * The area is exact: the number of pairs of a positive and a negative case that the score
 * puts in order, pairs of equal scores counting half, in whole numbers until the last
 * division. Intervals and the comparison of two scores on the same cases are DeLong's
 * (DeLong et al., Biometrics 44, 1988), by way of sorted ranks (Sun and Xu, IEEE Signal
 * Processing Letters 21, 2014): n log n. Results depend on the cases alone, up to the
 * rounding of sums in their order. Pure functions of arrays, not collective.
 */
#ifndef SCORE_ROC_H
#define SCORE_ROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* Cases, borrowed. */
struct roc_cases {
    const double *scores; /* [count], higher is more likely positive */
    const bool *positive; /* [count] */
    size_t count;
};

struct roc_area {
    int64_t positives, negatives;
    double area;         /* NaN unless there are cases of both kinds */
    double lower, upper; /* 95 %, within 0 .. 1; NaN below two cases of either kind */
};

/* Errors: STATUS_STAGE_NUMERIC for a score that is not finite, naming its place;
 * STATUS_STAGE_MEMORY. */
enum status roc_area_compute(const struct roc_cases *cases, struct roc_area *out,
                             struct error *err);

struct roc_difference {
    struct roc_area a, b;
    double difference, lower, upper; /* of a's area less b's, 95 %; NaN as in roc_area */
    double p; /* two-sided, of no difference; 1 when all pairs agree */
};

/* Two scores on the same cases: a paired comparison. Errors as above. */
enum status roc_compare(const struct roc_cases *cases, const double *other_scores,
                        struct roc_difference *out, struct error *err);

struct roc_point {
    double false_positive_rate, true_positive_rate;
    double threshold; /* cases with this score or more are called positive; infinite at
                         (0, 0) */
};

/* points[count + 1]: (0, 0) and one for each distinct score, descending; *point_count of
 * them. A rate of no cases is 0. Errors as above. */
enum status roc_curve(const struct roc_cases *cases, struct roc_point *points,
                      size_t *point_count, struct error *err);

#endif
