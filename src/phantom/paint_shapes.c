/*
 * Shapes one after the other, each over what is there: a shape knows how far away its
 * surface is, so that a row is crossed in leaps where nothing changes.
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
static struct span row_span(const struct extent *e, const struct view *v,
                            struct vec start)
{
    double low = e->low.x, high = e->high.x;
    struct vec off = vec_sub(start, e->frame.centre);
    for (int a = 0; a < 3; a++)
        if (!view_clip(0, vec_dot(v->ex, e->frame.axis[a]),
                       -vec_dot(off, e->frame.axis[a]), e->frame.half[a], &low, &high))
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

static void blend_row(const struct shape_painter *p, struct span x, float value,
                      float *out)
{
    for (int i = x.first; i < x.last; i++) {
        out[i] += p->row[i] * (value - out[i]);
        p->row[i] = 0;
    }
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
            struct span x = row_span(e, v, start);
            if (x.first >= x.last)
                continue;
            cross_row(p, s, inset, start, x, 1.0f / (float)v->subs);
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
        if (items[i].shell_mm > 0)
            paint_shape(p, i, items[i].shell_mm, items[i].hu, z, hu);
}
