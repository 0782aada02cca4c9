/*
 * All by trial: a point is drawn, moved where it should be (down the gradient of a
 * distance), and taken when it fits. Vessels are looked at one by one, which for some ten
 * thousand tubes and some dozen findings costs less than an index of them would.
 */
#include "phantom/finding_placement.h"

#include <math.h>

enum { TRIALS = 60, POINT_TRIALS = 400, TUBE_TRIALS = 4000 };
static const double GRADIENT_MM = 0.5;
static const double CROSSING_COSINE = 0.86; /* of 30 degrees: flatter ones run along */

static double dot(const double a[3], const double b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static bool unit(double v[3])
{
    double length = sqrt(dot(v, v));
    if (length < 1e-9)
        return false;
    for (int a = 0; a < 3; a++)
        v[a] /= length;
    return true;
}

/* A unit vector square to another, in a direction of chance. */
static void square_to(struct random *r, const double normal[3], double out[3])
{
    do {
        for (int a = 0; a < 3; a++)
            out[a] = random_normal(r);
        double part = dot(out, normal);
        for (int a = 0; a < 3; a++)
            out[a] -= part * normal[a];
    } while (!unit(out));
}

void random_axes(struct random *r, double along[3], double normal[3])
{
    do
        for (int a = 0; a < 3; a++)
            normal[a] = random_normal(r);
    while (!unit(normal));
    square_to(r, normal, along);
}

bool placement_in_lung(struct random *r, const struct patient *p, double depth_mm,
                       struct placement *out)
{
    struct box box = patient_lungs(p);
    for (int i = 0; i < POINT_TRIALS; i++) {
        for (int a = 0; a < 3; a++)
            out->xyz[a] = random_between(r, box.low[a], box.high[a]);
        if (patient_lung_distance(p, out->xyz, &out->side) < -depth_mm) {
            out->vessel_mm = 0;
            random_axes(r, out->along, out->normal);
            return true;
        }
    }
    return false;
}

/* Where a distance grows fastest. */
static void gradient(const struct patient *p, const double xyz[3], int fissure_side,
                     double out[3])
{
    for (int a = 0; a < 3; a++) {
        double side[2];
        for (int s = 0; s < 2; s++) {
            double at[3] = {xyz[0], xyz[1], xyz[2]};
            int any;
            at[a] += s ? GRADIENT_MM : -GRADIENT_MM;
            side[s] = fissure_side ? patient_fissure_distance(p, at, fissure_side)
                                   : patient_lung_distance(p, at, &any);
        }
        out[a] = side[1] - side[0];
    }
}

bool placement_at_pleura(struct random *r, const struct patient *p, double depth_mm,
                         struct placement *out)
{
    for (int i = 0; i < TRIALS; i++) {
        if (!placement_in_lung(r, p, depth_mm, out))
            return false;
        for (int step = 0; step < 8; step++) {
            double d = patient_lung_distance(p, out->xyz, &out->side);
            gradient(p, out->xyz, 0, out->normal);
            if (!unit(out->normal))
                break;
            if (fabs(d + depth_mm) < 0.1) {
                square_to(r, out->normal, out->along);
                return true;
            }
            for (int a = 0; a < 3; a++)
                out->xyz[a] += (-depth_mm - d) * out->normal[a];
        }
    }
    return false;
}

static bool on_fissure(struct random *r, const struct patient *p, double depth_mm,
                       struct placement *out)
{
    for (int i = 0; i < TRIALS; i++) {
        if (!placement_in_lung(r, p, depth_mm, out))
            return false;
        for (int step = 0; step < 8; step++) {
            double d = patient_fissure_distance(p, out->xyz, out->side);
            int side;
            if (d > 40)
                break;
            gradient(p, out->xyz, out->side, out->normal);
            if (!unit(out->normal))
                break;
            if (d < 0.6) {
                if (patient_lung_distance(p, out->xyz, &side) > -depth_mm)
                    break;
                square_to(r, out->normal, out->along);
                return true;
            }
            for (int a = 0; a < 3; a++)
                out->xyz[a] -= (d - 0.2) * out->normal[a];
        }
    }
    return false;
}

static double tube_mm(const struct tube *t)
{
    return (double)t->radius_from + (double)t->radius_to;
}

/* Direction of a tube; its length. */
static double tube_line(const struct tube *t, double along[3])
{
    for (int a = 0; a < 3; a++)
        along[a] = (double)t->to[a] - (double)t->from[a];
    double length = sqrt(dot(along, along));
    return unit(along) ? length : 0;
}

/* A vessel of about this diameter; SIZE_MAX when there is none. */
static size_t vessel_draw(struct random *r, const struct tube *tubes, size_t count,
                          double vessel_mm)
{
    size_t best = SIZE_MAX;
    double best_off = HUGE_VAL;
    for (int i = 0; i < TUBE_TRIALS && count > 0; i++) {
        size_t k = (size_t)random_below(r, count);
        double off = fabs(log(tube_mm(&tubes[k]) / vessel_mm));
        if (tubes[k].kind == TUBE_BRONCHUS || tubes[k].side == LUNG_NONE ||
            off >= best_off)
            continue;
        best = k;
        best_off = off;
        if (off < 0.12)
            break;
    }
    return best;
}

bool placement_on_vessel(struct random *r, const struct patient *p, double vessel_mm,
                         struct placement *out)
{
    size_t count;
    const struct tube *tubes = patient_tubes(p, &count);
    for (int i = 0; i < TRIALS; i++) {
        size_t k = vessel_draw(r, tubes, count, vessel_mm);
        if (k == SIZE_MAX)
            return false;
        const struct tube *t = &tubes[k];
        double part = random_uniform(r);
        for (int a = 0; a < 3; a++)
            out->xyz[a] =
                (double)t->from[a] + part * ((double)t->to[a] - (double)t->from[a]);
        if (tube_line(t, out->along) <= 0 ||
            patient_lung_distance(p, out->xyz, &out->side) > -0.5 * vessel_mm)
            continue;
        square_to(r, out->along, out->normal);
        out->vessel_mm = tube_mm(t);
        return true;
    }
    return false;
}

/* Square of the distance of a point to a tube's axis. */
static double axis_distance(const struct tube *t, const double xyz[3])
{
    double along[3], off[3];
    double length = tube_line(t, along);
    for (int a = 0; a < 3; a++)
        off[a] = xyz[a] - (double)t->from[a];
    double at = fmax(0, fmin(length, dot(off, along)));
    for (int a = 0; a < 3; a++)
        off[a] -= at * along[a];
    return dot(off, off);
}

/* In the angle of a large vessel near the mediastinum. */
static bool hilar(struct random *r, const struct patient *p, double radius,
                  struct placement *out)
{
    for (int i = 0; i < TRIALS; i++) {
        if (!placement_on_vessel(r, p, random_between(r, 7, 14), out))
            return false;
        double off = 0.5 * out->vessel_mm + 0.3 * radius;
        for (int a = 0; a < 3; a++)
            out->xyz[a] += off * out->normal[a];
        double depth = -patient_lung_distance(p, out->xyz, &out->side);
        if (depth > 0.3 * radius && depth < 18)
            return true;
    }
    return false;
}

/* No vessel of note within `radius_mm`. */
static bool free_of_vessels(const struct patient *p, const double xyz[3],
                            double radius_mm)
{
    size_t count;
    const struct tube *tubes = patient_tubes(p, &count);
    double note = fmax(0.9, 0.2 * radius_mm);
    for (size_t i = 0; i < count; i++) {
        const struct tube *t = &tubes[i];
        double widest = fmax((double)t->radius_from, (double)t->radius_to);
        double room = radius_mm + widest;
        if (widest > note && axis_distance(t, xyz) < room * room)
            return false;
    }
    return true;
}

static bool isolated(struct random *r, const struct patient *p, double radius,
                     struct placement *out)
{
    for (int i = 0; i < TRIALS; i++) {
        if (!placement_in_lung(r, p, radius + 1.5, out))
            return false;
        if (patient_fissure_distance(p, out->xyz, out->side) > radius &&
            free_of_vessels(p, out->xyz, radius + 0.5))
            return true;
    }
    return false;
}

/* Beside a vessel thinner than the finding, touching it. */
static bool beside_vessel(struct random *r, const struct patient *p, double radius,
                          struct placement *out)
{
    for (int i = 0; i < TRIALS; i++) {
        double vessel = random_between(r, 1.4, fmax(1.8, fmin(6, 1.6 * radius)));
        if (!placement_on_vessel(r, p, vessel, out))
            return false;
        double off = 0.5 * out->vessel_mm + random_between(r, 0.2, 0.8) * radius;
        for (int a = 0; a < 3; a++)
            out->xyz[a] += off * out->normal[a];
        if (patient_lung_distance(p, out->xyz, &out->side) < -radius)
            return true;
    }
    return false;
}

/* Where the axes of two tubes come closest: the distance, and the middle between. */
static double closest_approach(const struct tube *s, const struct tube *t, double *cosine,
                               double middle[3])
{
    double u[3], v[3], w[3];
    double length_u = tube_line(s, u), length_v = tube_line(t, v);
    for (int a = 0; a < 3; a++)
        w[a] = (double)s->from[a] - (double)t->from[a];
    double b = dot(u, v), d = dot(u, w), e = dot(v, w), square = 1 - b * b;
    double at_u = square > 1e-6 ? (b * e - d) / square : 0;
    at_u = fmax(0, fmin(length_u, at_u));
    double at_v = fmax(0, fmin(length_v, at_u * b + e));
    double gap[3];
    for (int a = 0; a < 3; a++) {
        double x = (double)s->from[a] + at_u * u[a], y = (double)t->from[a] + at_v * v[a];
        gap[a] = x - y;
        middle[a] = 0.5 * (x + y);
    }
    *cosine = fabs(b);
    return sqrt(dot(gap, gap));
}

/* Another vessel that crosses tube k, or leaves it, at an angle; the place between. */
static bool crossing_of(const struct tube *tubes, size_t count, size_t k,
                        struct placement *out)
{
    const struct tube *s = &tubes[k];
    for (size_t i = 0; i < count; i++) {
        const struct tube *t = &tubes[i];
        double cosine, middle[3];
        if (i == k || t->kind == TUBE_BRONCHUS || tube_mm(t) < 0.4 * tube_mm(s))
            continue;
        double room = 0.5 * (tube_mm(s) + tube_mm(t)) + 0.4;
        double ends = axis_distance(
            s, (double[3]){(double)t->from[0], (double)t->from[1], (double)t->from[2]});
        double along[3], length = tube_line(t, along);
        if (ends > (room + length) * (room + length))
            continue;
        if (closest_approach(s, t, &cosine, middle) > room || cosine > CROSSING_COSINE)
            continue;
        for (int a = 0; a < 3; a++)
            out->xyz[a] = middle[a];
        return true;
    }
    return false;
}

static bool at_crossing(struct random *r, const struct patient *p, double diameter_mm,
                        struct placement *out)
{
    size_t count;
    const struct tube *tubes = patient_tubes(p, &count);
    for (int i = 0; i < TRIALS; i++) {
        size_t k = vessel_draw(r, tubes, count, diameter_mm / 1.15);
        if (k == SIZE_MAX)
            return false;
        if (!crossing_of(tubes, count, k, out) || tube_line(&tubes[k], out->along) <= 0 ||
            patient_lung_distance(p, out->xyz, &out->side) > -0.5 * diameter_mm)
            continue;
        square_to(r, out->along, out->normal);
        out->vessel_mm = tube_mm(&tubes[k]);
        return true;
    }
    return false;
}

/* Low and behind, where lungs collapse of their own weight. */
static bool dependent(struct random *r, const struct patient *p, double depth_mm,
                      struct placement *out)
{
    struct box box = patient_lungs(p);
    for (int i = 0; i < TRIALS; i++) {
        if (!placement_at_pleura(r, p, depth_mm, out))
            return false;
        double back = (out->xyz[1] - box.low[1]) / (box.high[1] - box.low[1]);
        double down = (box.high[2] - out->xyz[2]) / (box.high[2] - box.low[2]);
        if (back > 0.5 && down > 0.35)
            return true;
    }
    return false;
}

bool placement_draw(struct random *r, const struct patient *p, const struct finding *f,
                    struct placement *out)
{
    double radius = 0.5 * f->diameter_mm;
    if (f->kind == FINDING_VESSEL_CROSSING)
        return at_crossing(r, p, f->diameter_mm, out);
    if (f->kind == FINDING_ATELECTASIS)
        return dependent(r, p, random_between(r, 1, 1.4) * radius, out);
    if (f->kind == FINDING_PLAQUE)
        return placement_at_pleura(r, p, 0.1 * radius, out);
    if (f->kind == FINDING_LYMPH_NODE && f->place == PLACE_VESSEL)
        return hilar(r, p, radius, out);
    switch (f->place) {
    case PLACE_VESSEL:
        return beside_vessel(r, p, radius, out);
    case PLACE_PLEURA:
        return placement_at_pleura(r, p, random_between(r, 0.35, 0.85) * radius, out);
    case PLACE_FISSURE:
        return on_fissure(r, p, radius, out);
    default:
        return isolated(r, p, radius, out);
    }
}
