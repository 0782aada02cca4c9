#include "stage/grid.h"

#include <math.h>
#include <omp.h>
#include <stdbool.h>

#include "base/memory.h"
#include "base/size.h"

/* --- the box --- */

/* First and last voxel of the mask along each axis; false when there is none. */
static bool find_box(const struct geometry *g, const uint8_t *mask, int64_t low[3],
                     int64_t high[3])
{
    int64_t width = g->size[2];
    bool found = false;
    for (int64_t z = 0; z < g->size[0]; z++)
        for (int64_t y = 0; y < g->size[1]; y++) {
            const uint8_t *row = mask + (z * g->size[1] + y) * width;
            const uint8_t *one = memchr(row, 1, (size_t)width);
            if (!one)
                continue;
            const uint8_t *last = memrchr(row, 1, (size_t)width);
            const int64_t first_voxel[3] = {z, y, one - row},
                          last_voxel[3] = {z, y, last - row};
            for (int k = 0; k < 3; k++) {
                low[k] = found && low[k] < first_voxel[k] ? low[k] : first_voxel[k];
                high[k] = found && high[k] > last_voxel[k] ? high[k] : last_voxel[k];
            }
            found = true;
        }
    return found;
}

/* Places the grid over the box with its margin. */
static void place(struct grid *grid, const struct geometry *g, const int64_t low[3],
                  const int64_t high[3], const struct grid_options *o)
{
    double length[3], volume = 1;
    for (int k = 0; k < 3; k++) {
        double spacing = g->spacing[2 - k];
        double end = (double)(g->size[k] - 1) * spacing;
        grid->first[k] = fmax((double)low[k] * spacing - o->margin, 0);
        length[k] = fmin((double)high[k] * spacing + o->margin, end) - grid->first[k];
        volume *= length[k] + spacing;
    }
    grid->step = fmax(o->step, cbrt(volume / (double)geometry_voxels(g)));
    for (int k = 0; k < 3; k++)
        grid->size[k] = (int64_t)floor(length[k] / grid->step) + 1;
}

/* --- sampling --- */

/* Where the points of an axis lie between voxels. */
struct axis {
    int64_t *voxel; /* the one before; both are inside the volume */
    int64_t *after;
    float *share; /* of the one after */
};

static void axis_release(struct axis *a)
{
    free(a->voxel);
    free(a->after);
    free(a->share);
}

static enum status axis_init(struct axis *a, const struct grid *grid,
                             const struct geometry *g, int k, struct error *err)
{
    enum status status;
    size_t count = (size_t)grid->size[k];
    TRY(memory_new(count, sizeof *a->voxel, "axis", (void **)&a->voxel, err));
    TRY(memory_new(count, sizeof *a->after, "axis", (void **)&a->after, err));
    TRY(memory_new(count, sizeof *a->share, "axis", (void **)&a->share, err));
    for (size_t i = 0; i < count; i++) {
        double last = (double)(g->size[k] - 1);
        double index = (grid->first[k] + (double)i * grid->step) / g->spacing[2 - k];
        index = fmin(fmax(index, 0), last);
        a->voxel[i] = (int64_t)index;
        a->after[i] = a->voxel[i] < g->size[k] - 1 ? a->voxel[i] + 1 : a->voxel[i];
        a->share[i] = (float)(index - floor(index));
    }
out:
    return status;
}

struct sampling {
    struct axis axes[3];
    const struct geometry *geometry;
    const float *hu;
    const uint8_t *mask;
    float highest;
};

/* row[x] = what lies between four rows of voxels, for all x. */
static void blend_rows(const struct sampling *s, const float *const rows[4],
                       const float weights[4], float *row)
{
    int64_t width = s->geometry->size[2];
    float highest = s->highest;
    memset(row, 0, (size_t)width * sizeof *row);
    for (int k = 0; k < 4; k++) {
        const float *in = rows[k];
        float weight = weights[k];
        for (int64_t x = 0; x < width; x++)
            row[x] += weight * (in[x] < highest ? in[x] : highest);
    }
}

static void sample_row(const struct sampling *s, struct grid *grid, int64_t z, int64_t y,
                       float *row)
{
    const struct axis *az = &s->axes[0], *ay = &s->axes[1], *ax = &s->axes[2];
    int64_t height = s->geometry->size[1], width = s->geometry->size[2];
    float tz = az->share[z], ty = ay->share[y];
    const int64_t zs[] = {az->voxel[z], az->after[z]},
                  ys[] = {ay->voxel[y], ay->after[y]};
    const float *rows[4],
        weights[4] = {(1 - tz) * (1 - ty), (1 - tz) * ty, tz * (1 - ty), tz * ty};
    float *values = grid->values + (z * grid->size[1] + y) * grid->size[2];
    uint8_t *wanted = grid->wanted + (z * grid->size[1] + y) * grid->size[2];
    const uint8_t *mask =
        s->mask +
        ((tz < 0.5f ? zs[0] : zs[1]) * height + (ty < 0.5f ? ys[0] : ys[1])) * width;

    for (int k = 0; k < 4; k++)
        rows[k] = s->hu + (zs[k / 2] * height + ys[k % 2]) * width;
    blend_rows(s, rows, weights, row);
    for (int64_t x = 0; x < grid->size[2]; x++) {
        int64_t before = ax->voxel[x], after = ax->after[x];
        float share = ax->share[x];
        values[x] = (1 - share) * row[before] + share * row[after];
        wanted[x] = mask[share < 0.5f ? before : after];
    }
}

static enum status sample(struct sampling *s, struct grid *grid, int threads,
                          struct error *err)
{
    enum status status;
    size_t width = (size_t)s->geometry->size[2];
    float *rows = NULL;
    for (int k = 0; k < 3; k++)
        TRY(axis_init(&s->axes[k], grid, s->geometry, k, err));
    TRY(memory_new((size_t)threads * width, sizeof *rows, "rows", (void **)&rows, err));
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t z = 0; z < grid->size[0]; z++)
        for (int64_t y = 0; y < grid->size[1]; y++)
            sample_row(s, grid, z, y, rows + (size_t)omp_get_thread_num() * width);
out:
    free(rows);
    for (int k = 0; k < 3; k++)
        axis_release(&s->axes[k]);
    return status;
}

/* --- widening what is wanted --- */

/* One sweep over lines of `count` items that stand `inner` apart, `inner` lines side by
 * side, `step` of one item: items behind one that is 1 become 2. left: how many more
 * items the last one that is 1 reaches. */
static void sweep(uint8_t *item, int64_t count, int64_t inner, int64_t step,
                  uint8_t reach, uint8_t *left)
{
    for (int64_t k = 0; k < inner; k++)
        left[k] = 0;
    for (int64_t i = 0; i < count; i++, item += step)
        for (int64_t k = 0; k < inner; k++) {
            uint8_t was = left[k];
            item[k] = item[k] == 0 && was > 0 ? 2 : item[k];
            left[k] = item[k] == 1 ? reach : (uint8_t)(was - (was > 0));
        }
}

/* Axis by axis, so that a point becomes a box. */
static enum status widen(struct grid *grid, double reach_mm, struct error *err)
{
    enum { LONGEST = 255 };
    enum status status;
    uint8_t reach = (uint8_t)fmin(ceil(reach_mm / grid->step), LONGEST), *left = NULL;
    int64_t points = grid_points(grid), inner = points;
    TRY(memory_new((size_t)(grid->size[1] * grid->size[2]), 1, "mask", (void **)&left,
                   err));
    for (int axis = 0; axis < 3; axis++) {
        int64_t count = grid->size[axis], block = inner;
        inner /= count;
        for (uint8_t *at = grid->wanted; at < grid->wanted + points; at += block) {
            sweep(at, count, inner, inner, reach, left);
            sweep(at + (count - 1) * inner, count, inner, -inner, reach, left);
        }
        for (int64_t i = 0; i < points; i++)
            grid->wanted[i] = grid->wanted[i] != 0;
    }
out:
    free(left);
    return status;
}

enum status grid_init(struct grid *grid, const struct geometry *g, const float *hu,
                      const uint8_t *mask, const struct grid_options *o,
                      struct error *err)
{
    enum status status = STATUS_OK;
    struct sampling s = {.geometry = g, .hu = hu, .mask = mask, .highest = o->highest};
    int64_t low[3], high[3];
    *grid = (struct grid){0};
    if (!find_box(g, mask, low, high))
        return STATUS_OK;
    place(grid, g, low, high, o);
    size_t points = (size_t)grid_points(grid);
    TRY(memory_new(points, sizeof *grid->values, "grid", (void **)&grid->values, err));
    TRY(memory_new(points, 1, "grid", (void **)&grid->wanted, err));
    TRY(sample(&s, grid, o->threads, err));
    TRY(widen(grid, o->reach, err));
out:
    return status;
}

void grid_release(struct grid *grid)
{
    free(grid->values);
    free(grid->wanted);
    *grid = (struct grid){0};
}

/* --- smoothing --- */

enum { REACH_SIGMAS = 4, LANES = 16 };

/* weights[0 .. *reach], half of a symmetric kernel whose sum is 1; to be freed. */
static enum status kernel_new(double sigma, float **weights, int64_t *reach,
                              struct error *err)
{
    *reach = (int64_t)ceil(REACH_SIGMAS * sigma);
    enum status status =
        memory_new((size_t)*reach + 1, sizeof **weights, "kernel", (void **)weights, err);
    if (status != STATUS_OK)
        return status;
    double sum = 0;
    for (int64_t i = -*reach; i <= *reach; i++)
        sum += exp(-(double)(i * i) / (2 * sigma * sigma));
    for (int64_t i = 0; i <= *reach; i++)
        (*weights)[i] = (float)(exp(-(double)(i * i) / (2 * sigma * sigma)) / sum);
    return STATUS_OK;
}

struct kernel {
    const float *weights;
    int64_t reach;
};

/* out[x] = the weighted sum of rows[-reach .. reach][x]. Blocks of LANES stay in
 * registers. */
static void weigh(const struct kernel *k, const float *const *rows, int64_t count,
                  float *out)
{
    for (int64_t x = 0; x < count; x += LANES) {
        int64_t lanes = count - x < LANES ? count - x : LANES;
        float sum[LANES] = {0};
        if (lanes == LANES) {
            for (int i = 0; i < LANES; i++)
                sum[i] = k->weights[0] * rows[0][x + i];
            for (int64_t j = 1; j <= k->reach; j++)
                for (int i = 0; i < LANES; i++)
                    sum[i] += k->weights[j] * (rows[-j][x + i] + rows[j][x + i]);
        } else {
            for (int64_t i = 0; i < lanes; i++)
                sum[i] = k->weights[0] * rows[0][x + i];
            for (int64_t j = 1; j <= k->reach; j++)
                for (int64_t i = 0; i < lanes; i++)
                    sum[i] += k->weights[j] * (rows[-j][x + i] + rows[j][x + i]);
        }
        memcpy(out + x, sum, (size_t)lanes * sizeof *sum);
    }
}

/* What one thread smooths in. */
struct smoothing_bench {
    float *copy;        /* of a plane, or of a row with its ends continued */
    const float **rows; /* [2 * reach + 1] */
};

static int64_t inside(int64_t i, int64_t count)
{
    return i < 0 ? 0 : i < count ? i : count - 1;
}

/* Smooths a plane of `count` rows, `stride` apart, across its rows. */
static void smooth_across(const struct kernel *k, struct smoothing_bench *b, float *plane,
                          int64_t count, int64_t stride, int64_t width)
{
    for (int64_t i = 0; i < count; i++)
        memcpy(b->copy + i * width, plane + i * stride, (size_t)width * sizeof *plane);
    for (int64_t i = 0; i < count; i++) {
        for (int64_t j = -k->reach; j <= k->reach; j++)
            b->rows[k->reach + j] = b->copy + inside(i + j, count) * width;
        weigh(k, b->rows + k->reach, width, plane + i * stride);
    }
}

static void smooth_row(const struct kernel *k, struct smoothing_bench *b, float *row,
                       int64_t width)
{
    for (int64_t x = -k->reach; x < width + k->reach; x++)
        b->copy[k->reach + x] = row[inside(x, width)];
    for (int64_t j = 0; j <= 2 * k->reach; j++)
        b->rows[j] = b->copy + j;
    weigh(k, b->rows + k->reach, width, row);
}

static void smooth_all(struct grid *grid, const struct kernel *k,
                       struct smoothing_bench *benches, int threads)
{
    int64_t depth = grid->size[0], height = grid->size[1], width = grid->size[2];
#pragma omp parallel num_threads(threads)
    {
        struct smoothing_bench *b = &benches[omp_get_thread_num()];
#pragma omp for schedule(static)
        for (int64_t z = 0; z < depth; z++) {
            float *plane = grid->values + z * height * width;
            for (int64_t y = 0; y < height; y++)
                smooth_row(k, b, plane + y * width, width);
            smooth_across(k, b, plane, height, width, width);
        }
#pragma omp for schedule(static)
        for (int64_t y = 0; y < height; y++)
            smooth_across(k, b, grid->values + y * width, depth, height * width, width);
    }
}

enum status grid_smooth(struct grid *grid, double sigma, int threads, struct error *err)
{
    enum status status;
    struct smoothing_bench *benches = NULL;
    float *weights = NULL;
    struct kernel k;
    int64_t most = grid->size[0] > grid->size[1] ? grid->size[0] : grid->size[1];

    TRY(kernel_new(sigma, &weights, &k.reach, err));
    k.weights = weights;
    TRY(memory_new((size_t)threads, sizeof *benches, "smoothing", (void **)&benches,
                   err));
    for (int i = 0; i < threads; i++) {
        TRY(memory_new((size_t)(most * grid->size[2] + 2 * k.reach), sizeof(float),
                       "smoothing", (void **)&benches[i].copy, err));
        TRY(memory_new((size_t)(2 * k.reach + 1), sizeof(float *), "smoothing",
                       (void **)&benches[i].rows, err));
    }
    smooth_all(grid, &k, benches, threads);
out:
    for (int i = 0; benches && i < threads; i++) {
        free(benches[i].copy);
        free(benches[i].rows);
    }
    free(benches);
    free(weights);
    return status;
}

/* In place: a point moves to where points have moved away from. */
void grid_halve(struct grid *grid)
{
    const int64_t old[3] = {grid->size[0], grid->size[1], grid->size[2]};
    int64_t to = 0;
    for (int k = 0; k < 3; k++)
        grid->size[k] = (old[k] + 1) / 2;
    for (int64_t z = 0; z < old[0]; z += 2)
        for (int64_t y = 0; y < old[1]; y += 2)
            for (int64_t x = 0; x < old[2]; x += 2, to++) {
                int64_t from = (z * old[1] + y) * old[2] + x;
                grid->values[to] = grid->values[from];
                grid->wanted[to] = grid->wanted[from];
            }
    grid->step *= 2;
}
