#include "phantom/shape.h"

#include "base/memory.h"

struct shape shape_ball(struct vec centre, struct vec radii, float hu)
{
    struct shape s = {.form = SHAPE_BALL, .a = centre, .r = radii, .hu = hu};
    s.u[0] = vec(1, 0, 0);
    s.u[1] = vec(0, 1, 0);
    s.u[2] = vec(0, 0, 1);
    s.width = (float)most(radii.x, most(radii.y, radii.z));
    return s;
}

void shape_turn(struct shape *s, struct vec axis)
{
    s->u[0] = vec_unit(axis);
    struct vec side = fabs(s->u[0].z) < 0.9 ? vec(0, 0, 1) : vec(0, 1, 0);
    s->u[1] = vec_unit(vec_cross(side, s->u[0]));
    s->u[2] = vec_cross(s->u[0], s->u[1]);
}

struct shape shape_rod(struct vec a, double ra, struct vec b, double rb, float hu)
{
    struct shape s = {.form = SHAPE_ROD, .a = a, .b = b, .r = vec(ra, rb, 0), .hu = hu};
    s.width = (float)most(ra, rb);
    return s;
}

struct shape shape_strap(struct vec a, struct vec b, struct vec thin, double half_thin,
                         double half_wide, float hu)
{
    struct shape s = {.form = SHAPE_STRAP, .a = a, .b = b, .hu = hu};
    s.r = vec(half_thin, half_wide, 0);
    s.u[0] = vec_unit(thin);
    s.width = (float)most(half_thin, half_wide);
    return s;
}

struct shape shape_drum(struct vec a, struct vec b, struct vec thin, double half_thin,
                        double half_wide, float hu)
{
    struct shape s = shape_strap(a, b, thin, half_thin, half_wide, hu);
    s.form = SHAPE_DRUM;
    return s;
}

struct shape shape_plate(struct vec a, struct vec b, struct vec c, double half, float hu)
{
    struct shape s = {.form = SHAPE_PLATE, .a = a, .b = b, .c = c, .hu = hu};
    s.r.x = half;
    s.width = (float)half;
    return s;
}

static double ball_distance(const struct shape *s, struct vec p)
{
    struct vec d = vec_sub(p, s->a), q, g;
    q = vec(vec_dot(d, s->u[0]), vec_dot(d, s->u[1]), vec_dot(d, s->u[2]));
    q = vec(q.x / s->r.x, q.y / s->r.y, q.z / s->r.z);
    g = vec(q.x / s->r.x, q.y / s->r.y, q.z / s->r.z);
    double k = vec_length(q), slope = vec_length(g);
    if (slope < 1e-9)
        return -least(s->r.x, least(s->r.y, s->r.z));
    return k * (k - 1) / slope;
}

/* Share of the way from a to b that is nearest to p, and the way from there to p. */
static double nearest(const struct shape *s, struct vec p, struct vec *off)
{
    struct vec ab = vec_sub(s->b, s->a), ap = vec_sub(p, s->a);
    double l = vec_dot(ab, ab);
    double t = l > 0 ? clamp(vec_dot(ap, ab) / l, 0, 1) : 0;
    *off = vec_step(ap, -t, ab);
    return t;
}

/* From the surface of the elliptic section that a way off the axis lies in. */
static double section_distance(const struct shape *s, struct vec off)
{
    double thin = vec_dot(off, s->u[0]);
    double wide2 = most(0, vec_dot(off, off) - thin * thin);
    double x = thin / s->r.x, y2 = wide2 / (s->r.y * s->r.y);
    double k = sqrt(x * x + y2);
    double slope = sqrt(x * x / (s->r.x * s->r.x) + y2 / (s->r.y * s->r.y));
    return slope < 1e-9 ? -s->r.x : k * (k - 1) / slope;
}

static double strap_distance(const struct shape *s, struct vec p)
{
    struct vec off;
    nearest(s, p, &off);
    return section_distance(s, off);
}

static double drum_distance(const struct shape *s, struct vec p)
{
    struct vec axis = vec_sub(s->b, s->a), ap = vec_sub(p, s->a);
    double length = vec_length(axis), along = vec_dot(ap, axis) / length;
    double d = section_distance(s, vec_step(ap, -along / length, axis));
    return most(d, most(-along, along - length));
}

static double edge_distance2(struct vec p, struct vec a, struct vec b)
{
    struct vec ab = vec_sub(b, a), ap = vec_sub(p, a);
    double t = clamp(vec_dot(ap, ab) / most(vec_dot(ab, ab), 1e-12), 0, 1);
    struct vec off = vec_step(ap, -t, ab);
    return vec_dot(off, off);
}

static double plate_distance(const struct shape *s, struct vec p)
{
    struct vec ab = vec_sub(s->b, s->a), bc = vec_sub(s->c, s->b),
               ca = vec_sub(s->a, s->c), n = vec_cross(ab, vec_sub(s->c, s->a));
    struct vec pa = vec_sub(p, s->a), pb = vec_sub(p, s->b), pc = vec_sub(p, s->c);
    int inside = vec_dot(vec_cross(n, ab), pa) >= 0 &&
                 vec_dot(vec_cross(n, bc), pb) >= 0 && vec_dot(vec_cross(n, ca), pc) >= 0;
    double d2;
    if (inside) {
        double h = vec_dot(n, pa);
        d2 = h * h / most(vec_dot(n, n), 1e-12);
    } else {
        d2 = least(edge_distance2(p, s->a, s->b),
                   least(edge_distance2(p, s->b, s->c), edge_distance2(p, s->c, s->a)));
    }
    return sqrt(d2) - s->r.x;
}

double shape_distance(const struct shape *s, struct vec p)
{
    struct vec off;
    double t;
    switch (s->form) {
    case SHAPE_BALL:
        return ball_distance(s, p);
    case SHAPE_ROD:
        t = nearest(s, p, &off);
        return vec_length(off) - lerp(s->r.x, s->r.y, t);
    case SHAPE_STRAP:
        return strap_distance(s, p);
    case SHAPE_DRUM:
        return drum_distance(s, p);
    default:
        return plate_distance(s, p);
    }
}

static void box_add(struct box *b, struct vec p, double margin)
{
    double v[3] = {p.x, p.y, p.z};
    for (int a = 0; a < 3; a++) {
        b->low[a] = least(b->low[a], v[a] - margin);
        b->high[a] = most(b->high[a], v[a] + margin);
    }
}

/* Half extents of a turned ellipsoid: lengths of the rows of its axes. */
static struct vec ball_extent(const struct shape *s)
{
    struct vec e = {0, 0, 0};
    double r[3] = {s->r.x, s->r.y, s->r.z};
    for (int k = 0; k < 3; k++) {
        e.x += s->u[k].x * s->u[k].x * r[k] * r[k];
        e.y += s->u[k].y * s->u[k].y * r[k] * r[k];
        e.z += s->u[k].z * s->u[k].z * r[k] * r[k];
    }
    return vec(sqrt(e.x), sqrt(e.y), sqrt(e.z));
}

struct box shape_box(const struct shape *s)
{
    struct box b = {{INFINITY, INFINITY, INFINITY}, {-INFINITY, -INFINITY, -INFINITY}};
    if (s->form == SHAPE_BALL) {
        struct vec e = ball_extent(s);
        box_add(&b, vec_add(s->a, e), 0);
        box_add(&b, vec_sub(s->a, e), 0);
        return b;
    }
    box_add(&b, s->a, s->width);
    box_add(&b, s->b, s->width);
    if (s->form == SHAPE_PLATE)
        box_add(&b, s->c, s->width);
    return b;
}

static void frame_turn(struct shape_frame *f, struct vec axis, struct vec side)
{
    f->axis[0] = vec_unit(axis);
    side = vec_step(side, -vec_dot(side, f->axis[0]), f->axis[0]);
    if (vec_length(side) < 1e-3)
        side = fabs(f->axis[0].z) < 0.9 ? vec_cross(f->axis[0], vec(0, 0, 1))
                                        : vec_cross(f->axis[0], vec(0, 1, 0));
    f->axis[1] = vec_unit(side);
    f->axis[2] = vec_cross(f->axis[0], f->axis[1]);
}

/* Centre and half extents along the frame's axes from what must fit into it. */
static void frame_fit(struct shape_frame *f, const struct vec *points, int count,
                      const double margin[3])
{
    double centre[3];
    for (int a = 0; a < 3; a++) {
        double low = INFINITY, high = -INFINITY;
        for (int i = 0; i < count; i++) {
            low = least(low, vec_dot(points[i], f->axis[a]));
            high = most(high, vec_dot(points[i], f->axis[a]));
        }
        centre[a] = 0.5 * (low + high);
        f->half[a] = 0.5 * (high - low) + margin[a];
    }
    f->centre = vec_scale(f->axis[0], centre[0]);
    f->centre = vec_step(f->centre, centre[1], f->axis[1]);
    f->centre = vec_step(f->centre, centre[2], f->axis[2]);
}

struct shape_frame shape_frame(const struct shape *s)
{
    struct shape_frame f;
    struct vec points[3] = {s->a, s->b, s->c};
    struct vec axis = vec_sub(s->b, s->a);
    if (s->form == SHAPE_BALL) {
        memcpy(f.axis, s->u, sizeof(f.axis));
        frame_fit(&f, points, 1, (double[]){s->r.x, s->r.y, s->r.z});
    } else if (s->form == SHAPE_PLATE) {
        frame_turn(&f, axis, vec_sub(s->c, s->a));
        frame_fit(&f, points, 3, (double[]){s->r.x, s->r.x, s->r.x});
    } else if (s->form == SHAPE_ROD) {
        frame_turn(&f, axis, vec(0, 1, 0));
        frame_fit(&f, points, 2, (double[]){s->width, s->width, s->width});
    } else {
        /* The thin direction need not be square to the axis. */
        double lean = fabs(vec_dot(vec_unit(axis), s->u[0]));
        double thin = s->r.x + lean * (s->r.y - s->r.x);
        frame_turn(&f, axis, s->u[0]);
        frame_fit(&f, points, 2,
                  (double[]){s->form == SHAPE_DRUM ? 0 : s->width, thin, s->r.y});
    }
    return f;
}

enum status shapes_add(struct shape_list *l, struct shape s, struct error *err)
{
    void *items = l->items;
    enum status status = memory_grow(&items, &l->capacity, l->count + 1, sizeof(s),
                                     "shapes of a phantom", err);
    l->items = items;
    if (status == STATUS_OK)
        l->items[l->count++] = s;
    return status;
}

void shapes_release(struct shape_list *l)
{
    free(l->items);
    *l = (struct shape_list){0};
}
