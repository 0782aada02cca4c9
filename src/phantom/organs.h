/*
 * Heart, great vessels, oesophagus, and the organs below the diaphragm, as shapes in the
 * patient's mm; and what of them the lungs keep clear of.
 */
#ifndef PHANTOM_ORGANS_H
#define PHANTOM_ORGANS_H

#include "phantom/plan.h"
#include "phantom/shape.h"

struct organs {
    struct shape_list shapes;    /* painted in this order */
    struct shape_list clearance; /* the mediastinum as the lungs see it */
};

/* organs_release frees, also after a failure. */
enum status organs_init(struct organs *o, const struct plan *p, struct error *err);
void organs_release(struct organs *o);

/* Shapes that matter along a line of points of one y and z. */
enum { MOST_NEAR = 256 };
struct organs_near {
    const struct shape *shapes[MOST_NEAR];
    struct box boxes[MOST_NEAR];
    int count;
};

void organs_near_init(struct organs_near *n, const struct organs *o, double y, double z);

/* Distance to the mediastinum, fat and folds included, mm; beyond ORGANS_FAR_MM it stays
 * at that. */
#define ORGANS_FAR_MM 28.0
double organs_distance(const struct organs_near *n, struct vec at);

#endif
