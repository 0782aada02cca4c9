/*
 * The lungs are the air inside the body that is wrapped in tissue, from front and back,
 * and is neither bowel gas nor airway. All of it is decided on cells of 2 mm, where noise
 * is averaged out and a whole chest is some four million cells; the last step brings the
 * mask back to voxels.
 *
 *   1  air: cells whose mean is below -400 HU
 *   2  away with air that a path inside an axial slice joins to the slice's border: what
 *      surrounds the body, and the padding of the field of view. Slices, since a trachea
 *      that is open at the top slice would join the lungs to the outside in 3D
 *   3  away with airways: components of nearly empty cells, long, thin, in the middle
 *   4  components: kept when large beside the largest, denser than gas, and with a chest
 *      wall's worth of tissue in front and behind (a hollow table has a thin shell)
 *   5  each half closed with a ball, so that vessels and nodules on the pleura belong to
 *      it; halves apart, since they come close to each other before and behind the heart
 *
 * A crop that the lung fills to its sides has no outside to be found in step 2: when
 * nothing is left, what is dense enough to be lung is taken back.
 */
#include "ct/lung_mask.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "ct/cells.h"

static const double CELL_MM = 2.0;
static const double CLOSING_MM = 11.0;
static const double WALL_MM = 8.0; /* tissue before and behind a lung, on average */
static const float AIR_HU = -400, GAS_HU = -945, TISSUE_HU = -300;
static const double AIRWAY_LENGTH_MM = 30, AIRWAY_AREA_MM2 = 900, AIRWAY_OFF_MM = 45;
static const double AIRWAY_ML = 180;
static const double SMALLEST_SHARE = 0.08; /* of the largest component */
static const double LEAST_LUNG = 0.02;     /* of a volume; less: take it for a crop */

struct search {
    struct cells cells;
    size_t count;
    float *mean;
    uint8_t *air, *other;
    int32_t *label;
};

static size_t at(const struct cells *c, int64_t z, int64_t y, int64_t x)
{
    return (size_t)((z * c->size[1] + y) * c->size[2] + x);
}

/* Takes from `air` what touches a side of its slice through air below `hu`. */
static enum status drop_outside(struct search *s, float hu, struct error *err)
{
    enum status status = STATUS_OK;
    struct cells slice = s->cells;
    slice.size[0] = 1;
    size_t n = cells_count(&slice);
    uint8_t *open = NULL;
    TRY(memory_new(n + 1, 1, "components of a slice", (void **)&open, err));
    for (int64_t z = 0; z < s->cells.size[0]; z++) {
        size_t base = (size_t)z * n;
        int32_t count;
        for (size_t i = 0; i < n; i++)
            s->other[base + i] = s->air[base + i] && s->mean[base + i] < hu;
        TRY(cells_components(&slice, s->other + base, s->label + base, &count, err));
        memset(open, 0, n + 1);
        for (int64_t y = 0; y < slice.size[1]; y++)
            for (int64_t x = 0; x < slice.size[2]; x++)
                if (y == 0 || x == 0 || y == slice.size[1] - 1 || x == slice.size[2] - 1)
                    open[s->label[base + at(&slice, 0, y, x)]] = 1;
        for (size_t i = 0; i < n; i++)
            if (s->label[base + i] && open[s->label[base + i]])
                s->air[base + i] = 0;
    }
out:
    free(open);
    return status;
}

/* What is known of a component. */
struct part {
    double cells, sum, x_sum; /* how many, their HU, their columns */
    double front, back;       /* mm of tissue before and behind, summed */
    int64_t low[3], high[3];
    bool keep;
};

static void survey_parts(const struct search *s, struct part *parts, int32_t count)
{
    const struct cells *c = &s->cells;
    for (int32_t p = 0; p <= count; p++)
        parts[p] = (struct part){.low = {c->size[0], c->size[1], c->size[2]}};
    for (int64_t z = 0; z < c->size[0]; z++)
        for (int64_t x = 0; x < c->size[2]; x++) {
            double total = 0, before = 0;
            for (int64_t y = 0; y < c->size[1]; y++)
                total += s->mean[at(c, z, y, x)] > TISSUE_HU;
            for (int64_t y = 0; y < c->size[1]; y++) {
                size_t i = at(c, z, y, x);
                before += s->mean[i] > TISSUE_HU;
                if (!s->label[i])
                    continue;
                struct part *p = &parts[s->label[i]];
                int64_t where[3] = {z, y, x};
                for (int a = 0; a < 3; a++) {
                    p->low[a] = where[a] < p->low[a] ? where[a] : p->low[a];
                    p->high[a] = where[a] > p->high[a] ? where[a] : p->high[a];
                }
                p->cells++;
                p->sum += s->mean[i];
                p->x_sum += (double)x;
                p->front += before * c->spacing[1];
                p->back += (total - before) * c->spacing[1];
            }
        }
}

static double cell_ml(const struct cells *c)
{
    return c->spacing[0] * c->spacing[1] * c->spacing[2] / 1000.0;
}

static bool is_airway(const struct cells *c, const struct part *p, double middle_x)
{
    double length = (double)(p->high[0] - p->low[0] + 1) * c->spacing[0];
    double volume = p->cells * cell_ml(c);
    return volume < AIRWAY_ML && length >= AIRWAY_LENGTH_MM &&
           volume * 1000.0 / length < AIRWAY_AREA_MM2 &&
           fabs(p->x_sum / p->cells - middle_x) * c->spacing[2] < AIRWAY_OFF_MM;
}

/* Takes airways and the lining of one cell around them out of `air`. */
static enum status drop_airways(struct search *s, struct error *err)
{
    enum status status = STATUS_OK;
    const struct cells *c = &s->cells;
    struct part *parts = NULL;
    float *squared = NULL;
    int32_t count;
    double middle = 0, air = 0;
    for (size_t i = 0; i < s->count; i++) {
        s->other[i] = s->air[i] && s->mean[i] < GAS_HU;
        air += s->air[i];
        middle += s->air[i] ? (double)(i % (size_t)c->size[2]) : 0;
    }
    if (air == 0)
        return STATUS_OK;
    TRY(cells_components(c, s->other, s->label, &count, err));
    TRY(memory_new((size_t)count + 1, sizeof *parts, "components", (void **)&parts, err));
    TRY(memory_new(s->count, sizeof *squared, "distances", (void **)&squared, err));
    survey_parts(s, parts, count);
    for (int32_t p = 1; p <= count; p++)
        parts[p].keep = is_airway(c, &parts[p], middle / air);
    for (size_t i = 0; i < s->count; i++)
        s->other[i] = parts[s->label[i]].keep;
    TRY(cells_distance(c, s->other, squared, err));
    for (size_t i = 0; i < s->count; i++)
        if (squared[i] <= CELL_MM * CELL_MM * 1.5)
            s->air[i] = 0;
out:
    free(parts);
    free(squared);
    return status;
}

/* Leaves the lungs in `air`; *cells is how many. A crop has no walls to ask for. */
static enum status keep_lungs(struct search *s, bool walled, double *cells,
                              struct error *err)
{
    enum status status = STATUS_OK;
    struct part *parts = NULL;
    int32_t count;
    double largest = 0;
    *cells = 0;
    TRY(cells_components(&s->cells, s->air, s->label, &count, err));
    TRY(memory_new((size_t)count + 1, sizeof *parts, "components", (void **)&parts, err));
    survey_parts(s, parts, count);
    for (int32_t k = 1; k <= count; k++) {
        struct part *p = &parts[k];
        p->keep =
            p->sum / p->cells > GAS_HU &&
            (!walled || (p->front > WALL_MM * p->cells && p->back > WALL_MM * p->cells));
        if (p->keep && p->cells > largest)
            largest = p->cells;
    }
    for (size_t i = 0; i < s->count; i++) {
        const struct part *p = &parts[s->label[i]];
        s->air[i] = p->keep && p->cells >= SMALLEST_SHARE * largest;
        *cells += s->air[i];
    }
out:
    free(parts);
    return status;
}

/* The column between the lungs: fewest air cells, in the middle half of their extent. */
static int64_t middle_column(const struct search *s)
{
    const struct cells *c = &s->cells;
    int64_t low = c->size[2], high = -1, best = 0;
    for (size_t i = 0; i < s->count; i++)
        if (s->air[i]) {
            int64_t x = (int64_t)(i % (size_t)c->size[2]);
            low = x < low ? x : low;
            high = x > high ? x : high;
        }
    size_t fewest = SIZE_MAX;
    for (int64_t x = low + (high - low) / 4; x <= high - (high - low) / 4; x++) {
        size_t air = 0;
        for (size_t row = 0; row < s->count / (size_t)c->size[2]; row++)
            air += s->air[row * (size_t)c->size[2] + (size_t)x];
        if (air < fewest) {
            fewest = air;
            best = x;
        }
    }
    return best;
}

/* Closes the columns [first, end) of `air` on their own, adding to `closed`. */
static enum status close_half(const struct search *s, int64_t first, int64_t end,
                              uint8_t *closed, struct error *err)
{
    enum status status = STATUS_OK;
    const struct cells *c = &s->cells;
    int64_t margin = (int64_t)(CLOSING_MM / c->spacing[2]) + 1;
    int64_t low = first < margin ? 0 : first - margin;
    int64_t high = end + margin > c->size[2] ? c->size[2] : end + margin;
    struct cells half = *c;
    half.size[2] = high - low;
    uint8_t *set = NULL;
    TRY(memory_new(cells_count(&half), 1, "half of the lungs", (void **)&set, err));
    for (int64_t z = 0, row = 0; z < c->size[0]; z++)
        for (int64_t y = 0; y < c->size[1]; y++, row++)
            for (int64_t x = first; x < end; x++)
                set[row * half.size[2] + x - low] = s->air[row * c->size[2] + x];
    TRY(cells_close(&half, set, CLOSING_MM, err));
    for (int64_t z = 0, row = 0; z < c->size[0]; z++)
        for (int64_t y = 0; y < c->size[1]; y++, row++)
            for (int64_t x = low; x < high; x++)
                closed[row * c->size[2] + x] |= set[row * half.size[2] + x - low];
out:
    free(set);
    return status;
}

/* Whether a voxel of air stands beside a cell of the lungs. */
static bool beside_lung(const struct search *s, int64_t z, int64_t y, int64_t x)
{
    const struct cells *c = &s->cells;
    const int64_t where[3] = {z, y, x};
    for (int side = 0; side < 6; side++) {
        int64_t next[3] = {z, y, x};
        int a = side / 2;
        next[a] = where[a] + (side % 2 ? 1 : -1);
        if (next[a] >= 0 && next[a] < c->size[a] &&
            s->air[at(c, next[0], next[1], next[2])])
            return true;
    }
    return false;
}

static void to_voxels(const struct search *s, const uint8_t *closed,
                      const struct geometry *g, const float *hu, uint8_t *mask)
{
    const struct cells *c = &s->cells;
    for (int64_t k = 0, i = 0; k < g->size[0]; k++)
        for (int64_t j = 0; j < g->size[1]; j++) {
            int64_t z = k / c->factor[0], y = j / c->factor[1];
            for (int64_t x = 0; x < c->size[2]; x++) {
                int64_t end = (x + 1) * c->factor[2];
                end = end > g->size[2] ? g->size[2] : end;
                size_t cell = at(c, z, y, x);
                bool beside = !closed[cell] && s->mean[cell] < TISSUE_HU + 200 &&
                              s->mean[cell] > GAS_HU && beside_lung(s, z, y, x);
                for (int64_t v = x * c->factor[2]; v < end; v++, i++)
                    mask[i] = closed[cell] || (beside && hu[i] < AIR_HU);
            }
        }
}

static enum status search_init(struct search *s, const struct geometry *g,
                               const float *hu, struct error *err)
{
    enum status status = STATUS_OK;
    cells_init(&s->cells, g, CELL_MM);
    s->count = cells_count(&s->cells);
    TRY(memory_new(s->count, sizeof *s->mean, "means of cells", (void **)&s->mean, err));
    TRY(memory_new(s->count, 1, "cells of air", (void **)&s->air, err));
    TRY(memory_new(s->count, 1, "cells", (void **)&s->other, err));
    TRY(memory_new(s->count, sizeof *s->label, "labels", (void **)&s->label, err));
    cells_mean(&s->cells, g, hu, s->mean);
out:
    return status;
}

/* Steps 1 to 4; with `gas_hu` the outside is only what is as empty as gas. */
static enum status find_air(struct search *s, bool crop, double *cells, struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < s->count; i++)
        s->air[i] = s->mean[i] < AIR_HU;
    TRY(drop_outside(s, crop ? GAS_HU : AIR_HU, err));
    TRY(drop_airways(s, err));
    TRY(keep_lungs(s, !crop, cells, err));
out:
    return status;
}

enum status lung_mask(const struct geometry *g, const float *hu, uint8_t *mask,
                      struct error *err)
{
    enum status status = STATUS_OK;
    struct search s = {0};
    double cells;
    memset(mask, 0, (size_t)geometry_voxels(g));
    TRY(search_init(&s, g, hu, err));
    TRY(find_air(&s, false, &cells, err));
    if (cells < LEAST_LUNG * (double)s.count)
        TRY(find_air(&s, true, &cells, err));
    if (cells > 0) {
        int64_t middle = middle_column(&s);
        memset(s.other, 0, s.count);
        TRY(close_half(&s, 0, middle, s.other, err));
        TRY(close_half(&s, middle, s.cells.size[2], s.other, err));
        to_voxels(&s, s.other, g, hu, mask);
    }
out:
    free(s.mean);
    free(s.air);
    free(s.other);
    free(s.label);
    return status;
}
