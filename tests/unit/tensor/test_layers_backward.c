/*
 * What each layer passes back, against central differences of its definition in double,
 * over random shapes: odd sizes, channels that fill no vector, views that are part of a
 * wider tensor, halos full of rubbish that nobody may touch.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "tensor/layers_backward.h"

enum { ROUNDS = 30, SPARE_CHANNELS = 2, OUT_MAX = 4096 };
static const double step = 1e-6;
static const double eps = 1e-5;

static struct random source;

static int draw(int low, int high)
{
    return low + (int)random_below(&source, (uint64_t)(high - low + 1));
}

/* A layer's definition: dense [z][y][x][c] in double. */
struct problem {
    int64_t in[3], out[3];
    int in_channels, out_channels;
    struct pool_shape pool;
    const float *weights, *bias;
    int samples; /* of batch norm: one after the other */
};

typedef void definition(const struct problem *p, const double *in, double *out);

static size_t count_of(const int64_t size[3], int channels)
{
    return (size_t)(size[0] * size[1] * size[2] * channels);
}

/* The derivative by in[i] of sum(weights * definition(in)). */
static double difference(definition *f, const struct problem *p, double *in, size_t i,
                         size_t outs, const float *weights)
{
    static double out[2][OUT_MAX];
    const double kept = in[i];
    double sum = 0;
    assert_true(outs <= OUT_MAX);
    in[i] = kept + step;
    f(p, in, out[0]);
    in[i] = kept - step;
    f(p, in, out[1]);
    in[i] = kept;
    for (size_t k = 0; k < outs; k++)
        sum += (out[0][k] - out[1][k]) * (double)weights[k];
    return sum / (2 * step);
}

/* Some channels in the middle of a wider tensor with a halo, everything random. */
struct tensor {
    struct view view;
    float *memory, *copy;
    size_t floats;
};

static struct tensor tensor_new(const int64_t size[3], int channels)
{
    const int wide = channels + SPARE_CHANNELS;
    struct tensor t;
    t.floats = (size_t)view_floats(size[0], size[1], size[2], wide, 1, 2);
    t.memory = malloc(t.floats * sizeof *t.memory);
    t.copy = malloc(t.floats * sizeof *t.copy);
    assert_true(t.memory && t.copy);
    for (size_t i = 0; i < t.floats; i++)
        t.memory[i] = (float)random_between(&source, -2, 2);
    memcpy(t.copy, t.memory, t.floats * sizeof *t.copy);
    t.view = view_channels(view_make(t.memory, size[0], size[1], size[2], wide, 1, 2), 1,
                           channels);
    return t;
}

static void tensor_free(struct tensor *t)
{
    free(t->memory);
    free(t->copy);
}

static float *place(const struct view *v, size_t i)
{
    const int64_t c = (int64_t)i % v->channels, voxel = (int64_t)i / v->channels;
    return v->data + voxel / (v->width * v->height) * v->stride_d +
           voxel / v->width % v->height * v->stride_h + voxel % v->width * v->stride_w +
           c;
}

static size_t floats_of(const struct view *v)
{
    return (size_t)(v->depth * v->height * v->width * v->channels);
}

static double *doubles_of(const struct view *v)
{
    double *d = malloc(floats_of(v) * sizeof *d);
    assert_non_null(d);
    for (size_t i = 0; i < floats_of(v); i++)
        d[i] = (double)*place(v, i);
    return d;
}

static float *dense_of(const struct view *v)
{
    float *d = malloc(floats_of(v) * sizeof *d);
    assert_non_null(d);
    for (size_t i = 0; i < floats_of(v); i++)
        d[i] = *place(v, i);
    return d;
}

/* Puts back what a view may have changed: what differs then was written beside it. */
static void assert_nothing_beside(struct tensor *t)
{
    for (size_t i = 0; i < floats_of(&t->view); i++)
        *place(&t->view, i) = t->copy[place(&t->view, i) - t->memory];
    assert_memory_equal(t->memory, t->copy, t->floats * sizeof *t->memory);
}

static void hold(definition *f, const struct problem *p, const struct view *in,
                 const struct view *gradient, const struct view *to, double tolerance)
{
    double *values = doubles_of(in);
    float *weights = dense_of(gradient);
    for (size_t i = 0; i < floats_of(in); i++) {
        const double expected = difference(f, p, values, i, floats_of(gradient), weights);
        if (!(fabs(expected - (double)*place(to, i)) <= tolerance))
            fail_msg("value %zu: %g, difference %g", i, (double)*place(to, i), expected);
    }
    free(values);
    free(weights);
}

static void draw_size(int64_t size[3])
{
    const bool flat = draw(0, 1);
    for (int i = 0; i < 3; i++)
        size[i] = flat && i == 0 ? 1 : draw(1, 6);
}

static void draw_pool(struct problem *p)
{
    draw_size(p->in);
    const bool halves = draw(1, 4) == 1; /* as in U-Nets */
    for (int i = 0; i < 3; i++) {
        if (halves) {
            const int half = i > 0 || draw(1, 2) == 1 ? 2 : 1;
            p->in[i] += p->in[i] % half;
            p->pool.kernel[i] = p->pool.stride[i] = half;
            p->pool.pad[i] = 0;
            p->out[i] = p->in[i] / half;
            continue;
        }
        do {
            p->pool.kernel[i] = draw(1, 3);
            p->pool.stride[i] = draw(1, 3);
            p->pool.pad[i] = draw(0, p->pool.kernel[i] / 2);
        } while (p->in[i] + 2 * p->pool.pad[i] < p->pool.kernel[i]);
        p->out[i] =
            (p->in[i] + 2 * p->pool.pad[i] - p->pool.kernel[i]) / p->pool.stride[i] + 1;
    }
    p->in_channels = p->out_channels = draw(1, 11);
}

static void define_pool(const struct problem *p, const double *in, double *out,
                        bool largest)
{
    const struct pool_shape *s = &p->pool;
    const double share = 1.0 / (s->kernel[0] * s->kernel[1] * s->kernel[2]);
    for (int64_t z = 0; z < p->out[0]; z++)
        for (int64_t y = 0; y < p->out[1]; y++)
            for (int64_t x = 0; x < p->out[2]; x++)
                for (int c = 0; c < p->in_channels; c++) {
                    double most = -INFINITY, sum = 0;
                    for (int k = 0; k < s->kernel[0] * s->kernel[1] * s->kernel[2]; k++) {
                        const int64_t iz = z * s->stride[0] - s->pad[0] +
                                           k / (s->kernel[1] * s->kernel[2]),
                                      iy = y * s->stride[1] - s->pad[1] +
                                           k / s->kernel[2] % s->kernel[1],
                                      ix =
                                          x * s->stride[2] - s->pad[2] + k % s->kernel[2];
                        if (iz < 0 || iz >= p->in[0] || iy < 0 || iy >= p->in[1] ||
                            ix < 0 || ix >= p->in[2])
                            continue;
                        const double v =
                            in[((iz * p->in[1] + iy) * p->in[2] + ix) * p->in_channels +
                               c];
                        most = fmax(most, v);
                        sum += v;
                    }
                    *out++ = largest ? most : sum * share;
                }
}

static void define_max_pool(const struct problem *p, const double *in, double *out)
{
    define_pool(p, in, out, true);
}

static void define_average_pool(const struct problem *p, const double *in, double *out)
{
    define_pool(p, in, out, false);
}

static void pooling_passes_back_to_the_largest_or_to_all(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct problem p;
        draw_pool(&p);
        struct tensor in = tensor_new(p.in, p.in_channels),
                      out = tensor_new(p.out, p.in_channels),
                      gradient = tensor_new(p.out, p.in_channels),
                      to = tensor_new(p.in, p.in_channels);
        average_pool_backward(&p.pool, &gradient.view, &to.view);
        hold(define_average_pool, &p, &in.view, &gradient.view, &to.view, 1e-5);
        max_pool_forward(&p.pool, &in.view, &out.view);
        max_pool_backward(&p.pool, &in.view, &out.view, &gradient.view, &to.view);
        hold(define_max_pool, &p, &in.view, &gradient.view, &to.view, 1e-5);
        assert_nothing_beside(&to);
        tensor_free(&in);
        tensor_free(&out);
        tensor_free(&gradient);
        tensor_free(&to);
    }
}

/* Channels that fill vectors or not. */
static void mean_pooling_adds_to_what_others_pass_back(void **state)
{
    (void)state;
    static const int channels[] = {1, 4, 7, 8, 16, 32};
    for (int round = 0; round < ROUNDS; round++) {
        struct problem p;
        draw_pool(&p);
        if (round % 3) { /* halves, which go another way */
            p.pool = (struct pool_shape){{1, 2, 2}, {1, 2, 2}, {0, 0, 0}};
            p.pool.kernel[0] = p.pool.stride[0] = draw(1, 2);
            for (int i = 0; i < 3; i++)
                p.in[i] = (p.out[i] = draw(1, 3)) * p.pool.kernel[i];
        }
        const int count = channels[draw(0, 5)];
        struct tensor gradient = tensor_new(p.out, count), to = tensor_new(p.in, count),
                      alone = tensor_new(p.in, count);
        float *before = dense_of(&to.view);
        average_pool_backward(&p.pool, &gradient.view, &alone.view);
        average_pool_backward_add(&p.pool, &gradient.view, &to.view);
        for (size_t i = 0; i < floats_of(&to.view); i++)
            assert_float_equal(*place(&to.view, i), before[i] + *place(&alone.view, i),
                               1e-5);
        free(before);
        assert_nothing_beside(&to);
        tensor_free(&gradient);
        tensor_free(&to);
        tensor_free(&alone);
    }
}

static void of_equal_values_the_first_gets_the_gradient(void **state)
{
    (void)state;
    const struct pool_shape s = {{2, 2, 2}, {2, 2, 2}, {0, 0, 0}};
    float in[2 * 2 * 2 * 9], out[9], gradient[9], to[2 * 2 * 2 * 9];
    for (int channel = 0; channel < 9; channel++) {
        gradient[channel] = (float)channel + 1;
        for (int v = 0; v < 8; v++) /* equal from the channel's number on */
            in[v * 9 + channel] = v >= channel ? 5 : (float)v - 9;
    }
    for (int v = 0; v < 8; v++)
        in[v * 9 + 8] = v % 2 ? 0.0f : -0.0f;
    const struct view i = view_make(in, 2, 2, 2, 9, 0, 0),
                      o = view_make(out, 1, 1, 1, 9, 0, 0),
                      g = view_make(gradient, 1, 1, 1, 9, 0, 0),
                      t = view_make(to, 2, 2, 2, 9, 0, 0);
    max_pool_forward(&s, &i, &o);
    max_pool_backward(&s, &i, &o, &g, &t);
    for (int channel = 0; channel < 9; channel++)
        for (int v = 0; v < 8; v++)
            assert_float_equal(to[v * 9 + channel],
                               v == channel % 8 ? gradient[channel] : 0, 0);
}

static void define_relu(const struct problem *p, const double *in, double *out)
{
    for (size_t i = 0; i < count_of(p->in, p->in_channels); i++)
        out[i] = fmax(0, in[i]);
}

static void define_sigmoid(const struct problem *p, const double *in, double *out)
{
    for (size_t i = 0; i < count_of(p->in, p->in_channels); i++)
        out[i] = 1 / (1 + exp(-in[i]));
}

static void define_softmax(const struct problem *p, const double *in, double *out)
{
    const size_t voxels = count_of(p->in, 1);
    for (size_t v = 0; v < voxels; v++, in += p->in_channels, out += p->in_channels) {
        double sum = 0;
        for (int c = 0; c < p->in_channels; c++)
            sum += out[c] = exp(in[c]);
        for (int c = 0; c < p->in_channels; c++)
            out[c] /= sum;
    }
}

typedef void forward(const struct view *, const struct view *);
typedef void backward(const struct view *, const struct view *, const struct view *);

static void check_map(definition *f, forward *go, backward *back)
{
    for (int round = 0; round < ROUNDS; round++) {
        struct problem p = {.in_channels = draw(1, 11)};
        draw_size(p.in);
        struct tensor in = tensor_new(p.in, p.in_channels),
                      out = tensor_new(p.in, p.in_channels),
                      gradient = tensor_new(p.in, p.in_channels),
                      to = tensor_new(p.in, p.in_channels);
        go(&in.view, &out.view);
        back(&out.view, &gradient.view, &to.view);
        hold(f, &p, &in.view, &gradient.view, &to.view, 1e-5);
        float *apart = dense_of(&to.view);
        back(&out.view, &gradient.view, &gradient.view);
        for (size_t i = 0; i < floats_of(&to.view); i++)
            assert_true(*place(&gradient.view, i) == apart[i]);
        free(apart);
        assert_nothing_beside(&to);
        tensor_free(&in);
        tensor_free(&out);
        tensor_free(&gradient);
        tensor_free(&to);
    }
}

static void relu_sigmoid_and_softmax_pass_back_their_slopes(void **state)
{
    (void)state;
    check_map(define_relu, relu_forward, relu_backward);
    check_map(define_sigmoid, sigmoid_forward, sigmoid_backward);
    check_map(define_softmax, softmax_forward, softmax_backward);
}

static void define_linear(const struct problem *p, const double *in, double *out)
{
    for (int o = 0; o < p->out_channels; o++) {
        out[o] = (double)p->bias[o];
        for (int i = 0; i < p->in_channels; i++)
            out[o] += (double)p->weights[o * p->in_channels + i] * in[i];
    }
}

static void linear_passes_back_to_input_weights_and_bias(void **state)
{
    (void)state;
    const int64_t one[3] = {1, 1, 1};
    for (int round = 0; round < ROUNDS; round++) {
        float weights[20 * 20], bias[20], by_weights[20 * 20], by_bias[20];
        struct problem p = {.in = {1, 1, 1},
                            .out = {1, 1, 1},
                            .in_channels = draw(1, 20),
                            .out_channels = draw(1, 20),
                            .weights = weights,
                            .bias = bias};
        for (int i = 0; i < 20 * 20; i++)
            weights[i] = (float)random_between(&source, -1, 1);
        for (int i = 0; i < 20; i++)
            bias[i] = (float)random_between(&source, -1, 1);
        struct tensor in = tensor_new(one, p.in_channels),
                      gradient = tensor_new(one, p.out_channels),
                      to = tensor_new(one, p.in_channels);
        linear_backward(weights, &in.view, &gradient.view, by_weights, by_bias, &to.view);
        hold(define_linear, &p, &in.view, &gradient.view, &to.view, 2e-5);
        for (int o = 0; o < p.out_channels; o++) {
            assert_true(by_bias[o] == gradient.view.data[o]);
            for (int i = 0; i < p.in_channels; i++)
                assert_true(by_weights[o * p.in_channels + i] ==
                            gradient.view.data[o] * in.view.data[i]);
        }
        assert_nothing_beside(&to);
        tensor_free(&in);
        tensor_free(&gradient);
        tensor_free(&to);
    }
}

/* Batch norm over all samples; weights and bias as in the layer. */
static void define_norm(const struct problem *p, const double *in, double *out)
{
    const size_t rows = (size_t)p->samples * count_of(p->in, 1);
    const size_t channels = (size_t)p->in_channels;
    for (size_t c = 0; c < channels; c++) {
        double mean = 0, variance = 0;
        for (size_t i = 0; i < rows; i++)
            mean += in[i * channels + c] / (double)rows;
        for (size_t i = 0; i < rows; i++)
            variance += pow(in[i * channels + c] - mean, 2) / (double)rows;
        for (size_t i = 0; i < rows; i++)
            out[i * channels + c] = (in[i * channels + c] - mean) / sqrt(variance + eps) *
                                        (double)p->weights[c] +
                                    (double)p->bias[c];
    }
}

enum { NORM_SAMPLES = 3, NORM_CHANNELS = 9 };

/* All passes over a batch; `to` receives the gradients by the inputs, by_weight and
 * by_bias those by the parameters. */
static void norm_backward(const struct problem *p, const struct tensor *in,
                          const struct tensor *gradient, const struct tensor *to,
                          double *by_weight, double *by_bias)
{
    const int channels = p->in_channels;
    const double count = (double)count_of(p->in, 1) * NORM_SAMPLES;
    double sums[2][NORM_CHANNELS] = {{0}}, part[2][NORM_CHANNELS];
    float mean[NORM_CHANNELS], inverse[NORM_CHANNELS], first[NORM_CHANNELS],
        second[NORM_CHANNELS], scale[NORM_CHANNELS];
    for (int i = 0; i < NORM_SAMPLES; i++) {
        batch_norm_sums(&in[i].view, part[0], part[1]);
        for (int c = 0; c < channels; c++) {
            sums[0][c] += part[0][c];
            sums[1][c] += part[1][c];
        }
    }
    for (int c = 0; c < channels; c++) {
        const struct batch_statistics s =
            batch_norm_statistics(sums[0][c], sums[1][c], count, eps);
        mean[c] = (float)s.mean;
        inverse[c] = (float)s.inverse;
        by_weight[c] = by_bias[c] = 0;
    }
    for (int i = 0; i < NORM_SAMPLES; i++) {
        batch_norm_backward_sums(&in[i].view, &gradient[i].view, mean, inverse, part[0],
                                 part[1]);
        for (int c = 0; c < channels; c++) {
            by_bias[c] += part[0][c];
            by_weight[c] += part[1][c];
        }
    }
    for (int c = 0; c < channels; c++) {
        first[c] = (float)(by_bias[c] / count);
        second[c] = (float)(by_weight[c] / count * (double)inverse[c]);
        scale[c] = p->weights[c] * inverse[c];
    }
    for (int i = 0; i < NORM_SAMPLES; i++)
        batch_norm_backward(&in[i].view, &gradient[i].view, mean, first, second, scale,
                            &to[i].view);
}

static void append(double *to, const struct view *v, int sample)
{
    double *values = doubles_of(v);
    memcpy(to + (size_t)sample * floats_of(v), values, floats_of(v) * sizeof *values);
    free(values);
}

static void batch_norm_passes_back_through_its_statistics(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        float weights[NORM_CHANNELS], bias[NORM_CHANNELS];
        struct problem p = {.in_channels = draw(1, NORM_CHANNELS),
                            .weights = weights,
                            .bias = bias,
                            .samples = NORM_SAMPLES};
        for (int i = 0; i < 3; i++)
            p.in[i] = draw(2, 4);
        for (int c = 0; c < NORM_CHANNELS; c++) {
            weights[c] = (float)random_between(&source, 0.5, 2);
            bias[c] = (float)random_between(&source, -1, 1);
        }
        struct tensor in[NORM_SAMPLES], gradient[NORM_SAMPLES], to[NORM_SAMPLES];
        const size_t each = count_of(p.in, p.in_channels), all = each * NORM_SAMPLES;
        double *x = malloc(all * sizeof *x), *g = malloc(all * sizeof *g);
        float *weight_of = malloc(all * sizeof *weight_of);
        double by_weight[NORM_CHANNELS], by_bias[NORM_CHANNELS];
        for (int i = 0; i < NORM_SAMPLES; i++) {
            in[i] = tensor_new(p.in, p.in_channels);
            gradient[i] = tensor_new(p.in, p.in_channels);
            to[i] = tensor_new(p.in, p.in_channels);
            append(x, &in[i].view, i);
            append(g, &gradient[i].view, i);
        }
        for (size_t i = 0; i < all; i++)
            weight_of[i] = (float)g[i];
        norm_backward(&p, in, gradient, to, by_weight, by_bias);
        for (size_t i = 0; i < all; i += 7)
            assert_true(fabs(difference(define_norm, &p, x, i, all, weight_of) -
                             (double)*place(&to[i / each].view, i % each)) < 2e-5);
        static double out[OUT_MAX];
        define_norm(&p, x, out);
        for (int c = 0; c < p.in_channels; c++) {
            double sum = 0, product = 0;
            for (size_t i = (size_t)c; i < all; i += (size_t)p.in_channels) {
                sum += g[i];
                product += g[i] * (out[i] - (double)bias[c]) / (double)weights[c];
            }
            assert_true(fabs(sum - by_bias[c]) < 1e-5);
            assert_true(fabs(product - by_weight[c]) < 1e-4);
        }
        for (int i = 0; i < NORM_SAMPLES; i++) {
            assert_nothing_beside(&to[i]);
            tensor_free(&in[i]);
            tensor_free(&gradient[i]);
            tensor_free(&to[i]);
        }
        free(x);
        free(g);
        free(weight_of);
    }
}

static void running_statistics_follow_with_an_unbiased_variance(void **state)
{
    (void)state;
    const struct batch_statistics s = batch_norm_statistics(12, 50, 4, eps);
    float mean = 1, variance = 2;
    assert_true(fabs(s.mean - 3) < 1e-15 && fabs(s.variance - 3.5) < 1e-15);
    assert_true(fabs(s.inverse - 1 / sqrt(3.5 + 1e-5)) < 1e-15);
    batch_norm_update(&s, 4, 0.1, &mean, &variance);
    assert_float_equal(mean, 0.9 + 0.3, 1e-6);
    assert_float_equal(variance, 1.8 + 0.1 * 3.5 * 4 / 3, 1e-6);
}

static void adding_and_unpacking_touch_nothing_else(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t size[3];
        draw_size(size);
        const int channels = draw(1, 11);
        struct tensor from = tensor_new(size, channels), to = tensor_new(size, channels);
        float *before = dense_of(&to.view), *planes = dense_of(&to.view),
              *again = dense_of(&to.view);
        view_add(&from.view, &to.view);
        for (size_t i = 0; i < floats_of(&to.view); i++)
            assert_true(*place(&to.view, i) == before[i] + *place(&from.view, i));
        view_from_dense(planes, &to.view);
        view_to_planes(&to.view, again);
        assert_memory_equal(planes, again, floats_of(&to.view) * sizeof *planes);
        assert_nothing_beside(&to);
        free(before);
        free(planes);
        free(again);
        tensor_free(&from);
        tensor_free(&to);
    }
}

static int setup(void **state)
{
    (void)state;
    source = random_stream(9, RANDOM_NOISE, 0, 0);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pooling_passes_back_to_the_largest_or_to_all),
        cmocka_unit_test(mean_pooling_adds_to_what_others_pass_back),
        cmocka_unit_test(of_equal_values_the_first_gets_the_gradient),
        cmocka_unit_test(relu_sigmoid_and_softmax_pass_back_their_slopes),
        cmocka_unit_test(linear_passes_back_to_input_weights_and_bias),
        cmocka_unit_test(batch_norm_passes_back_through_its_statistics),
        cmocka_unit_test(running_statistics_follow_with_an_unbiased_variance),
        cmocka_unit_test(adding_and_unpacking_touch_nothing_else),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
