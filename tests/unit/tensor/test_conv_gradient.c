/*
 * What convolutions pass back. The obvious sums against finite differences of the forward
 * reference (which is linear, so that a step may be large and differences are exact up to
 * rounding), and every algorithm on every instruction set of this machine against the
 * obvious sums, over random shapes.
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
#include "tensor/conv_norm_gradient.h"
#include "tensor/conv_transpose.h"

enum { CASES = 120, SMALL_CASES = 24 };

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

static float *draw_floats(struct random *r, size_t count)
{
    float *f = malloc(count * sizeof *f);
    assert_non_null(f);
    for (size_t i = 0; i < count; i++)
        f[i] = (float)random_between(r, -1, 1);
    return f;
}

/* Allocated to the float, so that AddressSanitizer sees what lies beyond. */
struct tensor {
    struct view view;
    float *memory;
    size_t floats;
};

static float *voxel(const struct view *v, int64_t z, int64_t y, int64_t x)
{
    return v->data + z * v->stride_d + y * v->stride_h + x * v->stride_w;
}

/* Noise in `channels` of total channels, zeros in the halo, NaN in channels that are not
 * the view's. */
static struct tensor tensor_new(struct random *r, const int64_t size[3], int channels,
                                int total, int halo_d, int halo)
{
    struct tensor t;
    t.floats = (size_t)view_floats(size[0], size[1], size[2], total, halo_d, halo);
    t.memory = malloc(t.floats * sizeof *t.memory);
    assert_non_null(t.memory);
    for (size_t i = 0; i < t.floats; i++)
        t.memory[i] = total == channels ? 0 : NAN;
    const int first = draw(r, 0, total - channels);
    struct view *v = &t.view;
    *v =
        view_channels(view_make(t.memory, size[0], size[1], size[2], total, halo_d, halo),
                      first, channels);
    for (int64_t z = -halo_d; z < size[0] + halo_d; z++)
        for (int64_t y = -halo; y < size[1] + halo; y++)
            for (int64_t x = -halo; x < size[2] + halo; x++) {
                const bool inside = z >= 0 && z < size[0] && y >= 0 && y < size[1] &&
                                    x >= 0 && x < size[2];
                for (int c = 0; c < channels; c++)
                    voxel(v, z, y, x)[c] = inside ? (float)random_between(r, -1, 1) : 0;
            }
    return t;
}

struct fixture {
    struct conv_shape shape;
    struct tensor in, gradient;
    size_t weight_count;
    float *weights;
};

static int draw_channels(struct random *r, int most)
{
    static const int usual[] = {1, 7, 8, 16, 32, 64};
    int c = draw(r, 0, 2) ? usual[draw(r, 0, 5)] : draw(r, 1, 40);
    return c > most ? 1 + c % most : c;
}

static struct fixture fixture_new(uint64_t number, int most_channels, int most_size)
{
    struct random r = random_stream(7, RANDOM_NOISE, number, 0);
    struct fixture f;
    struct conv_shape *s = &f.shape;
    const bool flat = draw(&r, 0, 1), single = number % 16 == 7,
               usual = draw(&r, 0, 2) && !single;
    int64_t size[3], out[3];
    int halo[3];
    for (int i = 0; i < 3; i++) {
        const bool none = flat && i == 0;
        s->kernel[i] = none || single ? 1 : usual ? 3 : draw(&r, 1, 4);
        s->stride[i] = none || single || usual ? 1 : draw(&r, 1, 3);
        s->pad[i] = none ? 0 : usual ? 1 : draw(&r, 0, s->kernel[i] - 1);
        size[i] = s->kernel[i] + draw(&r, 0, i == 2 ? 3 * most_size : most_size);
        if (none)
            size[i] = draw(&r, 1, 2);
        out[i] = (size[i] + 2 * s->pad[i] - s->kernel[i]) / s->stride[i] + 1;
        halo[i] = s->pad[i] + (none ? 0 : draw(&r, 0, 1));
    }
    const int in_plane = halo[1] > halo[2] ? halo[1] : halo[2];
    s->in_channels = draw_channels(&r, most_channels);
    s->out_channels = draw_channels(&r, most_channels);
    if (single && most_channels >= 32) /* channels of the input fill vectors alone */
        s->in_channels = 16 * draw(&r, 1, 2);
    const int wider = draw(&r, 0, 2) ? 0 : draw(&r, 1, 9);
    f.in =
        tensor_new(&r, size, s->in_channels, s->in_channels + wider, halo[0], in_plane);
    /* Passing back to the input reads the gradient's halo. */
    struct conv_transpose_shape t = {.in_channels = s->out_channels,
                                     .out_channels = s->in_channels};
    for (int i = 0; i < 3; i++) {
        t.kernel[i] = s->kernel[i];
        t.stride[i] = s->stride[i];
        t.pad[i] = s->pad[i];
    }
    for (int i = 0; i < 3; i++)
        t.output_pad[i] = (int)(size[i] - conv_transpose_size(&t, i, out[i]));
    const int h = conv_transpose_halo(&t, 1), w = conv_transpose_halo(&t, 2);
    f.gradient = tensor_new(&r, out, s->out_channels, s->out_channels + wider,
                            conv_transpose_halo(&t, 0), h > w ? h : w);
    f.weight_count = (size_t)s->in_channels * (size_t)s->out_channels *
                     (size_t)(s->kernel[0] * s->kernel[1] * s->kernel[2]);
    f.weights = draw_floats(&r, f.weight_count);
    return f;
}

static void fixture_free(struct fixture *f)
{
    free(f->in.memory);
    free(f->gradient.memory);
    free(f->weights);
}

static float *gradient_of(const struct fixture *f, enum conv_algorithm a, enum isa isa)
{
    const struct conv_gradient g = conv_gradient_make(&f->shape, a, isa);
    const struct view *v = &f->gradient.view;
    const size_t bytes = conv_gradient_scratch_bytes(&g, v->depth, v->height, v->width);
    float *found = malloc(f->weight_count * sizeof *found);
    void *scratch;
    assert_non_null(found);
    ok(memory_new(bytes, 1, "scratch", &scratch, &err));
    memset(scratch, 0xff, bytes);
    conv_gradient_weights(&g, &f->in.view, v, found, scratch);
    free(scratch);
    return found;
}

/* The gradient by the weights of sum(gradient * convolution), by the forward pass. */
static double scalar(const struct fixture *f, const float *weights)
{
    struct conv *c;
    const struct view *g = &f->gradient.view;
    float *memory =
        calloc((size_t)(g->depth * g->height * g->width * g->channels), sizeof *memory);
    struct view out = view_make(memory, g->depth, g->height, g->width, g->channels, 0, 0);
    double sum = 0;
    ok(conv_new(&f->shape, CONV_REFERENCE, ISA_PORTABLE, weights, &c, &err));
    conv_forward(c, &f->in.view, &out, &(struct conv_epilogue){0}, NULL);
    for (int64_t z = 0; z < g->depth; z++)
        for (int64_t y = 0; y < g->height; y++)
            for (int64_t x = 0; x < g->width; x++)
                for (int o = 0; o < g->channels; o++)
                    sum += (double)voxel(g, z, y, x)[o] * (double)voxel(&out, z, y, x)[o];
    conv_free(c);
    free(memory);
    return sum;
}

static void the_obvious_sum_is_the_difference_that_a_weight_makes(void **state)
{
    (void)state;
    for (uint64_t number = 0; number < SMALL_CASES; number++) {
        struct fixture f = fixture_new(number, 3, 2);
        float *found = gradient_of(&f, CONV_REFERENCE, ISA_PORTABLE);
        for (size_t i = 0; i < f.weight_count; i++) {
            const float kept = f.weights[i];
            f.weights[i] = kept + 1;
            double difference = scalar(&f, f.weights);
            f.weights[i] = kept - 1;
            difference = (difference - scalar(&f, f.weights)) / 2;
            f.weights[i] = kept;
            assert_true(fabs(difference - (double)found[i]) < 2e-5);
        }
        free(found);
        fixture_free(&f);
    }
}

static void the_input_receives_the_transposed_convolution(void **state)
{
    (void)state;
    for (uint64_t number = 0; number < SMALL_CASES; number++) {
        struct fixture f = fixture_new(number, 3, 2);
        const struct conv_shape *s = &f.shape;
        const struct view *in = &f.in.view, *out = &f.gradient.view;
        const int64_t size[3] = {in->depth, in->height, in->width},
                      out_size[3] = {out->depth, out->height, out->width};
        struct conv_transpose_shape shape = {.in_channels = s->out_channels,
                                             .out_channels = s->in_channels};
        for (int i = 0; i < 3; i++) {
            shape.kernel[i] = s->kernel[i];
            shape.stride[i] = s->stride[i];
            shape.pad[i] = s->pad[i];
        }
        for (int i = 0; i < 3; i++)
            shape.output_pad[i] =
                (int)(size[i] - conv_transpose_size(&shape, i, out_size[i]));
        float *memory =
            calloc((size_t)(size[0] * size[1] * size[2] * in->channels), sizeof *memory);
        struct view to = view_make(memory, size[0], size[1], size[2], in->channels, 0, 0);
        conv_transpose_reference(&shape, f.weights, out, &to, &(struct conv_epilogue){0});
        for (int64_t z = 0; z < size[0]; z++)
            for (int64_t y = 0; y < size[1]; y++)
                for (int64_t x = 0; x < size[2]; x++)
                    for (int c = 0; c < in->channels; c++) {
                        float *place = voxel(in, z, y, x) + c;
                        const float kept = *place;
                        *place = kept + 1;
                        double difference = scalar(&f, f.weights);
                        *place = kept - 1;
                        difference = (difference - scalar(&f, f.weights)) / 2;
                        *place = kept;
                        assert_true(fabs(difference - (double)voxel(&to, z, y, x)[c]) <
                                    2e-5);
                    }
        free(memory);
        fixture_free(&f);
    }
}

static void hold_against_the_reference(enum conv_algorithm a)
{
    for (uint64_t number = 0; number < CASES; number++) {
        struct fixture f = fixture_new(1000 + number, 64, 7);
        const struct conv_shape *s = &f.shape;
        const struct view *v = &f.gradient.view;
        float *expected = gradient_of(&f, CONV_REFERENCE, ISA_PORTABLE);
        const double terms = (double)(v->depth * v->height * v->width);
        for (int isa = ISA_PORTABLE; isa <= (int)isa_best(); isa++) {
            float *found = gradient_of(&f, a, (enum isa)isa);
            for (size_t i = 0; i < f.weight_count; i++)
                if (!(fabs((double)found[i] - (double)expected[i]) <=
                      (a == CONV_WINOGRAD_4 ? 12e-6 : 4e-6) * (1 + sqrt(terms))))
                    fail_msg(
                        "case %d, %s: %d->%d kernel %dx%dx%d stride %dx%dx%d, voxels "
                        "%dx%dx%d: weight %zu is %g, not %g",
                        (int)number, isa_name((enum isa)isa), s->in_channels,
                        s->out_channels, s->kernel[0], s->kernel[1], s->kernel[2],
                        s->stride[0], s->stride[1], s->stride[2], (int)v->depth,
                        (int)v->height, (int)v->width, i, (double)found[i],
                        (double)expected[i]);
            free(found);
        }
        free(expected);
        fixture_free(&f);
    }
}

static void blis_stays_with_the_reference(void **state)
{
    (void)state;
    hold_against_the_reference(CONV_BLIS);
}

static void direct_stays_with_the_reference(void **state)
{
    (void)state;
    hold_against_the_reference(CONV_DIRECT);
}

static void winograd_of_larger_tiles_stays_with_the_reference(void **state)
{
    (void)state;
    hold_against_the_reference(CONV_WINOGRAD_4);
}

/* What is unpacked from sums over samples is what each would have given. */
static void packed_sums_are_the_same_in_another_order(void **state)
{
    (void)state;
    static const enum conv_algorithm algorithms[] = {CONV_REFERENCE, CONV_BLIS,
                                                     CONV_DIRECT, CONV_WINOGRAD_4};
    for (uint64_t number = 0; number < SMALL_CASES; number++) {
        struct fixture f = fixture_new(5000 + number, 20, 5);
        const struct view *v = &f.gradient.view;
        for (size_t a = 0; a < sizeof algorithms / sizeof *algorithms; a++) {
            const struct conv_gradient g =
                conv_gradient_make(&f.shape, algorithms[a], isa_best());
            const size_t floats = conv_gradient_packed_floats(&g);
            float *expected = gradient_of(&f, algorithms[a], isa_best()),
                  *packed = malloc(floats * sizeof *packed);
            int64_t *bits = malloc(floats * sizeof *bits),
                    *weights = malloc(f.weight_count * sizeof *weights);
            void *scratch;
            assert_true(packed && bits && weights);
            ok(memory_new(conv_gradient_scratch_bytes(&g, v->depth, v->height, v->width),
                          1, "scratch", &scratch, &err));
            conv_gradient_packed(&g, &f.in.view, v, packed, scratch);
            for (size_t i = 0; i < floats; i++) {
                int32_t of;
                memcpy(&of, &packed[i], sizeof of);
                bits[i] = of;
            }
            conv_gradient_unpack(&g, bits, weights);
            for (size_t i = 0; i < f.weight_count; i++) {
                const int32_t of = (int32_t)weights[i];
                assert_memory_equal(&of, &expected[i], sizeof of);
            }
            free(scratch);
            free(expected);
            free(packed);
            free(bits);
            free(weights);
        }
        fixture_free(&f);
    }
}

static void a_bias_receives_the_sum_of_its_channel(void **state)
{
    (void)state;
    for (uint64_t number = 0; number < CASES; number++) {
        struct fixture f = fixture_new(2000 + number, 64, 7);
        const struct view *v = &f.gradient.view;
        float bias[64];
        conv_gradient_bias(isa_best(), v, bias);
        for (int c = 0; c < v->channels; c++) {
            double sum = 0;
            for (int64_t z = 0; z < v->depth; z++)
                for (int64_t y = 0; y < v->height; y++)
                    for (int64_t x = 0; x < v->width; x++)
                        sum += (double)voxel(v, z, y, x)[c];
            assert_true(fabs(sum - (double)bias[c]) < 2e-5);
        }
        fixture_free(&f);
    }
}

/* The gradients by scale and shift of y = scale * in + shift, from the gradient by y. */
static void sum_to_norm(const struct fixture *f, const struct view *y, double *by_scale,
                        double *by_shift)
{
    const struct conv_shape *s = &f->shape;
    const struct view *in = &f->in.view;
    struct conv_transpose_shape back = {.in_channels = s->out_channels,
                                        .out_channels = s->in_channels};
    memcpy(back.kernel, s->kernel, sizeof back.kernel);
    memcpy(back.stride, s->stride, sizeof back.stride);
    memcpy(back.pad, s->pad, sizeof back.pad);
    conv_transpose_reference(&back, f->weights, &f->gradient.view, y,
                             &(struct conv_epilogue){0});
    for (int c = 0; c < s->in_channels; c++)
        by_scale[c] = by_shift[c] = 0;
    for (int64_t z = 0; z < in->depth; z++)
        for (int64_t h = 0; h < in->height; h++)
            for (int64_t x = 0; x < in->width; x++)
                for (int c = 0; c < s->in_channels; c++) {
                    const double g = (double)voxel(y, z, h, x)[c];
                    by_scale[c] += g * (double)voxel(in, z, h, x)[c];
                    by_shift[c] += g;
                }
}

static void a_norm_in_front_receives_the_sums_over_voxels(void **state)
{
    (void)state;
    for (uint64_t number = 0; number < CASES; number++) {
        struct fixture f = fixture_new(3000 + number, 40, 6);
        struct random r = random_stream(9, RANDOM_NOISE, number, 0);
        const struct conv_shape *s = &f.shape;
        const struct view *in = &f.in.view, *g = &f.gradient.view;
        const int64_t size[3] = {in->depth, in->height, in->width};
        const size_t channels = (size_t)s->in_channels;
        float *scale = draw_floats(&r, channels), *shift = draw_floats(&r, channels);
        double by_scale[64], by_shift[64];
        struct tensor y =
            tensor_new(&r, size, s->in_channels, s->in_channels, in->halo_d, in->halo);
        sum_to_norm(&f, &y.view, by_scale, by_shift);
        for (int64_t z = 0; z < size[0]; z++)
            for (int64_t h = 0; h < size[1]; h++)
                for (int64_t x = 0; x < size[2]; x++)
                    for (size_t c = 0; c < channels; c++)
                        voxel(&y.view, z, h, x)[c] =
                            scale[c] * voxel(in, z, h, x)[c] + shift[c];
        struct fixture of_y = f;
        of_y.in = y;
        float *expected = gradient_of(&of_y, CONV_REFERENCE, ISA_PORTABLE);
        const double voxels = (double)(g->depth * g->height * g->width),
                     terms = (double)(f.weight_count / channels);
        for (int isa = ISA_PORTABLE; isa <= (int)isa_best(); isa++) {
            const struct conv_gradient by =
                conv_gradient_make(s, CONV_AUTO, (enum isa)isa);
            const size_t floats = conv_gradient_packed_floats(&by),
                         sums = conv_gradient_scratch_bytes(&by, g->depth, g->height,
                                                            g->width),
                         boxes = conv_norm_gradient_scratch_bytes(&by),
                         bytes = sums > boxes ? sums : boxes;
            float *weights = draw_floats(&r, f.weight_count),
                  *packed = draw_floats(&r, floats), *factors = draw_floats(&r, floats),
                  totals[64];
            double found[2][64];
            int64_t *from = calloc(floats, sizeof *from),
                    *to = calloc(f.weight_count, sizeof *to);
            void *scratch;
            assert_true(from && to);
            ok(memory_new(bytes, 1, "scratch", &scratch, &err));
            memset(scratch, 0xff, bytes);
            conv_gradient_packed(&by, in, g, packed, scratch);
            conv_gradient_pack(&by, f.weights, factors);
            conv_gradient_bias((enum isa)isa, g, totals);
            memset(scratch, 0xff, bytes);
            const struct conv_norm norm = {factors, scale, shift,
                                           in,      g,     number % 2 ? totals : NULL};
            conv_norm_gradient(&by, &norm, packed, found[0], found[1], scratch);
            /* Positions, unpacked, say where the sums lie. */
            for (size_t i = 0; i < floats; i++)
                from[i] = (int64_t)i;
            conv_gradient_unpack(&by, from, to);
            for (size_t i = 0; i < f.weight_count; i++)
                weights[i] = packed[to[i]];
            for (size_t i = 0; i < f.weight_count; i++)
                assert_true(fabs((double)weights[i] - (double)expected[i]) <
                            8e-6 * (1 + sqrt(voxels)));
            for (size_t c = 0; c < channels; c++) {
                assert_true(fabs(found[0][c] - by_scale[c]) <
                            8e-6 * (1 + sqrt(voxels * terms)));
                assert_true(fabs(found[1][c] - by_shift[c]) <
                            8e-6 * (1 + sqrt(voxels * terms)));
            }
            free(scratch);
            free(weights);
            free(packed);
            free(factors);
            free(from);
            free(to);
        }
        free(expected);
        free(scale);
        free(shift);
        free(y.memory);
        fixture_free(&f);
    }
}

/* New weights in an old convolution are the same bits as a new convolution. */
static void weights_can_be_set_anew(void **state)
{
    (void)state;
    static const enum conv_algorithm algorithms[] = {CONV_REFERENCE, CONV_BLIS,
                                                     CONV_DIRECT, CONV_WINOGRAD};
    struct random r = random_stream(1, RANDOM_NOISE, 0, 0);
    const struct conv_shape s = {5, 6, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}};
    const int64_t size[3] = {3, 4, 5};
    const size_t count = 5 * 6 * 27, floats = 6 * 3 * 4 * 5;
    float *first = draw_floats(&r, count), *second = draw_floats(&r, count);
    struct tensor in = tensor_new(&r, size, 5, 5, 1, 1);
    for (size_t a = 0; a < sizeof algorithms / sizeof *algorithms; a++) {
        struct conv *fresh, *reused;
        float expected[6 * 3 * 4 * 5], found[6 * 3 * 4 * 5];
        struct view out[2] = {view_make(expected, 3, 4, 5, 6, 0, 0),
                              view_make(found, 3, 4, 5, 6, 0, 0)};
        void *scratch;
        ok(conv_new(&s, algorithms[a], isa_best(), second, &fresh, &err));
        ok(conv_new(&s, algorithms[a], isa_best(), first, &reused, &err));
        conv_set_weights(reused, second);
        ok(memory_new(conv_scratch_bytes(fresh, 3, 4, 5), 1, "scratch", &scratch, &err));
        conv_forward(fresh, &in.view, &out[0], &(struct conv_epilogue){0}, scratch);
        conv_forward(reused, &in.view, &out[1], &(struct conv_epilogue){0}, scratch);
        assert_memory_equal(expected, found, floats * sizeof(float));
        free(scratch);
        conv_free(fresh);
        conv_free(reused);
    }
    free(in.memory);
    free(first);
    free(second);
}

static int setup(void **state)
{
    (void)state;
    isa_use(isa_best());
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_obvious_sum_is_the_difference_that_a_weight_makes),
        cmocka_unit_test(the_input_receives_the_transposed_convolution),
        cmocka_unit_test(blis_stays_with_the_reference),
        cmocka_unit_test(direct_stays_with_the_reference),
        cmocka_unit_test(winograd_of_larger_tiles_stays_with_the_reference),
        cmocka_unit_test(packed_sums_are_the_same_in_another_order),
        cmocka_unit_test(a_bias_receives_the_sum_of_its_channel),
        cmocka_unit_test(a_norm_in_front_receives_the_sums_over_voxels),
        cmocka_unit_test(weights_can_be_set_anew),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
