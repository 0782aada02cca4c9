/*
 * Which marks of a scan hit which nodules, by LUNA16's rules:
 *
 *   - of more than 100 marks those count whose probability is strictly above the 101st
 *   - a mark hits a finding when it lies strictly inside it: distance < diameter / 2; a
 *     diameter below 0 counts as 10 mm
 *   - a mark that hits included nodules is a detection of each of them; the most probable
 *     mark of a nodule counts, the others are doubles
 *   - a mark that hits excluded findings only is neither right nor wrong
 *   - every other mark is a false positive
 *
 * Pure functions on arrays in memory; nothing is allocated. Not collective.
 */
#ifndef SCORE_MATCH_H
#define SCORE_MATCH_H

#include <stddef.h>
#include <stdint.h>

#include "ct/lists.h"

enum { MATCH_MARKS_LIMIT = 100 }; /* marks of a scan that count */

#define MATCH_UNMEASURED_MM 10.0 /* the diameter of a finding that has none */

struct mark {
    double xyz[3]; /* mm, LPS */
    double probability;
};

/* A listed scan, its marks and its findings, all borrowed. Any of the three may be empty.
 */
struct scored_scan {
    const struct mark *marks;
    const struct nodule *included, *excluded;
    size_t mark_count, included_count, excluded_count;
};

enum mark_verdict {
    MARK_FALSE,    /* a false positive */
    MARK_HIT,      /* the most probable mark of at least one nodule */
    MARK_DOUBLE,   /* on nodules that have a more probable mark */
    MARK_EXCLUDED, /* on excluded findings alone */
    MARK_CUT,      /* beyond the hundred that count */
};

#define MATCH_MISSED SIZE_MAX /* no mark hit the nodule */

/* What CADAnalysis.txt counts, and what helps to read it. Sums over scans. */
struct match_counts {
    int64_t marks;      /* given */
    int64_t cut;        /* beyond the hundred of their scan */
    int64_t candidates; /* what is left */
    int64_t nodules;    /* included */
    int64_t excluded_findings;
    int64_t true_positives; /* nodules that were hit */
    int64_t false_negatives;
    int64_t false_positives; /* marks */
    int64_t excluded;        /* marks on excluded findings alone */
    int64_t doubles;         /* hits on a nodule beyond its first */
    int64_t shared;          /* hits of a mark beyond its first nodule */
};

/* Whether a point (mm) lies in a finding, by the rules above. */
bool match_lies_in(const double xyz[3], const struct nodule *n);

/* Matches one scan. verdicts[mark_count] and best[included_count] are filled: what became
 * of each mark, and the most probable mark of each nodule (the first of equals) or
 * MATCH_MISSED. Adds to *counts. */
void match_scan(const struct scored_scan *scan, uint8_t *verdicts, size_t *best,
                struct match_counts *counts);

#endif
