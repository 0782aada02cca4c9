/*
 * A patient who does not exist: the shapes of a chest, in millimetres.
 *
 * Everything in src/phantom works in the patient's own frame: LPS millimetres (x to the
 * left, y to the back, z to the head) with the carina at the origin. Where a scan lies in
 * the world is the scanner's matter (phantom/scanner.h).
 *
 * A patient is a function of (seed, index) alone and immutable once made, so that any
 * number of threads may ask it.
 */
#ifndef PHANTOM_PATIENT_H
#define PHANTOM_PATIENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "ct/geometry.h"

struct patient;

/* *out is the caller's to free. Errors: STATUS_STAGE_MEMORY. Not collective. */
enum status patient_new(uint64_t seed, uint64_t index, struct patient **out,
                        struct error *err);
void patient_free(struct patient *p);

struct box {
    double low[3], high[3]; /* mm, x y z */
};

/* What holds both lungs; what holds the whole body over the height of the lungs. */
struct box patient_lungs(const struct patient *p);
struct box patient_body(const struct patient *p);

enum { LUNG_NONE = 0, LUNG_RIGHT = 1, LUNG_LEFT = 2 };

/* Signed distance to the surface of the nearer lung (pleura: costal, mediastinal,
 * diaphragm), mm, negative inside; *side = LUNG_RIGHT or LUNG_LEFT, the nearer one. */
double patient_lung_distance(const struct patient *p, const double xyz[3], int *side);

/* Distance to the nearest fissure of that lung, mm, not negative. */
double patient_fissure_distance(const struct patient *p, const double xyz[3], int side);

/* HU of lung tissue there, without vessels, bronchi and noise: inside the lungs only. */
float patient_parenchyma(const struct patient *p, const double xyz[3]);

/* The trees of vessels and bronchi, as tapered tubes; parents stand before children. */
enum tube_kind { TUBE_ARTERY, TUBE_VEIN, TUBE_BRONCHUS };

struct tube {
    float from[3], to[3];         /* mm */
    float radius_from, radius_to; /* outer, mm */
    float wall;                   /* bronchi: thickness, mm; else 0 */
    int32_t parent;               /* index, -1 for a root */
    uint8_t kind, side, generation;
};

const struct tube *patient_tubes(const struct patient *p, size_t *count);

/* Paints slices [first, first + count) of a grid in the patient's frame: hu[count][y][x]
 * in noiseless HU (air -1000 outside the body; table included), each voxel the mean over
 * its own box; lung[count][y][x] = LUNG_NONE, LUNG_RIGHT or LUNG_LEFT by the voxel's
 * centre (vessels inside a lung count as lung), or NULL. Slices may be painted in any
 * order and split: the same bits. Errors: STATUS_STAGE_MEMORY. */
enum status patient_paint(const struct patient *p, const struct geometry *grid,
                          int64_t first, int64_t count, float *hu, uint8_t *lung,
                          struct error *err);

#endif
