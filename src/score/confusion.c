#include "score/confusion.h"

#include <math.h>

void confusion_add(struct confusion *c, const double *scores, const bool *positive,
                   size_t count, double threshold)
{
    for (size_t i = 0; i < count; i++) {
        bool called = scores[i] >= threshold;
        c->true_positives += called && positive[i];
        c->false_positives += called && !positive[i];
        c->false_negatives += !called && positive[i];
        c->true_negatives += !called && !positive[i];
    }
}

static double share(int64_t part, int64_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

double confusion_precision(const struct confusion *c)
{
    return share(c->true_positives, c->true_positives + c->false_positives);
}

double confusion_recall(const struct confusion *c)
{
    return share(c->true_positives, c->true_positives + c->false_negatives);
}

double confusion_f1(const struct confusion *c)
{
    return share(2 * c->true_positives,
                 2 * c->true_positives + c->false_positives + c->false_negatives);
}

double confusion_accuracy(const struct confusion *c)
{
    int64_t right = c->true_positives + c->true_negatives;
    return share(right, right + c->false_positives + c->false_negatives);
}

/* ---- the book's table ---- */

#define BOOK_REACH 0.7 /* diameters */

static enum found_as judge(const struct book_candidate *c,
                           const struct book_thresholds *thresholds)
{
    if (c->probability < thresholds->nodule)
        return FOUND_FILTERED;
    return c->malignancy >= thresholds->malignancy ? FOUND_MALIGNANT : FOUND_BENIGN;
}

bool book_is_near(const struct book_candidate *c, const struct nodule *n)
{
    double squared = 0;
    for (int k = 0; k < 3; k++)
        squared += (c->xyz[k] - n->xyz[k]) * (c->xyz[k] - n->xyz[k]);
    return sqrt(squared) < BOOK_REACH * n->diameter_mm;
}

const struct book_candidate *book_judged(const struct book_candidate *candidates,
                                         size_t count, const struct nodule *n)
{
    const struct book_candidate *best = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct book_candidate *c = &candidates[i];
        if (!isnan(c->malignancy) && book_is_near(c, n) &&
            (!best || c->probability > best->probability))
            best = c;
    }
    return best;
}

void book_table_add(struct book_table *t, const struct book_candidate *candidates,
                    size_t candidate_count, const struct nodule *nodules,
                    size_t nodule_count, const struct book_thresholds *thresholds)
{
    for (size_t k = 0; k < nodule_count; k++) {
        enum found_as best = FOUND_MISSED;
        for (size_t i = 0; i < candidate_count; i++)
            if (book_is_near(&candidates[i], &nodules[k])) {
                enum found_as as = judge(&candidates[i], thresholds);
                best = as > best ? as : best;
            }
        t->cells[nodules[k].malignant == 1 ? TRUTH_MALIGNANT : TRUTH_BENIGN][best]++;
    }
    for (size_t i = 0; i < candidate_count; i++) {
        bool belongs = false;
        for (size_t k = 0; k < nodule_count && !belongs; k++)
            belongs = book_is_near(&candidates[i], &nodules[k]);
        if (!belongs)
            t->cells[TRUTH_NO_NODULE][judge(&candidates[i], thresholds)]++;
    }
}
