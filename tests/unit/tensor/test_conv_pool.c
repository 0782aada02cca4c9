/*
 * A convolution pooled on the spot, forward and back, against the same in separate steps
 * by the obvious loops: random shapes, on every instruction set of this machine. Some
 * cases are of small whole numbers, so that maxima tie.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "base/memory.h"
#include "base/random.h"
#include "tensor/conv_gradient.h"
#include "tensor/conv_peaks.h"
#include "tensor/conv_transpose.h"

enum { CASES = 150 };

static struct error err;

static void ok(enum status s)
{
    if (s != STATUS_OK)
        fail_msg("%s", err.message);
}

static int draw(struct random *r, int low, int high)
{
    return low + (int)random_below(r, (uint64_t)(high - low + 1));
}

/* Zeroed, to the byte, so that AddressSanitizer sees what lies beyond. */
static void *room(size_t count, size_t bytes)
{
    void *memory = calloc(count ? count : 1, bytes);
    assert_non_null(memory);
    return memory;
}

static float *voxel(const struct view *v, int64_t z, int64_t y, int64_t x)
{
    return v->data + z * v->stride_d + y * v->stride_h + x * v->stride_w;
}

/* A tensor with its memory; `whole` numbers tie. */
struct tensor {
    struct view view;
    float *memory;
};

static struct tensor tensor_zero(const int64_t size[3], int channels, int halo_d,
                                 int halo)
{
    struct tensor t;
    t.memory =
        room((size_t)view_floats(size[0], size[1], size[2], channels, halo_d, halo),
             sizeof *t.memory);
    t.view = view_make(t.memory, size[0], size[1], size[2], channels, halo_d, halo);
    return t;
}

static void fill(struct random *r, const struct view *v, bool whole)
{
    for (int64_t z = 0; z < v->depth; z++)
        for (int64_t y = 0; y < v->height; y++)
            for (int64_t x = 0; x < v->width; x++)
                for (int c = 0; c < v->channels; c++)
                    voxel(v, z, y, x)[c] =
                        whole ? (float)draw(r, -1, 1) : (float)random_between(r, -1, 1);
}

struct fixture {
    struct conv_shape shape;
    struct pool_shape pool;
    int64_t in_size[3], full[3], size[3]; /* full: what windows cover */
    struct tensor in, gradient;
    int to_halo[2];
    float *weights, *bias;
    size_t weight_count;
    bool relu;
};

static int draw_channels(struct random *r)
{
    static const int usual[] = {1, 7, 8, 16, 32, 64};
    return draw(r, 0, 2) ? usual[draw(r, 0, 5)] : draw(r, 1, 40);
}

static struct fixture fixture_new(uint64_t number)
{
    struct random r = random_stream(11, RANDOM_NOISE, number, 0);
    struct fixture f = {.relu = draw(&r, 0, 3) > 0};
    struct conv_shape *s = &f.shape;
    const bool flat = draw(&r, 0, 2) == 0, usual = draw(&r, 0, 2), whole = draw(&r, 0, 1);
    int halo[3];
    for (int i = 0; i < 3; i++) {
        const bool none = flat && i == 0;
        s->kernel[i] = none ? 1 : usual ? 3 : draw(&r, 1, 4);
        s->stride[i] = none || usual ? 1 : draw(&r, 1, 2);
        s->pad[i] = none ? 0 : usual ? 1 : draw(&r, 0, s->kernel[i] - 1);
        f.pool.kernel[i] = f.pool.stride[i] = none             ? 1
                                              : draw(&r, 0, 3) ? 2
                                                               : draw(&r, 1, 3);
        f.pool.pad[i] = 0;
        f.size[i] = draw(&r, 1, i == 2 ? 9 : 4);
        f.full[i] = f.size[i] * f.pool.kernel[i];
        f.in_size[i] = (f.full[i] - 1) * s->stride[i] + s->kernel[i] - 2 * s->pad[i] +
                       draw(&r, 0, 2);
        if (f.in_size[i] < 1)
            f.in_size[i] = 1;
        halo[i] = s->pad[i] + draw(&r, 0, 1);
    }
    const int in_plane = halo[1] > halo[2] ? halo[1] : halo[2];
    s->in_channels = draw_channels(&r);
    s->out_channels = draw_channels(&r);
    f.in = tensor_zero(f.in_size, s->in_channels, halo[0], in_plane);
    fill(&r, &f.in.view, whole);
    f.gradient = tensor_zero(f.size, s->out_channels, draw(&r, 0, 1), draw(&r, 0, 1));
    fill(&r, &f.gradient.view, false);
    f.to_halo[0] = s->pad[0] + draw(&r, 0, 1);
    f.to_halo[1] = (s->pad[1] > s->pad[2] ? s->pad[1] : s->pad[2]) + draw(&r, 0, 1);
    f.weight_count = (size_t)s->in_channels * (size_t)s->out_channels *
                     (size_t)(s->kernel[0] * s->kernel[1] * s->kernel[2]);
    f.weights = room(f.weight_count, sizeof *f.weights);
    f.bias = room((size_t)s->out_channels, sizeof *f.bias);
    for (size_t i = 0; i < f.weight_count; i++)
        f.weights[i] = whole ? (float)draw(&r, -1, 1) : (float)random_between(&r, -1, 1);
    for (int o = 0; o < s->out_channels; o++)
        f.bias[o] = whole ? (float)draw(&r, -3, 1) : (float)random_between(&r, -1, 1);
    return f;
}

static void fixture_free(struct fixture *f)
{
    free(f->in.memory);
    free(f->gradient.memory);
    free(f->weights);
    free(f->bias);
}

static void say(const struct fixture *f, uint64_t number, enum isa isa, const char *what,
                double found, double expected)
{
    const struct conv_shape *s = &f->shape;
    fail_msg("case %d, %s: %d->%d kernel %dx%dx%d stride %dx%dx%d, windows %dx%dx%d of "
             "%dx%dx%d: %s is %g, not %g",
             (int)number, isa_name(isa), s->in_channels, s->out_channels, s->kernel[0],
             s->kernel[1], s->kernel[2], s->stride[0], s->stride[1], s->stride[2],
             (int)f->size[0], (int)f->size[1], (int)f->size[2], f->pool.kernel[0],
             f->pool.kernel[1], f->pool.kernel[2], what, found, expected);
}

/* The first voxel of a window that has its maximum, and whether anything is passed. */
static int peak_of(const struct fixture *f, const struct view *full, int64_t z, int64_t y,
                   int64_t x, int c, float *best)
{
    const int *w = f->pool.kernel;
    int peak = 0, n = 0;
    for (int i = 0; i < w[0]; i++)
        for (int j = 0; j < w[1]; j++)
            for (int k = 0; k < w[2]; k++, n++) {
                const float v = voxel(full, z * w[0] + i, y * w[1] + j, x * w[2] + k)[c];
                if (n == 0 || v > *best) {
                    *best = v;
                    peak = n;
                }
            }
    return f->relu && *best <= 0 ? CONV_POOL_DEAD : peak;
}

/* Maxima and peaks are those of the convolution done whole, to the bit. */
static uint8_t *forward(const struct fixture *f, enum conv_algorithm a, enum isa isa,
                        uint64_t number)
{
    struct conv *c;
    void *scratch, *whole_scratch;
    const struct conv_epilogue e = {.bias = f->bias, .relu = f->relu};
    struct tensor full = tensor_zero(f->full, f->shape.out_channels, 0, 0),
                  out = tensor_zero(f->size, f->shape.out_channels, 1, 1);
    const int64_t *n = f->size;
    uint8_t *peaks =
        room((size_t)(n[0] * n[1] * n[2] * f->shape.out_channels), sizeof *peaks);
    bool even = true;
    for (int i = 0; i < 3; i++)
        even = even && (f->pool.kernel[i] % 2 == 0 || f->shape.kernel[i] == 1);

    ok(conv_new(&f->shape, a, isa, f->weights, &c, &err));
    ok(memory_new(conv_scratch_bytes(c, f->full[0], f->full[1], f->full[2]), 1, "scratch",
                  &whole_scratch, &err));
    ok(memory_new(conv_pool_scratch_bytes(c, &f->pool, n[0], n[1], n[2]), 1, "scratch",
                  &scratch, &err));
    conv_forward(c, &f->in.view, &full.view, &e, whole_scratch);
    conv_pool_forward(c, &f->pool, &f->in.view, &out.view, peaks, &e, scratch);
    const uint8_t *peak = peaks;
    for (int64_t z = 0; z < n[0]; z++)
        for (int64_t y = 0; y < n[1]; y++)
            for (int64_t x = 0; x < n[2]; x++)
                for (int o = 0; o < f->shape.out_channels; o++, peak++) {
                    float best = 0;
                    const int wanted = peak_of(f, &full.view, z, y, x, o, &best);
                    const float found = voxel(&out.view, z, y, x)[o];
                    if (a != CONV_WINOGRAD || even) {
                        if (memcmp(&found, &best, sizeof best))
                            say(f, number, isa, "a maximum", (double)found, (double)best);
                        if (*peak != wanted)
                            say(f, number, isa, "a peak", *peak, wanted);
                    } else if (!(fabs((double)found - (double)best) < 1e-3)) {
                        say(f, number, isa, "a maximum", (double)found, (double)best);
                    }
                }
    conv_free(c);
    free(scratch);
    free(whole_scratch);
    free(full.memory);
    free(out.memory);
    return peaks;
}

/* The gradient by the output of the convolution. */
static struct tensor spread(const struct fixture *f, const uint8_t *peaks)
{
    const int *w = f->pool.kernel;
    struct tensor g = tensor_zero(f->full, f->shape.out_channels, 0, 0);
    for (int64_t z = 0; z < f->size[0]; z++)
        for (int64_t y = 0; y < f->size[1]; y++)
            for (int64_t x = 0; x < f->size[2]; x++)
                for (int o = 0; o < f->shape.out_channels; o++, peaks++)
                    if (*peaks != CONV_POOL_DEAD)
                        voxel(&g.view, z * w[0] + *peaks / (w[1] * w[2]),
                              y * w[1] + *peaks / w[2] % w[1],
                              x * w[2] + *peaks % w[2])[o] =
                            voxel(&f->gradient.view, z, y, x)[o];
    return g;
}

/* What goes back, from the whole gradient by the obvious loops. */
struct expected {
    struct tensor to;
    float *weights, *bias;
};

static struct expected expect(const struct fixture *f, const struct tensor *g)
{
    const struct conv_shape *s = &f->shape;
    struct expected e = {.to = tensor_zero(f->in_size, s->in_channels, 0, 0),
                         .weights = room(f->weight_count, sizeof(float)),
                         .bias = room((size_t)s->out_channels, sizeof(float))};
    const struct conv_gradient by_weights =
        conv_gradient_make(s, CONV_REFERENCE, ISA_PORTABLE);
    struct conv_transpose_shape back = {.in_channels = s->out_channels,
                                        .out_channels = s->in_channels};
    memcpy(back.kernel, s->kernel, sizeof back.kernel);
    memcpy(back.stride, s->stride, sizeof back.stride);
    memcpy(back.pad, s->pad, sizeof back.pad);
    conv_gradient_weights(&by_weights, &f->in.view, &g->view, e.weights, NULL);
    conv_gradient_bias(isa_best(), &g->view, e.bias);
    conv_transpose_reference(&back, f->weights, &g->view, &e.to.view,
                             &(struct conv_epilogue){0});
    return e;
}

static void compare(const struct fixture *f, const struct expected *e,
                    const struct tensor *to, const float *weights, const float *bias,
                    enum isa isa, uint64_t number)
{
    const double windows = (double)(f->size[0] * f->size[1] * f->size[2]),
                 bound = 4e-6 * (1 + sqrt(windows));
    const struct view *v = &to->view;
    for (size_t i = 0; i < f->weight_count; i++)
        if (!(fabs((double)weights[i] - (double)e->weights[i]) < bound))
            say(f, number, isa, "a weight's gradient", (double)weights[i],
                (double)e->weights[i]);
    for (int o = 0; o < f->shape.out_channels; o++)
        if (!(fabs((double)bias[o] - (double)e->bias[o]) < bound))
            say(f, number, isa, "a bias's gradient", (double)bias[o], (double)e->bias[o]);
    for (int64_t z = -v->halo_d; z < v->depth + v->halo_d; z++)
        for (int64_t y = -v->halo; y < v->height + v->halo; y++)
            for (int64_t x = -v->halo; x < v->width + v->halo; x++)
                for (int c = 0; c < v->channels; c++) {
                    const bool inside = z >= 0 && z < v->depth && y >= 0 &&
                                        y < v->height && x >= 0 && x < v->width;
                    const double found = (double)voxel(v, z, y, x)[c],
                                 wanted =
                                     inside ? (double)voxel(&e->to.view, z, y, x)[c] : 0;
                    if (!(fabs(found - wanted) < (inside ? 2e-5 : 1e-30)))
                        say(f, number, isa, inside ? "the gradient" : "the halo", found,
                            wanted);
                }
}

static void backward(const struct fixture *f, const uint8_t *peaks, enum isa isa,
                     uint64_t number)
{
    struct tensor g = spread(f, peaks), to = tensor_zero(f->in_size, f->shape.in_channels,
                                                         f->to_halo[0], f->to_halo[1]);
    struct expected e = expect(f, &g);
    const int64_t *n = f->size;
    float *weights = room(f->weight_count, sizeof *weights),
          *bias = room((size_t)f->shape.out_channels, sizeof *bias);
    float *other = room(f->weight_count, sizeof *other);
    struct conv_peaks *p;
    void *scratch;

    ok(conv_peaks_new(&f->shape, &f->pool, isa, other, &p, &err));
    conv_peaks_set_weights(p, f->weights);
    const size_t bytes = conv_peaks_scratch_bytes(p, n[0], n[1], n[2]);
    ok(memory_new(bytes, 1, "scratch", &scratch, &err));
    memset(scratch, 0xff, bytes);
    const struct view *v = &to.view;
    for (int64_t i = 0;
         i < view_floats(v->depth, v->height, v->width, v->channels, v->halo_d, v->halo);
         i++)
        to.memory[i] = NAN;
    conv_peaks_backward(p, &f->in.view, &f->gradient.view, peaks, weights, bias, &to.view,
                        scratch);
    compare(f, &e, &to, weights, bias, isa, number);
    memcpy(other, weights, f->weight_count * sizeof *other);
    memset(scratch, 0xff, bytes);
    conv_peaks_backward(p, &f->in.view, &f->gradient.view, peaks, weights, NULL, NULL,
                        scratch);
    assert_memory_equal(other, weights, f->weight_count * sizeof *other);
    conv_peaks_free(p);
    free(scratch);
    free(weights);
    free(bias);
    free(other);
    free(g.memory);
    free(to.memory);
    free(e.to.memory);
    free(e.weights);
    free(e.bias);
}

static void pooled_on_the_spot_is_pooled_after(void **state)
{
    (void)state;
    for (uint64_t number = 0; number < CASES; number++) {
        struct fixture f = fixture_new(number);
        for (int isa = ISA_PORTABLE; isa <= (int)isa_best(); isa++) {
            free(forward(&f, CONV_DIRECT, (enum isa)isa, number));
            for (enum conv_algorithm a = CONV_WINOGRAD; a <= CONV_LINES; a++)
                if (conv_algorithm_serves(a, &f.shape))
                    free(forward(&f, a, (enum isa)isa, number));
        }
        fixture_free(&f);
    }
}

static void peaks_pass_back_what_the_whole_gradient_does(void **state)
{
    (void)state;
    for (uint64_t number = 0; number < CASES; number++) {
        struct fixture f = fixture_new(number);
        for (int isa = ISA_PORTABLE; isa <= (int)isa_best(); isa++) {
            uint8_t *peaks = forward(&f, CONV_DIRECT, (enum isa)isa, number);
            backward(&f, peaks, (enum isa)isa, number);
            free(peaks);
        }
        fixture_free(&f);
    }
}

/* A map that is several slabs in both directions. */
static void large_maps_go_in_slabs(void **state)
{
    (void)state;
    struct random r = random_stream(12, RANDOM_NOISE, 0, 0);
    for (int flat = 0; flat < 2; flat++) {
        struct fixture f = {
            .shape = {2, 16, {flat ? 1 : 3, 3, 3}, {1, 1, 1}, {!flat, 1, 1}},
            .pool = {{flat ? 1 : 2, 2, 2}, {flat ? 1 : 2, 2, 2}, {0, 0, 0}},
            .in_size = {flat ? 1 : 6, 66, 70},
            .full = {flat ? 1 : 6, 66, 70},
            .size = {flat ? 1 : 3, 33, 35},
            .relu = true};
        f.weight_count = flat ? 2 * 16 * 9 : 2 * 16 * 27;
        f.weights = room(f.weight_count, sizeof *f.weights);
        f.bias = room(16, sizeof *f.bias);
        f.in = tensor_zero(f.in_size, 2, !flat, 1);
        f.gradient = tensor_zero(f.size, 16, 0, 0);
        fill(&r, &f.in.view, false);
        for (size_t i = 0; i < f.weight_count; i++)
            f.weights[i] = (float)random_between(&r, -1, 1);
        free(forward(&f, CONV_DIRECT, isa_best(), 0));
        free(forward(&f, CONV_WINOGRAD, isa_best(), 0));
        free(forward(&f, CONV_PLANES, isa_best(), 0));
        fixture_free(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pooled_on_the_spot_is_pooled_after),
        cmocka_unit_test(peaks_pass_back_what_the_whole_gradient_does),
        cmocka_unit_test(large_maps_go_in_slabs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
