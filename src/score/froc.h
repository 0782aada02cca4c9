/*
 * LUNA16's score of a set of marks: FROC curve, CPM, counts, and a bootstrapped band.
 *
 *     struct froc_result result;
 *     TRY(froc_score(scans, scan_count, &result, err));    exact, no random numbers
 *     TRY(froc_bootstrap(&result, 1000, seed, err));       fills result.band
 *     ... result.cpm, result.sensitivity[0..6], result.counts ...
 *     froc_result_release(&result);
 *
 * Pure functions of arrays: what is scored may come from a file (score/evaluation.h) or
 * be in memory. The order of marks inside a scan and of scans changes nothing but the
 * order of `nodules` and `verdicts` (and which scans a resample draws). Ranks that share
 * a bootstrap fill rows of their own with bootstrap_fill(froc_curve_input(...)), gather
 * them and end with bootstrap_band_init. Nothing here is collective.
 */
#ifndef SCORE_FROC_H
#define SCORE_FROC_H

#include "score/bootstrap.h"
#include "score/curve.h"
#include "score/match.h"

/* How the sensitivity at a number of false positives is read off the curve. The CPM that
 * is reported is FROC_INTERPOLATED; forks of the script print the others. */
enum froc_reading {
    FROC_INTERPOLATED, /* linear between points of the curve, as numpy.interp */
    FROC_GRID,         /* the same at the nearest of linspace(1/8, 8, 10001) */
    FROC_ATTAINED,     /* no interpolation: the best with no more false positives */
    FROC_READINGS,
};

/* "interpolated", "grid", "attained". */
extern const char *const froc_reading_names[FROC_READINGS];

/* A nodule of the included annotations, in the order of scans and of their lists. */
struct froc_nodule {
    double probability; /* of its most probable mark; NaN: missed */
    size_t mark;        /* which of the scan's marks, or MATCH_MISSED */
    uint32_t scan;
};

struct froc_result {
    struct match_counts counts;
    size_t scan_count;
    double sensitivity[BOOTSTRAP_POINTS]; /* FROC_INTERPOLATED */
    double cpm;                           /* their mean */
    double readings[FROC_READINGS][BOOTSTRAP_POINTS];
    double reading_cpm[FROC_READINGS];

    struct curve_point *points; /* the whole curve */
    size_t point_count;
    struct event *events; /* what the curve was made from, sorted */
    size_t event_count;
    struct scan_totals *totals;  /* [scan_count] */
    struct froc_nodule *nodules; /* [counts.nodules] */
    uint8_t *verdicts;           /* [counts.marks] enum mark_verdict, scan by scan */

    struct bootstrap_band band; /* resamples 0 until froc_bootstrap */
};

/* Scores scan_count scans: every one of them counts in the mean of false positives, also
 * one without marks or findings. Probabilities are finite: a CHECK. Without any nodule
 * all sensitivities are NaN. Errors: STATUS_JOB_CONFIG when there is no scan or too many
 * to count; STATUS_STAGE_MEMORY. froc_result_release may be called in any case. */
enum status froc_score(const struct scored_scan *scans, size_t scan_count,
                       struct froc_result *out, struct error *err);

/* Fills out->band. Does nothing when resamples is 0 or there is no nodule. Errors:
 * STATUS_STAGE_MEMORY. */
enum status froc_bootstrap(struct froc_result *out, size_t resamples, uint64_t seed,
                           struct error *err);

/* What bootstraps of this result start from; borrowed from it. */
struct curve_input froc_curve_input(const struct froc_result *r);

/* Nodules that were hit over all of them; 0 without any. */
double froc_sensitivity(const struct froc_result *r);

void froc_result_release(struct froc_result *r);

#endif
