/*
 * A filter for dots: how much a smoothed volume looks like a bright ball at a point, and
 * where it does so most.
 *
 * With the eigenvalues of the Hessian |l1| >= |l2| >= |l3|, all negative, the response is
 *
 *     sigma^2 l3^2 / |l1|
 *
 * (Q. Li, S. Sone, K. Doi: Selective enhancement filters for nodules, vessels, and airway
 * walls in two- and three-dimensional CT scans. Medical Physics 30(8), 2003). A ball has
 * three equal curvatures; along a vessel l3 is near 0, and so is the response. sigma^2
 * makes scales comparable: the response to a ball of radius r is highest at sigma =
 * r / sqrt(3), and there the same share of its contrast for every r.
 */
#ifndef STAGE_DOT_FILTER_H
#define STAGE_DOT_FILTER_H

#include <stddef.h>

#include "stage/grid.h"

/* What a ball responds with at its scale, as a share of its contrast:
 * 4 sqrt(3) pi (2 pi)^(-3/2) e^(-3/2). */
#define DOT_BALL_RESPONSE 0.30838

/* A place that responds more than its 26 neighbours. */
struct dot {
    double at[3];    /* mm, as the grid's: z, y, x; between its points */
    double sigma;    /* mm: of the scale */
    float response;  /* in the unit of the values */
    float roundness; /* |l3| / |l1|: 1 for a ball, 0 for a vessel */
};

struct dots {
    struct dot *list;
    size_t count, capacity;
};

/* Appends the dots of one scale: those of wanted points with a response of at least
 * `least`. The grid holds values of scale sigma (mm). The order depends on nothing but
 * the grid. Errors: STATUS_STAGE_MEMORY. */
enum status dots_append(struct dots *dots, const struct grid *grid, double sigma,
                        double least, int threads, struct error *err);
void dots_release(struct dots *dots);

#endif
