/*
 * Shapes one after the other, each over what is there. Big ones know how far away their
 * surface is, so that a row is crossed in leaps where nothing changes. Of rods and drums,
 * the many small parts of bones, whole rows are computed at once; there the distance is
 * taken from the squares, right where it matters, near the surface.
 */
#include "base/memory.h"
#include "phantom/paint.h"

/* Where a shape lies: in indices, and in a frame of its own. */
struct extent {
    struct vec low, high; /* indices */
    struct shape_frame frame;
};

struct shape_painter {
    const struct shape_list *list;
    const struct field *walls;
    const struct view *view;
    struct extent *extents;
    float *row;
};

static struct extent extent_of(const struct shape *s, const struct view *v)
{
    struct extent e = {.frame = shape_frame(s)};
    struct box box = shape_box(s);
    for (int a = 0; a < 3; a++) {
        box.low[a] -= v->part;
        box.high[a] += v->part;
        e.frame.half[a] += v->part;
    }
    view_box(v, &box, &e.low, &e.high);
    return e;
}

enum status shape_painter_new(const struct shape_list *l, const struct field *walls,
                              const struct view *v, struct shape_painter **out,
                              struct error *err)
{
    void *room;
    enum status status =
        memory_new(1, sizeof(struct shape_painter), "a painter", &room, err);
    *out = NULL;
    if (status != STATUS_OK)
        return status;
    struct shape_painter *s = room;
    *s = (struct shape_painter){.list = l, .walls = walls, .view = v};
    TRY(memory_new(l->count, sizeof(struct extent), "extents of shapes", &room, err));
    s->extents = room;
    TRY(memory_new((size_t)v->nx, sizeof(float), "a row of a phantom", &room, err));
    s->row = room;
    for (size_t i = 0; i < l->count; i++)
        s->extents[i] = extent_of(&l->items[i], v);
    *out = s;
    s = NULL;
out:
    shape_painter_free(s);
    return status;
}

void shape_painter_free(struct shape_painter *s)
{
    if (!s)
        return;
    free(s->extents);
    free(s->row);
    free(s);
}

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

/* What of a row that starts at `start` a shape may touch. */
static struct span row_span(const struct extent *e, double inset, const struct view *v,
                            struct vec start)
{
    double low = e->low.x, high = e->high.x;
    struct vec off = vec_sub(start, e->frame.centre);
    for (int a = 0; a < 3; a++)
        if (!view_clip(0, vec_dot(v->ex, e->frame.axis[a]),
                       -vec_dot(off, e->frame.axis[a]), e->frame.half[a] - inset, &low,
                       &high))
            return (struct span){0, 0};
    return span_of(low, high, v->nx);
}

static double distance(const struct shape_painter *p, const struct shape *s,
                       struct vec at)
{
    double d = shape_distance(s, at);
    if (s->abdominal && d < 4) {
        float v[FIELD_CHANNELS];
        field_sample(p->walls, at, v);
        d = most(d, v[CHANNEL_ABDOMEN] + 3);
    }
    return d;
}

/* Adds the coverage of one part of the voxels of a row. */
static void cross_row(const struct shape_painter *p, const struct shape *s, double inset,
                      struct vec start, struct span x, float share)
{
    const struct view *v = p->view;
    float *row = p->row;
    double width = v->part;
    for (int i = x.first; i < x.last;) {
        double d = distance(p, s, vec_step(start, i, v->ex)) + inset;
        int leap = (int)((fabs(d) - width) * 0.5 / v->pixel);
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

static float clamped(float c)
{
    return c < 0 ? 0 : c > 1 ? 1 : c;
}

/* Starts of a row and steps along it, as floats for loops over pixels. */
struct line {
    float x, y, z, ex, ey, ez;
};

static struct line line_of(struct vec start, struct vec step, int first)
{
    start = vec_step(start, first, step);
    return (struct line){(float)start.x, (float)start.y, (float)start.z,
                         (float)step.x,  (float)step.y,  (float)step.z};
}

static void rod_row(const struct shape *s, double inset, double width, struct line l,
                    int n, float share, float *row)
{
    struct vec way = vec_sub(s->b, s->a);
    const float wx = (float)way.x, wy = (float)way.y, wz = (float)way.z,
                inverse = (float)(1 / most(vec_dot(way, way), 1e-9)),
                r0 = (float)(s->r.x - inset), taper = (float)(s->r.y - s->r.x),
                scale = (float)(1 / ((2 * r0 + taper) * width));
    for (int i = 0; i < n; i++) {
        float x = l.x + (float)i * l.ex, y = l.y + (float)i * l.ey,
              z = l.z + (float)i * l.ez;
        float t = (x * wx + y * wy + z * wz) * inverse;
        t = t < 0 ? 0 : t > 1 ? 1 : t;
        x -= t * wx;
        y -= t * wy;
        z -= t * wz;
        float r = r0 + t * taper;
        row[i] += share * clamped(0.5f - (x * x + y * y + z * z - r * r) * scale);
    }
}

static void drum_row(const struct shape *s, double inset, double width, struct line l,
                     int n, float share, float *row)
{
    struct vec axis = vec_unit(vec_sub(s->b, s->a));
    const float length = (float)vec_length(vec_sub(s->b, s->a));
    const float wx = (float)axis.x, wy = (float)axis.y, wz = (float)axis.z;
    const float tx = (float)s->u[0].x, ty = (float)s->u[0].y, tz = (float)s->u[0].z;
    const float thin = (float)(1 / (s->r.x - inset)),
                wide = (float)(1 / (s->r.y - inset));
    const float sharp = (float)(1 / width), in = (float)inset;
    for (int i = 0; i < n; i++) {
        float x = l.x + (float)i * l.ex, y = l.y + (float)i * l.ey,
              z = l.z + (float)i * l.ez;
        float along = x * wx + y * wy + z * wz;
        x -= along * wx;
        y -= along * wy;
        z -= along * wz;
        float u = (x * tx + y * ty + z * tz), u2 = u * u * thin * thin;
        float k = u2 + (x * x + y * y + z * z - u * u) * wide * wide;
        float slope = wide + (thin - wide) * (u2 < 1 ? u2 : 1);
        float d = 0.5f * (k - 1) / slope;
        float end = (-along > along - length ? -along : along - length) + in;
        d = d > end ? d : end;
        row[i] += share * clamped(0.5f - d * sharp);
    }
}

static void blend_row(const struct shape_painter *p, struct span x, float value,
                      float *out)
{
    for (int i = x.first; i < x.last; i++) {
        out[i] += p->row[i] * (value - out[i]);
        p->row[i] = 0;
    }
}

static void part_row(const struct shape_painter *p, const struct shape *s, double inset,
                     struct vec start, struct span x, float share)
{
    const struct view *v = p->view;
    struct line l = line_of(vec_sub(start, s->a), v->ex, x.first);
    if (s->form == SHAPE_ROD)
        rod_row(s, inset, v->part, l, x.last - x.first, share, p->row + x.first);
    else if (s->form == SHAPE_DRUM)
        drum_row(s, inset, v->part, l, x.last - x.first, share, p->row + x.first);
    else
        cross_row(p, s, inset, start, x, share);
}

/* The part of a shape that is deeper than `inset` mm, over a slice. */
static void paint_shape(struct shape_painter *p, size_t number, double inset, float value,
                        int64_t z, float *hu)
{
    const struct shape *s = &p->list->items[number];
    const struct extent *e = &p->extents[number];
    const struct view *v = p->view;
    if (e->high.z < (double)z - 0.5 || e->low.z > (double)z + 0.5)
        return;
    struct span y = span_of(e->low.y, e->high.y, v->ny);
    for (int j = y.first; j < y.last; j++) {
        struct span touched = {v->nx, 0};
        for (int k = 0; k < v->subs; k++) {
            double height = view_part(v, z, k);
            if (height < e->low.z || height > e->high.z)
                continue;
            struct vec start = view_point(v, 0, j, height);
            struct span x = row_span(e, inset, v, start);
            if (x.first >= x.last)
                continue;
            part_row(p, s, inset, start, x, 1.0f / (float)v->subs);
            touched.first = x.first < touched.first ? x.first : touched.first;
            touched.last = x.last > touched.last ? x.last : touched.last;
        }
        if (touched.first < touched.last)
            blend_row(p, touched, value, hu + (size_t)j * (size_t)v->nx);
    }
}

/* All cortex before all marrow, so that parts of one bone are hollow where they join. */
void paint_shapes(struct shape_painter *p, int64_t z, float *hu)
{
    const struct shape *items = p->list->items;
    for (size_t i = 0; i < p->list->count; i++)
        paint_shape(p, i, 0, items[i].shell_mm > 0 ? items[i].shell_hu : items[i].hu, z,
                    hu);
    for (size_t i = 0; i < p->list->count; i++)
        if (items[i].shell_mm > 0 && items[i].shell_mm < items[i].r.x)
            paint_shape(p, i, items[i].shell_mm, items[i].hu, z, hu);
}
