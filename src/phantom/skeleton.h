/* Spine, ribs, sternum, shoulder blades, collar bones and arms, as shapes in the
 * patient's mm. */
#ifndef PHANTOM_SKELETON_H
#define PHANTOM_SKELETON_H

#include "phantom/plan.h"
#include "phantom/shape.h"

/* Appends to the list. */
enum status skeleton_init(struct shape_list *l, const struct plan *p, struct error *err);

#endif
