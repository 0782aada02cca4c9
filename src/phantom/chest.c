#include "phantom/chest.h"

enum { RINGS = 14 };

/* Inner surface of the cage at rest of a deep breath, after axial sections of adults. */
static const double RING_Z[RINGS] = {-340, -280, -230, -180, -140, -100, -60,
                                     -30,  0,    25,   50,   75,   100,  160};
static const double RING_WIDTH[RINGS] = {120, 122, 125, 130, 133, 132, 128,
                                         123, 117, 110, 101, 90,  78,  60};
static const double RING_DEPTH[RINGS] = {84, 86, 90, 95, 97, 96, 92,
                                         87, 81, 75, 68, 60, 52, 45};
static const double RING_CENTRE[RINGS] = {-8, -6, -3, -2, -1, 0,  1,
                                          4,  9,  13, 17, 20, 22, 22};

/* Through the table's points without corners (Catmull-Rom; spacing taken as even). */
static double table(const double *values, int i, double t)
{
    double a = values[i > 0 ? i - 1 : 0], b = values[i], c = values[i + 1],
           d = values[i + 2 < RINGS ? i + 2 : RINGS - 1];
    return b + 0.5 * t *
                   (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
}

struct ring chest_ring(const struct plan *p, double z)
{
    z = clamp(z, RING_Z[0], RING_Z[RINGS - 1]);
    int i = 0;
    while (i < RINGS - 2 && z > RING_Z[i + 1])
        i++;
    double t = (z - RING_Z[i]) / (RING_Z[i + 1] - RING_Z[i]);
    struct ring r = {table(RING_WIDTH, i, t), table(RING_DEPTH, i, t) * p->barrel,
                     table(RING_CENTRE, i, t)};
    r.centre += 6 * (1 - p->barrel);
    return r;
}

/* 1 inside, above 1 outside: a superellipse, fuller than an ellipse at the back. */
static double ring_radius(struct ring r, double x, double y)
{
    double u = fabs(x) / r.width, v = fabs(y - r.centre) / r.depth;
    return pow(u * u * sqrt(u) + v * v * sqrt(v), 0.4);
}

struct vec chest_point(const struct plan *p, double z, double angle, double out)
{
    struct ring r = chest_ring(p, z);
    r.width += out;
    r.depth += out;
    double c = cos(angle), s = sin(angle);
    double k = ring_radius(r, r.width * c, r.centre + r.depth * s);
    return vec(r.width * c / k, r.centre + r.depth * s / k, z);
}

double chest_cage(const struct plan *p, struct vec q)
{
    struct ring r = chest_ring(p, q.z);
    double k = ring_radius(r, q.x, q.y);
    return (k - 1) * 0.5 * (r.width + r.depth);
}

/* 0 below, 1 above. */
static double ramp(double v, double low, double high)
{
    double t = clamp((v - low) / (high - low), 0, 1);
    return t * t * (3 - 2 * t);
}

static double capsule(struct vec q, struct vec a, struct vec b, double ra, double rb)
{
    struct vec ab = vec_sub(b, a), aq = vec_sub(q, a);
    double t = clamp(vec_dot(aq, ab) / vec_dot(ab, ab), 0, 1);
    return vec_length(vec_step(aq, -t, ab)) - lerp(ra, rb, t);
}

static double shoulder(const struct plan *p, struct vec q, double fat)
{
    struct vec m = vec(fabs(q.x), q.y, q.z);
    double up = lerp(20, 95, p->arms);
    double d = capsule(m, vec(112, 34, 62), vec(168, 20, 92 + 0.2 * up), 44, 40);
    double arm = capsule(m, vec(168, 18, 92), vec(198, 2, 92 + up), 40, 36);
    return smooth_min(d, arm, 20) + (1 - p->muscle) * 12 - fat;
}

/* Torso, neck and shoulders around a cage that is thickened by muscle. */
static double trunk(const struct plan *p, struct vec q, double cage, double wall,
                    double fat)
{
    double torso = cage - wall - fat;
    double top = (q.z - 128 + 0.55 * most(0, fabs(q.x) - 45)) * 0.85 - 0.5 * fat;
    torso = smooth_max(torso, top, 20);
    double neck = capsule(q, vec(0, 12, 60), vec(0, -2, 260), 62, 60) - 0.5 * fat;
    return smooth_min(smooth_min(torso, neck, 30), shoulder(p, q, fat), 25);
}

double chest_fascia(const struct plan *p, struct vec q, double cage)
{
    struct ring r = chest_ring(p, q.z);
    double x = q.x / r.width, y = (q.y - r.centre) / r.depth;
    double back = ramp(y, 0.2, 0.9), front = ramp(-y, 0.2, 0.8),
           side = ramp(fabs(x), 0.35, 0.8);
    double high = ramp(q.z, -70, 40);
    double u = fabs(x), spinal = exp(-(u - 0.25) * (u - 0.25) / 0.05),
           broad = exp(-(u - 0.66) * (u - 0.66) / 0.05);
    double wall =
        8.5 + p->muscle *
                  (back * (5 + 9 * spinal + 11 * broad) +
                   high * (13 * front * ramp(u, 0.1, 0.5) + 10 * side * back + 7 * side));
    return trunk(p, q, cage, wall, 0);
}

static struct vec breast(const struct plan *p, struct vec q)
{
    double size = 0.75 + 0.02 * least(p->fat_mm, 30);
    struct vec d = vec_sub(vec(fabs(q.x), q.y, q.z), vec(72, -92, -52));
    return vec(d.x / (58 * size), d.y / (42 * size), d.z / (52 * size));
}

double chest_skin(const struct plan *p, struct vec q, double cage, double fascia)
{
    struct ring r = chest_ring(p, q.z);
    double y = (q.y - r.centre) / r.depth;
    double low = ramp(-q.z, 60, 220);
    double fat =
        p->fat_mm *
            (1 + 0.35 * low * ramp(-y, -0.4, 0.8) - 0.35 * exp(-pow(q.x / 40, 2))) /
            p->mean_scale +
        1.5 * sin(q.z / 37 + p->phase[0]) * sin(q.x / 41 + p->phase[1]);
    fat = most(fat, 3);
    double d = least(fascia - fat, trunk(p, q, cage - 6, 8, fat));
    if (p->female)
        d = smooth_min(d, (vec_length(breast(p, q)) - 1) * 45, 25);
    return d;
}

double chest_gland(const struct plan *p, struct vec q)
{
    if (!p->female)
        return 50;
    double wave = 0.07 * sin(q.x / 7 + p->phase[2]) * sin(q.z / 9 + p->phase[3]);
    return (vec_length(breast(p, vec(q.x, q.y + 3, q.z))) - 0.62 + wave) * 45;
}

double chest_dome(const struct plan *p, struct vec q, int side)
{
    static const double TOP[2] = {-104, -117};
    double cx = side ? 66 : -62, cy = side ? -22 : -26;
    double bend = p->dome_bend[side];
    double dx = (q.x - cx) * (side ? 1 : -1), dy = q.y - cy;
    double lateral = dx > 0 ? 46 * pow(dx / 70, 2) : 12 * pow(dx / 60, 2);
    double back = dy > 0 ? 62 * pow(dy / 105, 2) : 30 * pow(dy / 70, 2);
    double wave = 3 * sin(q.x / 19 + p->phase[4 + side]) * sin(q.y / 23 + p->phase[6]);
    double height = TOP[side] + p->dome_mm[side] - bend * (lateral + back) + wave;
    double rise_x = 2 * bend * (dx > 0 ? 46 * dx / 4900 : 12 * dx / 3600);
    double rise_y = 2 * bend * (dy > 0 ? 62 * dy / 11025 : 30 * dy / 4900);
    return (q.z - height) / sqrt(1 + rise_x * rise_x + rise_y * rise_y);
}

double chest_diaphragm(const struct plan *p, struct vec q)
{
    return smooth_min(chest_dome(p, q, 0), chest_dome(p, q, 1), 12);
}

struct vec chest_spine(const struct plan *p, double z)
{
    double bend = (z + 55) / 150;
    return vec(p->scoliosis_mm * sin(z / 70 + p->phase[7]),
               43 - 15 * p->kyphosis * bend * bend, z);
}
