/*
 * Which sample comes when.
 *
 * Sample n of an epoch is a function of (seed, epoch, n) and of how many entries each
 * list has: any rank can ask for any sample, and a resumed run goes on in the middle.
 * Lists are counted through in an order of their own each epoch (base/permutation.h), and
 * begun again when they run out, as Deep Learning with PyTorch does (chapters 12 and 14).
 *
 * Where there are hard negatives (what a segmenter took for nodules), a share of the
 * negatives of SAMPLER_BALANCED are of these, evenly among the others.
 */
#ifndef TRAIN_SAMPLER_H
#define TRAIN_SAMPLER_H

#include <stdint.h>

#include "base/permutation.h"
#include "base/status.h"

enum sampler_list {
    LIST_NODULE,
    LIST_NON_NODULE,
    LIST_MALIGNANT,
    LIST_BENIGN,
    LIST_HARD, /* hard negatives */
    SAMPLER_LISTS
};

enum sampler_scheme {
    SAMPLER_NATURAL,    /* nodules and non-nodules in one order, each once an epoch */
    SAMPLER_BALANCED,   /* sample n is a nodule when n % (ratio + 1) == 0 */
    SAMPLER_MALIGNANCY, /* odd n malignant, n % 4 == 0 benign, n % 4 == 2 non-nodule */
    SAMPLER_MALIGNANT,  /* odd n malignant, even n benign */
    SAMPLER_NODULES     /* nodules only: segmentation */
};

struct sampler_options {
    enum sampler_scheme scheme;
    uint64_t ratio; /* of SAMPLER_BALANCED: negatives a positive, at least 1 */
    double
        hard_share; /* of its negatives, 0 to 1: taken from LIST_HARD, if that has any */
    uint64_t seed;
    uint64_t counts[SAMPLER_LISTS]; /* entries of each list */
};

struct sampler {
    struct sampler_options options;
    uint64_t epoch;
    struct permutation orders[SAMPLER_LISTS];
    struct permutation natural;
};

struct sample {
    enum sampler_list list;
    uint64_t entry; /* of that list */
};

/* Errors: STATUS_JOB_CONFIG when a list that the scheme draws from is empty, naming it.
 * Not collective. */
enum status sampler_init(struct sampler *s, const struct sampler_options *o,
                         struct error *err);

/* Turns to an epoch; sampler_init turned to epoch 0. */
void sampler_turn(struct sampler *s, uint64_t epoch);

/* Sample n of the epoch; n may be any number. */
struct sample sampler_at(const struct sampler *s, uint64_t n);

#endif
