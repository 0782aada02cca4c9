#include "phantom/view.h"

struct view view_of(const struct geometry *g)
{
    const double *d = g->direction, *s = g->spacing;
    struct view v = {.nx = (int)g->size[2], .ny = (int)g->size[1]};
    v.origin = vec(g->origin[0], g->origin[1], g->origin[2]);
    v.ex = vec_scale(vec(d[0], d[3], d[6]), s[0]);
    v.ey = vec_scale(vec(d[1], d[4], d[7]), s[1]);
    v.ez = vec_scale(vec(d[2], d[5], d[8]), s[2]);
    struct vec yz = vec_cross(v.ey, v.ez), zx = vec_cross(v.ez, v.ex),
               xy = vec_cross(v.ex, v.ey);
    double volume = vec_dot(v.ex, yz);
    v.rx = vec_scale(yz, 1 / volume);
    v.ry = vec_scale(zx, 1 / volume);
    v.rz = vec_scale(xy, 1 / volume);
    double area = vec_length(xy);
    v.pixel = sqrt(area);
    v.subs = (int)clamp(ceil(fabs(volume) / area / v.pixel / 1.7), 1, 6);
    v.part = cbrt(fabs(volume) / v.subs);
    return v;
}

void view_box(const struct view *v, const struct box *b, struct vec *low,
              struct vec *high)
{
    struct vec middle =
        vec(0.5 * (b->low[0] + b->high[0]), 0.5 * (b->low[1] + b->high[1]),
            0.5 * (b->low[2] + b->high[2]));
    struct vec half =
        vec(b->high[0] - middle.x, b->high[1] - middle.y, b->high[2] - middle.z);
    struct vec c = view_index(v, middle);
    struct vec e =
        vec(fabs(v->rx.x) * half.x + fabs(v->rx.y) * half.y + fabs(v->rx.z) * half.z,
            fabs(v->ry.x) * half.x + fabs(v->ry.y) * half.y + fabs(v->ry.z) * half.z,
            fabs(v->rz.x) * half.x + fabs(v->rz.y) * half.y + fabs(v->rz.z) * half.z);
    *low = vec_sub(c, e);
    *high = vec_add(c, e);
}
