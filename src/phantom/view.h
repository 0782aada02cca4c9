/* A grid seen from the patient's mm: where its voxels lie, and how finely a voxel has to
 * be divided so that it is about as high as it is wide. */
#ifndef PHANTOM_VIEW_H
#define PHANTOM_VIEW_H

#include <stdint.h>

#include "ct/geometry.h"
#include "phantom/patient.h"
#include "phantom/vec.h"

struct view {
    int nx, ny;
    struct vec origin, ex, ey, ez; /* mm: of voxel 0 0 0, and a voxel's steps */
    struct vec rx, ry, rz;         /* rows of the way back: index = dot(r, p - origin) */
    double pixel;                  /* mm, in the slice */
    int subs;                      /* parts of a voxel along z */
    double part;                   /* mm: edge of a cube with the volume of a part */
};

struct view view_of(const struct geometry *g);

static inline struct vec view_point(const struct view *v, double x, double y, double z)
{
    struct vec p = vec_step(v->origin, x, v->ex);
    return vec_step(vec_step(p, y, v->ey), z, v->ez);
}

static inline struct vec view_index(const struct view *v, struct vec p)
{
    struct vec d = vec_sub(p, v->origin);
    return vec(vec_dot(v->rx, d), vec_dot(v->ry, d), vec_dot(v->rz, d));
}

/* Height of part number `sub` of slice z, as an index. */
static inline double view_part(const struct view *v, int64_t z, int sub)
{
    return (double)z - 0.5 + (sub + 0.5) / v->subs;
}

/* The indices, not whole, that a box of the patient takes up. */
void view_box(const struct view *v, const struct box *b, struct vec *low,
              struct vec *high);

/* Shares of the way from a to b, within [*low, *high], that pass `at` within reach. */
static inline int view_clip(double a, double b, double at, double reach, double *low,
                            double *high)
{
    double d = b - a;
    if (fabs(d) < 1e-9)
        return fabs(a - at) <= reach;
    double t0 = (at - reach - a) / d, t1 = (at + reach - a) / d;
    *low = most(*low, least(t0, t1));
    *high = least(*high, most(t0, t1));
    return *low <= *high;
}

#endif
