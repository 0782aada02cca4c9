/*
 * The response is never kept: a thread computes it plane by plane for its share of the
 * slices, one more on either side, and looks for maxima in the middle one of three.
 */
#include "stage/dot_filter.h"

#include <math.h>
#include <omp.h>
#include <stdbool.h>

#include "base/memory.h"

/* --- one point --- */

/* Minus the Hessian of a point in steps of the grid: positive definite at a dot. */
struct curvature {
    double xx, yy, zz, xy, xz, yz;
};

static struct curvature curvature_of(const float *v, int64_t row, int64_t plane)
{
    double twice = 2 * (double)v[0];
    struct curvature c = {
        .xx = twice - (double)v[-1] - (double)v[1],
        .yy = twice - (double)v[-row] - (double)v[row],
        .zz = twice - (double)v[-plane] - (double)v[plane],
        .xy = ((double)v[row - 1] + (double)v[1 - row] - (double)v[row + 1] -
               (double)v[-row - 1]) /
              4,
        .xz = ((double)v[plane - 1] + (double)v[1 - plane] - (double)v[plane + 1] -
               (double)v[-plane - 1]) /
              4,
        .yz = ((double)v[plane - row] + (double)v[row - plane] - (double)v[plane + row] -
               (double)v[-plane - row]) /
              4,
    };
    return c;
}

/* The largest and the smallest eigenvalue; false unless all are positive. The largest is
 * found by Newton's method from above, where the characteristic polynomial has no other
 * turn; the others are the roots of what is left. Arithmetic and square roots only: the
 * same bits everywhere. */
static bool eigenvalues(const struct curvature *c, double *largest, double *smallest)
{
    enum { STEPS = 60 };
    static const double precise = 1e-7;
    double minors = c->xx * c->yy - c->xy * c->xy + c->xx * c->zz - c->xz * c->xz +
                    c->yy * c->zz - c->yz * c->yz;
    double det = c->xx * (c->yy * c->zz - c->yz * c->yz) -
                 c->xy * (c->xy * c->zz - c->yz * c->xz) +
                 c->xz * (c->xy * c->yz - c->yy * c->xz);
    double trace = c->xx + c->yy + c->zz, l = trace;
    if (!(trace > 0 && minors > 0 && det > 0))
        return false;
    for (int i = 0; i < STEPS; i++) {
        double slope = (3 * l - 2 * trace) * l + minors;
        double step = (((l - trace) * l + minors) * l - det) / slope;
        if (!(slope > 0) || !(step > precise * l))
            break;
        l -= step;
    }
    double sum = trace - l, product = det / l;
    double upper = (sum + sqrt(fmax(sum * sum - 4 * product, 0))) / 2;
    *largest = l;
    *smallest = upper > 0 ? product / upper : 0;
    return true;
}

/* Response in steps of the grid, 0 below `least`. */
static float respond(const float *v, int64_t row, int64_t plane, double least)
{
    struct curvature c = curvature_of(v, row, plane);
    double largest, smallest;
    /* The response is at most l3, and that at most the least of the diagonal. */
    if (c.xx < least || c.yy < least || c.zz < least ||
        !eigenvalues(&c, &largest, &smallest))
        return 0;
    double response = smallest * smallest / largest;
    return response < least ? 0 : (float)response;
}

/* --- planes --- */

static void respond_plane(const struct grid *grid, int64_t z, double least, float *out)
{
    int64_t height = grid->size[1], width = grid->size[2], plane = height * width;
    memset(out, 0, (size_t)plane * sizeof *out);
    if (z < 1 || z >= grid->size[0] - 1)
        return;
    for (int64_t y = 1; y < height - 1; y++)
        for (int64_t x = 1; x < width - 1; x++) {
            int64_t at = z * plane + y * width + x;
            if (grid->wanted[at])
                out[y * width + x] = respond(grid->values + at, width, plane, least);
        }
}

/* Whether a point of the middle plane is a maximum; of equal neighbours, the last one is.
 */
static bool is_highest(const float *const planes[3], int64_t at, int64_t width)
{
    float value = planes[1][at];
    for (int dz = -1; dz <= 1; dz++)
        for (int64_t dy = -1; dy <= 1; dy++)
            for (int64_t dx = -1; dx <= 1; dx++) {
                float other = planes[1 + dz][at + dy * width + dx];
                bool before = dz < 0 || (dz == 0 && (dy < 0 || (dy == 0 && dx < 0)));
                if (before ? other > value : other >= value && (dz || dy || dx))
                    return false;
            }
    return true;
}

/* Where a parabola through three values at -1, 0, 1 is highest; the middle one is. */
static double vertex(double before, double middle, double after)
{
    double bend = before - 2 * middle + after;
    return bend < 0 ? fmax(-0.5, fmin(0.5, (before - after) / (2 * bend))) : 0;
}

static struct dot dot_at(const struct grid *grid, const float *const planes[3], int64_t z,
                         int64_t y, int64_t x, double sigma)
{
    int64_t height = grid->size[1], width = grid->size[2], at = y * width + x;
    const int64_t point[3] = {z, y, x};
    const double shift[3] = {
        vertex((double)planes[0][at], (double)planes[1][at], (double)planes[2][at]),
        vertex((double)planes[1][at - width], (double)planes[1][at],
               (double)planes[1][at + width]),
        vertex((double)planes[1][at - 1], (double)planes[1][at],
               (double)planes[1][at + 1])};
    struct curvature c =
        curvature_of(grid->values + z * height * width + at, width, height * width);
    struct dot dot = {.sigma = sigma};
    double largest = 1, smallest = 0, steps = sigma / grid->step;
    eigenvalues(&c, &largest, &smallest);
    dot.response = (float)(steps * steps * (double)planes[1][at]);
    dot.roundness = (float)(smallest / largest);
    for (int k = 0; k < 3; k++)
        dot.at[k] = grid->first[k] + ((double)point[k] + shift[k]) * grid->step;
    return dot;
}

/* --- a share of the slices --- */

struct share {
    int64_t first, end; /* slices */
    float *ring;        /* [3] planes of responses */
    struct dots found;
    struct error error;
};

static enum status search_slice(struct share *s, const struct grid *grid, int64_t z,
                                double sigma, const float *const planes[3])
{
    int64_t height = grid->size[1], width = grid->size[2];
    for (int64_t y = 1; y < height - 1; y++)
        for (int64_t x = 1; x < width - 1; x++) {
            struct dots *f = &s->found;
            if (planes[1][y * width + x] <= 0 ||
                !is_highest(planes, y * width + x, width))
                continue;
            enum status status =
                memory_grow((void **)&f->list, &f->capacity, f->count + 1,
                            sizeof *f->list, "dots", &s->error);
            if (status != STATUS_OK)
                return status;
            f->list[f->count++] = dot_at(grid, planes, z, y, x, sigma);
        }
    return STATUS_OK;
}

static enum status search_share(struct share *s, const struct grid *grid, double sigma,
                                double least)
{
    enum status status = STATUS_OK;
    int64_t plane = grid->size[1] * grid->size[2];
    for (int64_t z = s->first - 1; z <= s->end && status == STATUS_OK; z++) {
        respond_plane(grid, z, least, s->ring + (z + 3) % 3 * plane);
        if (z <= s->first)
            continue;
        const float *planes[3];
        for (int k = 0; k < 3; k++)
            planes[k] = s->ring + (z + 1 + k) % 3 * plane;
        status = search_slice(s, grid, z - 1, sigma, planes);
    }
    return status;
}

static enum status append(struct dots *dots, const struct dots *more, struct error *err)
{
    enum status status =
        memory_grow((void **)&dots->list, &dots->capacity, dots->count + more->count,
                    sizeof *dots->list, "dots", err);
    if (status != STATUS_OK || more->count == 0)
        return status;
    memcpy(dots->list + dots->count, more->list, more->count * sizeof *more->list);
    dots->count += more->count;
    return STATUS_OK;
}

enum status dots_append(struct dots *dots, const struct grid *grid, double sigma,
                        double least, int threads, struct error *err)
{
    enum status status;
    struct share *shares = NULL;
    size_t plane = (size_t)(grid->size[1] * grid->size[2]);
    double steps = sigma / grid->step;

    TRY(memory_new((size_t)threads, sizeof *shares, "dots", (void **)&shares, err));
    for (int i = 0; i < threads; i++) {
        shares[i].first = grid->size[0] * i / threads;
        shares[i].end = grid->size[0] * (i + 1) / threads;
        TRY(memory_new(3 * plane, sizeof(float), "responses", (void **)&shares[i].ring,
                       err));
    }
#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (int i = 0; i < threads; i++)
        shares[i].error.code =
            search_share(&shares[i], grid, sigma, least / steps / steps);
    for (int i = 0; i < threads; i++) {
        if (shares[i].error.code != STATUS_OK) {
            *err = shares[i].error;
            TRY(err->code);
        }
        TRY(append(dots, &shares[i].found, err));
    }
out:
    for (int i = 0; shares && i < threads; i++) {
        free(shares[i].ring);
        dots_release(&shares[i].found);
    }
    free(shares);
    return status;
}

void dots_release(struct dots *dots)
{
    free(dots->list);
    *dots = (struct dots){0};
}
