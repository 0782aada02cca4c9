/*
 * How the trees grow. Each lobe is strewn with end points a few millimetres apart, the
 * places that want blood. A branch that serves n of them splits their cloud in two,
 * across its widest direction beside the branch, and sends a child towards the centre of
 * each half for some part of the way; so on until a branch serves one point (Tawhai et
 * al., "Generation of an anatomically based three-dimensional model of the conducting
 * airways", Ann. Biomed. Eng. 28, 2000; for vessels Burrowes et al., J. Appl. Physiol.
 * 99, 2005).
 *
 * Calibres: r^m of a parent is the sum over its children, so that r = r_end n^(1/m), with
 * m near 2.5: between the 2.3 that Nakamura and Awa find for whole pulmonary arteries
 * (Physiol. Rep. 2, 2014) and the 2.9 of Dong et al. for those that CT shows (Am. J.
 * Physiol. Heart 319, 2020). The ratio of diameters of 1.56 at a ratio of numbers
 * near 3.3 between Strahler orders (Huang et al., J. Appl. Physiol. 81, 1996) is m =
 * ln 3.3 / ln 1.56 = 2.7.
 *
 * A bronchus runs beside its artery, one wall from the other, until it is too thin to
 * see; veins grow into the same lobes from the left atrium, towards points of their own.
 */
#include "phantom/tree.h"

#include "base/memory.h"
#include "base/random.h"

enum {
    LOBES = 5,
    ALL_RIGHT = 7,
    ALL_LEFT = 24,
    UPPER_R = 1,
    MIDDLE = 2,
    LOWER_R = 4,
    UPPER_L = 8,
    LOWER_L = 16,
    ALL = 31
};

static const double END_SPACING_MM = 7.8;
static const double PLEURA_MM = 3.0; /* no end point is nearer to the pleura */
static const double THINNEST_BRONCHUS_MM = 1.0;
static const double PIECE_MM = 5; /* branches bend between pieces of this length */

/* The branches between heart or trachea and lobes: named places of the design. */
struct root {
    int parent; /* in the same table, -1: begins here without a tube */
    double x, y, z;
    int lobes;     /* bits: what it serves; one lobe alone: the lobe grows from its end */
    double radius; /* 0: by the number of end points */
};

static const struct root ARTERIES[] = {
    {-1, 22, -26, -7, ALL, 0},        {0, 2, -17, -12, ALL_RIGHT, 0},
    {1, -22, -13, -17, ALL_RIGHT, 0}, {2, -33, -9, -20, ALL_RIGHT, 0},
    {3, -40, -8, -8, UPPER_R, 0},     {3, -41, -1, -36, MIDDLE | LOWER_R, 0},
    {5, -47, -12, -50, MIDDLE, 0},    {5, -43, 9, -58, LOWER_R, 0},
    {0, 34, -10, -1, ALL_LEFT, 0},    {8, 43, 4, -5, ALL_LEFT, 0},
    {9, 51, -3, 2, UPPER_L, 0},       {9, 48, 15, -28, LOWER_L, 0},
    {11, 50, 19, -50, LOWER_L, 0},
};
static const struct root BRONCHI[] = {
    {-1, 0, -16, 150, ALL, 9.5},      {0, 0, -10, 75, ALL, 9.3},
    {1, 0, -3, 30, ALL, 9.2},         {2, 0, 0, 3, ALL, 9.2},
    {3, -13, 2, -12, ALL_RIGHT, 7.6}, {4, -22, 3, -18, ALL_RIGHT, 7.2},
    {5, -36, 1, -12, UPPER_R, 5.2},   {5, -29, 5, -40, MIDDLE | LOWER_R, 5.8},
    {7, -40, -9, -55, MIDDLE, 3.8},   {7, -36, 12, -60, LOWER_R, 4.8},
    {3, 15, 3, -10, ALL_LEFT, 6.6},   {10, 36, 8, -24, ALL_LEFT, 6.3},
    {11, 48, 2, -20, UPPER_L, 5.0},   {11, 44, 13, -40, LOWER_L, 5.0},
    {13, 47, 18, -54, LOWER_L, 4.6},
};
static const struct root VEINS[] = {
    {-1, 3, 0, -42, ALL, 0},
    {0, -16, -6, -38, UPPER_R | MIDDLE, 0},
    {1, -36, -18, -34, UPPER_R | MIDDLE, 0},
    {2, -44, -20, -22, UPPER_R, 0},
    {2, -46, -24, -46, MIDDLE, 0},
    {0, -16, 4, -50, LOWER_R, 0},
    {5, -38, 13, -62, LOWER_R, 0},
    {0, 24, -4, -36, UPPER_L, 0},
    {7, 46, -14, -26, UPPER_L, 0},
    {0, 22, 6, -48, LOWER_L, 0},
    {9, 44, 15, -60, LOWER_L, 0},
};
enum { MOST_ROOTS = 16 };

struct grower {
    const struct plan *plan;
    const struct lungs *lungs;
    struct tree *tree;
    struct random random;
    enum tube_kind kind;
    int side;
    enum status status;
    struct error *err;
};

/* The tip of a growing branch. */
struct tip {
    int32_t tube; /* -1: none yet */
    struct vec at, along;
    int generation;
    int32_t bronchus; /* that runs beside it, -1: none */
    struct vec bronchus_at;
};

static int32_t add_tube(struct grower *g, struct tube t)
{
    void *tubes = g->tree->tubes;
    if (g->status == STATUS_OK)
        g->status = memory_grow(&tubes, &g->tree->capacity, g->tree->count + 1, sizeof(t),
                                "trees of a phantom", g->err);
    g->tree->tubes = tubes;
    if (g->status != STATUS_OK)
        return -1;
    g->tree->tubes[g->tree->count] = t;
    return (int32_t)g->tree->count++;
}

static struct tube tube_of(struct vec from, struct vec to, double r0, double r1,
                           int32_t parent, enum tube_kind kind, int side, int generation)
{
    return (struct tube){.from = {(float)from.x, (float)from.y, (float)from.z},
                         .to = {(float)to.x, (float)to.y, (float)to.z},
                         .radius_from = (float)r0,
                         .radius_to = (float)r1,
                         .parent = parent,
                         .kind = (uint8_t)kind,
                         .side = (uint8_t)side,
                         .generation = (uint8_t)(generation < 255 ? generation : 255)};
}

static double calibre(const struct plan *p, size_t ends)
{
    return p->vessel_mm * pow((double)ends, 1 / p->murray);
}

static double bronchus_radius(double artery)
{
    return artery < 5.2 ? 0.92 * artery : 4.8;
}

static float wall_of(double radius)
{
    return (float)(0.16 * radius + 0.32);
}

static double lung_at(const struct grower *g, double x, double y, double z)
{
    float v[FIELD_CHANNELS];
    field_sample(&g->lungs->field, vec(x, y, z), v);
    return v[g->side == LUNG_RIGHT ? CHANNEL_RIGHT : CHANNEL_LEFT];
}

/* Distance to the growing lobe's lung, negative inside, and the way out of it. */
static double depth(const struct grower *g, struct vec at, struct vec *out)
{
    const double e = 3;
    *out = vec_unit(
        vec(lung_at(g, at.x + e, at.y, at.z) - lung_at(g, at.x - e, at.y, at.z),
            lung_at(g, at.x, at.y + e, at.z) - lung_at(g, at.x, at.y - e, at.z),
            lung_at(g, at.x, at.y, at.z + e) - lung_at(g, at.x, at.y, at.z - e)));
    return lung_at(g, at.x, at.y, at.z);
}

/* A branch from the tip to `to`, bent a little where it is long, with its bronchus. */
static struct tip extend(struct grower *g, struct tip tip, struct vec to, double radius)
{
    struct vec way = vec_sub(to, tip.at), from = tip.at, bfrom = tip.bronchus_at;
    double length = vec_length(way), airway = bronchus_radius(radius);
    int pieces = (int)clamp(ceil(length / PIECE_MM), 1, 8);
    struct vec any = vec(random_normal(&g->random), random_normal(&g->random),
                         random_normal(&g->random));
    struct vec side = vec_unit(vec_cross(way, any));
    double bend = length * 0.06 * random_normal(&g->random);
    struct vec beside = vec_sub(bfrom, from), along = vec_unit(way);
    beside = vec_unit(vec_step(beside, -vec_dot(beside, along), along));
    tip.generation++;
    if (airway < THINNEST_BRONCHUS_MM)
        tip.bronchus = -1;
    for (int i = 1; i <= pieces && g->status == STATUS_OK; i++) {
        double t = (double)i / pieces;
        struct vec next = vec_step(tip.at, t, way);
        next = vec_step(next, bend * sin(3.14159265 * t), side);
        double r0 = radius * (1 - 0.06 * (t - 1.0 / pieces)),
               r1 = radius * (1 - 0.06 * t);
        tip.tube = add_tube(
            g, tube_of(from, next, r0, r1, tip.tube, g->kind, g->side, tip.generation));
        if (tip.bronchus >= 0) {
            struct vec bnext = vec_step(next, r1 + airway * 1.02, beside);
            struct tube b = tube_of(bfrom, bnext, airway, airway * 0.98, tip.bronchus,
                                    TUBE_BRONCHUS, g->side, tip.generation);
            b.wall = wall_of(airway);
            tip.bronchus = add_tube(g, b);
            bfrom = bnext;
        }
        from = next;
    }
    tip.at = to;
    tip.bronchus_at = bfrom;
    tip.along = along;
    return tip;
}

static struct vec centre_of(const struct vec *points, size_t n)
{
    struct vec sum = {0, 0, 0};
    for (size_t i = 0; i < n; i++)
        sum = vec_add(sum, points[i]);
    return vec_scale(sum, 1 / (double)n);
}

/* The widest direction of a cloud, with most of what lies along `axis` left out. */
static struct vec widest(const struct vec *points, size_t n, struct vec centre,
                         struct vec axis)
{
    double xx = 0, yy = 0, zz = 0, xy = 0, xz = 0, yz = 0;
    for (size_t i = 0; i < n; i++) {
        struct vec d = vec_sub(points[i], centre);
        d = vec_step(d, -0.65 * vec_dot(d, axis), axis);
        xx += d.x * d.x;
        yy += d.y * d.y;
        zz += d.z * d.z;
        xy += d.x * d.y;
        xz += d.x * d.z;
        yz += d.y * d.z;
    }
    struct vec v = vec(0.61, 0.53, 0.59);
    for (int i = 0; i < 12; i++)
        v = vec_unit(vec(xx * v.x + xy * v.y + xz * v.z, xy * v.x + yy * v.y + yz * v.z,
                         xz * v.x + yz * v.y + zz * v.z));
    return v;
}

/* Reorders points so that the first k are those least far along `v` (quickselect). */
static void split(struct vec *points, size_t n, size_t k, struct vec v)
{
    ptrdiff_t low = 0, high = (ptrdiff_t)n - 1, want = (ptrdiff_t)k;
    while (low < high) {
        double pivot = vec_dot(points[low + (high - low) / 2], v);
        ptrdiff_t i = low, j = high;
        while (i <= j) {
            while (vec_dot(points[i], v) < pivot)
                i++;
            while (vec_dot(points[j], v) > pivot)
                j--;
            if (i <= j) {
                struct vec t = points[i];
                points[i++] = points[j];
                points[j--] = t;
            }
        }
        if (want <= j)
            high = j;
        else if (want >= i)
            low = i;
        else
            break;
    }
}

/* Where a child that serves these points ends: part of the way to their centre, not
 * through the pleura. */
static struct vec child_end(struct grower *g, const struct tip *tip, struct vec centre,
                            size_t n, double share)
{
    struct vec to = vec_sub(centre, tip->at);
    double way = vec_length(to);
    if (n == 1)
        return vec_step(tip->at, 0.92, to);
    double inertia = 0.15 + 0.45 * share;
    struct vec along = vec_unit(vec_step(vec_unit(to), inertia, tip->along));
    double length = most(way * random_between(&g->random, 0.3, 0.46), 1.2);
    struct vec end = vec_step(tip->at, length, along);
    const double inside = -(2.5 + calibre(g->plan, n));
    for (int i = 0; i < 4; i++) {
        struct vec out;
        double d = depth(g, end, &out);
        if (d < inside)
            break;
        end = vec_step(end, least(inside - d, -1), out);
    }
    return end;
}

static void grow(struct grower *g, struct tip tip, struct vec *points, size_t n)
{
    if (n < 2 || g->status != STATUS_OK)
        return;
    struct vec centre = centre_of(points, n);
    struct vec axis = vec_unit(vec_sub(centre, tip.at));
    struct vec v = widest(points, n, centre, axis);
    /* Forks of two like branches, and twigs that leave a trunk. */
    double share = random_chance(&g->random, 0.65)
                       ? random_between(&g->random, 0.24, 0.5)
                       : random_between(&g->random, 0.06, 0.2);
    if (random_chance(&g->random, 0.5))
        share = 1 - share;
    size_t k = (size_t)clamp(floor(share * (double)n + 0.5), 1, (double)n - 1);
    split(points, n, k, v);
    struct vec *half[2] = {points, points + k};
    size_t count[2] = {k, n - k};
    for (int i = 0; i < 2; i++) {
        struct vec c = centre_of(half[i], count[i]);
        struct vec end = child_end(g, &tip, c, count[i], (double)count[i] / (double)n);
        struct tip next = extend(g, tip, end, calibre(g->plan, count[i]));
        grow(g, next, half[i], count[i]);
    }
}

/* End points of all lobes, sorted by lobe: points[first[l]] to points[first[l + 1]]. */
struct ends {
    struct vec *points;
    size_t first[LOBES + 1];
};

static size_t strew(const struct plan *p, const struct lungs *l, struct random *r,
                    int lobe, struct vec *out)
{
    double step = END_SPACING_MM * p->mean_scale;
    const struct box *b = &l->box;
    size_t n = 0;
    struct vec shift = vec(random_uniform(r), random_uniform(r), random_uniform(r));
    for (double z = b->low[2] + shift.z * step; z < b->high[2]; z += step)
        for (double y = b->low[1] + shift.y * step; y < b->high[1]; y += step)
            for (double x = b->low[0] + shift.x * step; x < b->high[0]; x += step) {
                struct vec at = vec(x + step * random_between(r, -0.5, 0.5),
                                    y + step * random_between(r, -0.5, 0.5),
                                    z + step * random_between(r, -0.5, 0.5));
                float v[FIELD_CHANNELS];
                field_sample(&l->field, at, v);
                int right = v[CHANNEL_RIGHT] < v[CHANNEL_LEFT];
                double d = v[right ? CHANNEL_RIGHT : CHANNEL_LEFT];
                if (d > -PLEURA_MM || lungs_lobe(v, right) != lobe ||
                    lungs_fissure(v, right) < 2)
                    continue;
                if (out)
                    out[n] = at;
                n++;
            }
    return n;
}

static enum status ends_init(struct ends *e, const struct plan *p, const struct lungs *l,
                             uint64_t use, struct error *err)
{
    *e = (struct ends){NULL, {0}};
    for (int lobe = 0; lobe < LOBES; lobe++) {
        struct random r =
            random_stream(p->seed, RANDOM_TREE, p->index, use + (uint64_t)lobe);
        e->first[lobe + 1] = e->first[lobe] + strew(p, l, &r, lobe, NULL);
    }
    void *room;
    enum status status =
        memory_new(e->first[LOBES], sizeof(struct vec), "ends of branches", &room, err);
    if (status != STATUS_OK)
        return status;
    e->points = room;
    for (int lobe = 0; lobe < LOBES; lobe++) {
        struct random r =
            random_stream(p->seed, RANDOM_TREE, p->index, use + (uint64_t)lobe);
        strew(p, l, &r, lobe, e->points + e->first[lobe]);
    }
    return STATUS_OK;
}

static size_t served(const struct ends *e, int lobes)
{
    size_t n = 0;
    for (int l = 0; l < LOBES; l++)
        if (lobes >> l & 1)
            n += e->first[l + 1] - e->first[l];
    return n;
}

static int side_of(int lobes)
{
    if (lobes & ALL_RIGHT)
        return lobes & ALL_LEFT ? LUNG_NONE : LUNG_RIGHT;
    return LUNG_LEFT;
}

/* The branches outside the lungs; tips[i] is the end of roots[i]. */
static void plant(struct grower *g, const struct root *roots, int count,
                  const struct ends *e, struct tip *tips)
{
    for (int i = 0; i < count && g->status == STATUS_OK; i++) {
        const struct root *r = &roots[i];
        struct vec at = plan_point(g->plan, r->x, r->y, r->z);
        tips[i] = (struct tip){.tube = -1, .at = at, .bronchus = -1};
        if (r->parent < 0)
            continue;
        struct tip up = tips[r->parent];
        double radius = r->radius > 0 ? r->radius * g->plan->mean_scale
                                      : calibre(g->plan, served(e, r->lobes));
        double from = radius;
        if (r->radius > 0 && roots[r->parent].radius > 0)
            from = least(roots[r->parent].radius, r->radius * 1.1) * g->plan->mean_scale;
        tips[i].generation = up.generation + 1;
        struct tube t = tube_of(up.at, at, from, radius, up.tube, g->kind,
                                side_of(r->lobes), tips[i].generation);
        if (g->kind == TUBE_BRONCHUS)
            t.wall = (float)least(1.6, wall_of(radius));
        tips[i].tube = add_tube(g, t);
        tips[i].along = vec_unit(vec_sub(at, up.at));
    }
}

/* The root from whose end a lobe grows: the last that serves it alone. */
static int lobe_root(const struct root *roots, int count, int lobe)
{
    for (int i = count - 1; i >= 0; i--)
        if (roots[i].lobes == 1 << lobe)
            return i;
    return 0;
}

static void grow_lobes(struct grower *g, const struct root *roots, int count,
                       struct ends *e, const struct tip *tips, const struct tip *bronchi)
{
    const int nbronchi = (int)(sizeof(BRONCHI) / sizeof(*BRONCHI));
    for (int lobe = 0; lobe < LOBES; lobe++) {
        struct tip tip = tips[lobe_root(roots, count, lobe)];
        g->side = lobe < 3 ? LUNG_RIGHT : LUNG_LEFT;
        g->random = random_stream(g->plan->seed, RANDOM_TREE, g->plan->index,
                                  64 + 8 * (uint64_t)g->kind + (uint64_t)lobe);
        if (bronchi) {
            const struct tip *b = &bronchi[lobe_root(BRONCHI, nbronchi, lobe)];
            tip.bronchus = b->tube;
            tip.bronchus_at = b->at;
        }
        grow(g, tip, e->points + e->first[lobe], e->first[lobe + 1] - e->first[lobe]);
    }
}

enum status tree_init(struct tree *t, const struct plan *p, const struct lungs *l,
                      struct error *err)
{
    *t = (struct tree){0};
    struct grower g = {.plan = p, .lungs = l, .tree = t, .err = err};
    struct tip bronchi[MOST_ROOTS], tips[MOST_ROOTS];
    struct ends arterial, venous = {NULL, {0}};
    enum status status;
    TRY(ends_init(&arterial, p, l, 0, err));
    TRY(ends_init(&venous, p, l, 8, err));
    g.kind = TUBE_BRONCHUS;
    plant(&g, BRONCHI, (int)(sizeof(BRONCHI) / sizeof(*BRONCHI)), &arterial, bronchi);
    g.kind = TUBE_ARTERY;
    const int arteries = (int)(sizeof(ARTERIES) / sizeof(*ARTERIES));
    plant(&g, ARTERIES, arteries, &arterial, tips);
    grow_lobes(&g, ARTERIES, arteries, &arterial, tips, bronchi);
    g.kind = TUBE_VEIN;
    const int veins = (int)(sizeof(VEINS) / sizeof(*VEINS));
    plant(&g, VEINS, veins, &venous, tips);
    grow_lobes(&g, VEINS, veins, &venous, tips, NULL);
    status = g.status;
out:
    free(arterial.points);
    free(venous.points);
    return status;
}

void tree_release(struct tree *t)
{
    free(t->tubes);
    *t = (struct tree){0};
}
