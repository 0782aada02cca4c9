/*
 * Each voxel is the mean over its own box: points on a grid of at most half a millimetre
 * are asked whether they lie in the shape. Two things follow from the boundary:
 *
 * - where a shape meets the pleura, a voxel holds wall, lung and finding. What the
 * finding displaces there is lung, not the voxel's mean, or a dark seam would part a
 * nodule from the wall that it sits on.
 * - a mask of "more than half covered" loses thin shapes and gains flat ones by the luck
 *   of the grid. The voxels covered most are taken instead, as many as the volume needs.
 *   That is asked of the whole finding, however small the part to be painted.
 */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "phantom/finding.h"
#include "phantom/finding_shape.h"

static const double SAMPLE_MM = 0.3;
enum { SAMPLES_MOST = 9, SAMPLES_LEAST = 3 };

/* What a finding does to one voxel. */
struct share {
    float shape;  /* of the voxel */
    float beyond; /* of the voxel: behind the cut */
    float hu;     /* mean density of the shape there */
};

/* The voxels that a finding may touch. */
struct patch {
    const struct finding_shape *shape;
    const struct geometry *grid;
    int64_t low[3], size[3]; /* z, y, x */
    int samples[3];          /* z, y, x */
    double step[3][3];       /* mm for one voxel along z, y, x */
    double half_diagonal;
    struct share *shares; /* [z][y][x] */
};

static void patch_bounds(struct patch *p)
{
    const struct geometry *g = p->grid;
    double centre[3], origin[3], zero[3] = {0, 0, 0}, diagonal = 0;
    geometry_to_index(g, p->shape->centroid, centre);
    geometry_to_mm(g, zero, origin);
    for (int a = 0; a < 3; a++) {
        double spacing = g->spacing[2 - a], reach = p->shape->reach / spacing + 1, to[3];
        double one[3] = {a == 0, a == 1, a == 2};
        double low = floor(centre[a] - reach), high = ceil(centre[a] + reach);
        low = fmax(0, fmin(low, (double)g->size[a]));
        high = fmin((double)g->size[a] - 1, fmax(high, -1.0));
        p->low[a] = (int64_t)low;
        p->size[a] = high < low ? 0 : (int64_t)high - (int64_t)low + 1;
        p->samples[a] = (int)ceil(spacing / SAMPLE_MM);
        p->samples[a] = p->samples[a] < SAMPLES_LEAST  ? SAMPLES_LEAST
                        : p->samples[a] > SAMPLES_MOST ? SAMPLES_MOST
                                                       : p->samples[a];
        geometry_to_mm(g, one, to);
        for (int b = 0; b < 3; b++)
            p->step[a][b] = to[b] - origin[b];
        diagonal += spacing * spacing;
    }
    p->half_diagonal = 0.5 * sqrt(diagonal);
}

static struct share sample_voxel(const struct patch *p, const double middle[3])
{
    const struct finding_shape *s = p->shape;
    int in = 0, beyond = 0;
    float sum = 0, hu;
    int total = p->samples[0] * p->samples[1] * p->samples[2];
    for (int i = 0; i < total; i++) {
        double at[3] = {i / p->samples[2] / p->samples[1],
                        i / p->samples[2] % p->samples[1], i % p->samples[2]};
        double xyz[3] = {middle[0], middle[1], middle[2]};
        for (int a = 0; a < 3; a++) {
            double part = (at[a] + 0.5) / p->samples[a] - 0.5;
            for (int b = 0; b < 3; b++)
                xyz[b] += part * p->step[a][b];
        }
        if (finding_shape_at(s, xyz, &hu)) {
            in++;
            sum += hu;
        } else if (s->cut && cut_distance(s->cut, xyz) >= 0) {
            beyond++;
        }
    }
    return (struct share){(float)in / (float)total, (float)beyond / (float)total,
                          in ? sum / (float)in : 0};
}

static struct share share_of(const struct patch *p, int64_t z, int64_t y, int64_t x)
{
    const struct finding_shape *s = p->shape;
    double index[3] = {(double)z, (double)y, (double)x}, middle[3], away = 0;
    geometry_to_mm(p->grid, index, middle);
    for (int a = 0; a < 3; a++)
        away += pow(middle[a] - s->centroid[a], 2);
    away = sqrt(away);
    if (away > s->reach + p->half_diagonal)
        return (struct share){0};
    struct share share = {.shape = 1};
    if (away < s->inner - p->half_diagonal && s->core <= 0 &&
        finding_shape_at(s, middle, &share.hu))
        return share;
    return sample_voxel(p, middle);
}

static float painted(const struct finding_shape *s, const struct share *share, float was)
{
    if (!s->replaces)
        return was + share->shape * fmaxf(0, share->hu - was);
    if (share->beyond > 0) {
        float next = was + share->shape * (share->hu - s->around_hu);
        return fminf(next, fmaxf(was, share->hu));
    }
    return was + share->shape * (share->hu - was);
}

static int by_falling_share(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

/* Which voxels belong to the mask: all above a level, and `taken` of the `tied` ones at
 * it, spread evenly. */
struct level {
    float share;
    size_t tied, taken;
};

static enum status mask_level(const struct patch *p, struct level *level,
                              struct error *err)
{
    size_t n = (size_t)(p->size[0] * p->size[1] * p->size[2]), above = 0;
    double total = 0;
    float *sorted;
    enum status status =
        memory_new(n, sizeof *sorted, "voxels of a finding", (void **)&sorted, err);
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < n; i++) {
        sorted[i] = p->shares[i].shape;
        total += (double)sorted[i];
    }
    qsort(sorted, n, sizeof *sorted, by_falling_share);
    size_t wanted = (size_t)(total + 0.5);
    wanted = wanted < 1 ? 1 : wanted;
    level->share = fmaxf(sorted[wanted - 1], 1e-3F);
    level->tied = 0;
    for (size_t i = 0; i < n; i++) {
        above += sorted[i] > level->share;
        level->tied += sorted[i] == level->share;
    }
    level->taken = wanted - above;
    free(sorted);
    return STATUS_OK;
}

static bool in_mask(const struct level *l, float share, size_t *ties)
{
    if (share != l->share)
        return share > l->share;
    size_t i = (*ties)++;
    return (i + 1) * l->taken / l->tied > i * l->taken / l->tied;
}

static void paint_slices(const struct patch *p, int64_t first, int64_t count, float *hu,
                         uint16_t *mask, uint16_t label, const struct level *level)
{
    const struct geometry *g = p->grid;
    const struct share *share = p->shares;
    size_t ties = 0;
    for (int64_t z = 0; z < p->size[0]; z++) {
        int64_t slice = p->low[0] + z - first;
        bool here = slice >= 0 && slice < count;
        for (int64_t y = 0; y < p->size[1]; y++)
            for (int64_t x = 0; x < p->size[2]; x++, share++) {
                int64_t i =
                    (slice * g->size[1] + p->low[1] + y) * g->size[2] + p->low[2] + x;
                bool marks = mask && in_mask(level, share->shape, &ties);
                if (here && share->shape > 0)
                    hu[i] = painted(p->shape, share, hu[i]);
                if (here && marks && mask[i] == 0)
                    mask[i] = label;
            }
    }
}

enum status finding_paint(const struct finding *f, const struct geometry *grid,
                          int64_t first, int64_t count, float *hu, uint16_t *mask,
                          uint16_t label, struct error *err)
{
    enum status status = STATUS_OK;
    struct patch p = {.shape = f->shape, .grid = grid};
    struct level level = {0};
    patch_bounds(&p);
    if (!mask) { /* nothing but these slices is needed */
        int64_t end = p.low[0] + p.size[0], stop = first + count;
        p.low[0] = p.low[0] > first ? p.low[0] : first;
        end = end < stop ? end : stop;
        p.size[0] = end > p.low[0] ? end - p.low[0] : 0;
    }
    bool touches = p.size[0] > 0 && p.size[1] > 0 && p.size[2] > 0 &&
                   p.low[0] < first + count && p.low[0] + p.size[0] > first;
    if (!touches)
        return STATUS_OK;
    TRY(memory_new((size_t)(p.size[0] * p.size[1] * p.size[2]), sizeof *p.shares,
                   "voxels of a finding", (void **)&p.shares, err));
    struct share *share = p.shares;
    for (int64_t z = 0; z < p.size[0]; z++)
        for (int64_t y = 0; y < p.size[1]; y++)
            for (int64_t x = 0; x < p.size[2]; x++)
                *share++ = share_of(&p, p.low[0] + z, p.low[1] + y, p.low[2] + x);
    if (mask)
        TRY(mask_level(&p, &level, err));
    paint_slices(&p, first, count, hu, mask, label, &level);
out:
    free(p.shares);
    return status;
}
