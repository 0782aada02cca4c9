/*
 * From the look of a finding and a place to a finding that is measured; and lists of
 * them.
 */
#ifndef PHANTOM_FINDING_MAKE_H
#define PHANTOM_FINDING_MAKE_H

#include <stdbool.h>

#include "base/random.h"
#include "phantom/finding.h"
#include "phantom/finding_shape.h"

/* Where and how a shape lies, and what may cut it. */
struct finding_seat {
    double middle[3], along[3], normal[3]; /* mm; unit and square to each other */
    float around_hu;
    surface_distance *distance; /* to the surface that it may not cross */
    const void *surface;
};

/* A shape of chance for a finding that nodule_draw or mimic_draw drew, brought to
 * f->diameter_mm, cut where it reaches the surface, and measured: xyz, diameter_mm,
 * reach_mm, hu, mean_hu. *fits: there is one; f->shape is then the caller's. Errors:
 * STATUS_STAGE_MEMORY. */
enum status finding_make(struct random *r, const struct finding_seat *seat,
                         struct finding *f, bool *fits, struct error *err);
void finding_discard(struct finding *f);

/* Whether a finding keeps clear of all of a list. Nodules keep clear with all they reach;
 * mimics may touch each other. */
bool finding_is_clear(const struct finding_list *l, const struct finding *f);

/* Appends; the shape is the list's, or freed after a failure. */
enum status finding_append(struct finding_list *l, size_t *capacity, struct finding *f,
                           struct error *err);

/* Nodules first, then mimics, each by z, y, x. */
void findings_sort(struct finding_list *l);

#endif
