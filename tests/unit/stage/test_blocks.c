/* Promise: whatever the length of an axis, its blocks cover it, neighbours overlap
 * enough, and their weights add up to 1. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/status.h"
#include "stage/blocks.h"

enum { LONGEST = 700, MOST = 128 };

static const struct blocks_options kinds[] = {
    {.least = 24, .most = 72, .overlap = 8, .divisor = 4},
    {.least = 48, .most = 128, .overlap = 16, .divisor = 4},
    {.least = 24, .most = 40, .overlap = 8, .divisor = 8},
    {.least = 0, .most = 40, .overlap = 8, .divisor = 1},
    {.least = 1, .most = 12, .overlap = 0, .divisor = 2},
};

static void hold(const struct blocks_options *o, int64_t size)
{
    static float sums[LONGEST + MOST];
    float weight[MOST];
    struct blocks b;
    blocks_init(&b, size, o);
    assert_true(b.padded >= size && b.padded >= o->least);
    assert_true(b.padded < (size > o->least ? size : o->least) + o->divisor);
    assert_true(b.length <= o->most && b.length % o->divisor == 0);
    memset(sums, 0, sizeof sums);
    for (int64_t i = 0; i < b.count; i++) {
        const int64_t start = blocks_start(&b, i);
        assert_int_equal(start % o->divisor, 0);
        assert_true(i == 0 ? start == 0
                           : start + o->overlap <= blocks_start(&b, i - 1) + b.length);
        blocks_weights(&b, i, weight);
        for (int64_t k = 0; k < b.length; k++) {
            assert_true(weight[k] > 0 && weight[k] <= 1);
            sums[start + k] += weight[k];
        }
        assert_int_equal(blocks_first(&b, start + b.length - 1), i);
    }
    assert_int_equal(blocks_start(&b, b.count - 1) + b.length, b.padded);
    for (int64_t v = 0; v < b.padded; v++)
        assert_true(fabsf(sums[v] - 1) < 1e-6f);
}

static void blocks_cover_every_voxel_with_a_weight_of_one(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (int64_t size = 1; size <= LONGEST; size++)
            hold(&kinds[k], size);
}

static void weights_ramp_over_the_overlap(void **state)
{
    (void)state;
    struct blocks b;
    float first[MOST], second[MOST];
    blocks_init(&b, 64, &(struct blocks_options){.most = 40, .overlap = 8, .divisor = 4});
    assert_int_equal(b.count, 2);
    assert_int_equal(b.length, 36);
    assert_int_equal(blocks_start(&b, 1), 28);
    blocks_weights(&b, 0, first);
    blocks_weights(&b, 1, second);
    assert_true(first[27] == 1 && second[8] == 1);
    for (int k = 0; k < 8; k++) {
        assert_float_equal(second[k], (k + 0.5) / 8, 1e-7);
        assert_float_equal(first[28 + k], 1 - (k + 0.5) / 8, 1e-7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_cover_every_voxel_with_a_weight_of_one),
        cmocka_unit_test(weights_ramp_over_the_overlap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
