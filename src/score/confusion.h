/*
 * Right and wrong at one threshold: the two-class table, and the book's table of a whole
 * detection, which says at which stage a nodule was lost. Pure functions of arrays, not
 * collective.
 */
#ifndef SCORE_CONFUSION_H
#define SCORE_CONFUSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ct/lists.h"

/* ---- two classes ---- */

struct confusion {
    int64_t true_positives, false_positives, false_negatives, true_negatives;
};

/* Adds cases to a table (which may come from other ranks: tables add). A case is called
 * positive when its score is `threshold` or more; a NaN is not. */
void confusion_add(struct confusion *c, const double *scores, const bool *positive,
                   size_t count, double threshold);

/* 0 where the denominator is: nothing called positive, or nothing positive. */
double confusion_precision(const struct confusion *c);
double confusion_recall(const struct confusion *c);
double confusion_f1(const struct confusion *c); /* their harmonic mean */
double confusion_accuracy(const struct confusion *c);

/* ---- the book's table ---- */

enum found_as {
    FOUND_MISSED,    /* no candidate (nodules alone) */
    FOUND_FILTERED,  /* a candidate below the classifier's threshold */
    FOUND_BENIGN,    /* a nodule; without a malignancy model every nodule */
    FOUND_MALIGNANT, /* a nodule at or above the malignancy threshold */
    FOUND_KINDS,
};

enum truth_kind { TRUTH_NO_NODULE, TRUTH_BENIGN, TRUTH_MALIGNANT, TRUTH_KINDS };

struct book_table {
    int64_t cells[TRUTH_KINDS][FOUND_KINDS];
};

struct book_candidate {
    double xyz[3];      /* mm, LPS */
    double probability; /* of being a nodule */
    double malignancy;  /* NaN: there is no model */
};

struct book_thresholds {
    double nodule, malignancy; /* the book: 0.5 and 0.5 */
};

/* Whether a candidate is near enough to a nodule to belong to it: their distance is below
 * 0.7 diameters. */
bool book_is_near(const struct book_candidate *c, const struct nodule *n);

/* The most probable candidate that belongs to a nodule and was judged by a malignancy
 * model; NULL: there is none. */
const struct book_candidate *book_judged(const struct book_candidate *candidates,
                                         size_t count, const struct nodule *n);

/* Adds one scan. A candidate belongs to a nodule when their distance is below 0.7
 * diameters, to several nodules when it is near several; a nodule takes its best
 * candidate (malignant before benign before filtered), and candidates near no nodule are
 * the first row. A nodule that is not said to be malignant is benign, as in the book.
 * Nodules without a diameter (below 0) cannot be near anything. */
void book_table_add(struct book_table *t, const struct book_candidate *candidates,
                    size_t candidate_count, const struct nodule *nodules,
                    size_t nodule_count, const struct book_thresholds *thresholds);

#endif
