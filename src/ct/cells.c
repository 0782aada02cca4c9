#include "ct/cells.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static const float FAR = 1e18F;

void cells_init(struct cells *c, const struct geometry *g, double cell_mm)
{
    for (int a = 0; a < 3; a++) {
        double spacing = g->spacing[2 - a];
        /* Bounded before it is a whole number: spacings come from files. */
        double voxels = fmin(floor(cell_mm / spacing + 0.5), (double)g->size[a]);
        int64_t factor = voxels > 1 ? (int64_t)voxels : 1;
        c->factor[a] = factor;
        c->size[a] = (g->size[a] + factor - 1) / factor;
        c->spacing[a] = spacing * (double)factor;
    }
}

size_t cells_count(const struct cells *c)
{
    return (size_t)c->size[0] * (size_t)c->size[1] * (size_t)c->size[2];
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Adds one row of voxels to the sums of its row of cells. */
static void add_row(const struct cells *c, int64_t columns, const float *hu, float *sums)
{
    int64_t f = c->factor[2];
    for (int64_t x = 0, cell = 0; x < columns; x += f, cell++) {
        int64_t end = smaller(x + f, columns);
        float sum = 0;
        for (int64_t i = x; i < end; i++)
            sum += fminf(1000, fmaxf(-1000, hu[i]));
        sums[cell] += sum / (float)(end - x);
    }
}

void cells_mean(const struct cells *c, const struct geometry *g, const float *hu,
                float *mean)
{
    int64_t row = 0;
    for (int64_t z = 0; z < c->size[0]; z++)
        for (int64_t y = 0; y < c->size[1]; y++, row++) {
            float *out = mean + row * c->size[2];
            memset(out, 0, (size_t)c->size[2] * sizeof *out);
            int64_t z_end = smaller((z + 1) * c->factor[0], g->size[0]);
            int64_t y_end = smaller((y + 1) * c->factor[1], g->size[1]);
            int64_t rows = 0;
            for (int64_t k = z * c->factor[0]; k < z_end; k++)
                for (int64_t j = y * c->factor[1]; j < y_end; j++, rows++)
                    add_row(c, g->size[2], hu + (k * g->size[1] + j) * g->size[2], out);
            for (int64_t x = 0; x < c->size[2]; x++)
                out[x] /= (float)rows;
        }
}

/* Cells still to be visited, as a stack of indices. */
struct front {
    int64_t *cells;
    size_t count, capacity;
};

static enum status front_push(struct front *f, int64_t cell, struct error *err)
{
    if (f->count == f->capacity) {
        enum status status = memory_grow((void **)&f->cells, &f->capacity, f->count + 1,
                                         sizeof *f->cells, "cells to visit", err);
        if (status != STATUS_OK)
            return status;
    }
    f->cells[f->count++] = cell;
    return STATUS_OK;
}

static enum status fill_component(const struct cells *c, const uint8_t *set,
                                  int32_t *label, int32_t name, struct front *front,
                                  struct error *err)
{
    enum status status = STATUS_OK;
    const int64_t stride[3] = {c->size[1] * c->size[2], c->size[2], 1};
    while (front->count > 0) {
        int64_t cell = front->cells[--front->count];
        int64_t at[3] = {cell / stride[0], cell / stride[1] % c->size[1],
                         cell % c->size[2]};
        for (int side = 0; side < 6; side++) {
            int a = side / 2, step = side % 2 ? 1 : -1;
            if (at[a] + step < 0 || at[a] + step >= c->size[a])
                continue;
            int64_t next = cell + step * stride[a];
            if (!set[next] || label[next])
                continue;
            label[next] = name;
            TRY(front_push(front, next, err));
        }
    }
out:
    return status;
}

enum status cells_components(const struct cells *c, const uint8_t *set, int32_t *label,
                             int32_t *count, struct error *err)
{
    enum status status = STATUS_OK;
    struct front front = {0};
    int64_t n = (int64_t)cells_count(c);
    memset(label, 0, (size_t)n * sizeof *label);
    *count = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!set[i] || label[i])
            continue;
        label[i] = ++*count;
        TRY(front_push(&front, i, err));
        TRY(fill_component(c, set, label, *count, &front, err));
    }
out:
    free(front.cells);
    return status;
}

/* One line of the transform: the lower envelope of the parabolas
 * value[i] + (spacing (x - i))^2. */
struct envelope {
    float *values;   /* of the line, in and out */
    int64_t *owners; /* whose parabola is lowest from starts[k] on */
    double *starts;
    float *copy;
};

static void transform_line(struct envelope *e, int64_t n, double spacing)
{
    double square = spacing * spacing;
    int64_t k = -1;
    memcpy(e->copy, e->values, (size_t)n * sizeof *e->copy);
    for (int64_t q = 0; q < n; q++) {
        if (e->copy[q] >= FAR)
            continue;
        double start = -HUGE_VAL;
        while (k >= 0) {
            int64_t p = e->owners[k];
            start = (((double)e->copy[q] - (double)e->copy[p]) / square +
                     (double)(q * q - p * p)) /
                    (2.0 * (double)(q - p));
            if (start > e->starts[k])
                break;
            k--;
        }
        k++;
        e->owners[k] = q;
        e->starts[k] = k == 0 ? -HUGE_VAL : start;
    }
    if (k < 0)
        return;
    int64_t last = k;
    k = 0;
    for (int64_t q = 0; q < n; q++) {
        while (k < last && e->starts[k + 1] < (double)q)
            k++;
        double away = spacing * (double)(q - e->owners[k]);
        e->values[q] = (float)(away * away + (double)e->copy[e->owners[k]]);
    }
}

static void transform_axis(const struct cells *c, int axis, struct envelope *e,
                           float *squared)
{
    const int64_t stride[3] = {c->size[1] * c->size[2], c->size[2], 1};
    int b = axis == 0 ? 1 : 0, d = axis == 2 ? 1 : 2;
    for (int64_t i = 0; i < c->size[b]; i++)
        for (int64_t j = 0; j < c->size[d]; j++) {
            float *line = squared + i * stride[b] + j * stride[d];
            for (int64_t k = 0; k < c->size[axis]; k++)
                e->values[k] = line[k * stride[axis]];
            transform_line(e, c->size[axis], c->spacing[axis]);
            for (int64_t k = 0; k < c->size[axis]; k++)
                line[k * stride[axis]] = e->values[k];
        }
}

enum status cells_distance(const struct cells *c, const uint8_t *set, float *squared,
                           struct error *err)
{
    enum status status = STATUS_OK;
    struct envelope e = {0};
    int64_t longest = 0;
    for (int a = 0; a < 3; a++)
        longest = c->size[a] > longest ? c->size[a] : longest;
    size_t n = (size_t)longest;
    TRY(memory_new(n, sizeof *e.values, "a line of cells", (void **)&e.values, err));
    TRY(memory_new(n, sizeof *e.copy, "a line of cells", (void **)&e.copy, err));
    TRY(memory_new(n, sizeof *e.owners, "a line of cells", (void **)&e.owners, err));
    TRY(memory_new(n, sizeof *e.starts, "a line of cells", (void **)&e.starts, err));
    for (size_t i = 0; i < cells_count(c); i++)
        squared[i] = set[i] ? 0 : FAR;
    for (int axis = 2; axis >= 0; axis--)
        transform_axis(c, axis, &e, squared);
out:
    free(e.values);
    free(e.copy);
    free(e.owners);
    free(e.starts);
    return status;
}

/* Cells that no path outside the set joins to the border of the volume. */
static enum status fill_enclosed(const struct cells *c, uint8_t *set, struct error *err)
{
    enum status status = STATUS_OK;
    size_t n = cells_count(c);
    uint8_t *outside = NULL, *open = NULL;
    int32_t *label = NULL, count;
    TRY(memory_new(n, 1, "cells outside", (void **)&outside, err));
    TRY(memory_new(n, sizeof *label, "labels of cells", (void **)&label, err));
    for (size_t i = 0; i < n; i++)
        outside[i] = !set[i];
    TRY(cells_components(c, outside, label, &count, err));
    TRY(memory_new((size_t)count + 1, 1, "open components", (void **)&open, err));
    size_t i = 0;
    for (int64_t z = 0; z < c->size[0]; z++)
        for (int64_t y = 0; y < c->size[1]; y++)
            for (int64_t x = 0; x < c->size[2]; x++, i++)
                if (z == 0 || y == 0 || x == 0 || z == c->size[0] - 1 ||
                    y == c->size[1] - 1 || x == c->size[2] - 1)
                    open[label[i]] = 1;
    for (i = 0; i < n; i++)
        if (!set[i] && !open[label[i]])
            set[i] = 1;
out:
    free(outside);
    free(label);
    free(open);
    return status;
}

enum status cells_close(const struct cells *c, uint8_t *set, double radius_mm,
                        struct error *err)
{
    enum status status = STATUS_OK;
    size_t n = cells_count(c);
    float limit = (float)(radius_mm * radius_mm), *squared = NULL;
    uint8_t *far = NULL;
    TRY(memory_new(n, sizeof *squared, "distances of cells", (void **)&squared, err));
    TRY(memory_new(n, 1, "far cells", (void **)&far, err));
    TRY(cells_distance(c, set, squared, err));
    for (size_t i = 0; i < n; i++)
        far[i] = squared[i] > limit;
    TRY(cells_distance(c, far, squared, err));
    for (size_t i = 0; i < n; i++)
        set[i] |= squared[i] > limit;
    TRY(fill_enclosed(c, set, err));
out:
    free(squared);
    free(far);
    return status;
}
