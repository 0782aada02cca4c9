/*
 * The passes of a batch norm by kernels, on every instruction set of this machine,
 * against the plain ones: random sizes, channels that fill vectors and that do not,
 * views that are part of a wider tensor, in place.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "tensor/norm_lanes.h"

enum { CASES = 60, CHANNELS_MOST = 320 };

static struct random source;

static int draw(int low, int high)
{
    return low + (int)random_below(&source, (uint64_t)(high - low + 1));
}

/* Allocated to the float, so that AddressSanitizer sees what lies beyond. */
struct tensor {
    struct view view;
    float *memory;
    size_t floats;
};

static struct tensor tensor_new(const int64_t size[3], int channels, int wider, int halo)
{
    struct tensor t;
    t.floats =
        (size_t)view_floats(size[0], size[1], size[2], channels + wider, halo, halo);
    t.memory = malloc(t.floats * sizeof *t.memory);
    assert_non_null(t.memory);
    for (size_t i = 0; i < t.floats; i++)
        t.memory[i] = (float)random_between(&source, -1, 2);
    t.view = view_channels(
        view_make(t.memory, size[0], size[1], size[2], channels + wider, halo, halo),
        draw(0, wider), channels);
    return t;
}

static struct tensor tensor_copy(const struct tensor *t)
{
    struct tensor copy = *t;
    copy.memory = malloc(t->floats * sizeof *copy.memory);
    assert_non_null(copy.memory);
    memcpy(copy.memory, t->memory, t->floats * sizeof *copy.memory);
    copy.view.data = copy.memory + (t->view.data - t->memory);
    return copy;
}

/* All floats, those beside the view too. */
static void assert_near(const struct tensor *found, const struct tensor *expected)
{
    for (size_t i = 0; i < found->floats; i++)
        assert_true(fabs((double)found->memory[i] - (double)expected->memory[i]) < 1e-5);
}

static void assert_sums_near(const double *found, const double *expected, int channels,
                             double voxels)
{
    for (int c = 0; c < channels; c++)
        assert_true(fabs(found[c] - expected[c]) < 1e-7 * voxels);
}

/* One case: what the passes read, and constants for them. */
struct fixture {
    struct tensor in, gradient, to;
    float constants[4][CHANNELS_MOST];
    int channels;
    double voxels;
};

static struct fixture fixture_new(void)
{
    static const int usual[] = {1, 2, 4, 7, 8, 16, 24, 32, 64, 264, 272};
    struct fixture f = {.channels = draw(0, 3) ? usual[draw(0, 10)] : draw(1, 40)};
    const int64_t size[3] = {draw(1, 3), draw(1, 5), draw(0, 1) ? 16 : draw(1, 9)};
    const int wider = draw(0, 1) ? draw(1, 16) : 0, halo = draw(0, 1);
    f.voxels = (double)(size[0] * size[1] * size[2]);
    f.in = tensor_new(size, f.channels, wider, halo);
    f.gradient = tensor_new(size, f.channels, draw(0, 1) ? wider : 0, draw(0, 1));
    f.to = tensor_new(size, f.channels, draw(0, 1) ? wider : 0, halo);
    for (int i = 0; i < 4; i++)
        for (int c = 0; c < f.channels; c++)
            f.constants[i][c] = (float)random_between(&source, -1, 1);
    return f;
}

static void fixture_free(struct fixture *f)
{
    free(f->in.memory);
    free(f->gradient.memory);
    free(f->to.memory);
}

static void check_sums(const struct fixture *f, enum isa isa)
{
    const struct view *in = &f->in.view, *gradient = &f->gradient.view;
    const float *const *k = (const float *const[]){f->constants[0], f->constants[1]};
    double expected[2][CHANNELS_MOST], found[2][CHANNELS_MOST];
    batch_norm_sums(in, expected[0], expected[1]);
    norm_lanes_sums(isa, in, found[0], found[1]);
    for (int i = 0; i < 2; i++)
        assert_sums_near(found[i], expected[i], f->channels, f->voxels);
    if (norm_lanes_totals(isa, in, found[0]))
        assert_sums_near(found[0], expected[0], f->channels, f->voxels);
    batch_norm_backward_sums(in, gradient, k[0], k[1], expected[0], expected[1]);
    norm_lanes_backward_sums(isa, in, gradient, k[0], k[1], found[0], found[1]);
    for (int i = 0; i < 2; i++)
        assert_sums_near(found[i], expected[i], f->channels, f->voxels);
}

static void check_maps(struct fixture *f, enum isa isa, bool relu, bool in_place)
{
    struct tensor *to = in_place ? &f->gradient : &f->to;
    struct tensor expected = tensor_copy(to), found = tensor_copy(to);
    const struct view *of_expected = in_place ? &expected.view : &f->gradient.view,
                      *of_found = in_place ? &found.view : &f->gradient.view;
    const float *const *k = (const float *const[]){f->constants[0], f->constants[1],
                                                   f->constants[2], f->constants[3]};
    batch_norm_backward(&f->in.view, of_expected, k[0], k[1], k[2], k[3], &expected.view);
    double sums[CHANNELS_MOST], squares[CHANNELS_MOST], found_sums[CHANNELS_MOST];
    if (relu)
        relu_backward(&f->in.view, &expected.view, &expected.view);
    norm_lanes_backward(isa, &f->in.view, of_found, k[0], k[1], k[2], k[3], &found.view,
                        relu ? found_sums : NULL);
    assert_near(&found, &expected);
    batch_norm_sums(&expected.view, sums, squares);
    for (int c = 0; c < f->channels && relu; c++)
        assert_true(fabs(found_sums[c] - sums[c]) < 1e-5 * f->voxels);
    batch_norm_forward(k[0], k[1], &f->in.view, &expected.view);
    norm_lanes_forward(isa, k[0], k[1], &f->in.view, &found.view);
    assert_near(&found, &expected);
    free(expected.memory);
    free(found.memory);
}

static void kernels_stay_with_the_plain_passes(void **state)
{
    (void)state;
    for (int number = 0; number < CASES; number++) {
        source = random_stream(21, RANDOM_NOISE, (uint64_t)number, 0);
        struct fixture f = fixture_new();
        for (int isa = ISA_PORTABLE; isa <= (int)isa_best(); isa++) {
            check_sums(&f, (enum isa)isa);
            for (int how = 0; how < 4; how++)
                check_maps(&f, (enum isa)isa, how & 1, how & 2);
        }
        fixture_free(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_stay_with_the_plain_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
