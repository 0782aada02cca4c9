/*
 * Shapes one after the other, each over what is there: a shape knows how far away its
 * surface is, so that a row is crossed in leaps where nothing changes.
 */
#include <string.h>

#include "phantom/paint.h"

struct span {
    int first, last; /* last is one beyond */
};

static struct span span_of(double low, double high, int n)
{
    struct span s;
    s.first = (int)clamp(ceil(low), 0, n);
    s.last = (int)clamp(floor(high) + 1, s.first, n);
    return s;
}

/* Adds the coverage of one part of the voxels of a row. */
static void cross_row(const struct shape *s, double inset, const struct view *v,
                      struct vec start, struct span x, float share, float *row)
{
    double width = v->part, pixel = v->pixel;
    for (int i = x.first; i < x.last;) {
        double d = shape_distance(s, vec_step(start, i, v->ex)) + inset;
        int leap = (int)((fabs(d) - width) * 0.5 / pixel);
        if (leap < 1) {
            row[i++] += share * coverage((float)d, (float)width);
            continue;
        }
        int to = i + leap < x.last ? i + leap : x.last;
        if (d < 0)
            for (int k = i; k < to; k++)
                row[k] += share;
        i = to;
    }
}

/* The part of a shape that is deeper than `inset` mm, over a slice. */
static void paint_shape(const struct shape *s, double inset, float value,
                        const struct view *v, int64_t z, float *hu, float *row)
{
    struct box box = shape_box(s);
    struct vec low, high;
    for (int a = 0; a < 3; a++) {
        box.low[a] -= v->part;
        box.high[a] += v->part;
    }
    view_box(v, &box, &low, &high);
    if (high.z < (double)z - 0.5 || low.z > (double)z + 0.5)
        return;
    struct span x = span_of(low.x, high.x, v->nx), y = span_of(low.y, high.y, v->ny);
    if (x.first == x.last)
        return;
    for (int j = y.first; j < y.last; j++) {
        memset(row + x.first, 0, (size_t)(x.last - x.first) * sizeof(float));
        for (int k = 0; k < v->subs; k++) {
            double height = view_part(v, z, k);
            if (height >= low.z && height <= high.z)
                cross_row(s, inset, v, view_point(v, 0, j, height), x,
                          1.0f / (float)v->subs, row);
        }
        float *out = hu + (size_t)j * (size_t)v->nx;
        for (int i = x.first; i < x.last; i++)
            out[i] += row[i] * (value - out[i]);
    }
}

void paint_shapes(const struct shape_list *l, const struct view *v, int64_t z, float *hu,
                  float *row)
{
    for (size_t i = 0; i < l->count; i++) {
        const struct shape *s = &l->items[i];
        paint_shape(s, 0, s->shell_mm > 0 ? s->shell_hu : s->hu, v, z, hu, row);
    }
    for (size_t i = 0; i < l->count; i++) {
        const struct shape *s = &l->items[i];
        if (s->shell_mm > 0)
            paint_shape(s, s->shell_mm, s->hu, v, z, hu, row);
    }
}
