/*
 * Tubes, thinner and thicker than a voxel alike. A voxel is divided into parts about as
 * high as wide. The profile of a tube of radius r seen through a part of half width h is
 * that of a disc blurred by a disc: flat to |r - h|, zero from r + h, its volume that of
 * the tube, so that what is too thin to be resolved still weighs what it should.
 *
 * Tubes meet at joints: where several cover a part, the greatest coverage counts, not the
 * sum. The sums over a voxel's parts then make its share.
 */
#include "base/memory.h"
#include "phantom/paint.h"

enum { SEGMENT = 16 }; /* pixels that share a mark of having been touched */

struct tube_painter {
    const struct patient *patient;
    const struct view *view;
    int64_t first, count;
    uint32_t *
        tubes; /* numbers, by slice: those of slice z from start[z - first] to the next */
    size_t *start;
    float *parts;   /* [subs][y][x]: greatest coverage so far */
    uint8_t *marks; /* [y][x / SEGMENT] */
    int marks_x;
};

enum pass { PASS_BLOOD, PASS_WALL, PASS_AIR };

static struct vec end_of(const float xyz[3])
{
    return vec(xyz[0], xyz[1], xyz[2]);
}

/* The slices that a tube touches, of those being painted. */
static int slices_of(const struct tube_painter *t, const struct tube *b, int64_t *low,
                     int64_t *high)
{
    const struct view *v = t->view;
    double a = view_index(v, end_of(b->from)).z, c = view_index(v, end_of(b->to)).z;
    double reach =
        (fmaxf(b->radius_from, b->radius_to) + v->part) * vec_length(v->rz) + 0.5;
    double from = least(a, c) - reach, to = most(a, c) + reach;
    double end = (double)(t->first + t->count - 1);
    if (to < (double)t->first || from > end)
        return 0;
    *low = (int64_t)clamp(ceil(from), (double)t->first, end);
    *high = (int64_t)clamp(floor(to), (double)t->first, end);
    return 1;
}

static enum status sort_tubes(struct tube_painter *t, struct error *err)
{
    const struct tree *tree = &t->patient->tree;
    void *room = NULL;
    int64_t low, high;
    enum status status =
        memory_new((size_t)t->count + 2, sizeof(size_t), "tubes by slice", &room, err);
    t->start = room;
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < tree->count; i++)
        if (slices_of(t, &tree->tubes[i], &low, &high))
            for (int64_t z = low; z <= high; z++)
                t->start[z - t->first + 2]++;
    for (int64_t z = 0; z < t->count; z++)
        t->start[z + 2] += t->start[z + 1];
    room = NULL;
    status = memory_new(t->start[t->count + 1], sizeof(uint32_t), "tubes by slice", &room,
                        err);
    t->tubes = room;
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < tree->count; i++)
        if (slices_of(t, &tree->tubes[i], &low, &high))
            for (int64_t z = low; z <= high; z++)
                t->tubes[t->start[z - t->first + 1]++] = (uint32_t)i;
    return STATUS_OK;
}

enum status tube_painter_new(const struct patient *p, const struct view *v, int64_t first,
                             int64_t count, struct tube_painter **out, struct error *err)
{
    void *room;
    enum status status =
        memory_new(1, sizeof(struct tube_painter), "a painter", &room, err);
    *out = NULL;
    if (status != STATUS_OK)
        return status;
    struct tube_painter *t = room;
    *t = (struct tube_painter){.patient = p, .view = v, .first = first, .count = count};
    t->marks_x = (v->nx + SEGMENT - 1) / SEGMENT;
    size_t slice = (size_t)v->nx * (size_t)v->ny;
    TRY(sort_tubes(t, err));
    TRY(memory_new(slice * (size_t)v->subs, sizeof(float), "parts of voxels", &room,
                   err));
    t->parts = room;
    TRY(memory_new((size_t)t->marks_x * (size_t)v->ny, 1, "marks of voxels", &room, err));
    t->marks = room;
    *out = t;
    t = NULL;
out:
    tube_painter_free(t);
    return status;
}

void tube_painter_free(struct tube_painter *t)
{
    if (!t)
        return;
    free(t->tubes);
    free(t->start);
    free(t->parts);
    free(t->marks);
    free(t);
}

/* A tube as one part of the voxels sees it. */
struct rod {
    struct vec from, way; /* mm */
    double length2;
    struct vec a, b;       /* ends as indices */
    float flat, end, peak; /* profile: full to `flat`, nothing from `end` */
    struct vec reach;      /* `end` as indices */
};

static struct rod rod_of(const struct view *v, const struct tube *t, double radius)
{
    struct rod r = {.from = end_of(t->from)};
    struct vec to = end_of(t->to);
    double h = 0.564 * v->part;
    r.way = vec_sub(to, r.from);
    r.length2 = most(vec_dot(r.way, r.way), 1e-9);
    r.a = view_index(v, r.from);
    r.b = view_index(v, to);
    double peak = 1;
    if (radius > 1.3 * h) {
        radius = sqrt(radius * radius - h * h / 3);
    } else {
        double flat = fabs(radius - h), end = radius + h;
        peak = 3 * radius * radius / (flat * flat + flat * end + end * end);
    }
    r.flat = (float)fabs(radius - h);
    r.end = (float)(radius + h);
    r.peak = (float)peak;
    r.reach = vec(r.end * vec_length(v->rx), r.end * vec_length(v->ry),
                  r.end * vec_length(v->rz));
    return r;
}

static void rod_row(const struct rod *r, const struct view *v, struct vec start,
                    int first, int last, float *out)
{
    struct vec ap = vec_sub(vec_step(start, first, v->ex), r->from);
    float px = (float)ap.x, py = (float)ap.y, pz = (float)ap.z;
    const float ex = (float)v->ex.x, ey = (float)v->ex.y, ez = (float)v->ex.z;
    const float wx = (float)r->way.x, wy = (float)r->way.y, wz = (float)r->way.z;
    const float inverse = (float)(1 / r->length2);
    const float scale = r->peak / (r->end - r->flat), end = r->end, peak = r->peak;
    for (int i = 0; i < last - first; i++) {
        float x = px + (float)i * ex, y = py + (float)i * ey, z = pz + (float)i * ez;
        float t = (x * wx + y * wy + z * wz) * inverse;
        t = t < 0 ? 0 : t > 1 ? 1 : t;
        x -= t * wx;
        y -= t * wy;
        z -= t * wz;
        float c = (end - sqrtf(x * x + y * y + z * z)) * scale;
        c = c > peak ? peak : c;
        float *o = &out[first + i];
        *o = c > *o ? c : *o;
    }
}

static void paint_rod(struct tube_painter *t, const struct rod *r, int64_t z)
{
    const struct view *v = t->view;
    for (int k = 0; k < v->subs; k++) {
        double height = view_part(v, z, k), low = 0, high = 1;
        if (!view_clip(r->a.z, r->b.z, height, r->reach.z, &low, &high))
            continue;
        double y0 = lerp(r->a.y, r->b.y, low), y1 = lerp(r->a.y, r->b.y, high);
        int from = (int)clamp(ceil(least(y0, y1) - r->reach.y), 0, v->ny);
        int to = (int)clamp(floor(most(y0, y1) + r->reach.y), -1, v->ny - 1);
        for (int j = from; j <= to; j++) {
            double l = low, h = high;
            if (!view_clip(r->a.y, r->b.y, j, r->reach.y, &l, &h))
                continue;
            double x0 = lerp(r->a.x, r->b.x, l), x1 = lerp(r->a.x, r->b.x, h);
            int first = (int)clamp(ceil(least(x0, x1) - r->reach.x), 0, v->nx);
            int last = (int)clamp(floor(most(x0, x1) + r->reach.x) + 1, 0, v->nx);
            if (first >= last)
                continue;
            size_t row = ((size_t)k * (size_t)v->ny + (size_t)j) * (size_t)v->nx;
            rod_row(r, v, view_point(v, 0, j, height), first, last, t->parts + row);
            uint8_t *mark = t->marks + (size_t)j * (size_t)t->marks_x;
            for (int s = first / SEGMENT; s <= (last - 1) / SEGMENT; s++)
                mark[s] = 1;
        }
    }
}

/* Blends what has been collected towards a value, and forgets it. */
static void resolve(struct tube_painter *t, float value, float *hu)
{
    const struct view *v = t->view;
    const size_t slice = (size_t)v->nx * (size_t)v->ny;
    const float share = 1.0f / (float)v->subs;
    for (int j = 0; j < v->ny; j++)
        for (int s = 0; s < t->marks_x; s++) {
            uint8_t *mark = &t->marks[(size_t)j * (size_t)t->marks_x + (size_t)s];
            if (!*mark)
                continue;
            *mark = 0;
            int n = v->nx - s * SEGMENT < SEGMENT ? v->nx - s * SEGMENT : SEGMENT;
            size_t at = (size_t)j * (size_t)v->nx + (size_t)s * SEGMENT;
            float sum[SEGMENT] = {0};
            for (int k = 0; k < v->subs; k++) {
                float *part = t->parts + (size_t)k * slice + at;
                for (int i = 0; i < n; i++) {
                    sum[i] += part[i];
                    part[i] = 0;
                }
            }
            for (int i = 0; i < n; i++)
                hu[at + (size_t)i] += share * sum[i] * (value - hu[at + (size_t)i]);
        }
}

static void paint_pass(struct tube_painter *t, enum pass pass, int64_t z, float value,
                       float *hu)
{
    const struct tube *tubes = t->patient->tree.tubes;
    size_t from = t->start[z - t->first], to = t->start[z - t->first + 1];
    int any = 0;
    for (size_t i = from; i < to; i++) {
        const struct tube *b = &tubes[t->tubes[i]];
        if ((b->kind == TUBE_BRONCHUS) != (pass != PASS_BLOOD))
            continue;
        double radius = 0.5 * (b->radius_from + b->radius_to);
        if (pass == PASS_AIR)
            radius -= b->wall;
        if (radius <= 0)
            continue;
        struct rod r = rod_of(t->view, b, radius);
        paint_rod(t, &r, z);
        any = 1;
    }
    if (any)
        resolve(t, value, hu);
}

void paint_tubes(struct tube_painter *t, int64_t z, float *hu)
{
    const struct plan *p = &t->patient->plan;
    paint_pass(t, PASS_BLOOD, z, (float)p->blood_hu, hu);
    paint_pass(t, PASS_WALL, z, 25, hu);
    paint_pass(t, PASS_AIR, z, -1000, hu);
}
