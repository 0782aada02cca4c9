/*
 * Candidates as LUNA16 lists them: what several weak detectors marked, merged. A nodule
 * has one mark near its middle, sometimes two; most of the rest stands on something that
 * looks like a nodule, and the remainder on vessels, at the pleura, and on nothing.
 */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "phantom/finding.h"
#include "phantom/finding_draw.h"
#include "phantom/finding_placement.h"

static const double SECOND_MARK = 0.3; /* of the nodules have two */
static const double ON_MIMICS = 0.6;   /* of class 0, where there are mimics */
static const double ON_VESSELS = 0.65, AT_PLEURA = 0.25; /* of the others */
enum { TRIALS = 20 };

struct marks {
    struct phantom_candidate *items;
    size_t count, capacity;
};

static enum status mark(struct marks *m, const double xyz[3], int32_t finding,
                        bool nodule, struct error *err)
{
    enum status status = memory_grow((void **)&m->items, &m->capacity, m->count + 1,
                                     sizeof *m->items, "candidates of a phantom", err);
    if (status == STATUS_OK)
        m->items[m->count++] =
            (struct phantom_candidate){{xyz[0], xyz[1], xyz[2]}, finding, nodule};
    return status;
}

/* Near a finding's centre: within `share` of its radius, mostly much nearer. */
static void jitter(struct random *r, const struct finding *f, double share, double xyz[3])
{
    double off[3], length;
    do {
        for (int a = 0; a < 3; a++)
            off[a] = random_between(r, -1, 1);
        length = sqrt(off[0] * off[0] + off[1] * off[1] + off[2] * off[2]);
    } while (length > 1);
    double radius = 0.5 * f->diameter_mm * share * random_uniform(r);
    for (int a = 0; a < 3; a++)
        xyz[a] = f->xyz[a] + radius * off[a];
}

/* Whether a point belongs to no nodule, with room for a detector's inaccuracy. */
static bool off_nodules(const struct finding_list *l, const double xyz[3])
{
    for (size_t i = 0; i < l->count && l->items[i].kind == FINDING_NODULE; i++) {
        const struct finding *f = &l->items[i];
        double away = sqrt(pow(xyz[0] - f->xyz[0], 2) + pow(xyz[1] - f->xyz[1], 2) +
                           pow(xyz[2] - f->xyz[2], 2));
        if (away < fmax(f->reach_mm, 0.5 * f->diameter_mm) + 2)
            return false;
    }
    return true;
}

static enum status mark_nodules(struct marks *m, struct random *r,
                                const struct finding_list *l, struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < l->count && l->items[i].kind == FINDING_NODULE; i++)
        for (int times = 1 + random_chance(r, SECOND_MARK); times > 0; times--) {
            double xyz[3];
            jitter(r, &l->items[i], 0.5, xyz);
            TRY(mark(m, xyz, (int32_t)i, true, err));
        }
out:
    return status;
}

/* Every mimic once; then by chance until there are enough. */
static enum status mark_mimics(struct marks *m, struct random *r,
                               const struct finding_list *l, size_t wanted,
                               struct error *err)
{
    enum status status = STATUS_OK;
    size_t first = 0, mimics;
    while (first < l->count && l->items[first].kind == FINDING_NODULE)
        first++;
    mimics = l->count - first;
    size_t offset = mimics ? (size_t)random_below(r, mimics) : 0;
    for (size_t i = 0; mimics && i < wanted; i++) {
        size_t k = first +
                   (i < mimics ? (offset + i) % mimics : (size_t)random_below(r, mimics));
        double xyz[3];
        jitter(r, &l->items[k], 0.7, xyz);
        if (off_nodules(l, xyz))
            TRY(mark(m, xyz, (int32_t)k, false, err));
    }
out:
    return status;
}

static bool place_other(struct random *r, const struct patient *p, double xyz[3])
{
    struct placement at;
    double u = random_uniform(r);
    double size = fmin(8, nodule_diameter_at(random_uniform(r)));
    bool placed = u < ON_VESSELS ? placement_on_vessel(r, p, size, &at)
                  : u < ON_VESSELS + AT_PLEURA
                      ? placement_at_pleura(r, p, random_between(r, -1, 2), &at)
                      : placement_in_lung(r, p, 2, &at);
    for (int a = 0; a < 3; a++)
        xyz[a] = at.xyz[a];
    return placed;
}

static enum status mark_others(struct marks *m, struct random *r, const struct patient *p,
                               const struct finding_list *l, size_t wanted,
                               struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < wanted; i++) {
        double xyz[3];
        bool placed = false;
        for (int trial = 0; trial < TRIALS && !placed; trial++)
            placed = place_other(r, p, xyz) && off_nodules(l, xyz);
        if (placed)
            TRY(mark(m, xyz, -1, false, err));
    }
out:
    return status;
}

static int by_place(const void *a, const void *b)
{
    const struct phantom_candidate *c = a, *d = b;
    for (int i = 2; i >= 0; i--)
        if (c->xyz[i] != d->xyz[i])
            return c->xyz[i] < d->xyz[i] ? -1 : 1;
    return 0;
}

enum status phantom_candidates(const struct patient *p, const struct finding_list *l,
                               uint64_t seed, uint64_t index, double negatives,
                               struct phantom_candidate **out, size_t *count,
                               struct error *err)
{
    enum status status = STATUS_OK;
    struct random r = random_stream(seed, RANDOM_CANDIDATE, index, 0);
    struct marks m = {0};
    /* Scans differ: half to one and a half times the mean. */
    size_t total = (size_t)(negatives * random_between(&r, 0.5, 1.5) + 0.5);
    size_t on_mimics = (size_t)(ON_MIMICS * (double)total + 0.5);
    TRY(memory_grow((void **)&m.items, &m.capacity, 1, sizeof *m.items,
                    "candidates of a phantom", err));
    TRY(mark_nodules(&m, &r, l, err));
    size_t before = m.count;
    TRY(mark_mimics(&m, &r, l, on_mimics, err));
    before = m.count - before;
    TRY(mark_others(&m, &r, p, l, total > before ? total - before : 0, err));
    qsort(m.items, m.count, sizeof *m.items, by_place);
    *out = m.items;
    *count = m.count;
    m.items = NULL;
out:
    free(m.items);
    return status;
}
