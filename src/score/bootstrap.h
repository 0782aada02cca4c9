/*
 * Confidence by resampling scans with replacement, the number of scans fixed.
 *
 * Resample i is a function of (seed, i, the list of scans) alone, through its own stream
 * of random numbers: ranks may share resamples out as they like and get the same bits. A
 * resample without a single nodule has no sensitivity and is drawn again from the same
 * stream. Nothing here is collective: whoever shares, gathers the rows itself
 * (bootstrap_rows is plain arrays, a resample's rows are adjacent).
 */
#ifndef SCORE_BOOTSTRAP_H
#define SCORE_BOOTSTRAP_H

#include "score/curve.h"

enum {
    BOOTSTRAP_GRID = 10000, /* points from 1/8 to 8; the curve's own grid has one more */
    BOOTSTRAP_POINTS = 7,   /* 1/8, 1/4, 1/2, 1, 2, 4, 8 */
    BOOTSTRAP_SUMMARY = BOOTSTRAP_POINTS + 1, /* and their mean, the CPM */
};

/* The false positives a scan at which a system is read. */
extern const double bootstrap_points[BOOTSTRAP_POINTS];

/* Curves of resamples, read on the grid (in float, as the official script keeps them) and
 * at the seven points. 40 kB a resample. */
struct bootstrap_rows {
    size_t first;     /* the resample of the first row: 0 where all rows are together */
    size_t resamples; /* rows */
    float *grid;      /* [resamples][BOOTSTRAP_GRID] */
    double *summary;  /* [resamples][BOOTSTRAP_SUMMARY] */
};

/* Errors: STATUS_STAGE_MEMORY. */
enum status bootstrap_rows_init(struct bootstrap_rows *r, size_t resamples,
                                struct error *err);
void bootstrap_rows_release(struct bootstrap_rows *r);

/* How often resample `index` draws each scan: weights[scan_count]. At least one scan has
 * a nodule. */
void bootstrap_weights(const struct curve_input *input, uint64_t seed, uint64_t index,
                       uint32_t *weights);

/* Computes resamples first .. first + count - 1, which are among the rows. Errors:
 * STATUS_STAGE_MEMORY; STATUS_JOB_FAILED when no scan has a nodule. */
enum status bootstrap_fill(struct bootstrap_rows *r, const struct curve_input *input,
                           uint64_t seed, size_t first, size_t count, struct error *err);

/* Mean and 95 % bounds of n values: those at floor(.025 n) and floor(.975 n) of the
 * sorted ones. */
struct interval {
    double mean, lower, upper;
};

/* Of values[count], count > 0, whose order is lost. */
struct interval bootstrap_interval(double *values, size_t count);

/* The band over the grid and at the seven points. */
struct bootstrap_band {
    size_t resamples; /* 0: there is none */
    uint64_t seed;
    double *fps;           /* [BOOTSTRAP_GRID] */
    struct interval *grid; /* [BOOTSTRAP_GRID] */
    struct interval points[BOOTSTRAP_POINTS], cpm;
};

/* All rows are filled. Errors: STATUS_STAGE_MEMORY. */
enum status bootstrap_band_init(struct bootstrap_band *b, const struct bootstrap_rows *r,
                                uint64_t seed, struct error *err);
void bootstrap_band_release(struct bootstrap_band *b);

#endif
