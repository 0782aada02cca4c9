/*
 * Sharpness: where a row leaves a lung through a wall that is square to it, the profile
 * is a step seen through the scanner. Thousands of them, laid over each other at the
 * place where they cross the middle of the step, average to the edge spread function
 * without noise; its width between a quarter and three quarters is 1.349 standard
 * deviations of the blur, of which the voxel's own box (spacing^2/12) is taken off, since
 * whatever is painted has that already.
 *
 * Noise: differences of neighbours in the lungs' air, by their lower quartile, since
 * vessels are few there and noise of neighbours is correlated: what is estimated is a
 * scale, not a spectrum.
 */
#include "phantom/scan_look.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

enum {
    INSIDE = 5, /* voxels of lung before the edge that must be quiet */
    OUTSIDE = 5,
    BINS_A_VOXEL = 8,
    BINS = (INSIDE + OUTSIDE) * BINS_A_VOXEL,
    LEAST_EDGES = 100,
    NOISE_BINS = 600
};
static const float LUNG_HU = -650, WALL_HU = -120, WALL_MOST_HU = 200;
static const double DEFAULT_BLUR_MM = 0.6, LEAST_MM = 0.25, MOST_MM = 1.5;
static const double NOWHERE = -100;       /* far from any crossing */
static const double SQUARE_VOXELS = 0.35; /* the edge in rows above and below */

struct spread {
    double sum[BINS], count[BINS];
    int64_t edges;
};

/* Where the values cross the middle between lung and wall, from `at` on outwards: a
 * fraction of voxels, or NOWHERE. */
static double crossing(const float *hu, int64_t step, double middle)
{
    for (int i = -2; i < 3; i++) {
        double a = (double)hu[i * step], b = (double)hu[(i + 1) * step];
        if (a < middle && b >= middle)
            return i + (middle - a) / (b - a);
    }
    return NOWHERE;
}

/* Means over the far sides of an edge, both quiet; false where they are something else.
 */
static bool plateaus(const float *hu, int64_t step, double *lung, double *wall)
{
    *lung = *wall = 0;
    for (int i = 3; i <= INSIDE; i++) {
        float in = hu[-i * step], out = hu[i * step];
        if (in > LUNG_HU || out < WALL_HU || out > WALL_MOST_HU)
            return false;
        *lung += (double)in / (INSIDE - 2);
        *wall += (double)out / (INSIDE - 2);
    }
    return true;
}

/* `across` and `slice` step to the neighbouring profiles: the wall is square to the row
 * when they cross it at the same place. */
static void add_edge(struct spread *s, const float *hu, int64_t step, int64_t across,
                     int64_t slice)
{
    double lung, wall;
    if (!plateaus(hu, step, &lung, &wall))
        return;
    const int64_t beside[4] = {-2 * across, 2 * across, -slice, slice};
    double middle = 0.5 * (lung + wall), at = crossing(hu, step, middle), sum = at;
    if (at <= NOWHERE)
        return;
    for (int i = 0; i < 4; i++) {
        double other = crossing(hu + beside[i], step, middle);
        if (fabs(other - at) > SQUARE_VOXELS)
            return;
        sum += other;
    }
    at = sum / 5; /* noise moves a crossing; the mean of five moves less */
    s->edges++;
    for (int i = -INSIDE + 1; i < OUTSIDE; i++) {
        int bin = (int)((i - at + INSIDE) * BINS_A_VOXEL);
        if (bin < 0 || bin >= BINS)
            continue;
        s->sum[bin] += ((double)hu[i * step] - lung) / (wall - lung);
        s->count[bin]++;
    }
}

/* Where the spread passes a level, in voxels. */
static double passes(const struct spread *s, double level)
{
    double before = 0, at_before = 0;
    for (int bin = BINS_A_VOXEL; bin < BINS; bin++) {
        if (s->count[bin] == 0)
            continue;
        double value = s->sum[bin] / s->count[bin];
        double at = (bin + 0.5) / BINS_A_VOXEL;
        if (value >= level && bin > BINS / 4)
            return at_before +
                   (at - at_before) * (level - before) / fmax(value - before, 1e-6);
        before = value;
        at_before = at;
    }
    return at_before;
}

static void find_edges(const struct geometry *g, const float *hu, const uint8_t *mask,
                       struct spread *s)
{
    const int64_t row = g->size[2], slice = g->size[1] * row;
    const int64_t margin = INSIDE + 1;
    for (int64_t z = 1; z < g->size[0] - 1; z++)
        for (int64_t y = margin; y < g->size[1] - margin; y++)
            for (int64_t x = margin; x < row - margin; x++) {
                int64_t i = z * slice + y * row + x;
                if (!mask[i])
                    continue;
                const int64_t steps[4] = {1, -1, row, -row};
                for (int k = 0; k < 4; k++)
                    if (!mask[i + steps[k]])
                        add_edge(s, hu + i, steps[k], k < 2 ? row : 1, slice);
            }
}

static double noise_of(const struct geometry *g, const float *hu, const uint8_t *mask)
{
    int64_t counts[NOISE_BINS] = {0}, total = 0, seen = 0;
    int64_t voxels = geometry_voxels(g);
    for (int64_t i = 3; i < voxels; i += 7)
        if (mask[i] && mask[i - 3] && hu[i] < LUNG_HU && hu[i - 3] < LUNG_HU) {
            int bin = (int)fminf(NOISE_BINS - 1, fabsf(hu[i] - hu[i - 3]));
            counts[bin]++;
            total++;
        }
    for (int bin = 0; bin < NOISE_BINS; bin++) {
        seen += counts[bin];
        if (4 * seen >= total && total > 0)
            return (bin + 0.5) / 0.3186 / sqrt(2);
    }
    return 0;
}

struct scan_look scan_look_of(const struct geometry *g, const float *hu,
                              const uint8_t *mask)
{
    struct spread s = {.edges = 0};
    struct scan_look look = {.blur_mm = DEFAULT_BLUR_MM,
                             .noise_hu = noise_of(g, hu, mask)};
    find_edges(g, hu, mask, &s);
    if (s.edges < LEAST_EDGES)
        return look;
    double spacing = 0.5 * (g->spacing[0] + g->spacing[1]);
    double width = (passes(&s, 0.75) - passes(&s, 0.25)) * spacing / 1.349;
    double square = width * width - spacing * spacing / 12;
    look.edges = s.edges;
    look.blur_mm = fmin(MOST_MM, sqrt(fmax(LEAST_MM * LEAST_MM, square)));
    return look;
}
