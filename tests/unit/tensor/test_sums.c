/* Sums that know no order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "base/random.h"
#include "base/status.h"
#include "tensor/exact_sum.h"
#include "tensor/fixed_sum.h"

enum { TERMS = 200, WIDTH = 37, ROUNDS = 20 };

/* Magnitudes over 30 orders, both signs, some zeros. */
static float draw_float(struct random *r, double spread)
{
    if (random_chance(r, 0.05))
        return 0;
    return (float)(random_between(r, -1, 1) * exp2(random_between(r, -spread, spread)));
}

static void shuffle(struct random *r, int *order, int count)
{
    for (int i = count - 1; i > 0; i--) {
        const int other = (int)random_below(r, (uint64_t)i + 1), kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
}

static void vectors_in_any_order_and_any_parts_have_one_sum(void **state)
{
    (void)state;
    static float terms[TERMS][WIDTH];
    struct random r = random_stream(3, RANDOM_NOISE, 0, 0);
    for (int round = 0; round < ROUNDS; round++) {
        int order[TERMS];
        float first[WIDTH] = {0}, found[WIDTH];
        for (int i = 0; i < TERMS; i++) {
            order[i] = i;
            for (int k = 0; k < WIDTH; k++)
                terms[i][k] = draw_float(&r, round);
        }
        const int magnitude =
            fixed_sum_magnitude(isa_best(), terms[0], (size_t)TERMS * WIDTH);
        for (int permutation = 0; permutation < 10; permutation++) {
            int64_t sums[3][WIDTH] = {{0}};
            const uint64_t ranks = 1 + (uint64_t)permutation % 3;
            for (int i = 0; i < TERMS; i++)
                fixed_sum_add(isa_best(), sums[random_below(&r, ranks)], terms[order[i]],
                              WIDTH, magnitude);
            for (int k = 0; k < WIDTH; k++)
                sums[0][k] += sums[1][k] + sums[2][k];
            fixed_sum_value(sums[0], WIDTH, magnitude, found);
            if (permutation == 0)
                memcpy(first, found, sizeof first);
            assert_memory_equal(first, found, sizeof first);
            shuffle(&r, order, TERMS);
        }
        const double unit = ldexp(1, magnitude - 44);
        for (int k = 0; k < WIDTH; k++) {
            double sum = 0;
            for (int i = 0; i < TERMS; i++)
                sum += (double)terms[i][k];
            assert_true(fabs(sum - (double)first[k]) <=
                        TERMS * unit + 6e-8 * fabs(sum) + 1e-14);
        }
    }
}

static void the_magnitude_bounds_every_value(void **state)
{
    (void)state;
    const float values[] = {0, -0.0f, 0.75f, -3.9f, 1e-40f};
    assert_int_equal(fixed_sum_magnitude(isa_best(), values, 5), 2);
    assert_int_equal(fixed_sum_magnitude(isa_best(), values, 2), FIXED_SUM_ZERO);
    assert_int_equal(fixed_sum_magnitude(isa_best(), values, 0), FIXED_SUM_ZERO);
    assert_int_equal(fixed_sum_magnitude(isa_best(), (const float[]){4}, 1), 3);
    assert_int_equal(fixed_sum_magnitude(isa_best(), (const float[]){1, NAN}, 2),
                     FIXED_SUM_NOT_FINITE);
    assert_int_equal(fixed_sum_magnitude(isa_best(), (const float[]){-INFINITY, 1}, 2),
                     FIXED_SUM_NOT_FINITE);
}

static void the_largest_values_do_not_overflow(void **state)
{
    (void)state;
    const float most = nextafterf(INFINITY, 0);
    const float values[2] = {most, -most};
    int64_t sums[2] = {0};
    const int magnitude = fixed_sum_magnitude(isa_best(), values, 2);
    for (int i = 0; i < FIXED_SUM_TERMS; i++)
        fixed_sum_add(isa_best(), sums, values, 2, magnitude);
    assert_true(sums[0] > 0 && sums[0] == -sums[1]);
    assert_true(sums[0] < INT64_MAX / 2 + 1);
    float found;
    int64_t one = 0;
    fixed_sum_add(isa_best(), &one, &most, 1, magnitude);
    fixed_sum_value(&one, 1, magnitude, &found);
    assert_true(found == most);
}

static void a_value_alone_comes_back(void **state)
{
    (void)state;
    struct random r = random_stream(4, RANDOM_NOISE, 0, 0);
    for (int i = 0; i < 1000; i++) {
        float value = draw_float(&r, 100), found;
        int64_t sum = 0;
        const int magnitude = fixed_sum_magnitude(isa_best(), &value, 1);
        fixed_sum_add(isa_best(), &sum, &value, 1, magnitude);
        fixed_sum_value(&sum, 1, magnitude, &found);
        assert_true(found == value);
    }
}

static void doubles_in_any_order_have_one_sum_without_rounding(void **state)
{
    (void)state;
    struct random r = random_stream(5, RANDOM_NOISE, 0, 0);
    for (int round = 0; round < ROUNDS; round++) {
        double terms[2 * TERMS];
        int order[2 * TERMS];
        const double rest = random_between(&r, -1, 1) * exp2(random_between(&r, -60, 0));
        double first = 0;
        for (int i = 0; i < TERMS; i++) {
            terms[2 * i] = random_between(&r, -1, 1) * exp2(random_between(&r, -60, 60));
            terms[2 * i + 1] = -terms[2 * i]; /* nothing but the rest remains */
        }
        terms[0] = rest;
        terms[1] = 0;
        for (int i = 0; i < 2 * TERMS; i++)
            order[i] = i;
        for (int permutation = 0; permutation < 10; permutation++) {
            struct exact_sum parts[3] = {{{0}}};
            for (int i = 0; i < 2 * TERMS; i++)
                exact_sum_add(&parts[random_below(&r, 3)], terms[order[i]]);
            for (int k = 0; k < EXACT_SUM_LIMBS; k++)
                parts[0].limbs[k] += parts[1].limbs[k] + parts[2].limbs[k];
            first = exact_sum_value(&parts[0]);
            assert_true(first == rest);
            shuffle(&r, order, 2 * TERMS);
        }
    }
}

static void what_has_no_place_makes_the_sum_no_number(void **state)
{
    (void)state;
    const double bad[] = {NAN, INFINITY, -INFINITY, 1e30};
    for (int i = 0; i < 4; i++) {
        struct exact_sum s = {{0}};
        exact_sum_add(&s, 1);
        exact_sum_add(&s, bad[i]);
        exact_sum_add(&s, -1);
        assert_true(isnan(exact_sum_value(&s)));
    }
    struct exact_sum s = {{0}};
    exact_sum_add(&s, 1e28);
    exact_sum_add(&s, 0x1p-128);
    exact_sum_add(&s, 1e-300);
    exact_sum_add(&s, -1e28);
    assert_true(exact_sum_value(&s) == 0x1p-128);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_in_any_order_and_any_parts_have_one_sum),
        cmocka_unit_test(the_magnitude_bounds_every_value),
        cmocka_unit_test(the_largest_values_do_not_overflow),
        cmocka_unit_test(a_value_alone_comes_back),
        cmocka_unit_test(doubles_in_any_order_have_one_sum_without_rounding),
        cmocka_unit_test(what_has_no_place_makes_the_sum_no_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
