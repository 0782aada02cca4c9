/*
 * A list is made finding by finding, each from a stream of random numbers of its own:
 * whether one place is taken or a shape does not fit changes that finding only.
 *
 * Nodules come first and keep clear of each other; mimics keep clear of nodules, so that
 * no candidate on one is within the radius of the other.
 */
#include "phantom/finding.h"

#include <math.h>
#include <string.h>

#include "phantom/finding_draw.h"
#include "phantom/finding_make.h"
#include "phantom/finding_placement.h"

enum { NODULE_TRIALS = 40, MIMIC_TRIALS = 8 };
static const double SMALLEST_MM = 3.25;

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

static double lung_distance(const void *patient, const double xyz[3])
{
    int side;
    return patient_lung_distance(patient, xyz, &side);
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
    struct placement at;
    *placed = false;
    if (!placement_draw(r, p, f, &at))
        return STATUS_OK;
    follow_vessel(r, f, &at);
    struct finding_seat seat = {.around_hu = patient_parenchyma(p, at.xyz),
                                .distance = lung_distance,
                                .surface = p};
    memcpy(seat.middle, at.xyz, sizeof seat.middle);
    memcpy(seat.along, at.along, sizeof seat.along);
    memcpy(seat.normal, at.normal, sizeof seat.normal);
    enum status status = finding_make(r, &seat, f, placed, err);
    if (*placed && !finding_is_clear(l, f)) {
        finding_discard(f);
        *placed = false;
    }
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
            TRY(finding_append(l, capacity, &f, err));
        else if (nodule && i == trials / 4)
            drawn.place = PLACE_ISOLATED;
        else if (nodule && i > trials / 2)
            drawn.diameter_mm = fmax(SMALLEST_MM, 0.9 * drawn.diameter_mm);
    }
out:
    return status;
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
    findings_sort(l);
out:
    if (status != STATUS_OK)
        findings_release(l);
    return status;
}
