/*
 * What findings there are and what they look like: the distributions, apart from places.
 */
#ifndef PHANTOM_FINDING_DRAW_H
#define PHANTOM_FINDING_DRAW_H

#include <stddef.h>

#include "base/random.h"
#include "phantom/finding.h"
#include "phantom/finding_shape.h"

/* The diameter below which this share of nodules lies, mm. */
double nodule_diameter_at(double share);

/* How many nodules a scan has; how many mimics of a kind. */
size_t nodule_count_draw(struct random *r);
size_t mimic_count_draw(struct random *r, enum finding_kind kind);

/* Everything of a finding but where it lies: kind, texture, margin, place, the diameter
 * aimed at, hu, excluded, malignant. */
void nodule_draw(struct random *r, struct finding *f);
void mimic_draw(struct random *r, enum finding_kind kind, struct finding *f);

/* A shape for it, in its own axes: scale, middle, axes and cut are left to the place. */
void finding_shape_draw(struct random *r, const struct finding *f,
                        struct finding_shape *s);

#endif
