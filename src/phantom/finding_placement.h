/*
 * Where findings lie in a patient: in free lung, at a vessel, at the pleura, on a
 * fissure, where vessels cross.
 */
#ifndef PHANTOM_FINDING_PLACEMENT_H
#define PHANTOM_FINDING_PLACEMENT_H

#include <stdbool.h>

#include "base/random.h"
#include "phantom/finding.h"
#include "phantom/patient.h"

struct placement {
    double xyz[3];
    double along[3];  /* unit: of the vessel; otherwise any, square to `normal` */
    double normal[3]; /* unit: out of the pleura or the fissure; otherwise any */
    double vessel_mm; /* diameter of the vessel, 0: none */
    int side;
};

/* Two unit vectors of chance, square to each other. */
void random_axes(struct random *r, double along[3], double normal[3]);

/* A place of the finding's kind and place for a shape of its diameter; false when the
 * patient has none that a few dozen trials find. */
bool placement_draw(struct random *r, const struct patient *p, const struct finding *f,
                    struct placement *out);

/* A point inside the lungs, at least `depth_mm` deep; false as above. */
bool placement_in_lung(struct random *r, const struct patient *p, double depth_mm,
                       struct placement *out);

/* A point on a vessel inside the lungs of about this diameter. */
bool placement_on_vessel(struct random *r, const struct patient *p, double vessel_mm,
                         struct placement *out);

/* A point near the pleura, `depth_mm` deep. */
bool placement_at_pleura(struct random *r, const struct patient *p, double depth_mm,
                         struct placement *out);

#endif
