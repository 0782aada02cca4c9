/*
 * The walls of the chest: skin, fascia, inner surface of the rib cage, diaphragm, spine.
 *
 * All take a point of the design (plan.h) and give a distance in the design's mm,
 * negative inside, right near the surface up to its slope.
 */
#ifndef PHANTOM_CHEST_H
#define PHANTOM_CHEST_H

#include "phantom/plan.h"

/* Half width, half depth and the y of the centre of the rib cage's inner surface. */
struct ring {
    double width, depth, centre;
};

struct ring chest_ring(const struct plan *p, double z);

/* A point of the cage's surface moved outwards by `out`; angle 0 at the patient's left,
 * 90 degrees at the back. */
struct vec chest_point(const struct plan *p, double z, double angle, double out);

double chest_cage(const struct plan *p, struct vec q);
double chest_fascia(const struct plan *p, struct vec q, double cage);
double chest_skin(const struct plan *p, struct vec q, double cage, double fascia);

/* Glandular tissue of the breasts. */
double chest_gland(const struct plan *p, struct vec q);

/* Below the diaphragm, of the side's dome (0 right, 1 left) or of both. */
double chest_dome(const struct plan *p, struct vec q, int side);
double chest_diaphragm(const struct plan *p, struct vec q);

/* Centre of the vertebral bodies at a height. */
struct vec chest_spine(const struct plan *p, double z);

#endif
