/*
 * Findings: nodules, and what is mistaken for nodules, as shapes in millimetres.
 *
 * A finding is an implicit shape with a density. Its centre and diameter are measured,
 * not asked for: the centre is the shape's centroid and diameter_mm that of the ball with
 * the shape's volume, both integrated after the shape has been cut by the pleura where it
 * touches one.
 */
#ifndef PHANTOM_FINDING_H
#define PHANTOM_FINDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/random.h"
#include "base/status.h"
#include "ct/geometry.h"
#include "phantom/patient.h"

enum finding_kind {
    FINDING_NODULE,
    FINDING_VESSEL_CROSSING, /* mimics from here on: no shape of its own where vessels
                                cross */
    FINDING_SCAR,
    FINDING_ATELECTASIS,
    FINDING_PLAQUE,
    FINDING_LYMPH_NODE,
    FINDING_GRANULOMA,
    FINDING_KINDS
};
enum finding_texture {
    TEXTURE_SOLID,
    TEXTURE_PART_SOLID,
    TEXTURE_GROUND_GLASS,
    TEXTURE_CALCIFIED
};
enum finding_margin { MARGIN_SMOOTH, MARGIN_LOBULATED, MARGIN_SPICULATED };
enum finding_place { PLACE_ISOLATED, PLACE_VESSEL, PLACE_PLEURA, PLACE_FISSURE };

/* "nodule", "vessel crossing", ...; "solid", ...; "smooth", ...; "isolated", ... */
const char *finding_kind_name(enum finding_kind k);
const char *finding_texture_name(enum finding_texture t);
const char *finding_margin_name(enum finding_margin m);
const char *finding_place_name(enum finding_place p);

struct finding {
    enum finding_kind kind;
    enum finding_texture texture;
    enum finding_margin margin;
    enum finding_place place;
    double xyz[3];      /* centroid, mm, patient's frame */
    double diameter_mm; /* of the ball with its volume */
    double reach_mm;    /* no point of the shape is farther from xyz */
    float hu;           /* of its densest part */
    float mean_hu;      /* over its volume */
    bool excluded;  /* a mimic that a reader marked: stands in annotations_excluded.csv */
    bool malignant; /* nodules */
    struct finding_shape *shape; /* owned by the list */
};

struct finding_list {
    struct finding *items;
    size_t count;
};

/* All findings of a patient, nodules first, then mimics, each by z, y, x: a function of
 * the patient and (seed, index). findings_release frees, also after a failure. Errors:
 * STATUS_STAGE_MEMORY. Not collective. */
enum status findings_init(struct finding_list *l, const struct patient *p, uint64_t seed,
                          uint64_t index, struct error *err);
void findings_release(struct finding_list *l);

/* Paints one finding into slices [first, first + count) of a grid: hu[count][y][x] as
 * patient_paint left it. Solid findings replace what was there, part-solid and ground
 * glass raise what is darker, so that vessels stay visible. mask[count][y][x] (or NULL)
 * is set to `label`, only where it is 0 before, in the voxels that the shape covers most,
 * as many as make up its volume: half covered or more, give or take rounding. Slices may
 * be painted in any order and split: the same bits. Errors: STATUS_STAGE_MEMORY. */
enum status finding_paint(const struct finding *f, const struct geometry *grid,
                          int64_t first, int64_t count, float *hu, uint16_t *mask,
                          uint16_t label, struct error *err);

/* A candidate as a weak detector would place it. */
struct phantom_candidate {
    double xyz[3];   /* mm, patient's frame */
    int32_t finding; /* index in the list, -1: on nothing of the list */
    bool nodule;     /* class 1: within a nodule's radius of its centre */
};

/* Candidates of a scan, to be freed: one on each nodule (sometimes two), `negatives` of
 * class 0 on average, at least half on listed mimics of each kind, the others on vessels,
 * pleura, and noise. Sorted by z, y, x. */
enum status phantom_candidates(const struct patient *p, const struct finding_list *l,
                               uint64_t seed, uint64_t index, double negatives,
                               struct phantom_candidate **out, size_t *count,
                               struct error *err);

#endif
