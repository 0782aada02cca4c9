#include "score/strata.h"

#include <math.h>

/* The sides are open, so that every nodule with a diameter is counted. */
const double strata_diameter_edges[STRATA_DIAMETER_EDGES] = {0,  3,  5,       8,
                                                             10, 20, INFINITY};

size_t strata_by_value(const double *values, const bool *found, size_t count,
                       const double *edges, size_t edge_count, struct proportion *bins)
{
    size_t inside = 0;
    for (size_t k = 0; k + 1 < edge_count; k++) {
        int64_t of = 0, hits = 0;
        for (size_t i = 0; i < count; i++)
            if (values[i] >= edges[k] && values[i] < edges[k + 1]) {
                of++;
                hits += found[i];
            }
        bins[k] = proportion_of(hits, of);
        inside += (size_t)of;
    }
    return count - inside;
}

size_t strata_by_label(const int *labels, const bool *found, size_t count,
                       size_t label_count, struct proportion *bins)
{
    size_t inside = 0;
    for (size_t k = 0; k < label_count; k++) {
        int64_t of = 0, hits = 0;
        for (size_t i = 0; i < count; i++)
            if (labels[i] >= 0 && (size_t)labels[i] == k) {
                of++;
                hits += found[i];
            }
        bins[k] = proportion_of(hits, of);
        inside += (size_t)of;
    }
    return count - inside;
}

double froc_threshold(const struct froc_result *r, double fps)
{
    double threshold = INFINITY;
    for (size_t i = 1; i < r->point_count && r->points[i].fps <= fps; i++)
        threshold = r->events[r->points[i].event].probability;
    return threshold;
}

void froc_found(const struct froc_result *r, double threshold, bool *found)
{
    for (size_t i = 0; i < (size_t)r->counts.nodules; i++)
        found[i] = r->nodules[i].probability >= threshold; /* a NaN is not */
}
