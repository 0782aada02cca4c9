/*
 * Each nodule is drawn, placed, painted and blended before the next: `hu` always holds
 * what has been implanted so far, though places are chosen in the scan as it was.
 *
 * Blending. A copy of the surroundings, freed of noise by a filter that keeps edges, is
 * painted as a phantom's slices are; the difference that painting made goes through the
 * scan's own blur and is added to the scan. So the noise that was there stays there, and
 * where the paint ends nothing has changed.
 *
 * Places are looked for on cells of 2 mm: how deep in the lung, and how much that is
 * denser than lung stands within a nodule's reach.
 */
#include "phantom/implant.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "ct/cells.h"
#include "ct/lung_mask.h"
#include "phantom/finding_draw.h"
#include "phantom/finding_make.h"
#include "phantom/finding_placement.h"
#include "phantom/scan_look.h"
#include "phantom/scanner.h"

enum { LOOKS = 8, PLACES = 500, SIZES = 2000 };
static const double CELL_MM = 2.0;
static const double ROOM_MM = 1.5;      /* around a nodule that stands alone */
static const float DENSE_HU = -600;     /* mean of a cell that holds more than lung */
static const double ALONE_SHARE = 0.03; /* of dense cells around an isolated nodule */
static const double VESSEL_SHARES[2] = {0.04, 0.15}; /* around one on a vessel */
static const double RECESS_MM = 6,
                    RECESS_SHARE = 0.5; /* of tissue around one at a wall */
static const double WINDOW_MM = 6;      /* around a shape, for its distance to the wall */

struct implanting {
    const struct geometry *grid;
    float *hu;
    uint8_t *mask;
    struct scan_look look;
    struct cells cells;
    float *mean, *depth_squared; /* of cells */
    int64_t *inside;             /* cells of the lungs */
    size_t inside_count;
};

static void implanting_release(struct implanting *w)
{
    free(w->mask);
    free(w->mean);
    free(w->depth_squared);
    free(w->inside);
}

/* The voxel in the middle of a cell. */
static int64_t cell_voxel(const struct implanting *w, int64_t cell, int64_t voxel[3])
{
    const int64_t *size = w->cells.size;
    const int64_t at[3] = {cell / size[2] / size[1], cell / size[2] % size[1],
                           cell % size[2]};
    for (int a = 0; a < 3; a++) {
        voxel[a] = at[a] * w->cells.factor[a] + w->cells.factor[a] / 2;
        if (voxel[a] >= w->grid->size[a])
            voxel[a] = w->grid->size[a] - 1;
    }
    return (voxel[0] * w->grid->size[1] + voxel[1]) * w->grid->size[2] + voxel[2];
}

static enum status look_at_lungs(struct implanting *w, struct error *err)
{
    enum status status = STATUS_OK;
    uint8_t *outside = NULL;
    cells_init(&w->cells, w->grid, CELL_MM);
    size_t n = cells_count(&w->cells);
    TRY(memory_new(n, sizeof *w->mean, "cells", (void **)&w->mean, err));
    TRY(memory_new(n, sizeof *w->depth_squared, "cells", (void **)&w->depth_squared,
                   err));
    TRY(memory_new(n, sizeof *w->inside, "cells", (void **)&w->inside, err));
    TRY(memory_new(n, 1, "cells", (void **)&outside, err));
    cells_mean(&w->cells, w->grid, w->hu, w->mean);
    for (size_t i = 0; i < n; i++) {
        int64_t voxel[3];
        outside[i] = !w->mask[cell_voxel(w, (int64_t)i, voxel)];
        if (!outside[i])
            w->inside[w->inside_count++] = (int64_t)i;
    }
    TRY(cells_distance(&w->cells, outside, w->depth_squared, err));
out:
    free(outside);
    return status;
}

/* Share of dense cells in the ball of this radius around a cell; 1 where the ball leaves
 * the volume. */
static double dense_share(const struct implanting *w, int64_t cell, double radius_mm)
{
    const struct cells *c = &w->cells;
    const int64_t at[3] = {cell / c->size[2] / c->size[1], cell / c->size[2] % c->size[1],
                           cell % c->size[2]};
    int64_t half[3];
    for (int a = 0; a < 3; a++) {
        half[a] = (int64_t)(radius_mm / c->spacing[a]);
        if (at[a] - half[a] < 0 || at[a] + half[a] >= c->size[a])
            return 1;
    }
    double dense = 0, all = 0;
    for (int64_t z = -half[0]; z <= half[0]; z++)
        for (int64_t y = -half[1]; y <= half[1]; y++)
            for (int64_t x = -half[2]; x <= half[2]; x++) {
                double square = pow((double)z * c->spacing[0], 2) +
                                pow((double)y * c->spacing[1], 2) +
                                pow((double)x * c->spacing[2], 2);
                if (square > radius_mm * radius_mm)
                    continue;
                all++;
                dense += w->mean[cell + (z * c->size[1] + y) * c->size[2] + x] > DENSE_HU;
            }
    return dense / all;
}

/* Whether a cell is a place for a nodule of this kind and size. */
static bool suits(const struct implanting *w, int64_t cell, enum finding_place place,
                  double radius)
{
    double depth = sqrt((double)w->depth_squared[cell]);
    double share;
    switch (place) {
    case PLACE_PLEURA:
        return depth > 0.4 * radius + 1 && depth < 0.9 * radius + 1 &&
               dense_share(w, cell, 0.35 * radius) <= 0 &&
               dense_share(w, cell, radius + RECESS_MM) < RECESS_SHARE;
    case PLACE_VESSEL:
        share = dense_share(w, cell, radius + 0.5);
        return depth > radius + 2 && share >= VESSEL_SHARES[0] &&
               share <= VESSEL_SHARES[1] && w->mean[cell] < DENSE_HU;
    default:
        return depth > radius + ROOM_MM &&
               dense_share(w, cell, radius + ROOM_MM) <= ALONE_SHARE;
    }
}

/* Signed distances to the surface of the lung mask in a window of the scan. */
struct wall {
    struct geometry grid;
    struct cells cells; /* one voxel each */
    float *inside, *outside;
};

static void wall_release(struct wall *w)
{
    free(w->inside);
    free(w->outside);
}

/* The voxels within `half_mm` of a point, as a geometry of their own. */
static struct geometry window_of(const struct geometry *g, const double xyz[3],
                                 double half_mm, int64_t low[3])
{
    struct geometry window = *g;
    double middle[3], corner[3];
    geometry_to_index(g, xyz, middle);
    for (int a = 0; a < 3; a++) {
        double half = half_mm / g->spacing[2 - a];
        int64_t from = (int64_t)floor(middle[a] - half);
        int64_t to = (int64_t)ceil(middle[a] + half);
        low[a] = from < 0 ? 0 : from;
        to = to >= g->size[a] ? g->size[a] - 1 : to;
        window.size[a] = to - low[a] + 1;
        corner[a] = (double)low[a];
    }
    geometry_to_mm(g, corner, window.origin);
    return window;
}

static int64_t window_row(const struct geometry *g, const int64_t low[3], int64_t z,
                          int64_t y)
{
    return ((low[0] + z) * g->size[1] + low[1] + y) * g->size[2] + low[2];
}

static enum status wall_init(struct wall *w, const struct implanting *p,
                             const double xyz[3], double half_mm, struct error *err)
{
    enum status status = STATUS_OK;
    int64_t low[3];
    uint8_t *set = NULL;
    *w = (struct wall){.grid = window_of(p->grid, xyz, half_mm, low)};
    cells_init(&w->cells, &w->grid, 0);
    size_t n = (size_t)geometry_voxels(&w->grid);
    TRY(memory_new(n, 1, "lung around a nodule", (void **)&set, err));
    TRY(memory_new(n, sizeof(float), "lung around a nodule", (void **)&w->inside, err));
    TRY(memory_new(n, sizeof(float), "lung around a nodule", (void **)&w->outside, err));
    for (int64_t z = 0, i = 0; z < w->grid.size[0]; z++)
        for (int64_t y = 0; y < w->grid.size[1]; y++)
            for (int64_t x = 0; x < w->grid.size[2]; x++, i++)
                set[i] = p->mask[window_row(p->grid, low, z, y) + x];
    TRY(cells_distance(&w->cells, set, w->outside, err));
    for (size_t i = 0; i < n; i++)
        set[i] = !set[i];
    TRY(cells_distance(&w->cells, set, w->inside, err));
out:
    free(set);
    return status;
}

/* Where no wall is within reach. */
static double no_wall(const void *surface, const double xyz[3])
{
    (void)surface;
    (void)xyz;
    return -HUGE_VAL;
}

static double wall_distance(const void *surface, const double xyz[3])
{
    const struct wall *w = surface;
    double index[3], half = 0.5 * w->grid.spacing[0];
    int64_t at[3];
    geometry_to_index(&w->grid, xyz, index);
    geometry_round(index, at);
    for (int a = 0; a < 3; a++)
        at[a] = at[a] < 0 ? 0 : at[a] >= w->grid.size[a] ? w->grid.size[a] - 1 : at[a];
    int64_t i = (at[0] * w->grid.size[1] + at[1]) * w->grid.size[2] + at[2];
    double in = sqrt((double)w->inside[i]), out = sqrt((double)w->outside[i]);
    in = fmin(in, 1e3);
    return out > 0 ? fmin(out, 1e3) - half : half - in;
}

/* Mean of the lung's cells around one, without what is dense. */
static float around(const struct implanting *w, int64_t cell)
{
    const struct cells *c = &w->cells;
    double sum = 0, count = 0;
    for (int64_t k = -2; k <= 2; k++)
        for (int64_t i = -2; i <= 2; i++) {
            int64_t other = cell + k * c->size[2] + i;
            if (other < 0 || other >= (int64_t)cells_count(c) ||
                w->mean[other] > DENSE_HU)
                continue;
            sum += (double)w->mean[other];
            count++;
        }
    return count > 0 ? (float)(sum / count) : -860;
}

/* A place for a nodule whose look is drawn, and its shape there. */
static enum status place(struct implanting *w, struct random *r,
                         const struct finding_list *l, struct finding *f, bool *placed,
                         struct error *err)
{
    enum status status = STATUS_OK;
    struct wall wall = {.inside = NULL};
    struct finding_seat seat = {.distance = no_wall, .surface = &wall};
    int64_t cell = -1, voxel[3];
    *placed = false;
    for (int i = 0; i < PLACES && cell < 0; i++) {
        int64_t other = w->inside[random_below(r, w->inside_count)];
        cell = suits(w, other, f->place, 0.5 * f->diameter_mm) ? other : -1;
    }
    if (cell < 0)
        return STATUS_OK;
    cell_voxel(w, cell, voxel);
    double index[3];
    for (int a = 0; a < 3; a++)
        index[a] = (double)voxel[a] + random_between(r, -0.5, 0.5);
    geometry_to_mm(w->grid, index, seat.middle);
    seat.around_hu = around(w, cell);
    random_axes(r, seat.along, seat.normal);
    if (sqrt((double)w->depth_squared[cell]) < 1.6 * f->diameter_mm) {
        seat.distance = wall_distance;
        TRY(wall_init(&wall, w, seat.middle, 1.6 * f->diameter_mm + WINDOW_MM, err));
    }
    TRY(finding_make(r, &seat, f, placed, err));
    if (*placed && !finding_is_clear(l, f)) {
        finding_discard(f);
        *placed = false;
    }
out:
    wall_release(&wall);
    return status;
}

/* The mean of what is like a voxel around it: noise goes, edges stay. */
static float quiet(const float *hu, const struct geometry *g, int64_t z, int64_t y,
                   int64_t x, double noise_hu)
{
    double middle = (double)hu[(z * g->size[1] + y) * g->size[2] + x];
    double sum = 0, weights = 0, width = 2.5 * fmax(noise_hu, 5);
    for (int64_t j = y - 3; j <= y + 3; j++)
        for (int64_t i = x - 3; i <= x + 3; i++) {
            if (j < 0 || i < 0 || j >= g->size[1] || i >= g->size[2])
                continue;
            double value = (double)hu[(z * g->size[1] + j) * g->size[2] + i];
            double off = (value - middle) / width;
            double weight = exp(-off * off);
            sum += weight * value;
            weights += weight;
        }
    return (float)(sum / weights);
}

/* Paints into a quiet copy of the surroundings and adds the blurred difference. */
static enum status blend(const struct implanting *w, const struct finding *f,
                         struct error *err)
{
    enum status status = STATUS_OK;
    int64_t low[3];
    float *before = NULL, *after = NULL;
    double margin = 4 * w->look.blur_mm + 2 * w->grid->spacing[0];
    struct geometry box = window_of(w->grid, f->xyz, f->reach_mm + margin, low);
    size_t n = (size_t)geometry_voxels(&box);
    TRY(memory_new(n, sizeof *before, "around a nodule", (void **)&before, err));
    TRY(memory_new(n, sizeof *after, "around a nodule", (void **)&after, err));
    for (int64_t z = 0, i = 0; z < box.size[0]; z++)
        for (int64_t y = 0; y < box.size[1]; y++, i += box.size[2])
            memcpy(after + i, w->hu + window_row(w->grid, low, z, y),
                   (size_t)box.size[2] * sizeof *after);
    for (int64_t z = 0, i = 0; z < box.size[0]; z++)
        for (int64_t y = 0; y < box.size[1]; y++)
            for (int64_t x = 0; x < box.size[2]; x++, i++)
                before[i] = quiet(after, &box, z, y, x, w->look.noise_hu);
    memcpy(after, before, n * sizeof *after);
    TRY(finding_paint(f, &box, 0, box.size[0], after, NULL, 0, err));
    for (size_t i = 0; i < n; i++)
        after[i] -= before[i];
    TRY(scanner_blur(w->look.blur_mm, 0, box.size, box.spacing, after, err));
    for (int64_t z = 0, i = 0; z < box.size[0]; z++)
        for (int64_t y = 0; y < box.size[1]; y++)
            for (int64_t x = 0; x < box.size[2]; x++, i++) {
                float *voxel = &w->hu[window_row(w->grid, low, z, y) + x];
                if (fabsf(after[i]) >= 0.5F)
                    *voxel = rintf(*voxel + after[i]);
            }
out:
    free(before);
    free(after);
    return status;
}

/* A nodule within the bounds asked for; where no nodule is so, of the nearest bound. */
static void draw_within(struct random *r, const double bounds[2], struct finding *f)
{
    double high = bounds[1] > 0 ? bounds[1] : HUGE_VAL;
    for (int i = 0; i < SIZES; i++) {
        nodule_draw(r, f);
        if (f->diameter_mm >= bounds[0] && f->diameter_mm <= high)
            break;
    }
    f->diameter_mm = fmin(high, fmax(bounds[0], f->diameter_mm));
    double u = random_uniform(r); /* nobody knows where the fissures are */
    f->place = u < 0.12 ? PLACE_PLEURA : u < 0.22 ? PLACE_VESSEL : PLACE_ISOLATED;
}

static enum status implant_one(struct implanting *w, const struct implant_options *o,
                               uint64_t ordinal, struct finding_list *l, size_t *capacity,
                               struct error *err)
{
    enum status status = STATUS_OK;
    struct random r = random_stream(o->seed, RANDOM_IMPLANT, o->index, ordinal);
    bool placed = false;
    for (int i = 0; i < LOOKS && !placed; i++) {
        struct finding f;
        draw_within(&r, o->diameter_mm, &f);
        TRY(place(w, &r, l, &f, &placed, err));
        if (placed) {
            TRY(finding_append(l, capacity, &f, err));
            TRY(blend(w, &l->items[l->count - 1], err));
        }
    }
out:
    return status;
}

enum status implant_scan(const struct geometry *g, float *hu,
                         const struct implant_options *options,
                         struct finding_list *truth, struct error *err)
{
    enum status status = STATUS_OK;
    struct implanting w = {.grid = g, .hu = hu};
    size_t capacity = 0;
    *truth = (struct finding_list){0};
    TRY(memory_new((size_t)geometry_voxels(g), 1, "mask of lungs", (void **)&w.mask,
                   err));
    TRY(lung_mask(g, hu, w.mask, err));
    TRY(look_at_lungs(&w, err));
    w.look = scan_look_of(g, hu, w.mask);
    for (size_t i = 0; i < options->count && w.inside_count > 0; i++)
        TRY(implant_one(&w, options, i, truth, &capacity, err));
    findings_sort(truth);
out:
    if (status != STATUS_OK)
        findings_release(truth);
    implanting_release(&w);
    return status;
}
