/*
 * Sensitivity by kind of nodule: by diameter, slice thickness, texture, fold ... Each
 * nodule has a value (or a label); bins count how many of each were found, with Wilson's
 * interval. Pure functions of arrays, not collective.
 */
#ifndef SCORE_STRATA_H
#define SCORE_STRATA_H

#include <stdbool.h>
#include <stddef.h>

#include "score/froc.h"
#include "score/proportion.h"

/* Bins by value: bin k holds edges[k] <= value < edges[k + 1], edges ascending, and
 * bins[edge_count - 1] is filled. Returns how many nodules lie in no bin (below the first
 * edge, at or above the last, NaN). */
size_t strata_by_value(const double *values, const bool *found, size_t count,
                       const double *edges, size_t edge_count, struct proportion *bins);

/* Bins by label: bins[label_count] is filled. Returns how many nodules have a label that
 * is negative or too large: those of which it is not known. */
size_t strata_by_label(const int *labels, const bool *found, size_t count,
                       size_t label_count, struct proportion *bins);

/* The score from which marks count when no more than `fps` false positives a scan are
 * allowed: the lowest on the curve; infinite when even the first is too many. */
double froc_threshold(const struct froc_result *r, double fps);

/* found[counts.nodules]: whether a mark with at least this probability hit the nodule. */
void froc_found(const struct froc_result *r, double threshold, bool *found);

/* Diameters at which LUNA16's nodules are usually told apart, in mm: 3, 5, 8, 10, 20 and
 * beyond. */
enum { STRATA_DIAMETER_EDGES = 7 };
extern const double strata_diameter_edges[STRATA_DIAMETER_EDGES];

#endif
