/*
 * As in layers.c these are bound by memory: plain loops with the channels innermost, that
 * the compiler turns into vectors.
 */
#include "tensor/layers_backward.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { LANES = 4, QUAD = 4 };

typedef float quad __attribute__((vector_size(QUAD * 4)));

#define INLINE static inline __attribute__((always_inline))

static inline float *at(const struct view *v, int64_t z, int64_t y, int64_t x)
{
    return v->data + z * v->stride_d + y * v->stride_h + x * v->stride_w;
}

/* Whether rows of all three views are without gaps: then a row is one long run. */
static int64_t run_of(const struct view *a, const struct view *b, const struct view *c)
{
    const bool dense = a->stride_w == a->channels && b->stride_w == b->channels &&
                       c->stride_w == c->channels;
    return dense ? a->width * a->channels : a->channels;
}

/* Calls body for every run of `to`, of `run` floats, with its first voxel. */
#define EACH_RUN(to, run)                                                                \
    for (int64_t z = 0; z < (to)->depth; z++)                                            \
        for (int64_t y = 0; y < (to)->height; y++)                                       \
            for (int64_t x = 0; x < (to)->width; x += (run) / (to)->channels)

/* Input voxels of one window, clipped to the map. */
struct window {
    int64_t from[3], to[3];
};

static struct window window_at(const struct pool_shape *s, const struct view *in,
                               int64_t z, int64_t y, int64_t x)
{
    const int64_t out[3] = {z, y, x}, size[3] = {in->depth, in->height, in->width};
    struct window w;
    for (int i = 0; i < 3; i++) {
        const int64_t from = out[i] * s->stride[i] - s->pad[i], to = from + s->kernel[i];
        w.from[i] = from < 0 ? 0 : from;
        w.to[i] = to > size[i] ? size[i] : to;
    }
    return w;
}

static void view_clear(const struct view *v)
{
    for (int64_t z = 0; z < v->depth; z++)
        for (int64_t y = 0; y < v->height; y++)
            for (int64_t x = 0; x < v->width; x++)
                memset(at(v, z, y, x), 0, (size_t)v->channels * sizeof(float));
}

/* Whether every voxel lies in exactly one window. */
static bool tiles_exactly(const struct pool_shape *s, const struct view *in,
                          const struct view *out)
{
    const int64_t size[3] = {in->depth, in->height, in->width},
                  windows[3] = {out->depth, out->height, out->width};
    bool exactly = true;
    for (int i = 0; i < 3; i++)
        exactly = exactly && s->kernel[i] == s->stride[i] && s->pad[i] == 0 &&
                  windows[i] * s->kernel[i] == size[i];
    return exactly;
}

/* As long as every machine has them: comparisons of longer ones come out lane by lane. */
typedef float vector __attribute__((vector_size(LANES * 4)));
typedef int32_t mask __attribute__((vector_size(LANES * 4)));

/* LANES channels of a window, from c on, in vectors by hand, since compilers leave the
 * choice by lane as branches. `only`: no other window has these voxels. */
INLINE void max_lanes(const struct window *w, const struct view *in, const float *out,
                      const float *gradient, const struct view *to, int c, bool only)
{
    vector wanted, rest;
    memcpy(&wanted, out + c, sizeof wanted);
    memcpy(&rest, gradient + c, sizeof rest);
    for (int64_t z = w->from[0]; z < w->to[0]; z++)
        for (int64_t y = w->from[1]; y < w->to[1]; y++)
            for (int64_t x = w->from[2]; x < w->to[2]; x++) {
                float *t = at(to, z, y, x) + c;
                vector v, sum = {0};
                memcpy(&v, at(in, z, y, x) + c, sizeof v);
                const mask hit = v == wanted;
                const vector given = (vector)((mask)rest & hit);
                rest = (vector)((mask)rest & ~hit);
                if (!only)
                    memcpy(&sum, t, sizeof sum);
                sum = only ? given : sum + given;
                memcpy(t, &sum, sizeof sum);
            }
}

/* The same for one channel. */
static void max_channel(const struct window *w, const struct view *in, float wanted,
                        float gradient, const struct view *to, int c, bool only)
{
    for (int64_t z = w->from[0]; z < w->to[0]; z++)
        for (int64_t y = w->from[1]; y < w->to[1]; y++)
            for (int64_t x = w->from[2]; x < w->to[2]; x++) {
                const bool hit = at(in, z, y, x)[c] == wanted;
                float *t = at(to, z, y, x) + c;
                *t = (only ? 0.0f : *t) + (hit ? gradient : 0.0f);
                gradient = hit ? 0.0f : gradient;
            }
}

INLINE void max_windows(const struct pool_shape *s, const struct view *in,
                        const struct view *out, const struct view *gradient,
                        const struct view *to, bool only)
{
    for (int64_t z = 0; z < out->depth; z++)
        for (int64_t y = 0; y < out->height; y++)
            for (int64_t x = 0; x < out->width; x++) {
                const struct window w = window_at(s, in, z, y, x);
                const float *o = at(out, z, y, x), *g = at(gradient, z, y, x);
                int c = 0;
                for (; c + LANES <= in->channels; c += LANES)
                    max_lanes(&w, in, o, g, to, c, only);
                for (; c < in->channels; c++)
                    max_channel(&w, in, o[c], g[c], to, c, only);
            }
}

void max_pool_backward(const struct pool_shape *s, const struct view *in,
                       const struct view *out, const struct view *gradient,
                       const struct view *to)
{
    if (tiles_exactly(s, in, out)) {
        max_windows(s, in, out, gradient, to, true);
        return;
    }
    view_clear(to);
    max_windows(s, in, out, gradient, to, false);
}

INLINE void spread_quad(quad part, float *to, bool adds)
{
    quad sum;
    memcpy(&sum, to, sizeof sum);
    sum = adds ? sum + part : part;
    memcpy(to, &sum, sizeof sum);
}

/* One window's gradient to two voxels; vectors by hand, since compilers make none. */
INLINE void spread_to_two(const float *g, float *t, float *u, int channels, float factor,
                          bool adds)
{
    enum { AHEAD = 1024 }; /* floats after which memory is asked for */
    int c = 0;
    for (; c + QUAD <= channels; c += QUAD) {
        quad part;
        memcpy(&part, g + c, sizeof part);
        part *= factor;
        if (c % (4 * QUAD) == 0) {
            __builtin_prefetch(t + AHEAD + c, 1);
            __builtin_prefetch(u + AHEAD + c, 1);
        }
        spread_quad(part, t + c, adds);
        spread_quad(part, u + c, adds);
    }
    for (; c < channels; c++) {
        const float part = g[c] * factor;
        t[c] = adds ? t[c] + part : part;
        u[c] = adds ? u[c] + part : part;
    }
}

/* Every voxel lies in one window of two rows and columns. */
INLINE void spread_halves(const struct pool_shape *s, const struct view *gradient,
                          const struct view *to, float factor, bool adds)
{
    for (int64_t z = 0; z < to->depth; z++)
        for (int64_t y = 0; y < to->height; y++)
            for (int64_t x = 0; x < gradient->width; x++) {
                float *t = at(to, z, y, 2 * x);
                spread_to_two(at(gradient, z / s->kernel[0], y / 2, x), t,
                              t + to->stride_w, to->channels, factor, adds);
            }
}

static void average_backward(const struct pool_shape *s, const struct view *gradient,
                             const struct view *to, bool adds)
{
    const float factor =
        1.0f / (float)((int64_t)s->kernel[0] * s->kernel[1] * s->kernel[2]);
    if (s->kernel[1] == 2 && s->kernel[2] == 2 && tiles_exactly(s, to, gradient)) {
        if (adds)
            spread_halves(s, gradient, to, factor, true);
        else
            spread_halves(s, gradient, to, factor, false);
        return;
    }
    if (!adds)
        view_clear(to);
    for (int64_t z = 0; z < gradient->depth; z++)
        for (int64_t y = 0; y < gradient->height; y++)
            for (int64_t x = 0; x < gradient->width; x++) {
                const struct window w = window_at(s, to, z, y, x);
                const float *g = at(gradient, z, y, x);
                for (int64_t iz = w.from[0]; iz < w.to[0]; iz++)
                    for (int64_t iy = w.from[1]; iy < w.to[1]; iy++)
                        for (int64_t ix = w.from[2]; ix < w.to[2]; ix++) {
                            float *restrict t = at(to, iz, iy, ix);
                            for (int c = 0; c < to->channels; c++)
                                t[c] += g[c] * factor;
                        }
            }
}

void average_pool_backward(const struct pool_shape *s, const struct view *gradient,
                           const struct view *to)
{
    average_backward(s, gradient, to, false);
}

void average_pool_backward_add(const struct pool_shape *s, const struct view *gradient,
                               const struct view *to)
{
    average_backward(s, gradient, to, true);
}

/* In place, since a compiler that has to allow for it otherwise makes no vectors. */
static void relu_run(const float *restrict out, float *restrict to, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        to[i] = out[i] <= 0.0f ? 0.0f : to[i];
}

static void sigmoid_run(const float *restrict out, float *restrict to, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        to[i] *= out[i] * (1.0f - out[i]);
}

typedef void slope_run(const float *out, float *to, int64_t count);

INLINE void pass_slopes(const struct view *out, const struct view *gradient,
                        const struct view *to, slope_run *slope)
{
    const int64_t run = run_of(out, gradient, to);
    EACH_RUN(to, run)
    {
        float *t = at(to, z, y, x);
        if (gradient->data != to->data)
            memcpy(t, at(gradient, z, y, x), (size_t)run * sizeof *t);
        slope(at(out, z, y, x), t, run);
    }
}

void relu_backward(const struct view *out, const struct view *gradient,
                   const struct view *to)
{
    pass_slopes(out, gradient, to, relu_run);
}

void sigmoid_backward(const struct view *out, const struct view *gradient,
                      const struct view *to)
{
    pass_slopes(out, gradient, to, sigmoid_run);
}

void softmax_backward(const struct view *out, const struct view *gradient,
                      const struct view *to)
{
    for (int64_t z = 0; z < to->depth; z++)
        for (int64_t y = 0; y < to->height; y++)
            for (int64_t x = 0; x < to->width; x++) {
                const float *o = at(out, z, y, x), *g = at(gradient, z, y, x);
                float *t = at(to, z, y, x), mean = 0;
                for (int c = 0; c < to->channels; c++)
                    mean += g[c] * o[c];
                for (int c = 0; c < to->channels; c++)
                    t[c] = o[c] * (g[c] - mean);
            }
}

void linear_backward(const float *weights, const struct view *in,
                     const struct view *gradient, float *weights_gradient,
                     float *bias_gradient, const struct view *to)
{
    if (to)
        memset(to->data, 0, (size_t)to->channels * sizeof(float));
    for (int o = 0; o < gradient->channels; o++) {
        const float g = gradient->data[o];
        const float *row = weights + (int64_t)o * in->channels;
        float *restrict out = weights_gradient + (int64_t)o * in->channels;
        for (int i = 0; i < in->channels; i++)
            out[i] = g * in->data[i];
        if (bias_gradient)
            bias_gradient[o] = g;
        for (int i = 0; to && i < in->channels; i++)
            to->data[i] += g * row[i];
    }
}

void view_add(const struct view *from, const struct view *to)
{
    const int64_t run = run_of(from, from, to);
    EACH_RUN(to, run)
    {
        const float *f = at(from, z, y, x);
        float *restrict t = at(to, z, y, x);
        for (int64_t i = 0; i < run; i++)
            t[i] += f[i];
    }
}

void view_from_dense(const float *dense, const struct view *to)
{
    enum { SOME = 8 };
    const int64_t voxels = to->depth * to->height * to->width;
    for (int first = 0; first < to->channels; first += SOME) {
        const int rest = to->channels - first, some = rest < SOME ? rest : SOME;
        const struct view part = view_channels(*to, first, some);
        const float *planes[SOME];
        for (int c = 0; c < some; c++)
            planes[c] = dense + (first + c) * voxels;
        view_from_planes(planes, NULL, NULL, &part);
    }
}
