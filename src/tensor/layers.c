/*
 * The fast forms. They are bound by memory, not arithmetic, next to the convolutions
 * around them, so they are plain loops with the channels innermost, in blocks of a known
 * length that the compiler turns into vectors on any machine.
 *
 * exp is our own: libm's differs in the last bit between versions and processors, and a
 * heatmap has to be the same bits everywhere. Cody and Waite's reduction to |r| <= ln 2 /
 * 2, then Taylor to the seventh power, which leaves 5e-9.
 */
#include "tensor/layers.h"

#include <math.h>
#include <string.h>

enum { LANES = 8 };

static inline float *at(const struct view *v, int64_t z, int64_t y, int64_t x)
{
    return v->data + z * v->stride_d + y * v->stride_h + x * v->stride_w;
}

static inline int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static inline int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Input voxels [from[i], to[i]) of axis i that a window covers. */
struct window {
    int64_t from[3], to[3];
};

static struct window window_at(const struct pool_shape *s, const struct view *in,
                               int64_t z, int64_t y, int64_t x)
{
    const int64_t out[3] = {z, y, x}, size[3] = {in->depth, in->height, in->width};
    struct window w;
    for (int i = 0; i < 3; i++) {
        int64_t from = out[i] * s->stride[i] - s->pad[i];
        w.from[i] = larger(from, 0);
        w.to[i] = smaller(from + s->kernel[i], size[i]);
    }
    return w;
}

/* `lanes` channels of one window; inlined with a constant number of lanes. */
static inline __attribute__((always_inline)) void
max_lanes(const struct window *w, const struct view *in, int c, int lanes, float *out)
{
    float best[LANES];
    const float *first = at(in, w->from[0], w->from[1], w->from[2]) + c;
    for (int l = 0; l < lanes; l++)
        best[l] = first[l];
    for (int64_t z = w->from[0]; z < w->to[0]; z++)
        for (int64_t y = w->from[1]; y < w->to[1]; y++)
            for (int64_t x = w->from[2]; x < w->to[2]; x++) {
                const float *v = at(in, z, y, x) + c;
                for (int l = 0; l < lanes; l++)
                    best[l] = v[l] > best[l] ? v[l] : best[l];
            }
    for (int l = 0; l < lanes; l++)
        out[c + l] = best[l];
}

static inline __attribute__((always_inline)) void sum_lanes(const struct window *w,
                                                            const struct view *in, int c,
                                                            int lanes, float factor,
                                                            float *out)
{
    float sum[LANES] = {0};
    for (int64_t z = w->from[0]; z < w->to[0]; z++)
        for (int64_t y = w->from[1]; y < w->to[1]; y++)
            for (int64_t x = w->from[2]; x < w->to[2]; x++) {
                const float *v = at(in, z, y, x) + c;
                for (int l = 0; l < lanes; l++)
                    sum[l] += v[l];
            }
    for (int l = 0; l < lanes; l++)
        out[c + l] = sum[l] * factor;
}

void max_pool_forward(const struct pool_shape *s, const struct view *in,
                      const struct view *out)
{
    for (int64_t z = 0; z < out->depth; z++)
        for (int64_t y = 0; y < out->height; y++)
            for (int64_t x = 0; x < out->width; x++) {
                const struct window w = window_at(s, in, z, y, x);
                float *to = at(out, z, y, x);
                int c = 0;
                for (; c + LANES <= in->channels; c += LANES)
                    max_lanes(&w, in, c, LANES, to);
                for (; c < in->channels; c++)
                    max_lanes(&w, in, c, 1, to);
            }
}

void average_pool_forward(const struct pool_shape *s, const struct view *in,
                          const struct view *out)
{
    const float factor =
        1.0f / (float)((int64_t)s->kernel[0] * s->kernel[1] * s->kernel[2]);
    for (int64_t z = 0; z < out->depth; z++)
        for (int64_t y = 0; y < out->height; y++)
            for (int64_t x = 0; x < out->width; x++) {
                const struct window w = window_at(s, in, z, y, x);
                float *to = at(out, z, y, x);
                int c = 0;
                for (; c + LANES <= in->channels; c += LANES)
                    sum_lanes(&w, in, c, LANES, factor, to);
                for (; c < in->channels; c++)
                    sum_lanes(&w, in, c, 1, factor, to);
            }
}

void batch_norm_fold(const float *weight, const float *bias, const float *mean,
                     const float *variance, double eps, int channels, float *scale,
                     float *shift)
{
    for (int c = 0; c < channels; c++) {
        double factor = weight[c] / sqrt(variance[c] + eps);
        scale[c] = (float)factor;
        shift[c] = (float)(bias[c] - mean[c] * factor);
    }
}

void batch_norm_forward(const float *scale, const float *shift, const struct view *in,
                        const struct view *out)
{
    for (int64_t z = 0; z < in->depth; z++)
        for (int64_t y = 0; y < in->height; y++)
            for (int64_t x = 0; x < in->width; x++) {
                const float *from = at(in, z, y, x);
                float *restrict to = at(out, z, y, x);
                for (int c = 0; c < in->channels; c++)
                    to[c] = from[c] * scale[c] + shift[c];
            }
}

void relu_forward(const struct view *in, const struct view *out)
{
    for (int64_t z = 0; z < in->depth; z++)
        for (int64_t y = 0; y < in->height; y++)
            for (int64_t x = 0; x < in->width; x++) {
                const float *from = at(in, z, y, x);
                float *restrict to = at(out, z, y, x);
                for (int c = 0; c < in->channels; c++)
                    to[c] = from[c] < 0.0f ? 0.0f : from[c];
            }
}

/* exp, within 2 units of the last place; beyond [-87, 88] it stays at the value there;
 * NaN passes. */
static inline float exponential(float x)
{
    const float to_integer = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer */
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;

    float shifted = x * 1.44269504f + to_integer;
    float n = shifted - to_integer;
    float r =
        x - n * 0.693359375f; /* ln 2 in two parts: the first has few bits, so exact */
    r = r - n * -2.12194440e-4f;

    float p = 1.0f / 5040;
    p = p * r + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;

    uint32_t bits; /* the low bits of `shifted` hold n: 2^n comes from them */
    float power;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits + 127) << 23;
    memcpy(&power, &bits, sizeof power);
    return p * power;
}

void sigmoid_forward(const struct view *in, const struct view *out)
{
    for (int64_t z = 0; z < in->depth; z++)
        for (int64_t y = 0; y < in->height; y++) {
            const float *from = at(in, z, y, 0);
            float *restrict to = at(out, z, y, 0);
            if (in->stride_w == in->channels && out->stride_w == out->channels) {
                for (int64_t i = 0; i < in->width * in->channels; i++)
                    to[i] = 1.0f / (1.0f + exponential(-from[i]));
                continue;
            }
            for (int64_t x = 0; x < in->width; x++)
                for (int c = 0; c < in->channels; c++)
                    to[x * out->stride_w + c] =
                        1.0f / (1.0f + exponential(-from[x * in->stride_w + c]));
        }
}

static void softmax_voxel(const float *from, int channels, float *to)
{
    float most = from[0], sum = 0;
    for (int c = 1; c < channels; c++)
        most = from[c] > most ? from[c] : most;
    for (int c = 0; c < channels; c++)
        sum += to[c] = exponential(from[c] - most);
    for (int c = 0; c < channels; c++)
        to[c] /= sum;
}

void softmax_forward(const struct view *in, const struct view *out)
{
    for (int64_t z = 0; z < in->depth; z++)
        for (int64_t y = 0; y < in->height; y++)
            for (int64_t x = 0; x < in->width; x++)
                softmax_voxel(at(in, z, y, x), in->channels, at(out, z, y, x));
}

void linear_forward(const float *weights, const float *bias, const struct view *in,
                    const struct view *out)
{
    for (int o = 0; o < out->channels; o++) {
        const float *row = weights + (int64_t)o * in->channels;
        float lane[LANES] = {0}, sum = 0;
        int i = 0;
        for (; i + LANES <= in->channels; i += LANES)
            for (int l = 0; l < LANES; l++)
                lane[l] += row[i + l] * in->data[i + l];
        for (; i < in->channels; i++)
            sum += row[i] * in->data[i];
        for (int l = 0; l < LANES; l++)
            sum += lane[l];
        out->data[o] = sum + (bias ? bias[o] : 0.0f);
    }
}

void view_copy(const struct view *in, const struct view *out)
{
    for (int64_t z = 0; z < in->depth; z++)
        for (int64_t y = 0; y < in->height; y++)
            for (int64_t x = 0; x < in->width; x++)
                memcpy(at(out, z, y, x), at(in, z, y, x),
                       (size_t)in->channels * sizeof(float));
}

void view_from_planes(const float *const *planes, const float *scale, const float *shift,
                      const struct view *out)
{
    for (int64_t z = 0; z < out->depth; z++)
        for (int64_t y = 0; y < out->height; y++)
            for (int c = 0; c < out->channels; c++) {
                const float *from = planes[c] + (z * out->height + y) * out->width;
                float *to = at(out, z, y, 0) + c;
                const float factor = scale ? scale[c] : 1.0f,
                            offset = shift ? shift[c] : 0.0f;
                for (int64_t x = 0; x < out->width; x++)
                    to[x * out->stride_w] = from[x] * factor + offset;
            }
}

void view_to_planes(const struct view *in, float *planes)
{
    for (int c = 0; c < in->channels; c++)
        for (int64_t z = 0; z < in->depth; z++)
            for (int64_t y = 0; y < in->height; y++) {
                const float *from = at(in, z, y, 0) + c;
                for (int64_t x = 0; x < in->width; x++)
                    *planes++ = from[x * in->stride_w];
            }
}

void view_clear_halo(const struct view *v)
{
    const size_t row = (size_t)v->stride_h * sizeof(float);
    const size_t side = (size_t)(v->halo * v->stride_w) * sizeof(float);
    const int64_t left = -v->halo * v->stride_w;

    for (int64_t z = -v->halo_d; z < v->depth + v->halo_d; z++)
        for (int64_t y = -v->halo; y < v->height + v->halo; y++) {
            float *start = at(v, z, y, 0) + left;
            if (z < 0 || z >= v->depth || y < 0 || y >= v->height) {
                memset(start, 0, row);
            } else {
                memset(start, 0, side);
                memset(at(v, z, y, v->width), 0, side);
            }
        }
}
