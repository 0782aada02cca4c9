/*
 * A list is made finding by finding, each from a stream of random numbers of its own:
 * whether one place is taken or a shape does not fit changes that finding only.
 *
 * Nodules come first and keep clear of each other; mimics keep clear of nodules, so that
 * no candidate on one is within the radius of the other.
 */
#include "phantom/finding.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "phantom/finding_draw.h"
#include "phantom/finding_placement.h"
#include "phantom/finding_shape.h"

enum { NODULE_TRIALS = 40, MIMIC_TRIALS = 8 };
static const double SMALLEST_MM = 3.25;
static const double CLEAR_MM = 1.5;
static const double VOXEL_HU = -860; /* lung where the patient does not say */

const char *finding_kind_name(enum finding_kind k)
{
    static const char *const names[FINDING_KINDS] = {
        "nodule", "vessel crossing", "scar",      "atelectasis",
        "plaque", "lymph node",      "granuloma",
    };
    return names[k];
}

const char *finding_texture_name(enum finding_texture t)
{
    static const char *const names[] = {"solid", "part-solid", "ground glass",
                                        "calcified"};
    return names[t];
}

const char *finding_margin_name(enum finding_margin m)
{
    static const char *const names[] = {"smooth", "lobulated", "spiculated"};
    return names[m];
}

const char *finding_place_name(enum finding_place p)
{
    static const char *const names[] = {"isolated", "vessel", "pleura", "fissure"};
    return names[p];
}

static void shape_free(struct finding_shape *s)
{
    if (s)
        free(s->cut);
    free(s);
}

void findings_release(struct finding_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        shape_free(l->items[i].shape);
    free(l->items);
    *l = (struct finding_list){0};
}

static double lung_distance(const void *patient, const double xyz[3])
{
    int side;
    return patient_lung_distance(patient, xyz, &side);
}

static void set_axes(struct finding_shape *s, const struct placement *at)
{
    const double *u = at->along, *n = at->normal;
    for (int a = 0; a < 3; a++) {
        int b = (a + 1) % 3, c = (a + 2) % 3;
        s->axes[0][a] = u[a];
        s->axes[1][a] = n[b] * u[c] - n[c] * u[b];
        s->axes[2][a] = n[a];
        s->middle[a] = at->xyz[a];
    }
}

/* Brings the shape to its diameter, cut where it reaches the pleura. *fits: it has. */
static enum status fit(struct finding *f, const struct patient *p, bool *fits,
                       struct error *err)
{
    struct finding_shape *s = f->shape;
    *fits = finding_shape_fit(s, f->diameter_mm);
    double depth = -lung_distance(p, s->middle);
    double off = 0;
    for (int a = 0; a < 3; a++)
        off += pow(s->centroid[a] - s->middle[a], 2);
    double reach = s->reach + sqrt(off);
    if (!*fits || depth > reach)
        return STATUS_OK;
    enum status status = finding_shape_cut(s, 1.5 * reach, lung_distance, p, err);
    if (status == STATUS_OK)
        *fits = finding_shape_fit(s, f->diameter_mm);
    return status;
}

static void take_measures(struct finding *f)
{
    const struct finding_shape *s = f->shape;
    for (int a = 0; a < 3; a++)
        f->xyz[a] = s->centroid[a];
    f->diameter_mm = finding_shape_diameter(s);
    f->reach_mm = s->reach;
    f->hu = s->core > 0 ? s->core_hu : s->hu;
    f->mean_hu =
        (float)(s->core_share * (double)s->core_hu + (1 - s->core_share) * (double)s->hu);
}

static double apart(const double a[3], const double b[3])
{
    return sqrt(pow(a[0] - b[0], 2) + pow(a[1] - b[1], 2) + pow(a[2] - b[2], 2));
}

/* Nodules count with all they reach; mimics may be close to each other, not the same. */
static bool clear(const struct finding_list *l, const struct finding *f)
{
    for (size_t i = 0; i < l->count; i++) {
        const struct finding *g = &l->items[i];
        bool mimics = f->kind != FINDING_NODULE && g->kind != FINDING_NODULE;
        double room = mimics ? 0.5 * (f->diameter_mm + g->diameter_mm)
                             : f->reach_mm + g->reach_mm + CLEAR_MM;
        if (apart(f->xyz, g->xyz) < room)
            return false;
    }
    return true;
}

/* The size of a thickened crossing is that of its vessels. */
static void follow_vessel(struct random *r, struct finding *f, const struct placement *at)
{
    if (f->kind == FINDING_VESSEL_CROSSING)
        f->diameter_mm = fmax(2, at->vessel_mm * random_between(r, 1.0, 1.25));
}

/* Looks for a place for a finding whose look is drawn; *placed says whether it has one.
 */
static enum status place(struct random *r, const struct patient *p,
                         const struct finding_list *l, struct finding *f, bool *placed,
                         struct error *err)
{
    enum status status = STATUS_OK;
    struct placement at;
    struct finding_shape *s = NULL;
    *placed = false;
    if (!placement_draw(r, p, f, &at))
        return STATUS_OK;
    TRY(memory_new(1, sizeof *s, "the shape of a finding", (void **)&s, err));
    follow_vessel(r, f, &at);
    finding_shape_draw(r, f, s);
    set_axes(s, &at);
    s->around_hu = patient_parenchyma(p, at.xyz);
    if (!isfinite(s->around_hu))
        s->around_hu = (float)VOXEL_HU;
    f->shape = s;
    TRY(fit(f, p, placed, err));
    if (*placed) {
        take_measures(f);
        *placed = clear(l, f);
    }
out:
    if (!*placed) {
        shape_free(s);
        f->shape = NULL;
    }
    return status;
}

static enum status append(struct finding_list *l, size_t *capacity,
                          const struct finding *f, struct error *err)
{
    enum status status = memory_grow((void **)&l->items, capacity, l->count + 1,
                                     sizeof *l->items, "findings", err);
    if (status == STATUS_OK)
        l->items[l->count++] = *f;
    else
        shape_free(f->shape);
    return status;
}

/* A nodule finds a place, if need be an isolated one, if need be a little smaller: the
 * count stands. A mimic may find none (no vessels of that size, no fissure there). */
static enum status add(struct random *r, const struct patient *p, enum finding_kind kind,
                       struct finding_list *l, size_t *capacity, struct error *err)
{
    enum status status = STATUS_OK;
    struct finding drawn;
    bool nodule = kind == FINDING_NODULE, placed = false;
    if (nodule)
        nodule_draw(r, &drawn);
    else
        mimic_draw(r, kind, &drawn);
    int trials = nodule ? NODULE_TRIALS : MIMIC_TRIALS;
    for (int i = 0; i < trials && !placed; i++) {
        struct finding f = drawn;
        TRY(place(r, p, l, &f, &placed, err));
        if (placed)
            TRY(append(l, capacity, &f, err));
        else if (nodule && i == trials / 4)
            drawn.place = PLACE_ISOLATED;
        else if (nodule && i > trials / 2)
            drawn.diameter_mm = fmax(SMALLEST_MM, 0.9 * drawn.diameter_mm);
    }
out:
    return status;
}

static int by_kind_and_place(const void *a, const void *b)
{
    const struct finding *f = a, *g = b;
    bool f_mimic = f->kind != FINDING_NODULE, g_mimic = g->kind != FINDING_NODULE;
    if (f_mimic != g_mimic)
        return f_mimic - g_mimic;
    for (int i = 2; i >= 0; i--)
        if (f->xyz[i] != g->xyz[i])
            return f->xyz[i] < g->xyz[i] ? -1 : 1;
    return 0;
}

enum status findings_init(struct finding_list *l, const struct patient *p, uint64_t seed,
                          uint64_t index, struct error *err)
{
    enum status status = STATUS_OK;
    size_t capacity = 0;
    uint64_t stream = 0;
    struct random counts = random_stream(seed, RANDOM_FINDING, index, stream);
    *l = (struct finding_list){0};
    for (int kind = 0; kind < FINDING_KINDS; kind++) {
        size_t count = kind == FINDING_NODULE ? nodule_count_draw(&counts)
                                              : mimic_count_draw(&counts, kind);
        for (size_t i = 0; i < count; i++) {
            struct random r = random_stream(seed, RANDOM_FINDING, index, ++stream);
            TRY(add(&r, p, kind, l, &capacity, err));
        }
    }
    if (l->count)
        qsort(l->items, l->count, sizeof *l->items, by_kind_and_place);
out:
    if (status != STATUS_OK)
        findings_release(l);
    return status;
}
