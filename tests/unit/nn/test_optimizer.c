/* Optimizers against numbers of PyTorch 1.13, learning rates against closed forms. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nn/learning_rate.h"
#include "nn/optimizer.h"

enum { VALUES = 8, WEIGHTS = 6, STEPS = 4 };

static struct error err;

/* A 2 x 3 weight and a bias of 2, and gradients that change from step to step. */
static void run(const struct optimizer_options *options, float values[VALUES])
{
    static const float start[VALUES] = {0.5f, -1.25f, 2.0f,  0.1f,
                                        0.0f, -3.0f,  0.25f, -0.75f};
    static const float slopes[VALUES] = {0.1f, -0.2f, 0.3f, -0.4f,
                                         0.5f, -0.6f, 1.0f, -2.0f};
    struct optimizer o;
    float gradient[VALUES];
    const struct optimizer_tensor tensors[] = {
        {values, gradient, WEIGHTS, 2},
        {values + WEIGHTS, gradient + WEIGHTS, VALUES - WEIGHTS, 1}};

    memcpy(values, start, sizeof start);
    assert_int_equal(optimizer_init(&o, options, VALUES, &err), STATUS_OK);
    for (int step = 0; step < STEPS; step++) {
        for (int i = 0; i < VALUES; i++)
            gradient[i] = i < WEIGHTS ? slopes[i] * (float)(step + 1)
                                      : slopes[i] / (float)(step + 1);
        optimizer_step(&o, tensors, 2, 1e-2);
    }
    assert_int_equal(o.steps, STEPS);
    optimizer_release(&o);
}

static void hold(const struct optimizer_options *options, const float expected[VALUES])
{
    float found[VALUES];
    run(options, found);
    for (int i = 0; i < VALUES; i++)
        if (!(fabsf(found[i] - expected[i]) <= 2e-7f * fmaxf(1, fabsf(expected[i]))))
            fail_msg("%s: value %d is %a, not %a", optimizer_name(options->kind), i,
                     (double)found[i], (double)expected[i]);
}

static void steps_are_pytorchs(void **state)
{
    (void)state;
    struct optimizer_options o = optimizer_defaults(OPTIMIZER_SGD);
    hold(&o, (const float[]){0x1.f5c29p-2f, -0x1.3ae148p+0f, 0x1.f851ecp+0f,
                             0x1.1eb852p-3f, -0x1.999998p-5f, -0x1.7851ecp+1f,
                             0x1.d55556p-3f, -0x1.6aaaacp-1f});
    o.momentum = 0.99;
    o.weight_decay = 1e-2;
    hold(&o,
         (const float[]){0x1.eb2b16p-2f, -0x1.358552p+0f, 0x1.f03fdep+0f, 0x1.6f324p-3f,
                         -0x1.967f6p-4f, -0x1.70605p+1f, 0x1.7db33p-3f, -0x1.3eb926p-1f});
    o = optimizer_defaults(OPTIMIZER_ADAM);
    hold(&o, (const float[]){0x1.d83b66p-2f, -0x1.360edap+0f, 0x1.f60edap+0f,
                             0x1.1c5604p-3f, -0x1.3e24dcp-5f, -0x1.7b076cp+1f,
                             0x1.b5ba4ap-3f, -0x1.6d6e92p-1f});
    o.weight_decay = 0.1;
    hold(&o, (const float[]){0x1.d7ab24p-2f, -0x1.35e56cp+0f, 0x1.f5e3dp+0f,
                             0x1.1c43dcp-3f, -0x1.3e2b0cp-5f, -0x1.7af5b2p+1f,
                             0x1.b55324p-3f, -0x1.6d4596p-1f});
    o = optimizer_defaults(OPTIMIZER_ADAMW);
    o.weight_decay = 0.05;
    hold(&o, (const float[]){0x1.d73d28p-2f, -0x1.356d0ep+0f, 0x1.f50ad2p+0f,
                             0x1.1bddccp-3f, -0x1.3de722p-5f, -0x1.7a43eap+1f,
                             0x1.b4c35ep-3f, -0x1.6caddcp-1f});
}

/* One step by hand. */
static void lars_moves_a_tensor_by_a_share_of_its_norm(void **state)
{
    (void)state;
    struct optimizer_options options = optimizer_defaults(OPTIMIZER_LARS);
    struct optimizer o;
    float values[4] = {3, 4, 3, 4};
    const float gradient[4] = {0, 2, 0, 2};
    const struct optimizer_tensor tensors[] = {{values, gradient, 2, 2},
                                               {values + 2, gradient + 2, 2, 1}};
    options.weight_decay = 0.1;
    assert_int_equal(optimizer_init(&o, &options, 4, &err), STATUS_OK);
    optimizer_step(&o, tensors, 2, 2);
    const double trust = 0.001 * 5 / (2 + 0.1 * 5);
    assert_float_equal(values[0], 3 - 2 * trust * 0.3, 1e-6);
    assert_float_equal(values[1], 4 - 2 * trust * 2.4, 1e-6);
    assert_float_equal(values[2], 3 - 2 * 0.3, 1e-6); /* a bias: plain SGD */
    assert_float_equal(values[3], 4 - 2 * 2.4, 1e-6);
    const float after = values[0];
    optimizer_step(&o, tensors, 2, 0); /* nothing but momentum */
    assert_float_equal(values[0] - after, 0.9 * (after - 3), 1e-6);
    optimizer_release(&o);
}

static void going_on_from_a_saved_state_is_the_same_bits(void **state)
{
    (void)state;
    const struct optimizer_options options = optimizer_defaults(OPTIMIZER_ADAM);
    struct optimizer whole, part;
    float a[2] = {1, 2}, b[2] = {1, 2};
    const float gradient[2] = {0.3f, -0.7f};
    const struct optimizer_tensor of_a = {a, gradient, 2, 1}, of_b = {b, gradient, 2, 1};
    assert_int_equal(optimizer_init(&whole, &options, 2, &err), STATUS_OK);
    assert_int_equal(optimizer_init(&part, &options, 2, &err), STATUS_OK);
    for (int i = 0; i < 5; i++)
        optimizer_step(&whole, &of_a, 1, 1e-3);
    for (int i = 0; i < 3; i++)
        optimizer_step(&part, &of_b, 1, 1e-3);
    struct optimizer resumed;
    assert_int_equal(optimizer_init(&resumed, &options, 2, &err), STATUS_OK);
    resumed.steps = part.steps;
    for (int i = 0; i < OPTIMIZER_MOMENTS; i++)
        memcpy(resumed.moments[i], part.moments[i], sizeof b);
    for (int i = 0; i < 2; i++)
        optimizer_step(&resumed, &of_b, 1, 1e-3);
    assert_memory_equal(a, b, sizeof a);
    optimizer_release(&whole);
    optimizer_release(&part);
    optimizer_release(&resumed);
}

static void clipping_shortens_what_is_too_long(void **state)
{
    (void)state;
    float a[2] = {3, 0}, b[1] = {-4};
    float *gradients[] = {a, b};
    const size_t counts[] = {2, 1};
    assert_true(gradient_clip(gradients, counts, 2, 10) == 5);
    assert_true(a[0] == 3 && b[0] == -4);
    assert_true(gradient_clip(gradients, counts, 2, 1) == 5);
    assert_float_equal(a[0], 0.6, 1e-6);
    assert_float_equal(b[0], -0.8, 1e-6);
}

static void learning_rates_follow_their_schedules(void **state)
{
    (void)state;
    struct learning_rate r = {.kind = LEARNING_RATE_CONSTANT, .base = 0.1, .warmup = 4};
    assert_float_equal(learning_rate_at(&r, 0), 0.025, 1e-12);
    assert_float_equal(learning_rate_at(&r, 3), 0.1, 1e-12);
    assert_float_equal(learning_rate_at(&r, 1000), 0.1, 0);
    r = (struct learning_rate){
        .kind = LEARNING_RATE_STEP, .base = 1, .period = 10, .gamma = 0.5};
    assert_true(learning_rate_at(&r, 9) == 1 && learning_rate_at(&r, 10) == 0.5 &&
                learning_rate_at(&r, 35) == 0.125);
    r = (struct learning_rate){.kind = LEARNING_RATE_COSINE,
                               .base = 2,
                               .least = 0.5,
                               .warmup = 10,
                               .steps = 110};
    for (int step = 10; step < 150; step++) {
        const double x = step < 110 ? (step - 10) / 100.0 : 1;
        const double expected = 0.5 + 1.5 * (1 + cos(acos(-1) * x)) / 2;
        assert_true(fabs(learning_rate_at(&r, step) - expected) < 1e-14);
    }
    assert_true(learning_rate_scale(1e-3, 256, 32) == 8e-3);
}

static void unknown_names_are_refused(void **state)
{
    (void)state;
    enum optimizer_kind o;
    enum learning_rate_kind r;
    assert_int_equal(optimizer_parse("rmsprop", &o, &err), STATUS_JOB_CONFIG);
    assert_int_equal(learning_rate_parse("linear", &r, &err), STATUS_JOB_CONFIG);
    for (int i = OPTIMIZER_SGD; i <= OPTIMIZER_LARS; i++) {
        assert_int_equal(
            optimizer_parse(optimizer_name((enum optimizer_kind)i), &o, &err), STATUS_OK);
        assert_int_equal(o, i);
    }
    for (int i = LEARNING_RATE_CONSTANT; i <= LEARNING_RATE_COSINE; i++) {
        assert_int_equal(
            learning_rate_parse(learning_rate_name((enum learning_rate_kind)i), &r, &err),
            STATUS_OK);
        assert_int_equal(r, i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_are_pytorchs),
        cmocka_unit_test(lars_moves_a_tensor_by_a_share_of_its_norm),
        cmocka_unit_test(going_on_from_a_saved_state_is_the_same_bits),
        cmocka_unit_test(clipping_shortens_what_is_too_long),
        cmocka_unit_test(learning_rates_follow_their_schedules),
        cmocka_unit_test(unknown_names_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
