/* Losses against closed forms, and their gradients against central differences. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "nn/elementary.h"
#include "nn/losses.h"

enum { CHANNELS = 2, HEIGHT = 3, WIDTH = 5, VALUES = CHANNELS * HEIGHT * WIDTH };

static struct view map_view(float *memory)
{
    return view_make(memory, 1, HEIGHT, WIDTH, CHANNELS, 0, 0);
}

static double map_loss(const struct loss *l, float *output, const float *target,
                       float *gradient)
{
    const struct view o = map_view(output), g = map_view(gradient);
    return loss_of_map(l, &o, target, 1, &g);
}

static double class_loss(const struct loss *l, float *logits, int classes, int label,
                         float *gradient)
{
    const struct view o = view_make(logits, 1, 1, 1, classes, 0, 0),
                      g = view_make(gradient, 1, 1, 1, classes, 0, 0);
    return loss_of_class(l, &o, label, 1, &g);
}

/* Two neighbouring floats that stand in for x +- a step. */
static double slope(double low, double high, float a, float b)
{
    return (high - low) / ((double)b - (double)a);
}

static void hold_map(const struct loss *l, bool probabilities, bool soft)
{
    struct random r = random_stream(1, RANDOM_NOISE, (uint64_t)l->kind, soft);
    float output[VALUES], target[VALUES], gradient[VALUES], other[VALUES];
    for (int i = 0; i < VALUES; i++) {
        output[i] = (float)(probabilities ? random_between(&r, 0.01, 0.99)
                                          : random_between(&r, -5, 5));
        target[i] = (float)(soft ? random_uniform(&r) : random_chance(&r, 0.3));
    }
    map_loss(l, output, target, gradient);
    for (int i = 0; i < VALUES; i++) {
        const float kept = output[i], low = kept - 2e-3f, high = kept + 2e-3f;
        output[i] = low;
        const double below = map_loss(l, output, target, other);
        output[i] = high;
        const double above = map_loss(l, output, target, other);
        output[i] = kept;
        assert_true(fabs(slope(below, above, low, high) - (double)gradient[i]) < 2e-6);
    }
}

static void gradients_are_the_slopes_of_their_losses(void **state)
{
    (void)state;
    for (int soft = 0; soft < 2; soft++) {
        struct loss l = loss_make(LOSS_DICE);
        hold_map(&l, true, soft);
        l = loss_make(LOSS_BCE);
        hold_map(&l, false, soft);
        l = loss_make(LOSS_FOCAL);
        hold_map(&l, false, soft);
        l = loss_make(LOSS_DICE_BCE);
        hold_map(&l, false, soft);
    }
    for (int kind = LOSS_CROSS_ENTROPY; kind <= LOSS_FOCAL; kind++) {
        const struct loss l = loss_make((enum loss_kind)kind);
        float logits[3] = {0.3f, -1.2f, 2.1f}, gradient[3], other[3];
        for (int label = 0; label < 3; label++) {
            class_loss(&l, logits, 3, label, gradient);
            for (int c = 0; c < 3; c++) {
                const float kept = logits[c], low = kept - 2e-3f, high = kept + 2e-3f;
                logits[c] = low;
                const double below = class_loss(&l, logits, 3, label, other);
                logits[c] = high;
                const double above = class_loss(&l, logits, 3, label, other);
                logits[c] = kept;
                assert_true(fabs(slope(below, above, low, high) - (double)gradient[c]) <
                            2e-6);
            }
        }
    }
}

static void cross_entropy_is_the_surprise_of_the_truth(void **state)
{
    (void)state;
    const struct loss l = loss_make(LOSS_CROSS_ENTROPY);
    float gradient[2];
    assert_true(fabs(class_loss(&l, (float[]){1, 1}, 2, 0, gradient) - log(2)) < 1e-15);
    assert_float_equal(gradient[0], -0.5, 1e-7);
    assert_float_equal(gradient[1], 0.5, 1e-7);
    /* Far away nothing overflows, and a small loss keeps its digits. */
    assert_true(fabs(class_loss(&l, (float[]){500, -500}, 2, 1, gradient) - 1000) < 1e-9);
    assert_float_equal(gradient[0], 1, 0);
    class_loss(&l, (float[]){40, 0}, 2, 0, gradient);
    assert_true(fabs((double)gradient[1] / exp(-40) - 1) < 1e-6);
    assert_true(fabs((double)gradient[0] / -exp(-40) - 1) < 1e-6);
}

static void binary_cross_entropy_is_the_mean_surprise(void **state)
{
    (void)state;
    const struct loss l = loss_make(LOSS_BCE);
    float output[VALUES], target[VALUES] = {0}, gradient[VALUES];
    double expected = 0;
    for (int i = 0; i < VALUES; i++)
        output[i] = 0.2f * (float)i - 3;
    /* The target is in PyTorch's order, channels first. */
    target[1 * HEIGHT * WIDTH + 2 * WIDTH + 3] = 1;
    for (int i = 0; i < VALUES; i++) {
        const int c = i % CHANNELS, voxel = i / CHANNELS;
        const double x = (double)output[i];
        const bool positive = c == 1 && voxel == 2 * WIDTH + 3;
        expected += log(1 + exp(positive ? -x : x)) / VALUES;
    }
    assert_true(fabs(map_loss(&l, output, target, gradient) - expected) < 1e-14);
    for (int i = 0; i < VALUES; i++)
        output[i] = i % 2 ? 200 : -200;
    for (int i = 0; i < VALUES; i++)
        target[i] = i >= HEIGHT * WIDTH;
    assert_true(map_loss(&l, output, target, gradient) < 1e-80);
}

static void focal_is_cross_entropy_where_it_does_not_focus(void **state)
{
    (void)state;
    struct loss focal = loss_make(LOSS_FOCAL), plain = loss_make(LOSS_CROSS_ENTROPY);
    float logits[2] = {0.7f, -0.4f}, a[2], b[2];
    focal.gamma = 0;
    focal.positive = 0.5;
    for (int label = 0; label < 2; label++) {
        assert_true(fabs(class_loss(&focal, logits, 2, label, a) -
                         class_loss(&plain, logits, 2, label, b) / 2) < 1e-15);
        assert_float_equal(a[0], b[0] / 2, 1e-8);
    }
    focal = loss_make(LOSS_FOCAL); /* 0.25 (1 - p)^2 -log p */
    const double p = 1 / (1 + exp(1.1));
    assert_true(fabs(class_loss(&focal, (float[]){1.1f, 0}, 2, 1, a) +
                     0.25 * (1 - p) * (1 - p) * log(p)) < 1e-7);
}

static void dice_is_the_books(void **state)
{
    (void)state;
    const struct loss l = loss_make(LOSS_DICE);
    float output[VALUES] = {0}, target[VALUES] = {0}, gradient[VALUES];
    /* Nothing there and nothing found: no loss. */
    assert_true(fabs(map_loss(&l, output, target, gradient)) < 1e-15);
    /* 3 of 4 true voxels found, and 2 false ones. */
    for (int i = 0; i < 4; i++)
        target[i] = 1;
    for (int i = 0; i < 3; i++)
        output[i * CHANNELS] = 1;
    output[1] = output[3] = 1;
    const double whole = 1 - (2 * 3 + 1.0) / (5 + 4 + 1),
                 part = 1 - (2 * 3 + 1.0) / (3 + 4 + 1);
    assert_true(fabs(map_loss(&l, output, target, gradient) - (whole + 8 * part)) <
                1e-15);
}

static void dice_and_cross_entropy_are_added(void **state)
{
    (void)state;
    const struct loss both = loss_make(LOSS_DICE_BCE), bce = loss_make(LOSS_BCE);
    struct loss dice = loss_make(LOSS_DICE);
    float output[VALUES], shares[VALUES], target[VALUES], gradient[VALUES];
    dice.overlap_weight = 0;
    for (int i = 0; i < VALUES; i++) {
        output[i] = 0.3f * (float)i - 4;
        shares[i] = (float)(1 / (1 + exp(-(double)output[i])));
        target[i] = i % 3 == 0;
    }
    /* Ten of thirty values are to be found: each counts as the root of two. */
    double expected = map_loss(&dice, shares, target, gradient) +
                      map_loss(&bce, output, target, gradient);
    for (int i = 0; i < VALUES; i++)
        if (target[i % CHANNELS * HEIGHT * WIDTH + i / CHANNELS] > 0)
            expected += (sqrt(2) - 1) * log(1 + exp(-(double)output[i])) / VALUES;
    assert_true(fabs(map_loss(&both, output, target, gradient) - expected) < 1e-7);
    /* Far away nothing overflows. */
    for (int i = 0; i < VALUES; i++)
        output[i] =
            target[i % CHANNELS * HEIGHT * WIDTH + i / CHANNELS] > 0 ? 1000 : -1000;
    assert_true(fabs(map_loss(&both, output, target, gradient)) < 1e-15);
    for (int i = 0; i < VALUES; i++)
        assert_true(gradient[i] == 0);
    /* Where nothing is to be found there is no overlap to count. */
    memset(target, 0, sizeof target);
    output[0] = 3;
    assert_true(map_loss(&both, output, target, gradient) ==
                map_loss(&bce, output, target, gradient));
}

static void exponentials_are_right_and_the_same_everywhere(void **state)
{
    (void)state;
    struct random r = random_stream(2, RANDOM_NOISE, 0, 0);
    for (int i = 0; i < 100000; i++) {
        const double x = random_between(&r, -700, 700), u = random_uniform(&r);
        assert_true(fabs(same_exp(x) / exp(x) - 1) < 4e-16 * 3);
        assert_true(fabs(same_log1p(u) - log1p(u)) <= 6e-16 * log1p(u));
        const double y = exp2(random_between(&r, -300, 300));
        assert_true(fabs(same_log(y) - log(y)) <= 4e-16 * (1 + fabs(log(y))));
    }
    assert_true(same_exp(0) == 1 && same_log(1) == 0 && same_log1p(0) == 0);
    assert_true(same_exp(-1e9) == 0 && isinf(same_exp(1e9)) && isinf(same_log(0)));
    assert_true(isnan(same_exp(NAN)) && isnan(same_log(NAN)) && isnan(same_log(-1)));
    /* Recorded, to notice a machine on which they are not the same. */
    assert_true(same_exp(1.25) == 0x1.bec38edb0fafp+1);
    assert_true(same_log(1.25) == 0x1.c8ff7c79a9a21p-3);
    assert_true(same_log1p(0.3) == 0x1.0ca937be1b9dcp-2);
    assert_true(same_pow(0.3, 2.5) == 0x1.93d32bceafc2bp-5);
}

static void unknown_losses_are_refused(void **state)
{
    (void)state;
    enum loss_kind k;
    struct error err;
    assert_int_equal(loss_parse("hinge", &k, &err), STATUS_JOB_CONFIG);
    for (int i = LOSS_CROSS_ENTROPY; i <= LOSS_DICE_BCE; i++) {
        assert_int_equal(loss_parse(loss_name((enum loss_kind)i), &k, &err), STATUS_OK);
        assert_int_equal(k, i);
    }
    assert_true(loss_serves(LOSS_FOCAL, true) && loss_serves(LOSS_FOCAL, false));
    assert_true(loss_serves(LOSS_CROSS_ENTROPY, true) && loss_serves(LOSS_DICE, false));
    assert_true(loss_serves(LOSS_DICE_BCE, false) && loss_takes_logits(LOSS_DICE_BCE));
    assert_false(loss_serves(LOSS_CROSS_ENTROPY, false) || loss_serves(LOSS_BCE, true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_the_slopes_of_their_losses),
        cmocka_unit_test(cross_entropy_is_the_surprise_of_the_truth),
        cmocka_unit_test(binary_cross_entropy_is_the_mean_surprise),
        cmocka_unit_test(focal_is_cross_entropy_where_it_does_not_focus),
        cmocka_unit_test(dice_is_the_books),
        cmocka_unit_test(dice_and_cross_entropy_are_added),
        cmocka_unit_test(exponentials_are_right_and_the_same_everywhere),
        cmocka_unit_test(unknown_losses_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
