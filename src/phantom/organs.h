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

/* Distance to the mediastinum, fat and folds included, mm. */
double organs_distance(const struct organs *o, const struct plan *p, struct vec at);

#endif
