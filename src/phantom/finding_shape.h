/*
 * The shape of a finding: a star around its middle with bumps, facets and spicules, bent,
 * perhaps cut by a surface, with a core of its own density.
 *
 * In the shape's own axes, in units of its scale, a point is sheared by the bend, divided
 * by the semi-axes, and lies inside where its length is at most
 *
 *     (1 + sum of bumps) x facets        of its direction,
 *
 * or in a spicule. The cut is a signed distance on a small grid of its own: the pleura of
 * a patient or of a scan, looked up once.
 */
#ifndef PHANTOM_FINDING_SHAPE_H
#define PHANTOM_FINDING_SHAPE_H

#include <stdbool.h>

#include "base/random.h"
#include "base/status.h"

enum {
    SHAPE_BUMPS = 20,
    SHAPE_FACETS = 8,
    SHAPE_SPICULES = 28,
    SHAPE_RIPPLES = 4,
    SHAPE_SWELLS = 7,
    CUT_NODES = 15 /* an axis */
};

struct bump {
    double direction[3];
    double height;    /* of the radius, may be negative */
    double sharpness; /* falls to 1/e at cos = 1 - 1/sharpness */
};

/* Roughness of the outline: a wave over directions. */
struct swell {
    double direction[3];
    double turns, phase; /* radians for a unit of the cosine */
    double height;       /* of the radius */
};

struct facet {
    double normal[3];
    double distance; /* of the radius */
};

struct spicule {
    double direction[3];
    double length, width; /* half width at its root, both of the scale */
};

/* Density is not even: a few plane waves make it up. */
struct ripple {
    double wave[3]; /* radians a mm */
    double phase, hu;
};

/* Signed distances at the nodes of a cube around a shape: negative where it may be. */
struct cut {
    double low[3], step; /* mm */
    float distance[CUT_NODES][CUT_NODES][CUT_NODES];
};

struct finding_shape {
    double middle[3];  /* mm, where the axes cross */
    double axes[3][3]; /* unit vectors */
    double scale;      /* mm */
    double semi[3];    /* of the scale; product 1 */
    double bend[2];    /* of axis 1 and axis 2 along axis 0, of the scale */
    struct bump bumps[SHAPE_BUMPS];
    struct swell swells[SHAPE_SWELLS];
    struct facet facets[SHAPE_FACETS];
    struct spicule spicules[SHAPE_SPICULES];
    int bump_count, facet_count, spicule_count;
    double core;           /* radius of the core, of the shape's; 0: none */
    double core_middle[3]; /* of the semi-axes */
    float hu, core_hu;     /* of the shape, of its core */
    float around_hu;       /* of what it displaces */
    struct ripple ripples[SHAPE_RIPPLES];
    double fade;     /* share of the density that is gone at its edge */
    bool replaces;   /* what was there; else only what is darker is raised */
    struct cut *cut; /* owned; NULL: none */

    /* Measured. */
    double least, most; /* radii of any direction, of the semi-axes */
    double centroid[3];
    double reach, inner;       /* mm; inside `inner` of the centroid all is shape */
    double volume, core_share; /* mm^3; of the volume */
};

/* 0 outside, 1 in the shape, 2 in its core. *hu (or NULL): the density there. */
int finding_shape_at(const struct finding_shape *s, const double xyz[3], float *hu);

/* Chooses the scale such that the volume is that of a ball of this diameter, cut
 * included, and measures. False when no scale does (the cut leaves too little). */
bool finding_shape_fit(struct finding_shape *s, double diameter_mm);

/* Diameter of the ball with the shape's volume. */
double finding_shape_diameter(const struct finding_shape *s);

/* Distance of a cut at a point of its cube, mm. */
double cut_distance(const struct cut *c, const double xyz[3]);

/* Gives the shape a cut around `middle`, reaching `half_mm` each way, from a signed
 * distance. Errors: STATUS_STAGE_MEMORY. */
typedef double surface_distance(const void *surface, const double xyz[3]);
enum status finding_shape_cut(struct finding_shape *s, double half_mm,
                              surface_distance *distance, const void *surface,
                              struct error *err);

#endif
