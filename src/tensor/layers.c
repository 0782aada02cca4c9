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
#include <stdbool.h>
#include <string.h>

enum { LANES = 8, TURNED = 4 };

typedef float quad __attribute__((vector_size(TURNED * 4)));

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

/* Input voxels [from, to) of one axis that the window of output voxel `out` covers. */
struct span {
    int64_t from, to;
};

static struct span span_at(const struct pool_shape *s, int axis, int64_t out,
                           int64_t size)
{
    const int64_t from = out * s->stride[axis] - s->pad[axis];
    return (struct span){larger(from, 0), smaller(from + s->kernel[axis], size)};
}

/* One window: `rows` x `columns` of voxels in each of `slices` slices, from `in` on. */
struct window {
    const float *in;
    int64_t slices, rows, columns;
    int64_t stride_d, stride_h, stride_w;
};

/* `lanes` channels of a window; inlined with a constant number of lanes. */
static inline __attribute__((always_inline)) void max_lanes(const struct window *w, int c,
                                                            int lanes, float *out)
{
    float best[LANES];
    for (int l = 0; l < lanes; l++)
        best[l] = w->in[c + l];
    for (int64_t z = 0; z < w->slices; z++)
        for (int64_t y = 0; y < w->rows; y++) {
            const float *v = w->in + z * w->stride_d + y * w->stride_h + c;
            for (int64_t x = 0; x < w->columns; x++, v += w->stride_w)
                for (int l = 0; l < lanes; l++)
                    best[l] = v[l] > best[l] ? v[l] : best[l];
        }
    for (int l = 0; l < lanes; l++)
        out[c + l] = best[l];
}

static inline __attribute__((always_inline)) void
mean_lanes(const struct window *w, int c, int lanes, float factor, float *out)
{
    float sum[LANES] = {0};
    for (int64_t z = 0; z < w->slices; z++)
        for (int64_t y = 0; y < w->rows; y++) {
            const float *v = w->in + z * w->stride_d + y * w->stride_h + c;
            for (int64_t x = 0; x < w->columns; x++, v += w->stride_w)
                for (int l = 0; l < lanes; l++)
                    sum[l] += v[l];
        }
    for (int l = 0; l < lanes; l++)
        out[c + l] = sum[l] * factor;
}

static inline void max_window(const struct window *w, int channels, float factor,
                              float *out)
{
    int c = 0;
    (void)factor;
    for (; c + LANES <= channels; c += LANES)
        max_lanes(w, c, LANES, out);
    for (; c < channels; c++)
        max_lanes(w, c, 1, out);
}

static inline void mean_window(const struct window *w, int channels, float factor,
                               float *out)
{
    int c = 0;
    for (; c + LANES <= channels; c += LANES)
        mean_lanes(w, c, LANES, factor, out);
    for (; c < channels; c++)
        mean_lanes(w, c, 1, factor, out);
}

typedef void pool_window(const struct window *w, int channels, float factor, float *out);

static inline __attribute__((always_inline)) void pool_forward(const struct pool_shape *s,
                                                               const struct view *in,
                                                               const struct view *out,
                                                               pool_window *pool)
{
    const float factor =
        1.0f / (float)((int64_t)s->kernel[0] * s->kernel[1] * s->kernel[2]);
    struct window w = {
        .stride_d = in->stride_d, .stride_h = in->stride_h, .stride_w = in->stride_w};
    for (int64_t z = 0; z < out->depth; z++)
        for (int64_t y = 0; y < out->height; y++) {
            const struct span slices = span_at(s, 0, z, in->depth);
            const struct span rows = span_at(s, 1, y, in->height);
            w.slices = slices.to - slices.from;
            w.rows = rows.to - rows.from;
            for (int64_t x = 0; x < out->width; x++) {
                const struct span columns = span_at(s, 2, x, in->width);
                w.columns = columns.to - columns.from;
                w.in = at(in, slices.from, rows.from, columns.from);
                pool(&w, in->channels, factor, at(out, z, y, x));
            }
        }
}

void max_pool_forward(const struct pool_shape *s, const struct view *in,
                      const struct view *out)
{
    pool_forward(s, in, out, max_window);
}

/* Windows of two columns and two rows in one or two slices, side by side: those of
 * U-Nets. The voxels of a row begin `step` floats apart. */
static inline __attribute__((always_inline)) void
mean_of_rows(const float *const rows[4], int count, int64_t step, int channels,
             int64_t width, float *restrict out, int64_t out_step)
{
    const float factor = 0.5f / (float)count;
    for (int64_t x = 0; x < width; x++, out += out_step)
        for (int c = 0; c < channels; c++) {
            const int64_t at = 2 * x * step + c;
            float sum = rows[0][at] + rows[0][at + step];
            for (int i = 1; i < count; i++)
                sum = sum + rows[i][at] + rows[i][at + step];
            out[c] = sum * factor;
        }
}

static void average_halves(const struct pool_shape *s, const struct view *in,
                           const struct view *out)
{
    const int deep = s->kernel[0];
    for (int64_t z = 0; z < out->depth; z++)
        for (int64_t y = 0; y < out->height; y++) {
            const float *rows[4];
            for (int i = 0; i < 2 * deep; i++)
                rows[i] = at(in, deep * z + i / 2, 2 * y + i % 2, 0);
            if (deep == 2)
                mean_of_rows(rows, 4, in->stride_w, in->channels, out->width,
                             at(out, z, y, 0), out->stride_w);
            else
                mean_of_rows(rows, 2, in->stride_w, in->channels, out->width,
                             at(out, z, y, 0), out->stride_w);
        }
}

static bool halves(const struct pool_shape *s)
{
    bool all = s->kernel[0] <= 2 && s->kernel[1] == 2 && s->kernel[2] == 2;
    for (int i = 0; i < 3; i++)
        all = all && s->stride[i] == s->kernel[i] && s->pad[i] == 0;
    return all;
}

void average_pool_forward(const struct pool_shape *s, const struct view *in,
                          const struct view *out)
{
    if (halves(s))
        average_halves(s, in, out);
    else
        pool_forward(s, in, out, mean_window);
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

/* Four voxels of four planes, turned, so that each voxel's are stored at once. */
static void turn_four(const float *const *from, const float factor[TURNED],
                      const float offset[TURNED], float *to, int64_t step)
{
    quad p[TURNED];
    for (int c = 0; c < TURNED; c++) {
        memcpy(&p[c], from[c], sizeof p[c]);
        p[c] = p[c] * factor[c] + offset[c];
    }
    const quad low_a = __builtin_shufflevector(p[0], p[1], 0, 4, 1, 5),
               high_a = __builtin_shufflevector(p[0], p[1], 2, 6, 3, 7),
               low_b = __builtin_shufflevector(p[2], p[3], 0, 4, 1, 5),
               high_b = __builtin_shufflevector(p[2], p[3], 2, 6, 3, 7);
    const quad voxels[TURNED] = {__builtin_shufflevector(low_a, low_b, 0, 1, 4, 5),
                                 __builtin_shufflevector(low_a, low_b, 2, 3, 6, 7),
                                 __builtin_shufflevector(high_a, high_b, 0, 1, 4, 5),
                                 __builtin_shufflevector(high_a, high_b, 2, 3, 6, 7)};
    for (int x = 0; x < TURNED; x++)
        memcpy(to + x * step, &voxels[x], sizeof voxels[x]);
}

/* A row of a single channel, by itself since compilers then make vectors. */
static void turn_single(const float *from, float factor, float offset, int64_t width,
                        float *restrict to)
{
    for (int64_t x = 0; x < width; x++)
        to[x] = from[x] * factor + offset;
}

/* A row of `channels` planes, at most TURNED. */
static void turn_row(const float *const *from, int channels, const float factor[TURNED],
                     const float offset[TURNED], int64_t width, float *to, int64_t step)
{
    int64_t x = 0;
    for (; x + TURNED <= width && channels == TURNED; x += TURNED) {
        const float *const at_x[TURNED] = {from[0] + x, from[1] + x, from[2] + x,
                                           from[3] + x};
        turn_four(at_x, factor, offset, to + x * step, step);
    }
    if (step == 1) {
        turn_single(from[0], factor[0], offset[0], width, to);
        return;
    }
    for (; x < width; x++)
        for (int c = 0; c < channels; c++)
            to[x * step + c] = from[c][x] * factor[c] + offset[c];
}

/* Fours of channels may overlap: the same is stored twice then. */
void view_from_planes(const float *const *planes, const float *scale, const float *shift,
                      const struct view *out)
{
    const int channels = out->channels, some = channels < TURNED ? channels : TURNED;
    for (int64_t z = 0; z < out->depth; z++)
        for (int64_t y = 0; y < out->height; y++)
            for (int done = 0; done < channels; done += some) {
                const int first = done + some <= channels ? done : channels - some;
                const float *from[TURNED];
                float factor[TURNED], offset[TURNED];
                for (int c = 0; c < some; c++) {
                    from[c] = planes[first + c] + (z * out->height + y) * out->width;
                    factor[c] = scale ? scale[first + c] : 1.0f;
                    offset[c] = shift ? shift[first + c] : 0.0f;
                }
                turn_row(from, some, factor, offset, out->width, at(out, z, y, 0) + first,
                         out->stride_w);
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
