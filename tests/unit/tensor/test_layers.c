/*
 * The fast form of each layer against its reference, over random shapes: odd sizes,
 * channels that fill no vector, views that are part of a wider tensor, halos full of
 * rubbish.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "tensor/conv_transpose.h"
#include "tensor/layers.h"

enum { ROUNDS = 60, SPARE_CHANNELS = 3 };

static struct error err;

/* Numbers that only depend on how many were drawn before. */
static uint32_t draw(uint32_t below)
{
    static uint64_t state = 0x9E3779B97F4A7C15u;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) % below;
}

static float draw_float(void)
{
    return (float)draw(20001) / 5000.0f - 2.0f;
}

/* Two equal tensors of which one is for the fast form: some channels in the middle of a
 * wider tensor with a halo, everything random. */
struct pair {
    float *memory[2];
    struct view view[2];
    int64_t floats;
};

static struct pair pair_make(const int64_t size[3], int channels, int halo_d, int halo)
{
    const int wide = channels + SPARE_CHANNELS;
    struct pair p = {.floats =
                         view_floats(size[0], size[1], size[2], wide, halo_d, halo)};
    for (int i = 0; i < 2; i++) {
        void *memory;
        assert_int_equal(
            memory_new((size_t)p.floats, sizeof(float), "test", &memory, &err),
            STATUS_OK);
        p.memory[i] = memory;
        p.view[i] = view_channels(
            view_make(memory, size[0], size[1], size[2], wide, halo_d, halo), 1,
            channels);
    }
    for (int64_t i = 0; i < p.floats; i++)
        p.memory[0][i] = p.memory[1][i] = draw_float();
    return p;
}

static void pair_free(struct pair *p)
{
    free(p->memory[0]);
    free(p->memory[1]);
}

/* All bytes are compared, so that writing beside the view shows. */
static void assert_pair_equal(const struct pair *p, float tolerance)
{
    for (int64_t i = 0; i < p->floats; i++)
        if (!(fabsf(p->memory[0][i] - p->memory[1][i]) <= tolerance))
            fail_msg("float %lld: %g, reference %g", (long long)i,
                     (double)p->memory[0][i], (double)p->memory[1][i]);
}

static void draw_size(int64_t size[3], bool flat)
{
    for (int i = 0; i < 3; i++)
        size[i] = i == 0 && flat ? 1 : 1 + draw(9);
}

/* A random window that fits the size; one in four halves the map, as in U-Nets. */
static void draw_pool(struct pool_shape *s, const int64_t size[3], int64_t out[3])
{
    if (draw(4) == 0 && size[1] > 1 && size[2] > 1) {
        const int depth = size[0] > 1 ? 2 : 1;
        *s = (struct pool_shape){{depth, 2, 2}, {depth, 2, 2}, {0, 0, 0}};
        for (int i = 0; i < 3; i++)
            out[i] = size[i] / s->kernel[i];
        return;
    }
    for (int i = 0; i < 3; i++) {
        do {
            s->kernel[i] = 1 + (int)draw(4);
            s->stride[i] = 1 + (int)draw(3);
            s->pad[i] = (int)draw((uint32_t)s->kernel[i] / 2 + 1);
        } while (size[i] + 2 * s->pad[i] < s->kernel[i]);
        out[i] = (size[i] + 2 * s->pad[i] - s->kernel[i]) / s->stride[i] + 1;
    }
}

typedef void pool(const struct pool_shape *, const struct view *, const struct view *);

static void check_pool(pool *fast, pool *reference, float tolerance)
{
    for (int round = 0; round < ROUNDS; round++) {
        int64_t size[3], out_size[3];
        struct pool_shape s;
        draw_size(size, round % 2);
        draw_pool(&s, size, out_size);
        int channels = 1 + (int)draw(20);
        struct pair in = pair_make(size, channels, (int)draw(2), (int)draw(2));
        struct pair out = pair_make(out_size, channels, (int)draw(2), (int)draw(2));
        fast(&s, &in.view[0], &out.view[0]);
        reference(&s, &in.view[0], &out.view[1]);
        assert_pair_equal(&out, tolerance);
        pair_free(&in);
        pair_free(&out);
    }
}

static void max_pooling_takes_the_largest_inside_the_map(void **state)
{
    (void)state;
    check_pool(max_pool_forward, max_pool_reference, 0);
}

static void average_pooling_counts_padding_as_zeros(void **state)
{
    (void)state;
    check_pool(average_pool_forward, average_pool_reference, 1e-6f);
}

typedef void map(const struct view *, const struct view *);

static void check_map(map *fast, map *reference, float tolerance)
{
    for (int round = 0; round < ROUNDS; round++) {
        int64_t size[3];
        draw_size(size, round % 2);
        int channels = 1 + (int)draw(20);
        struct pair in = pair_make(size, channels, 1, 1),
                    out = pair_make(size, channels, 0, 2);
        fast(&in.view[0], &out.view[0]);
        reference(&in.view[0], &out.view[1]);
        assert_pair_equal(&out, tolerance);
        pair_free(&in);
        pair_free(&out);
    }
}

static void relu_sigmoid_and_softmax_are_their_definitions(void **state)
{
    (void)state;
    check_map(relu_forward, relu_reference, 0);
    check_map(sigmoid_forward, sigmoid_reference, 2e-7f);
    check_map(softmax_forward, softmax_reference, 2e-7f);
}

static void batch_norm_scales_and_shifts_each_channel(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t size[3];
        float scale[20], shift[20];
        draw_size(size, round % 2);
        int channels = 1 + (int)draw(20);
        for (int c = 0; c < channels; c++) {
            scale[c] = draw_float();
            shift[c] = draw_float();
        }
        struct pair in = pair_make(size, channels, 1, 1),
                    out = pair_make(size, channels, 0, 2);
        batch_norm_forward(scale, shift, &in.view[0], &out.view[0]);
        batch_norm_reference(scale, shift, &in.view[0], &out.view[1]);
        assert_pair_equal(&out, 2e-6f);
        pair_free(&in);
        pair_free(&out);
    }
}

static void folded_statistics_normalise(void **state)
{
    (void)state;
    const float weight[2] = {2, 1}, bias[2] = {3, 0}, mean[2] = {10, 0},
                variance[2] = {4, 0};
    float scale[2], shift[2];
    batch_norm_fold(weight, bias, mean, variance, 1e-5, 2, scale, shift);
    assert_true(fabs(scale[0] - 2 / sqrt(4 + 1e-5)) < 1e-7);
    assert_true(fabs(shift[0] - (3 - 10 * 2 / sqrt(4 + 1e-5))) < 1e-6);
    assert_true(fabs(scale[1] - 1 / sqrt(1e-5)) < 1e-4);
}

static void sigmoid_and_softmax_stay_finite_for_any_input(void **state)
{
    (void)state;
    float in[6] = {-1e30f, -200, -90, 90, 200, 1e30f}, out[6];
    struct view row_in = view_make(in, 1, 1, 6, 1, 0, 0);
    struct view row_out = view_make(out, 1, 1, 6, 1, 0, 0);
    sigmoid_forward(&row_in, &row_out);
    for (int i = 0; i < 6; i++)
        assert_true(out[i] >= 0 && out[i] <= (i < 3 ? 1e-37f : 1.0f) &&
                    (i < 3 || out[i] == 1));
    struct view voxel_in = view_make(in, 1, 1, 1, 6, 0, 0);
    struct view voxel_out = view_make(out, 1, 1, 1, 6, 0, 0);
    softmax_forward(&voxel_in, &voxel_out);
    assert_true(out[5] == 1 && out[4] >= 0 && out[4] < 1e-37f);

    in[2] = NAN;
    sigmoid_forward(&row_in, &row_out);
    assert_true(isnan(out[2]));
    softmax_forward(&voxel_in, &voxel_out);
    assert_true(isnan(out[2]));
}

static void linear_is_a_product_with_a_bias(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        float weights[100 * 7], bias[7];
        const int64_t one[3] = {1, 1, 1};
        int channels = 1 + (int)draw(100), results = 1 + (int)draw(7);
        for (int i = 0; i < channels * results; i++)
            weights[i] = draw_float();
        for (int i = 0; i < results; i++)
            bias[i] = draw_float();
        struct pair in = pair_make(one, channels, 0, 0),
                    out = pair_make(one, results, 0, 0);
        const float *with = round % 2 ? bias : NULL;
        linear_forward(weights, with, &in.view[0], &out.view[0]);
        linear_reference(weights, with, &in.view[0], &out.view[1]);
        assert_pair_equal(&out, 1e-4f);
        pair_free(&in);
        pair_free(&out);
    }
}

static void planes_go_in_and_out_in_pytorchs_order(void **state)
{
    (void)state;
    enum { CHANNELS = 9, WIDTH = 11, VOXELS = 4 * WIDTH };
    float planes[CHANNELS][VOXELS], back[CHANNELS * VOXELS], scale[CHANNELS],
        shift[CHANNELS];
    const float *pointers[CHANNELS];
    for (int c = 0; c < CHANNELS; c++) {
        pointers[c] = planes[c];
        scale[c] = (float)(2 - c);
        shift[c] = (float)(c % 3 - 1);
        for (int i = 0; i < VOXELS; i++)
            planes[c][i] = (float)(100 * c + i);
    }
    for (int channels = 1; channels <= CHANNELS; channels++)
        for (int width = 1; width <= WIDTH; width++) {
            const int64_t size[3] = {2, 2, width};
            const int voxels = 4 * width;
            struct pair p = pair_make(size, channels, 1, 1);
            view_from_planes(pointers, NULL, NULL, &p.view[0]);
            view_to_planes(&p.view[0], back);
            for (int i = 0; i < channels * voxels; i++)
                assert_true(back[i] == planes[i / voxels][i % voxels]);
            view_copy(&p.view[0], &p.view[1]);
            assert_pair_equal(&p, 0);
            view_from_planes(pointers, scale, shift, &p.view[0]);
            view_to_planes(&p.view[0], back);
            for (int i = 0; i < channels * voxels; i++) {
                const int c = i / voxels;
                assert_true(back[i] == planes[c][i % voxels] * scale[c] + shift[c]);
            }
            pair_free(&p);
        }
}

static void clearing_a_halo_leaves_the_voxels_alone(void **state)
{
    (void)state;
    for (int round = 0; round < 8; round++) {
        const int halo_d = round & 1, halo = 1 + (round >> 1 & 1);
        const int depth = 3, height = 4, width = 5, channels = 1 + (round >> 2) * 2;
        float *memory;
        int64_t floats = view_floats(depth, height, width, channels, halo_d, halo),
                kept = 0;
        assert_int_equal(
            memory_new((size_t)floats, sizeof *memory, "test", (void **)&memory, &err),
            STATUS_OK);
        struct view v = view_make(memory, depth, height, width, channels, halo_d, halo);
        for (int64_t i = 0; i < floats; i++)
            memory[i] = 1;
        view_clear_halo(&v);
        for (int z = 0; z < depth; z++)
            for (int y = 0; y < height; y++)
                for (int x = 0; x < width * channels; x++)
                    kept += v.data[z * v.stride_d + y * v.stride_h + x] == 1;
        assert_int_equal(kept, depth * height * width * channels);
        for (int64_t i = 0; i < floats; i++)
            kept -= memory[i] == 1;
        assert_int_equal(kept, 0);
        free(memory);
    }
}

static void draw_transpose(struct conv_transpose_shape *s, bool flat)
{
    s->in_channels = 1 + (int)draw(9);
    s->out_channels = 1 + (int)draw(9);
    for (int i = 0; i < 3; i++) {
        const bool off = i == 0 && flat;
        s->stride[i] = off ? 1 : 1 + (int)draw(3);
        s->kernel[i] = off ? 1 : 1 + (int)draw(4);
        s->pad[i] = off ? 0 : (int)draw(3);
        s->output_pad[i] = off ? 0 : (int)draw((uint32_t)s->stride[i]);
    }
}

static void check_transpose(const struct conv_transpose_shape *s, const int64_t size[3],
                            const int64_t out_size[3], const struct conv_epilogue *e)
{
    float weights[9 * 9 * 64];
    struct conv_transpose *t;
    void *scratch;
    int halo_h = conv_transpose_halo(s, 1), halo_w = conv_transpose_halo(s, 2);
    int halo = halo_h > halo_w ? halo_h : halo_w, halo_d = conv_transpose_halo(s, 0);

    for (size_t i = 0; i < sizeof weights / sizeof weights[0]; i++)
        weights[i] = draw_float();
    assert_int_equal(conv_transpose_new(s, CONV_AUTO, isa_best(), weights, &t, &err),
                     STATUS_OK);
    size_t bytes = conv_transpose_scratch_bytes(t, out_size[0], out_size[1], out_size[2]);
    assert_int_equal(memory_new(bytes, 1, "scratch", &scratch, &err), STATUS_OK);
    struct pair in = pair_make(size, s->in_channels, halo_d, halo);
    struct pair out = pair_make(out_size, s->out_channels, 1, 1);
    for (int64_t i = 0; i < in.floats; i++)
        in.memory[1][i] = 0; /* the fast form reads zeros around the voxels */
    view_copy(&in.view[0], &in.view[1]);
    conv_transpose_forward(t, &in.view[1], &out.view[0], e, scratch);
    conv_transpose_reference(s, weights, &in.view[0], &out.view[1], e);
    assert_pair_equal(&out, 2e-3f);
    pair_free(&in);
    pair_free(&out);
    free(scratch);
    conv_transpose_free(t);
}

static void
transposed_convolutions_of_any_kernel_stride_and_pad_are_the_obvious_loops(void **state)
{
    (void)state;
    isa_use(isa_best());
    for (int round = 0; round < ROUNDS;) {
        struct conv_transpose_shape s;
        int64_t size[3], out_size[3];
        float bias[9], scale[9], shift[9];
        bool exists = true;
        draw_transpose(&s, round % 2);
        draw_size(size, round % 2);
        for (int i = 0; i < 3; i++) {
            out_size[i] = conv_transpose_size(&s, i, size[i]);
            exists = exists && out_size[i] > 0;
        }
        for (int c = 0; c < 9; c++) {
            bias[c] = draw_float();
            scale[c] = draw_float();
            shift[c] = draw_float();
        }
        const struct conv_epilogue e = {.bias = round % 3 ? bias : NULL,
                                        .relu = round % 5 == 0,
                                        .scale = round % 4 ? NULL : scale,
                                        .shift = round % 4 ? NULL : shift};
        if (!exists)
            continue;
        check_transpose(&s, size, out_size, &e);
        round++;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(max_pooling_takes_the_largest_inside_the_map),
        cmocka_unit_test(average_pooling_counts_padding_as_zeros),
        cmocka_unit_test(relu_sigmoid_and_softmax_are_their_definitions),
        cmocka_unit_test(batch_norm_scales_and_shifts_each_channel),
        cmocka_unit_test(folded_statistics_normalise),
        cmocka_unit_test(sigmoid_and_softmax_stay_finite_for_any_input),
        cmocka_unit_test(linear_is_a_product_with_a_bias),
        cmocka_unit_test(planes_go_in_and_out_in_pytorchs_order),
        cmocka_unit_test(clearing_a_halo_leaves_the_voxels_alone),
        cmocka_unit_test(
            transposed_convolutions_of_any_kernel_stride_and_pad_are_the_obvious_loops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
