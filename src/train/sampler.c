#include "train/sampler.h"

static const char *const list_names[SAMPLER_LISTS] = {
    [LIST_NODULE] = "nodules",
    [LIST_NON_NODULE] = "candidates that are no nodules",
    [LIST_MALIGNANT] = "malignant nodules",
    [LIST_BENIGN] = "benign nodules",
    [LIST_HARD] = "hard negatives",
};

/* Orders of an epoch: one a list, that of both together, and, from a stream of its own,
 * that of the hard negatives. */
enum { NATURAL_ORDER = LIST_HARD, ORDERS };

static int draws_from(const struct sampler_options *o, enum sampler_list list)
{
    switch (o->scheme) {
    case SAMPLER_NATURAL:
        return 0; /* either list may be empty, not both */
    case SAMPLER_BALANCED:
        return list == LIST_NODULE || list == LIST_NON_NODULE;
    case SAMPLER_MALIGNANCY:
        return list != LIST_NODULE && list != LIST_HARD;
    case SAMPLER_MALIGNANT:
        return list == LIST_MALIGNANT || list == LIST_BENIGN;
    case SAMPLER_NODULES:
        return list == LIST_NODULE;
    }
    return 0;
}

enum status sampler_init(struct sampler *s, const struct sampler_options *o,
                         struct error *err)
{
    CHECK(o->scheme != SAMPLER_BALANCED || o->ratio > 0);
    for (int i = 0; i < SAMPLER_LISTS; i++)
        if (draws_from(o, i) && o->counts[i] == 0)
            return error_set(err, STATUS_JOB_CONFIG,
                             "there are no %s to train on in the scans of this training",
                             list_names[i]);
    if (o->scheme == SAMPLER_NATURAL &&
        o->counts[LIST_NODULE] + o->counts[LIST_NON_NODULE] == 0)
        return error_set(err, STATUS_JOB_CONFIG,
                         "there are no candidates to train on in the scans of this "
                         "training");
    s->options = *o;
    sampler_turn(s, 0);
    return STATUS_OK;
}

void sampler_turn(struct sampler *s, uint64_t epoch)
{
    const struct sampler_options *o = &s->options;
    s->epoch = epoch;
    if (o->counts[LIST_HARD])
        permutation_init(&s->orders[LIST_HARD], o->counts[LIST_HARD], o->seed,
                         RANDOM_HARD, epoch);
    for (int i = 0; i < LIST_HARD; i++)
        if (o->counts[i])
            permutation_init(&s->orders[i], o->counts[i], o->seed, RANDOM_SAMPLE,
                             epoch * ORDERS + (uint64_t)i);
    uint64_t all = o->counts[LIST_NODULE] + o->counts[LIST_NON_NODULE];
    if (all)
        permutation_init(&s->natural, all, o->seed, RANDOM_SAMPLE,
                         epoch * ORDERS + NATURAL_ORDER);
}

static struct sample place(const struct sampler *s, enum sampler_list list, uint64_t k)
{
    return (struct sample){list,
                           permutation_at(&s->orders[list], k % s->options.counts[list])};
}

/* Negative m of the epoch: of the first m, the share, rounded down, are hard. */
static struct sample negative(const struct sampler *s, uint64_t m)
{
    const double share = s->options.counts[LIST_HARD] ? s->options.hard_share : 0;
    const uint64_t before = (uint64_t)((double)m * share),
                   after = (uint64_t)((double)(m + 1) * share);
    return after > before ? place(s, LIST_HARD, before)
                          : place(s, LIST_NON_NODULE, m - before);
}

struct sample sampler_at(const struct sampler *s, uint64_t n)
{
    const uint64_t *counts = s->options.counts, cycle = s->options.ratio + 1;
    switch (s->options.scheme) {
    case SAMPLER_BALANCED:
        return n % cycle == 0 ? place(s, LIST_NODULE, n / cycle)
                              : negative(s, n - 1 - n / cycle);
    case SAMPLER_MALIGNANCY:
        return n % 2 ? place(s, LIST_MALIGNANT, n / 2)
                     : place(s, n % 4 ? LIST_NON_NODULE : LIST_BENIGN, n / 4);
    case SAMPLER_MALIGNANT:
        return place(s, n % 2 ? LIST_MALIGNANT : LIST_BENIGN, n / 2);
    case SAMPLER_NODULES:
        return place(s, LIST_NODULE, n);
    case SAMPLER_NATURAL:
        break;
    }
    uint64_t x = permutation_at(&s->natural, n % s->natural.n);
    return x < counts[LIST_NODULE]
               ? (struct sample){LIST_NODULE, x}
               : (struct sample){LIST_NON_NODULE, x - counts[LIST_NODULE]};
}
