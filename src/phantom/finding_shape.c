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

enum { SAMPLES = 40, FIT_STEPS = 24 };
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

/* p: in the shape's axes, in units of the scale. */
static int local_at(const struct finding_shape *s, const double p[3])
{
    double q[3];
    q[0] = p[0] / s->semi[0];
    q[1] = (p[1] - s->bend[0] * p[0] * p[0]) / s->semi[1];
    q[2] = (p[2] - s->bend[1] * p[0] * p[0]) / s->semi[2];
    double length = sqrt(dot(q, q));
    if (length < 1e-9)
        return s->core > 0 ? 2 : 1;
    double direction[3] = {q[0] / length, q[1] / length, q[2] / length};
    double radius = outline(s, direction);
    if (length > radius)
        return in_spicules(s, p) ? 1 : 0;
    if (s->core <= 0)
        return 1;
    double c[3] = {q[0] - s->core_middle[0], q[1] - s->core_middle[1],
                   q[2] - s->core_middle[2]};
    return dot(c, c) < s->core * s->core * radius * radius ? 2 : 1;
}

int finding_shape_at(const struct finding_shape *s, const double xyz[3])
{
    double off[3], p[3], away = 0;
    for (int a = 0; a < 3; a++) {
        off[a] = xyz[a] - s->middle[a];
        away += (xyz[a] - s->centroid[a]) * (xyz[a] - s->centroid[a]);
    }
    if (away > s->reach * s->reach || (s->cut && cut_distance(s->cut, xyz) >= 0))
        return 0;
    for (int a = 0; a < 3; a++)
        p[a] = dot(off, s->axes[a]) / s->scale;
    return local_at(s, p);
}

/* Half widths of a box in the shape's axes that holds it, in units of the scale. */
static void bounds(const struct finding_shape *s, double half[3])
{
    double radius = 1, facets = 0;
    for (int i = 0; i < s->bump_count; i++)
        radius += fmax(0, s->bumps[i].height);
    for (int i = 0; i < s->facet_count; i++)
        facets = fmax(facets, s->facets[i].distance);
    if (s->facet_count)
        radius *= 3 * facets; /* corners stand out */
    for (int a = 0; a < 3; a++)
        half[a] = radius * s->semi[a];
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
static void sample_point(int i, const double low[3], const double high[3], double p[3])
{
    const int at[3] = {i % SAMPLES, i / SAMPLES % SAMPLES, i / SAMPLES / SAMPLES};
    for (int a = 0; a < 3; a++) {
        double shift =
            0.7548776662466927 * at[(a + 1) % 3] + 0.5698402909980532 * at[(a + 2) % 3];
        shift -= floor(shift);
        p[a] = low[a] + (high[a] - low[a]) * (at[a] + shift) / SAMPLES;
    }
}

static void to_mm(const struct finding_shape *s, const double p[3], double xyz[3])
{
    for (int a = 0; a < 3; a++)
        xyz[a] = s->middle[a] + s->scale * (p[0] * s->axes[0][a] + p[1] * s->axes[1][a] +
                                            p[2] * s->axes[2][a]);
}

/* A pass over the grid: what is inside, and where its outermost sample lies. */
struct sums {
    double count, core, first[3];
    double low[3], high[3]; /* of the samples inside, in the shape's axes */
};

static void sample(const struct finding_shape *s, const double low[3],
                   const double high[3], struct sums *out)
{
    *out = (struct sums){.low = {1e9, 1e9, 1e9}, .high = {-1e9, -1e9, -1e9}};
    for (int i = 0; i < SAMPLES * SAMPLES * SAMPLES; i++) {
        double p[3], xyz[3];
        sample_point(i, low, high, p);
        int in = local_at(s, p);
        if (!in)
            continue;
        to_mm(s, p, xyz);
        if (s->cut && cut_distance(s->cut, xyz) >= 0)
            continue;
        out->count++;
        out->core += in == 2;
        for (int a = 0; a < 3; a++) {
            out->first[a] += xyz[a];
            out->low[a] = fmin(out->low[a], p[a]);
            out->high[a] = fmax(out->high[a], p[a]);
        }
    }
}

/* The farthest sample inside, and the nearest outside, of the box around the shape. */
static void measure_radii(struct finding_shape *s, const double low[3],
                          const double high[3])
{
    double farthest = 0, nearest = HUGE_VAL, diagonal = 0;
    for (int a = 0; a < 3; a++)
        diagonal += pow((high[a] - low[a]) * s->scale / SAMPLES, 2);
    diagonal = sqrt(diagonal);
    s->reach = HUGE_VAL;
    for (int i = 0; i < SAMPLES * SAMPLES * SAMPLES; i++) {
        double p[3], xyz[3], away = 0;
        sample_point(i, low, high, p);
        to_mm(s, p, xyz);
        for (int a = 0; a < 3; a++)
            away += pow(xyz[a] - s->centroid[a], 2);
        if (away > farthest && finding_shape_at(s, xyz))
            farthest = away;
        else if (away < nearest && !finding_shape_at(s, xyz))
            nearest = away;
    }
    /* The sides of the box are outside the shape, or close enough to it. */
    s->reach = sqrt(farthest) + 2 * diagonal;
    s->inner = fmax(0, sqrt(nearest) - diagonal);
}

/* The box is found by a first pass; a second one sums over it alone. */
static void measure_sums(struct finding_shape *s, double low[3], double high[3])
{
    struct sums sums;
    double half[3];
    bounds(s, half);
    for (int a = 0; a < 3; a++) {
        low[a] = -half[a];
        high[a] = half[a];
    }
    for (int pass = 0;; pass++) {
        sample(s, low, high, &sums);
        double cell = 1;
        for (int a = 0; a < 3; a++)
            cell *= (high[a] - low[a]) * s->scale / SAMPLES;
        s->volume = sums.count * cell;
        if (pass == 1 || sums.count == 0)
            break;
        for (int a = 0; a < 3; a++) {
            double margin = 1.5 * (high[a] - low[a]) / SAMPLES;
            low[a] = sums.low[a] - margin;
            high[a] = sums.high[a] + margin;
        }
    }
    s->core_share = sums.count > 0 ? sums.core / sums.count : 0;
    for (int a = 0; a < 3; a++)
        s->centroid[a] = sums.count > 0 ? sums.first[a] / sums.count : s->middle[a];
}

double finding_shape_diameter(const struct finding_shape *s)
{
    return cbrt(s->volume * 6 / M_PI);
}

/* The scale lies between one that was too small and one that was too large; an uncut
 * shape is there after one step, since its volume goes with the cube. */
bool finding_shape_fit(struct finding_shape *s, double diameter_mm)
{
    double low[3], high[3], small = 0, large = 4 * diameter_mm;
    if (s->scale <= 0 || s->scale >= large)
        s->scale = diameter_mm / 2;
    for (int step = 0; step < FIT_STEPS; step++) {
        measure_sums(s, low, high);
        double factor = s->volume > 0 ? diameter_mm / finding_shape_diameter(s) : 2;
        if (fabs(factor - 1) < FIT_TOLERANCE) {
            measure_radii(s, low, high);
            return true;
        }
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
