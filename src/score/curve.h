/*
 * The FROC curve: sensitivity against mean false positives a scan, one point for each
 * distinct score, from (0, 0).
 *
 * Marks become *events*, sorted once by descending probability; the curve of the scans as
 * listed and that of every bootstrap resample are then sweeps over the same events, with
 * a weight for each scan: how often it was drawn. Doubles are computed in the order of
 * the official script (scikit-learn's roc_curve scaled back), since with 888 scans the
 * seven points are whole counts and the last bit decides which side of a rise is read:
 *
 *     fps = ((k / N) * N) / scans         k false positives so far, N of them in all
 *     sensitivity = ((t / T) * T) / nodules          t nodules so far, T detected in all
 */
#ifndef SCORE_CURVE_H
#define SCORE_CURVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* A nodule that was detected, or a false positive. */
struct event {
    double probability;
    uint32_t scan; /* its place in the list of scans */
    bool hit;
    bool last; /* of its score: the next event has a lower one */
};

/* What a scan brings to the curve. */
struct scan_totals {
    uint32_t hits, falses, nodules;
};

/* Everything the curve depends on. `events` is sorted by curve_sort. */
struct curve_input {
    const struct event *events;
    const struct scan_totals *scans;
    size_t event_count, scan_count;
};

struct curve_point {
    double fps; /* mean false positives a scan */
    double sensitivity;
    size_t event;          /* the point stands below the score of this event; SIZE_MAX at
                              (0, 0) */
    uint64_t hits, falses; /* so far */
};

/* Sorts by descending probability and sets `last`. Equal scores are ordered by scan, hits
 * first: no result depends on it. */
void curve_sort(struct event *events, size_t count);

/* Sweeps the events. points[event_count + 1] is filled; returns how many points there
 * are, at least 1. weights[scan_count] says how often each scan counts, NULL for once.
 * Stops at the first point beyond fps_limit (INFINITY: never). No nodules at all:
 * sensitivity 0. */
size_t curve_sweep(const struct curve_input *input, const uint32_t *weights,
                   double fps_limit, struct curve_point *points);

/* The sensitivity at ascending false positives a scan, as numpy.interp reads it: linear
 * between points, the last of points at equal x, flat after the last one. */
void curve_sample(const struct curve_point *points, size_t point_count, const double *fps,
                  size_t count, double *sensitivity);

/* The same without interpolation: what was attained with no more false positives. */
double curve_attained(const struct curve_point *points, size_t point_count, double fps);

/* Marks the points that the official script writes: those where the curve turns (counts
 * on a straight line with equal steps are left out), the first and the last. */
void curve_corners(const struct curve_point *points, size_t point_count, bool *corner);

/* numpy.linspace(first, last, count); count > 1. */
void curve_grid(double first, double last, size_t count, double *grid);

#endif
