#include "score/match.h"

#include <math.h>

enum { HEAP = MATCH_MARKS_LIMIT + 1 };

/* Puts a value at the root of a heap whose root is its least element. */
static void sink(double *heap, size_t count, double value)
{
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count)
            break;
        if (child + 1 < count && heap[child + 1] < heap[child])
            child++;
        if (heap[child] >= value)
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = value;
}

/* The probability that a mark has to exceed: the 101st of the scan, or nothing. The heap
 * keeps the 101 largest so far, so a scan with a million marks needs no copy of them. */
static double cut_of(const struct scored_scan *scan)
{
    double heap[HEAP];
    if (scan->mark_count <= MATCH_MARKS_LIMIT)
        return -INFINITY;
    for (size_t i = 0; i < HEAP; i++)
        heap[i] = -INFINITY;
    for (size_t i = 0; i < scan->mark_count; i++)
        if (scan->marks[i].probability > heap[0])
            sink(heap, HEAP, scan->marks[i].probability);
    return heap[0];
}

bool match_lies_in(const double xyz[3], const struct nodule *n)
{
    double diameter = n->diameter_mm < 0 ? MATCH_UNMEASURED_MM : n->diameter_mm;
    double radius = diameter / 2.0, squared = 0;
    for (int k = 0; k < 3; k++)
        squared += (n->xyz[k] - xyz[k]) * (n->xyz[k] - xyz[k]);
    return squared < radius * radius;
}

/* All marks on one included nodule. Those that are not its best become doubles, unless
 * they are the best of another nodule: match_included settles that at the end. */
static size_t match_nodule(const struct scored_scan *scan, const struct nodule *n,
                           uint8_t *verdicts, struct match_counts *counts)
{
    size_t best = MATCH_MISSED, found = 0;
    for (size_t i = 0; i < scan->mark_count; i++) {
        if (verdicts[i] == MARK_CUT || !match_lies_in(scan->marks[i].xyz, n))
            continue;
        if (verdicts[i] == MARK_DOUBLE)
            counts->shared++;
        verdicts[i] = MARK_DOUBLE;
        if (best == MATCH_MISSED ||
            scan->marks[i].probability > scan->marks[best].probability)
            best = i;
        found++;
    }
    if (found > 0)
        counts->doubles += (int64_t)found - 1;
    return best;
}

static void match_included(const struct scored_scan *scan, uint8_t *verdicts,
                           size_t *best, struct match_counts *counts)
{
    for (size_t k = 0; k < scan->included_count; k++)
        best[k] = match_nodule(scan, &scan->included[k], verdicts, counts);
    for (size_t k = 0; k < scan->included_count; k++) {
        if (best[k] != MATCH_MISSED)
            verdicts[best[k]] = MARK_HIT;
        counts->true_positives += best[k] != MATCH_MISSED;
        counts->false_negatives += best[k] == MATCH_MISSED;
    }
}

/* What is still false after the included nodules may lie on an excluded finding. */
static void match_excluded(const struct scored_scan *scan, uint8_t *verdicts,
                           struct match_counts *counts)
{
    for (size_t i = 0; i < scan->mark_count; i++) {
        if (verdicts[i] != MARK_FALSE)
            continue;
        for (size_t k = 0; k < scan->excluded_count && verdicts[i] == MARK_FALSE; k++)
            if (match_lies_in(scan->marks[i].xyz, &scan->excluded[k]))
                verdicts[i] = MARK_EXCLUDED;
        counts->excluded += verdicts[i] == MARK_EXCLUDED;
        counts->false_positives += verdicts[i] == MARK_FALSE;
    }
}

void match_scan(const struct scored_scan *scan, uint8_t *verdicts, size_t *best,
                struct match_counts *counts)
{
    double cut = cut_of(scan);
    int64_t gone = 0;
    for (size_t i = 0; i < scan->mark_count; i++) {
        verdicts[i] = scan->marks[i].probability > cut ? MARK_FALSE : MARK_CUT;
        gone += verdicts[i] == MARK_CUT;
    }
    counts->marks += (int64_t)scan->mark_count;
    counts->cut += gone;
    counts->candidates += (int64_t)scan->mark_count - gone;
    counts->nodules += (int64_t)scan->included_count;
    counts->excluded_findings += (int64_t)scan->excluded_count;
    match_included(scan, verdicts, best, counts);
    match_excluded(scan, verdicts, counts);
}
