/*
 * Every algorithm, on every instruction set of this machine, against the reference:
 * random shapes from a counter-based generator, so that a failure names a case that can
 * be run again alone.
 *
 * Tensors are allocated to the float, so that AddressSanitizer sees a read or write
 * beyond them; all that an output does not own (its halo, the other channels of a wider
 * tensor) holds GUARD.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "base/memory.h"
#include "tensor/conv.h"

enum { CASES = 150 };
static const float GUARD = 12345.0f;

/* A number that depends on its place alone (splitmix64's finalizer). */
static uint64_t draw(uint64_t stream, uint64_t index)
{
    uint64_t x = (stream << 32) + index + 1;
    x *= 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static int draw_range(uint64_t stream, uint64_t index, int low, int high)
{
    return low + (int)(draw(stream, index) % (uint64_t)(high - low + 1));
}

/* Uniform in [-1, 1). */
static float draw_float(uint64_t stream, uint64_t index)
{
    return (float)(draw(stream, index) >> 40) * 0x1p-23f - 1.0f;
}

struct tensor {
    struct view view;
    float *memory;
    size_t floats;
};

/* A tensor that is `channels` channels, from `first` on, of one with `total`. */
static struct tensor tensor_new(const int64_t size[3], int total, int first, int channels,
                                int halo_d, int halo)
{
    struct tensor t;
    t.floats = (size_t)view_floats(size[0], size[1], size[2], total, halo_d, halo);
    t.memory = malloc(t.floats * sizeof *t.memory);
    assert_non_null(t.memory);
    t.view =
        view_channels(view_make(t.memory, size[0], size[1], size[2], total, halo_d, halo),
                      first, channels);
    return t;
}

static float *voxel(const struct view *v, int64_t z, int64_t y, int64_t x)
{
    return v->data + z * v->stride_d + y * v->stride_h + x * v->stride_w;
}

/* One case: a shape, an input with its halo, and what happens to the output. */
struct fixture {
    struct conv_shape shape;
    struct tensor in;
    int64_t out_size[3];
    int out_total, out_first, out_halo;
    float *weights, *bias, *scale, *shift;
    struct conv_epilogue epilogue;
};

static float *draw_floats(uint64_t stream, size_t count)
{
    float *f = malloc(count * sizeof *f);
    assert_non_null(f);
    for (size_t i = 0; i < count; i++)
        f[i] = draw_float(stream, i);
    return f;
}

/* Fills the voxels with noise, the channels that are not the view's with NaN (nobody may
 * use them), and the halo with zeros. */
static void fill_input(struct tensor *t, uint64_t stream)
{
    struct view *v = &t->view;
    for (size_t i = 0; i < t->floats; i++)
        t->memory[i] = v->stride_w == v->channels ? 0 : NAN;
    uint64_t n = 0;
    for (int64_t z = -v->halo_d; z < v->depth + v->halo_d; z++)
        for (int64_t y = -v->halo; y < v->height + v->halo; y++)
            for (int64_t x = -v->halo; x < v->width + v->halo; x++) {
                bool inside = z >= 0 && z < v->depth && y >= 0 && y < v->height &&
                              x >= 0 && x < v->width;
                for (int c = 0; c < v->channels; c++)
                    voxel(v, z, y, x)[c] = inside ? draw_float(stream, n++) : 0;
            }
}

/* Kernel 3, stride 1, pad 1 in two cases of three: what the networks are made of. */
static void draw_kernel(struct conv_shape *s, uint64_t stream)
{
    bool flat = draw(stream, 1) % 2, usual = draw(stream, 2) % 3;
    for (int i = 0; i < 3; i++) {
        uint64_t at = 10 * (uint64_t)i;
        s->kernel[i] = usual ? 3 : draw_range(stream, 13 + at, 1, 4);
        s->stride[i] = usual ? 1 : draw_range(stream, 14 + at, 1, 3);
        s->pad[i] = usual ? 1 : draw_range(stream, 15 + at, 0, s->kernel[i] - 1);
        if (flat && i == 0) {
            s->kernel[0] = s->stride[0] = 1;
            s->pad[0] = 0;
        }
    }
}

static int draw_channels(uint64_t stream, uint64_t index)
{
    static const int usual[] = {1, 7, 8, 16, 32, 64};
    return draw(stream, index) % 3 ? usual[draw(stream, index + 1) % 6]
                                   : draw_range(stream, index + 2, 1, 40);
}

static void draw_epilogue(struct fixture *f, uint64_t stream)
{
    size_t channels = (size_t)f->shape.out_channels;
    f->bias = draw_floats(stream + 1, channels);
    f->scale = draw_floats(stream + 2, channels);
    f->shift = draw_floats(stream + 3, channels);
    uint64_t which = draw(stream, 80);
    f->epilogue.bias = which & 1 ? f->bias : NULL;
    f->epilogue.relu = which & 2;
    f->epilogue.scale = which & 4 ? f->scale : NULL;
    f->epilogue.shift = which & 8 ? f->shift : NULL;
}

static struct fixture fixture_new(uint64_t number)
{
    uint64_t stream = 100 * number;
    struct fixture f = {0};
    struct conv_shape *s = &f.shape;
    draw_kernel(s, stream);
    s->in_channels = draw_channels(stream, 50);
    s->out_channels = draw_channels(stream, 55);

    int64_t size[3];
    bool flat = s->kernel[0] == 1 && s->pad[0] == 0;
    for (int i = 0; i < 3; i++) {
        int most = i == 2 ? (flat ? 60 : 26) : flat ? 9 : 6;
        size[i] = s->kernel[i] + draw_range(stream, 60 + (uint64_t)i, 0, most);
        if (i == 0 && flat)
            size[i] = draw_range(stream, 63, 1, 2);
        f.out_size[i] = (size[i] + 2 * s->pad[i] - s->kernel[i]) / s->stride[i] + 1;
    }
    int wider = draw(stream, 70) % 3 ? 0 : draw_range(stream, 71, 1, 17);
    int extra = draw_range(stream, 72, 0, 1);
    int pad = s->pad[1] > s->pad[2] ? s->pad[1] : s->pad[2];
    f.in = tensor_new(size, s->in_channels + wider,
                      wider ? draw_range(stream, 73, 0, wider) : 0, s->in_channels,
                      s->pad[0] + (flat ? 0 : extra), pad + extra);
    fill_input(&f.in, stream + 4);

    wider = draw(stream, 74) % 3 ? 0 : draw_range(stream, 75, 1, 17);
    f.out_total = s->out_channels + wider;
    f.out_first = wider ? draw_range(stream, 76, 0, wider) : 0;
    f.out_halo = draw_range(stream, 77, 0, 1);
    f.weights =
        draw_floats(stream + 5, (size_t)s->in_channels * (size_t)s->out_channels *
                                    (size_t)(s->kernel[0] * s->kernel[1] * s->kernel[2]));
    draw_epilogue(&f, stream + 6);
    return f;
}

static void fixture_free(struct fixture *f)
{
    free(f->in.memory);
    free(f->weights);
    free(f->bias);
    free(f->scale);
    free(f->shift);
}

/* The output of one algorithm, to be freed; scratch is as large as was asked for, and
 * dirty. */
static struct tensor run(const struct fixture *f, enum conv_algorithm a, enum isa isa)
{
    struct conv *c;
    struct error err;
    void *scratch = NULL;
    struct tensor out = tensor_new(f->out_size, f->out_total, f->out_first,
                                   f->shape.out_channels, f->out_halo, f->out_halo);
    for (size_t i = 0; i < out.floats; i++)
        out.memory[i] = GUARD;
    assert_int_equal(conv_new(&f->shape, a, isa, f->weights, &c, &err), STATUS_OK);
    size_t bytes = conv_scratch_bytes(c, f->out_size[0], f->out_size[1], f->out_size[2]);
    assert_int_equal(memory_new(bytes, 1, "scratch", &scratch, &err), STATUS_OK);
    memset(scratch, 0xff, bytes);
    conv_forward(c, &f->in.view, &out.view, &f->epilogue, scratch);
    free(scratch);
    conv_free(c);
    return out;
}

/* How much rounding may grow: with the number of terms of a sum, and by F(4,3) several
 * times more. */
static double tolerance(const struct fixture *f, enum conv_algorithm a)
{
    const struct conv_shape *s = &f->shape;
    double terms = (double)s->in_channels * s->kernel[0] * s->kernel[1] * s->kernel[2];
    const bool more = a == CONV_WINOGRAD_4 || a == CONV_PLANES;
    return (more ? 12e-6 : 4e-6) * (1 + sqrt(terms));
}

static void compare(const struct fixture *f, enum conv_algorithm a,
                    const struct tensor *found, const struct tensor *expected,
                    const char *what, int number)
{
    const double bound = tolerance(f, a);
    for (size_t i = 0; i < found->floats; i++) {
        double difference = fabs((double)found->memory[i] - (double)expected->memory[i]);
        bool guard = expected->memory[i] == GUARD;
        if (guard ? found->memory[i] != GUARD : !(difference <= bound)) {
            const struct conv_shape *s = &f->shape;
            fail_msg("case %d, %s: %d->%d kernel %dx%dx%d stride %dx%dx%d, out %dx%dx%d: "
                     "float %zu "
                     "is %g, not %g",
                     number, what, s->in_channels, s->out_channels, s->kernel[0],
                     s->kernel[1], s->kernel[2], s->stride[0], s->stride[1], s->stride[2],
                     (int)f->out_size[0], (int)f->out_size[1], (int)f->out_size[2], i,
                     (double)found->memory[i], (double)expected->memory[i]);
        }
    }
}

/* All cases for one algorithm: it stays with the reference, writes nothing else, and
 * gives the same bits twice. */
static void hold_against_the_reference(enum conv_algorithm a)
{
    int served = 0;
    for (int number = 0; number < CASES; number++) {
        struct fixture f = fixture_new((uint64_t)number);
        struct tensor expected = run(&f, CONV_REFERENCE, ISA_PORTABLE);
        for (int i = ISA_PORTABLE;
             conv_algorithm_serves(a, &f.shape) && i <= (int)isa_best(); i++) {
            struct tensor first = run(&f, a, (enum isa)i),
                          second = run(&f, a, (enum isa)i);
            compare(&f, a, &first, &expected, isa_name((enum isa)i), number);
            assert_memory_equal(first.memory, second.memory,
                                first.floats * sizeof(float));
            free(first.memory);
            free(second.memory);
            served++;
        }
        free(expected.memory);
        fixture_free(&f);
    }
    print_message("%s: %d runs of %d cases\n", conv_algorithm_name(a), served, CASES);
    assert_true(served > 0);
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

static void winograd_stays_with_the_reference(void **state)
{
    (void)state;
    hold_against_the_reference(CONV_WINOGRAD);
}

static void winograd_of_larger_tiles_stays_with_the_reference(void **state)
{
    (void)state;
    hold_against_the_reference(CONV_WINOGRAD_4);
}

static void planes_stay_with_the_reference(void **state)
{
    (void)state;
    hold_against_the_reference(CONV_PLANES);
}

static void lines_stay_with_the_reference(void **state)
{
    (void)state;
    hold_against_the_reference(CONV_LINES);
}

static void the_automatic_choice_stays_with_the_reference(void **state)
{
    (void)state;
    hold_against_the_reference(CONV_AUTO);
}

/* 2 input channels, 1 output: the sum can be done by hand. */
static void the_reference_is_the_sum_written_down(void **state)
{
    (void)state;
    struct conv_shape s = {2, 1, {1, 1, 2}, {1, 1, 1}, {0, 0, 0}};
    float memory[3 * 2] = {1, 2, 3, 4, 5, 6}; /* voxels (1, 2), (3, 4), (5, 6) */
    float weights[1 * 2 * 2] = {10, 100, 1000, 10000};
    float result[2], bias = 0.5f;
    struct conv *c;
    assert_int_equal(conv_new(&s, CONV_REFERENCE, ISA_PORTABLE, weights, &c, NULL),
                     STATUS_OK);
    struct view in = view_make(memory, 1, 1, 3, 2, 0, 0),
                out = view_make(result, 1, 1, 2, 1, 0, 0);
    conv_forward(c, &in, &out, &(struct conv_epilogue){.bias = &bias}, NULL);
    assert_float_equal(result[0], 10 * 1 + 100 * 3 + 1000 * 2 + 10000 * 4 + 0.5, 0);
    assert_float_equal(result[1], 10 * 3 + 100 * 5 + 1000 * 4 + 10000 * 6 + 0.5, 0);
    conv_free(c);
}

static void an_algorithm_that_does_not_serve_a_shape_is_refused(void **state)
{
    (void)state;
    struct conv_shape s = {8, 8, {1, 5, 5}, {1, 1, 1}, {0, 2, 2}};
    struct conv *c = NULL;
    struct error err;
    float weights[8 * 8 * 25] = {0};
    assert_false(conv_algorithm_serves(CONV_WINOGRAD, &s));
    assert_int_equal(conv_new(&s, CONV_WINOGRAD, ISA_PORTABLE, weights, &c, &err),
                     STATUS_JOB_CONFIG);
    assert_non_null(strstr(err.message, "\"winograd\" does not serve kernel 1x5x5"));
    assert_null(c);
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
        cmocka_unit_test(the_reference_is_the_sum_written_down),
        cmocka_unit_test(blis_stays_with_the_reference),
        cmocka_unit_test(direct_stays_with_the_reference),
        cmocka_unit_test(winograd_stays_with_the_reference),
        cmocka_unit_test(winograd_of_larger_tiles_stays_with_the_reference),
        cmocka_unit_test(planes_stay_with_the_reference),
        cmocka_unit_test(lines_stay_with_the_reference),
        cmocka_unit_test(the_automatic_choice_stays_with_the_reference),
        cmocka_unit_test(an_algorithm_that_does_not_serve_a_shape_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
