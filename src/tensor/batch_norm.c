/*
 * Batch norm over the voxels of a sample: its sums, and both passes over the tensor.
 *
 * They are bound by memory when the channels lie in blocks that the compiler keeps in
 * registers: 8 channels of a voxel, or, of few channels without gaps, the 8 floats that
 * begin with channel 0 and follow each other. Other numbers of channels go one by one.
 * Sums are in double; no fused multiply-add, so they are the same bits on every machine.
 */
#include "tensor/layers_backward.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { BLOCK = 8, QUAD = 4 };

/* As long as every machine has them; by hand, since compilers leave the conversions of a
 * block one by one. */
typedef float quad __attribute__((vector_size(QUAD * 4)));
typedef double pair __attribute__((vector_size(16)));

static inline quad load(const float *p)
{
    quad v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Adds a quad to two pairs of doubles. */
static inline void add_quad(quad v, pair sums[2])
{
    sums[0] += (pair){(double)v[0], (double)v[1]};
    sums[1] += (pair){(double)v[2], (double)v[3]};
}

static inline float *row_of(const struct view *v, int64_t z, int64_t y)
{
    return v->data + z * v->stride_d + y * v->stride_h;
}

/* Whether a row is a run of floats in which every BLOCK begin with channel 0. */
static bool is_run(const struct view *v)
{
    return v->channels < BLOCK && BLOCK % v->channels == 0 && v->stride_w == v->channels;
}

/* How a row is cut: `count` blocks `step` floats apart, for each of `columns` blocks of
 * channels; what is left is `rest` floats of the row (a run) or of each voxel. */
struct cut {
    bool run;
    int columns, rest;
    int64_t count, rest_at;
};

static struct cut cut_of(const struct view *v, bool run)
{
    const int64_t floats = v->width * v->channels;
    struct cut c = {.run = run};
    c.columns = run ? 1 : v->channels / BLOCK;
    c.count = run ? floats / BLOCK : v->width;
    c.rest = run ? (int)(floats % BLOCK) : v->channels % BLOCK;
    c.rest_at = run ? floats - c.rest : v->channels - c.rest;
    return c;
}

static int64_t step_of(const struct cut *c, const struct view *v)
{
    return c->run ? BLOCK : v->stride_w;
}

/* Two sums a lane, of one block of a row. */
struct sums {
    double first[BLOCK], second[BLOCK];
};

static void add_squares(const float *p, int64_t step, int64_t count, int lanes,
                        struct sums *s)
{
    for (int64_t i = 0; i < count; i++, p += step)
        for (int c = 0; c < lanes; c++) {
            const double value = (double)p[c];
            s->first[c] += value;
            s->second[c] += value * value;
        }
}

/* The same of a whole block. */
static void add_block_squares(const float *p, int64_t step, int64_t count, struct sums *s)
{
    pair first[4] = {{0}}, second[4] = {{0}};
    for (int64_t i = 0; i < count; i++, p += step)
        for (int q = 0; q < 2; q++) {
            const quad v = load(p + q * QUAD);
            const pair low = {(double)v[0], (double)v[1]},
                       high = {(double)v[2], (double)v[3]};
            first[2 * q] += low;
            first[2 * q + 1] += high;
            second[2 * q] += low * low;
            second[2 * q + 1] += high * high;
        }
    memcpy(s->first, first, sizeof first);
    memcpy(s->second, second, sizeof second);
}

/* Adds the lanes of a block to the channels from `channel` on. */
static void add_lanes(const struct sums *s, int lanes, const struct view *v, int channel,
                      double *first, double *second)
{
    for (int c = 0; c < lanes; c++) {
        first[(channel + c) % v->channels] += s->first[c];
        second[(channel + c) % v->channels] += s->second[c];
    }
}

void batch_norm_sums(const struct view *in, double *sums, double *squares)
{
    const struct cut cut = cut_of(in, is_run(in));
    const int64_t step = step_of(&cut, in);
    memset(sums, 0, (size_t)in->channels * sizeof *sums);
    memset(squares, 0, (size_t)in->channels * sizeof *squares);
    for (int64_t z = 0; z < in->depth; z++)
        for (int64_t y = 0; y < in->height; y++) {
            const float *row = row_of(in, z, y);
            for (int b = 0; b < cut.columns; b++) {
                struct sums s;
                add_block_squares(row + b * BLOCK, step, cut.count, &s);
                add_lanes(&s, BLOCK, in, b * BLOCK, sums, squares);
            }
            struct sums s = {{0}, {0}};
            add_squares(row + cut.rest_at, step, cut.run ? 1 : cut.count, cut.rest, &s);
            add_lanes(&s, cut.rest, in, cut.run ? 0 : (int)cut.rest_at, sums, squares);
        }
}

struct batch_statistics batch_norm_statistics(double sum, double squares, double count,
                                              double eps)
{
    struct batch_statistics s;
    s.mean = sum / count;
    s.variance = squares / count - s.mean * s.mean;
    if (s.variance < 0)
        s.variance = 0;
    s.inverse = 1 / sqrt(s.variance + eps);
    return s;
}

void batch_norm_update(const struct batch_statistics *s, double count, double momentum,
                       float *running_mean, float *running_variance)
{
    const double unbiased = count > 1 ? s->variance * count / (count - 1) : s->variance;
    *running_mean = (float)((1 - momentum) * (double)*running_mean + momentum * s->mean);
    *running_variance =
        (float)((1 - momentum) * (double)*running_variance + momentum * unbiased);
}

/* Channel c of a block that begins with channel `first`, as arrays of a whole block. */
static void spread(const float *values, const struct view *v, int first, float *block)
{
    for (int c = 0; c < BLOCK; c++)
        block[c] = values[(first + c) % v->channels];
}

static void add_products(const float *p, int64_t step, const float *g, int64_t g_step,
                         int64_t count, int lanes, const float *mean,
                         const float *inverse, struct sums *s)
{
    for (int64_t i = 0; i < count; i++, p += step, g += g_step)
        for (int c = 0; c < lanes; c++) {
            const float normal = (p[c] - mean[c]) * inverse[c];
            s->first[c] += (double)g[c];
            s->second[c] += (double)(g[c] * normal);
        }
}

static void add_block_products(const float *p, int64_t step, const float *g,
                               int64_t g_step, int64_t count, const float mean[BLOCK],
                               const float inverse[BLOCK], struct sums *s)
{
    pair first[4] = {{0}}, second[4] = {{0}};
    for (int64_t i = 0; i < count; i++, p += step, g += g_step)
        for (int q = 0; q < 2; q++) {
            const quad given = load(g + q * QUAD);
            const quad normal =
                (load(p + q * QUAD) - load(mean + q * QUAD)) * load(inverse + q * QUAD);
            add_quad(given, first + 2 * q);
            add_quad(given * normal, second + 2 * q);
        }
    memcpy(s->first, first, sizeof first);
    memcpy(s->second, second, sizeof second);
}

void batch_norm_backward_sums(const struct view *in, const struct view *gradient,
                              const float *mean, const float *inverse, double *sums,
                              double *products)
{
    const struct cut cut = cut_of(in, is_run(in) && is_run(gradient));
    const int64_t step = step_of(&cut, in), g_step = step_of(&cut, gradient);
    float means[BLOCK], inverses[BLOCK];
    memset(sums, 0, (size_t)in->channels * sizeof *sums);
    memset(products, 0, (size_t)in->channels * sizeof *products);
    for (int64_t z = 0; z < in->depth; z++)
        for (int64_t y = 0; y < in->height; y++) {
            const float *row = row_of(in, z, y), *g = row_of(gradient, z, y);
            for (int b = 0; b < cut.columns; b++) {
                struct sums s;
                spread(mean, in, b * BLOCK, means);
                spread(inverse, in, b * BLOCK, inverses);
                add_block_products(row + b * BLOCK, step, g + b * BLOCK, g_step,
                                   cut.count, means, inverses, &s);
                add_lanes(&s, BLOCK, in, b * BLOCK, sums, products);
            }
            const int first = cut.run ? 0 : (int)cut.rest_at;
            struct sums s = {{0}, {0}};
            spread(mean, in, first, means);
            spread(inverse, in, first, inverses);
            add_products(row + cut.rest_at, step, g + cut.rest_at, g_step,
                         cut.run ? 1 : cut.count, cut.rest, means, inverses, &s);
            add_lanes(&s, cut.rest, in, first, sums, products);
        }
}

/* Lanes of a block, one by one; `to` may be g. */
static void pass_back(const float *p, int64_t step, const float *g, int64_t g_step,
                      float *to, int64_t to_step, int64_t count, int lanes,
                      const float *mean, const float *first, const float *second,
                      const float *scale)
{
    for (int64_t i = 0; i < count; i++, p += step, g += g_step, to += to_step)
        for (int c = 0; c < lanes; c++)
            to[c] = (g[c] - first[c] - (p[c] - mean[c]) * second[c]) * scale[c];
}

static void pass_back_block(const float *p, int64_t step, const float *g, int64_t g_step,
                            float *to, int64_t to_step, int64_t count, const float *mean,
                            const float *first, const float *second, const float *scale)
{
    for (int q = 0; q < BLOCK; q += QUAD) {
        const quad m = load(mean + q), f = load(first + q), s = load(second + q),
                   k = load(scale + q);
        for (int64_t i = 0; i < count; i++) {
            const quad out =
                (load(g + i * g_step + q) - f - (load(p + i * step + q) - m) * s) * k;
            memcpy(to + i * to_step + q, &out, sizeof out);
        }
    }
}

void batch_norm_backward(const struct view *in, const struct view *gradient,
                         const float *mean, const float *first, const float *second,
                         const float *scale, const struct view *to)
{
    const struct cut cut = cut_of(in, is_run(in) && is_run(gradient) && is_run(to));
    const int64_t step = step_of(&cut, in), g_step = step_of(&cut, gradient),
                  to_step = step_of(&cut, to);
    for (int b = 0; b <= cut.columns; b++) {
        const bool rest = b == cut.columns;
        const int channel = !rest ? b * BLOCK : cut.run ? 0 : (int)cut.rest_at;
        const int64_t at = rest ? cut.rest_at : channel;
        float m[BLOCK], f[BLOCK], s[BLOCK], k[BLOCK];
        spread(mean, in, channel, m);
        spread(first, in, channel, f);
        spread(second, in, channel, s);
        spread(scale, in, channel, k);
        for (int64_t z = 0; z < in->depth; z++)
            for (int64_t y = 0; y < in->height; y++) {
                const float *p = row_of(in, z, y) + at, *g = row_of(gradient, z, y) + at;
                float *t = row_of(to, z, y) + at;
                if (rest)
                    pass_back(p, step, g, g_step, t, to_step, cut.run ? 1 : cut.count,
                              cut.rest, m, f, s, k);
                else
                    pass_back_block(p, step, g, g_step, t, to_step, cut.count, m, f, s,
                                    k);
            }
    }
}

static void normalise(const float *p, int64_t step, float *to, int64_t to_step,
                      int64_t count, int lanes, const float *scale, const float *shift)
{
    for (int64_t i = 0; i < count; i++, p += step, to += to_step)
        for (int c = 0; c < lanes; c++)
            to[c] = p[c] * scale[c] + shift[c];
}

static void normalise_block(const float *p, int64_t step, float *to, int64_t to_step,
                            int64_t count, const float *scale, const float *shift)
{
    const quad scale_0 = load(scale), scale_1 = load(scale + QUAD), shift_0 = load(shift),
               shift_1 = load(shift + QUAD);
    for (int64_t i = 0; i < count; i++, p += step, to += to_step) {
        const quad low = load(p) * scale_0 + shift_0,
                   high = load(p + QUAD) * scale_1 + shift_1;
        memcpy(to, &low, sizeof low);
        memcpy(to + QUAD, &high, sizeof high);
    }
}

void batch_norm_forward(const float *scale, const float *shift, const struct view *in,
                        const struct view *out)
{
    const struct cut cut = cut_of(in, is_run(in) && is_run(out));
    const int64_t step = step_of(&cut, in), to_step = step_of(&cut, out);
    for (int64_t z = 0; z < in->depth; z++)
        for (int64_t y = 0; y < in->height; y++) {
            const float *p = row_of(in, z, y);
            float *t = row_of(out, z, y), scales[BLOCK], shifts[BLOCK];
            for (int b = 0; b < cut.columns; b++) {
                spread(scale, in, b * BLOCK, scales);
                spread(shift, in, b * BLOCK, shifts);
                normalise_block(p + b * BLOCK, step, t + b * BLOCK, to_step, cut.count,
                                scales, shifts);
            }
            const int first = cut.run ? 0 : (int)cut.rest_at;
            spread(scale, in, first, scales);
            spread(shift, in, first, shifts);
            normalise(p + cut.rest_at, step, t + cut.rest_at, to_step,
                      cut.run ? 1 : cut.count, cut.rest, scales, shifts);
        }
}
