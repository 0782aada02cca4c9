/* Promise: a random number is a function of its stream and place, and spread as it says.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"

static void the_same_name_gives_the_same_numbers(void **state)
{
    (void)state;
    struct random a = random_stream(7, RANDOM_PATIENT, 12, 3);
    struct random b = random_stream(7, RANDOM_PATIENT, 12, 3);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(random_u32(&a), random_u32(&b));
}

/* Known answer: the first line for philox4x32 of Random123's kat_vectors. */
static void it_is_philox(void **state)
{
    (void)state;
    uint32_t out[4];
    random_block(0, (enum random_use)0, 0, 0, out);
    assert_int_equal(out[0], 0x6627e8d5);
    assert_int_equal(out[1], 0xe169c58d);
    assert_int_equal(out[2], 0xbc57ac4c);
    assert_int_equal(out[3], 0x9b00dbd8);
}

static void many_blocks_are_the_blocks_one_by_one(void **state)
{
    (void)state;
    const uint64_t starts[] = {0, 5, (1ull << 32) - 7, 1ull << 32};
    for (size_t s = 0; s < sizeof starts / sizeof *starts; s++) {
        uint32_t many[4][RANDOM_BLOCKS], one[4];
        random_blocks(7 | 1ull << 40, RANDOM_AUGMENT, 3ull << 32 | 5, starts[s], many);
        for (uint64_t k = 0; k < RANDOM_BLOCKS; k++) {
            random_block(7 | 1ull << 40, RANDOM_AUGMENT, 3ull << 32 | 5, starts[s] + k,
                         one);
            for (int i = 0; i < 4; i++)
                assert_int_equal(many[i][k], one[i]);
        }
    }
}

static void any_other_name_gives_others(void **state)
{
    (void)state;
    struct random base = random_stream(7, RANDOM_PATIENT, 12, 3);
    struct random others[] = {
        random_stream(8, RANDOM_PATIENT, 12, 3),
        random_stream(7 | 1ull << 40, RANDOM_PATIENT, 12, 3),
        random_stream(7, RANDOM_TREE, 12, 3),
        random_stream(7, RANDOM_PATIENT, 13, 3),
        random_stream(7, RANDOM_PATIENT, 12 | 1ull << 40, 3),
        random_stream(7, RANDOM_PATIENT, 12, 4),
    };
    uint32_t first = random_u32(&base);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_int_not_equal(first, random_u32(&others[i]));
}

static void numbers_are_spread_as_they_say(void **state)
{
    (void)state;
    enum { COUNT = 200000 };
    struct random r = random_stream(1, RANDOM_NOISE, 0, 0);
    double sum = 0, square = 0, normal = 0, normal_square = 0, normal_fourth = 0;
    int chances = 0, below[7] = {0};
    for (int i = 0; i < COUNT; i++) {
        double u = random_uniform(&r), n = random_normal(&r);
        assert_true(u >= 0 && u < 1);
        sum += u, square += u * u;
        normal += n, normal_square += n * n, normal_fourth += n * n * n * n;
        chances += random_chance(&r, 0.3);
        below[random_below(&r, 7)]++;
        double between = random_between(&r, -2, 5);
        assert_true(between >= -2 && between < 5);
    }
    assert_true(fabs(sum / COUNT - 0.5) < 0.003);
    assert_true(fabs(square / COUNT - 1.0 / 3) < 0.003);
    assert_true(fabs(normal / COUNT) < 0.01);
    assert_true(fabs(normal_square / COUNT - 1) < 0.02);
    assert_true(fabs(normal_fourth / COUNT - 3) < 0.15);
    assert_true(fabs((double)chances / COUNT - 0.3) < 0.005);
    for (int i = 0; i < 7; i++)
        assert_true(fabs(below[i] * 7.0 / COUNT - 1) < 0.03);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_name_gives_the_same_numbers),
        cmocka_unit_test(it_is_philox),
        cmocka_unit_test(many_blocks_are_the_blocks_one_by_one),
        cmocka_unit_test(any_other_name_gives_others),
        cmocka_unit_test(numbers_are_spread_as_they_say),
    };
    return cmocka_run_group_tests_name("base/random", tests, NULL, NULL);
}
