/*
 * Nothing here is in closed form: bumps, bends and cuts leave no formula for a volume, so
 * it is summed over a fine grid in the shape's own axes, where its bounds are tight even
 * when it is a plate or a band. An uncut shape grows with the cube of its scale and is
 * measured twice; a cut one is brought to its volume within a few steps.
 */
#include "phantom/finding_shape.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

enum { SEARCH_SAMPLES = 24, SAMPLES = 40, FIT_STEPS = 24 };
static const double FIT_TOLERANCE = 0.0015; /* of the diameter */
static const double FACET_POWER = 12;       /* edges rounded */

static double dot(const double a[3], const double b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

double cut_distance(const struct cut *c, const double xyz[3])
{
    int low[3];
    double part[3];
    for (int a = 0; a < 3; a++) {
        double at = (xyz[a] - c->low[a]) / c->step;
        at = at < 0 ? 0 : at > CUT_NODES - 1 ? CUT_NODES - 1 : at;
        low[a] = at >= CUT_NODES - 1 ? CUT_NODES - 2 : (int)at;
        part[a] = at - low[a];
    }
    double sum = 0;
    for (int k = 0; k < 8; k++) {
        int i = k & 1, j = k >> 1 & 1, l = k >> 2;
        double weight = (i ? part[0] : 1 - part[0]) * (j ? part[1] : 1 - part[1]) *
                        (l ? part[2] : 1 - part[2]);
        sum += weight * (double)c->distance[low[2] + l][low[1] + j][low[0] + i];
    }
    return sum;
}

static double outline(const struct finding_shape *s, const double direction[3])
{
    double radius = 1;
    for (int i = 0; i < s->bump_count; i++) {
        const struct bump *l = &s->bumps[i];
        double fall = l->sharpness * (dot(direction, l->direction) - 1);
        if (fall > -12)
            radius += l->height * exp(fall);
    }
    for (int i = 0; i < SHAPE_SWELLS; i++) {
        const struct swell *w = &s->swells[i];
        if (w->height > 0)
            radius += w->height * sin(w->turns * dot(direction, w->direction) + w->phase);
    }
    double facets = 0;
    for (int i = 0; i < s->facet_count; i++) {
        double across = dot(direction, s->facets[i].normal) / s->facets[i].distance;
        if (across > 0)
            facets += pow(across, FACET_POWER);
    }
    return facets > 0 ? radius * pow(facets, -1 / FACET_POWER) : radius;
}

static bool in_spicules(const struct finding_shape *s, const double p[3])
{
    double square = dot(p, p);
    for (int i = 0; i < s->spicule_count; i++) {
        const struct spicule *k = &s->spicules[i];
        double along = dot(p, k->direction);
        if (along <= 0 || along >= k->length)
            continue;
        double width = k->width * (1 - along / k->length);
        if (square - along * along < width * width)
            return true;
    }
    return false;
}

/* p: in the shape's axes, in units of the scale. *relative (or NULL): how far out of the
 * radius in that direction, 0 to 1. */
static int local_at(const struct finding_shape *s, const double p[3], double *relative)
{
    double q[3];
    q[0] = p[0] / s->semi[0];
    q[1] = (p[1] - s->bend[0] * p[0] * p[0]) / s->semi[1];
    q[2] = (p[2] - s->bend[1] * p[0] * p[0]) / s->semi[2];
    double length = sqrt(dot(q, q));
    if (relative)
        *relative = 0;
    if (length < 1e-9)
        return s->core > 0 ? 2 : 1;
    if (length > s->most)
        return in_spicules(s, p) ? 1 : 0;
    if (!relative && length < s->least && s->core <= 0)
        return 1;
    double direction[3] = {q[0] / length, q[1] / length, q[2] / length};
    double radius = outline(s, direction);
    if (relative)
        *relative = fmin(1, length / radius);
    if (length > radius)
        return in_spicules(s, p) ? 1 : 0;
    if (s->core <= 0)
        return 1;
    double c[3] = {q[0] - s->core_middle[0], q[1] - s->core_middle[1],
                   q[2] - s->core_middle[2]};
    return dot(c, c) < s->core * s->core * radius * radius ? 2 : 1;
}

static float density(const struct finding_shape *s, const double xyz[3], int in,
                     double relative)
{
    double hu = (double)(in == 2 ? s->core_hu : s->hu);
    for (int i = 0; i < SHAPE_RIPPLES; i++) {
        const struct ripple *r = &s->ripples[i];
        if (r->hu > 0)
            hu += r->hu * sin(dot(r->wave, xyz) + r->phase);
    }
    if (in == 1 && s->fade > 0)
        hu += s->fade * relative * relative * ((double)s->around_hu - hu);
    return (float)hu;
}

int finding_shape_at(const struct finding_shape *s, const double xyz[3], float *hu)
{
    double off[3], p[3], away = 0, relative;
    for (int a = 0; a < 3; a++) {
        off[a] = xyz[a] - s->middle[a];
        away += (xyz[a] - s->centroid[a]) * (xyz[a] - s->centroid[a]);
    }
    if (away > s->reach * s->reach || (s->cut && cut_distance(s->cut, xyz) >= 0))
        return 0;
    for (int a = 0; a < 3; a++)
        p[a] = dot(off, s->axes[a]) / s->scale;
    int in = local_at(s, p, hu && s->fade > 0 ? &relative : NULL);
    if (hu && in)
        *hu = density(s, xyz, in, s->fade > 0 ? relative : 0);
    return in;
}

/* No direction has less or more than these radii; few shapes come near `most`. */
static void bound_radii(struct finding_shape *s)
{
    double least = 1, most = 1, near = s->facet_count ? HUGE_VAL : 1, far = near;
    for (int i = 0; i < s->bump_count; i++) {
        most += fmax(0, s->bumps[i].height);
        least += fmin(0, s->bumps[i].height);
    }
    for (int i = 0; i < SHAPE_SWELLS; i++) {
        most += s->swells[i].height;
        least -= s->swells[i].height;
    }
    for (int i = 0; i < s->facet_count; i++) {
        near = fmin(near, s->facets[i].distance);
        far = i ? fmax(far, s->facets[i].distance) : s->facets[i].distance;
    }
    if (s->facet_count) {
        far *= 3; /* corners stand out */
        near *= pow(s->facet_count, -1 / FACET_POWER);
    }
    s->least = fmax(0, least) * near;
    s->most = most * far;
}

/* Half widths of a box in the shape's axes that holds it, in units of the scale. */
static void bounds(const struct finding_shape *s, double half[3])
{
    for (int a = 0; a < 3; a++)
        half[a] = s->most * s->semi[a];
    for (int a = 1; a < 3; a++)
        half[a] += fabs(s->bend[a - 1]) * half[0] * half[0];
    for (int i = 0; i < s->spicule_count; i++)
        for (int a = 0; a < 3; a++)
            half[a] =
                fmax(half[a], s->spicules[i].length * fabs(s->spicules[i].direction[a]) +
                                  s->spicules[i].width);
}

/* Sample i of the grid over a box. Rows are shifted against each other, so that no face
 * of a shape lies along a plane of samples: the golden ratio's relatives in two
 * dimensions, 1/g and 1/g^2 with g^3 = g + 1. */
static void sample_point(int i, int n, const double low[3], const double high[3],
                         double p[3])
{
    const int at[3] = {i % n, i / n % n, i / n / n};
    for (int a = 0; a < 3; a++) {
        double shift =
            0.7548776662466927 * at[(a + 1) % 3] + 0.5698402909980532 * at[(a + 2) % 3];
        shift -= floor(shift);
        p[a] = low[a] + (high[a] - low[a]) * (at[a] + shift) / n;
    }
}

static void to_mm(const struct finding_shape *s, const double p[3], double xyz[3])
{
    for (int a = 0; a < 3; a++)
        xyz[a] = s->middle[a] + s->scale * (p[0] * s->axes[0][a] + p[1] * s->axes[1][a] +
                                            p[2] * s->axes[2][a]);
}

/* A pass over a grid of n^3 points: what is inside, and how far it goes. */
struct sums {
    double count, core, first[3];
    double low[3], high[3];   /* of the points inside, in the shape's axes */
    double farthest, nearest; /* from the middle, squared: point inside, outside */
};

static void sample(const struct finding_shape *s, int n, const double low[3],
                   const double high[3], struct sums *out)
{
    *out = (struct sums){
        .low = {1e9, 1e9, 1e9}, .high = {-1e9, -1e9, -1e9}, .nearest = HUGE_VAL};
    for (int i = 0; i < n * n * n; i++) {
        double p[3], xyz[3], square;
        sample_point(i, n, low, high, p);
        square = dot(p, p);
        int in = local_at(s, p, NULL);
        if (in)
            to_mm(s, p, xyz);
        if (!in || (s->cut && cut_distance(s->cut, xyz) >= 0)) {
            out->nearest = fmin(out->nearest, square);
            continue;
        }
        out->count++;
        out->core += in == 2;
        out->farthest = fmax(out->farthest, square);
        for (int a = 0; a < 3; a++) {
            out->first[a] += xyz[a];
            out->low[a] = fmin(out->low[a], p[a]);
            out->high[a] = fmax(out->high[a], p[a]);
        }
    }
}

/* Volume, centroid, radii. The box is found by a coarse pass; a fine one sums over it. */
static void measure(struct finding_shape *s)
{
    struct sums sums;
    double low[3], high[3], half[3], cell = 1, diagonal = 0, off = 0;
    bounds(s, half);
    for (int a = 0; a < 3; a++) {
        low[a] = -half[a];
        high[a] = half[a];
    }
    sample(s, SEARCH_SAMPLES, low, high, &sums);
    s->volume = 0;
    if (sums.count == 0)
        return;
    for (int a = 0; a < 3; a++) {
        double margin = 1.5 * (high[a] - low[a]) / SEARCH_SAMPLES;
        low[a] = fmax(low[a], sums.low[a] - margin);
        high[a] = fmin(high[a], sums.high[a] + margin);
    }
    sample(s, SAMPLES, low, high, &sums);
    for (int a = 0; a < 3; a++) {
        double step = (high[a] - low[a]) * s->scale / SAMPLES;
        cell *= step;
        diagonal += step * step;
        s->centroid[a] = sums.first[a] / sums.count;
        off += pow(s->centroid[a] - s->middle[a], 2);
    }
    diagonal = sqrt(diagonal);
    s->volume = sums.count * cell;
    s->core_share = sums.core / sums.count;
    s->reach = s->scale * sqrt(sums.farthest) + sqrt(off) + 1.5 * diagonal;
    s->inner = fmax(0, s->scale * sqrt(sums.nearest) - sqrt(off) - diagonal);
}

double finding_shape_diameter(const struct finding_shape *s)
{
    return cbrt(s->volume * 6 / M_PI);
}

/* The scale lies between one that was too small and one that was too large; an uncut
 * shape is there after one step, since its volume goes with the cube. */
bool finding_shape_fit(struct finding_shape *s, double diameter_mm)
{
    double small = 0, large = 4 * diameter_mm;
    bound_radii(s);
    if (s->scale <= 0 || s->scale >= large)
        s->scale = diameter_mm / 2;
    for (int step = 0; step < FIT_STEPS; step++) {
        measure(s);
        double factor = s->volume > 0 ? diameter_mm / finding_shape_diameter(s) : 2;
        if (fabs(factor - 1) < FIT_TOLERANCE)
            return true;
        if (factor > 1)
            small = s->scale;
        else
            large = s->scale;
        double next = s->scale * factor;
        s->scale = next > small && next < large ? next : 0.5 * (small + large);
    }
    return false;
}

enum status finding_shape_cut(struct finding_shape *s, double half_mm,
                              surface_distance *distance, const void *surface,
                              struct error *err)
{
    enum status status =
        memory_new(1, sizeof *s->cut, "the cut of a shape", (void **)&s->cut, err);
    if (status != STATUS_OK)
        return status;
    struct cut *c = s->cut;
    c->step = 2 * half_mm / (CUT_NODES - 1);
    for (int a = 0; a < 3; a++)
        c->low[a] = s->middle[a] - half_mm;
    for (int z = 0; z < CUT_NODES; z++)
        for (int y = 0; y < CUT_NODES; y++)
            for (int x = 0; x < CUT_NODES; x++) {
                double xyz[3] = {c->low[0] + c->step * x, c->low[1] + c->step * y,
                                 c->low[2] + c->step * z};
                c->distance[z][y][x] = (float)distance(surface, xyz);
            }
    return STATUS_OK;
}
