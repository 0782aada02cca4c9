/*
 * Gaussians are separable: rows first, then columns, each tap one pass over a row that
 * stays in the nearest cache, with sums in an order that does not depend on how wide the
 * machine's vectors are.
 */
#include "phantom/slice_filter.h"

#include <math.h>

/* Taps beyond this many standard deviations are left out. */
static const double REACH = 3.0;
/* Narrower Gaussians are not seen on the grid. */
static const double NARROWEST = 0.2;

/* taps[k] for offsets +-k, with sum 1. */
static int gaussian(double sigma, float *taps)
{
    double weights[SLICE_FILTER_RADIUS + 1] = {1}, sum = 1;
    int radius = 0;
    if (sigma >= NARROWEST)
        radius = (int)fmin(ceil(REACH * sigma), SLICE_FILTER_RADIUS);
    for (int k = 1; k <= radius; k++) {
        weights[k] = exp(-0.5 * k * k / (sigma * sigma));
        sum += 2 * weights[k];
    }
    for (int k = 0; k <= radius; k++)
        taps[k] = (float)(weights[k] / sum);
    return radius;
}

void slice_filter_init(struct slice_filter *f, double weight0, const double sigma0_xy[2],
                       double weight1, const double sigma1_xy[2])
{
    memset(f, 0, sizeof *f);
    f->part[0].weight = (float)weight0;
    f->part[1].weight = (float)weight1;
    for (int a = 0; a < 2; a++) {
        f->part[0].radius[a] = gaussian(sigma0_xy[a], f->part[0].taps[a]);
        f->part[1].radius[a] = gaussian(sigma1_xy[a], f->part[1].taps[a]);
    }
}

/* The sum over one axis of the products of two parts' taps: taps beyond a radius are 0.
 */
static double product(const struct slice_filter *f, int p, int q, int axis)
{
    const float *a = f->part[p].taps[axis], *b = f->part[q].taps[axis];
    double sum = (double)a[0] * b[0];
    for (int k = 1; k <= SLICE_FILTER_RADIUS; k++)
        sum += 2.0 * a[k] * b[k];
    return sum;
}

double slice_filter_gain(const struct slice_filter *f)
{
    double variance = 0;
    for (int p = 0; p < 2; p++)
        for (int q = 0; q < 2; q++)
            variance += (double)f->part[p].weight * f->part[q].weight *
                        product(f, p, q, 0) * product(f, p, q, 1);
    return sqrt(variance);
}

int64_t slice_filter_scratch(int64_t height, int64_t width)
{
    return 2 * height * width + width + 2 * SLICE_FILTER_RADIUS;
}

static int64_t beyond(int64_t i, int64_t n, bool wrap)
{
    if (i >= 0 && i < n)
        return i;
    if (wrap)
        return ((i % n) + n) % n;
    return i < 0 ? 0 : n - 1;
}

static void scale(float *restrict out, const float *restrict in, float weight, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = weight * in[i];
}

static void add_pair(float *restrict out, const float *a, const float *b, float weight,
                     int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        out[i] += weight * (a[i] + b[i]);
}

/* `line` has room for a row and SLICE_FILTER_RADIUS voxels on either side. */
static void filter_row(const float *taps, int radius, const float *in, float *out,
                       int64_t width, bool wrap, float *line)
{
    float *middle = line + SLICE_FILTER_RADIUS;
    for (int64_t k = 1; k <= radius; k++) {
        middle[-k] = in[beyond(-k, width, wrap)];
        middle[width - 1 + k] = in[beyond(width - 1 + k, width, wrap)];
    }
    memcpy(middle, in, (size_t)width * sizeof *in);
    scale(out, middle, taps[0], width);
    for (int k = 1; k <= radius; k++)
        add_pair(out, middle - k, middle + k, taps[k], width);
}

/* Adds row y of a part, whose rows are filtered already, to out. */
static void add_column(const float *taps, int radius, float weight, const float *rows,
                       int64_t y, float *out, int64_t height, int64_t width, bool wrap)
{
    add_pair(out, rows + y * width, rows + y * width, 0.5F * weight * taps[0], width);
    for (int k = 1; k <= radius; k++)
        add_pair(out, rows + beyond(y - k, height, wrap) * width,
                 rows + beyond(y + k, height, wrap) * width, weight * taps[k], width);
}

void slice_filter_apply(const struct slice_filter *f, const float *in, float *out,
                        int64_t height, int64_t width, bool wrap, float *scratch)
{
    float *rows[2] = {scratch, scratch + height * width};
    float *line = scratch + 2 * height * width;
    for (int p = 0; p < 2; p++)
        for (int64_t y = 0; y < height && f->part[p].weight != 0; y++)
            filter_row(f->part[p].taps[0], f->part[p].radius[0], in + y * width,
                       rows[p] + y * width, width, wrap, line);
    for (int64_t y = 0; y < height; y++) {
        memset(out + y * width, 0, (size_t)width * sizeof *out);
        for (int p = 0; p < 2; p++)
            if (f->part[p].weight != 0)
                add_column(f->part[p].taps[1], f->part[p].radius[1], f->part[p].weight,
                           rows[p], y, out + y * width, height, width, wrap);
    }
}
