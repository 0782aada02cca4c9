/*
 * A thousand resamples of 888 scans within a second on one core: marks were sorted once,
 * so a resample is one sweep over them with a weight a scan, and the sweep ends where the
 * grid does, at 8 false positives a scan, which most submissions reach after a tenth of
 * their marks. Bounds take two selections a grid point instead of a sort.
 */
#include "score/bootstrap.h"

#include <math.h>

#include "base/memory.h"
#include "base/random.h"
#include "base/size.h"

const double bootstrap_points[BOOTSTRAP_POINTS] = {0.125, 0.25, 0.5, 1, 2, 4, 8};

/* ---- rows ---- */

enum status bootstrap_rows_init(struct bootstrap_rows *r, size_t resamples,
                                struct error *err)
{
    enum status status = STATUS_OK;
    *r = (struct bootstrap_rows){.resamples = resamples};
    TRY(memory_new(resamples, BOOTSTRAP_GRID * sizeof *r->grid, "curves of resamples",
                   (void **)&r->grid, err));
    TRY(memory_new(resamples, BOOTSTRAP_SUMMARY * sizeof *r->summary,
                   "points of resamples", (void **)&r->summary, err));
out:
    if (status != STATUS_OK)
        bootstrap_rows_release(r);
    return status;
}

void bootstrap_rows_release(struct bootstrap_rows *r)
{
    free(r->grid);
    free(r->summary);
    *r = (struct bootstrap_rows){0};
}

void bootstrap_weights(const struct curve_input *in, uint64_t seed, uint64_t index,
                       uint32_t *weights)
{
    struct random random = random_stream(seed, RANDOM_BOOTSTRAP, index, 0);
    bool any = false; /* nodules */
    while (!any) {
        memset(weights, 0, in->scan_count * sizeof *weights);
        for (size_t i = 0; i < in->scan_count; i++) {
            size_t drawn = (size_t)random_below(&random, in->scan_count);
            weights[drawn]++;
            any |= in->scans[drawn].nodules > 0;
        }
    }
}

struct scratch {
    uint32_t *weights;
    struct curve_point *points;
    double *fps, *sensitivity; /* [BOOTSTRAP_GRID] */
};

static void scratch_release(struct scratch *s)
{
    free(s->weights);
    free(s->points);
    free(s->fps);
    free(s->sensitivity);
}

static enum status scratch_init(struct scratch *s, const struct curve_input *in,
                                struct error *err)
{
    enum status status = STATUS_OK;
    *s = (struct scratch){0};
    TRY(memory_new(in->scan_count, sizeof *s->weights, "weights of scans",
                   (void **)&s->weights, err));
    TRY(memory_new(in->event_count + 1, sizeof *s->points, "points of a curve",
                   (void **)&s->points, err));
    TRY(memory_new(BOOTSTRAP_GRID, sizeof *s->fps, "grid of a curve", (void **)&s->fps,
                   err));
    TRY(memory_new(BOOTSTRAP_GRID, sizeof *s->sensitivity, "grid of a curve",
                   (void **)&s->sensitivity, err));
    curve_grid(bootstrap_points[0], bootstrap_points[BOOTSTRAP_POINTS - 1],
               BOOTSTRAP_GRID, s->fps);
out:
    return status;
}

static void fill_row(const struct curve_input *in, uint64_t seed, uint64_t index,
                     struct scratch *s, float *grid, double *summary)
{
    bootstrap_weights(in, seed, index, s->weights);
    size_t count =
        curve_sweep(in, s->weights, bootstrap_points[BOOTSTRAP_POINTS - 1], s->points);
    curve_sample(s->points, count, s->fps, BOOTSTRAP_GRID, s->sensitivity);
    for (size_t i = 0; i < BOOTSTRAP_GRID; i++)
        grid[i] = (float)s->sensitivity[i];
    curve_sample(s->points, count, bootstrap_points, BOOTSTRAP_POINTS, summary);
    double sum = 0;
    for (size_t i = 0; i < BOOTSTRAP_POINTS; i++)
        sum += summary[i];
    summary[BOOTSTRAP_POINTS] = sum / BOOTSTRAP_POINTS;
}

enum status bootstrap_fill(struct bootstrap_rows *r, const struct curve_input *in,
                           uint64_t seed, size_t first, size_t count, struct error *err)
{
    enum status status = STATUS_OK;
    struct scratch scratch;
    uint64_t nodules = 0;
    CHECK(first >= r->first && first - r->first <= r->resamples &&
          count <= r->resamples - (first - r->first));
    for (size_t i = 0; i < in->scan_count; i++)
        nodules += in->scans[i].nodules;
    if (nodules == 0)
        return error_set(err, STATUS_JOB_FAILED,
                         "no nodule on %zu scans: there is no sensitivity to resample",
                         in->scan_count);
    TRY(scratch_init(&scratch, in, err));
    for (size_t i = first; i < first + count; i++)
        fill_row(in, seed, i, &scratch, r->grid + (i - r->first) * BOOTSTRAP_GRID,
                 r->summary + (i - r->first) * BOOTSTRAP_SUMMARY);
out:
    scratch_release(&scratch);
    return status;
}

/* ---- bounds ---- */

static void swap(double *a, double *b)
{
    double t = *a;
    *a = *b;
    *b = t;
}

/* Hoare's selection: afterwards values[k] is the k-th of the sorted values, what stands
 * before it is no larger and what stands after it no smaller. */
static void select_kth(double *values, size_t count, size_t k)
{
    ptrdiff_t low = 0, high = (ptrdiff_t)count - 1, wanted = (ptrdiff_t)k;
    while (low < high) {
        double pivot = values[low + (high - low) / 2];
        ptrdiff_t i = low, j = high;
        while (i <= j) {
            while (values[i] < pivot)
                i++;
            while (values[j] > pivot)
                j--;
            if (i <= j)
                swap(&values[i++], &values[j--]);
        }
        /* low..j are no larger than the pivot, i..high no smaller, between them it is. */
        if (wanted <= j)
            high = j;
        else if (wanted >= i)
            low = i;
        else
            break;
    }
}

struct interval bootstrap_interval(double *values, size_t count)
{
    double sum = 0;
    size_t lower = count / 40, upper = count - (count + 39) / 40;
    CHECK(count > 0);
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    select_kth(values, count, lower);
    if (upper > lower)
        select_kth(values + lower + 1, count - lower - 1, upper - lower - 1);
    return (struct interval){sum / (double)count, values[lower], values[upper]};
}

enum { BLOCK = 16 }; /* grid points turned at once: a cache line of floats */

/* Columns first .. first + BLOCK - 1 of the rows, each made one run of doubles. */
static void turn(const struct bootstrap_rows *r, size_t first, double *columns)
{
    for (size_t i = 0; i < r->resamples; i++)
        for (size_t k = 0; k < BLOCK; k++)
            columns[k * r->resamples + i] = r->grid[i * BOOTSTRAP_GRID + first + k];
}

_Static_assert(BOOTSTRAP_GRID % BLOCK == 0, "the grid is whole blocks");

enum status bootstrap_band_init(struct bootstrap_band *b, const struct bootstrap_rows *r,
                                uint64_t seed, struct error *err)
{
    enum status status = STATUS_OK;
    double *columns = NULL;
    *b = (struct bootstrap_band){.resamples = r->resamples, .seed = seed};
    TRY(memory_new(BOOTSTRAP_GRID, sizeof *b->fps, "band", (void **)&b->fps, err));
    TRY(memory_new(BOOTSTRAP_GRID, sizeof *b->grid, "band", (void **)&b->grid, err));
    TRY(memory_new(r->resamples, BLOCK * sizeof *columns, "columns of resamples",
                   (void **)&columns, err));
    curve_grid(bootstrap_points[0], bootstrap_points[BOOTSTRAP_POINTS - 1],
               BOOTSTRAP_GRID, b->fps);
    for (size_t first = 0; first < BOOTSTRAP_GRID; first += BLOCK) {
        turn(r, first, columns);
        for (size_t k = 0; k < BLOCK; k++)
            b->grid[first + k] =
                bootstrap_interval(columns + k * r->resamples, r->resamples);
    }
    for (size_t p = 0; p < BOOTSTRAP_SUMMARY; p++) {
        for (size_t i = 0; i < r->resamples; i++)
            columns[i] = r->summary[i * BOOTSTRAP_SUMMARY + p];
        struct interval found = bootstrap_interval(columns, r->resamples);
        if (p < BOOTSTRAP_POINTS)
            b->points[p] = found;
        else
            b->cpm = found;
    }
out:
    free(columns);
    if (status != STATUS_OK)
        bootstrap_band_release(b);
    return status;
}

void bootstrap_band_release(struct bootstrap_band *b)
{
    free(b->fps);
    free(b->grid);
    *b = (struct bootstrap_band){0};
}
