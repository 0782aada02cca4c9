/* Promise: each element comes once, and every order is as likely as any other. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/permutation.h"

static void each_element_comes_once(void **state)
{
    (void)state;
    static unsigned char seen[5000];
    for (uint64_t n = 1; n < 5000; n = n < 70 ? n + 1 : n * 3 / 2) {
        struct permutation p;
        permutation_init(&p, n, 99, RANDOM_SAMPLE, n);
        memset(seen, 0, sizeof seen);
        for (uint64_t i = 0; i < n; i++) {
            uint64_t x = permutation_at(&p, i);
            assert_true(x < n && !seen[x]);
            seen[x] = 1;
        }
    }
}

static void large_ones_stay_below_their_number(void **state)
{
    (void)state;
    struct permutation p;
    permutation_init(&p, ((uint64_t)1 << 40) + 1, 1, RANDOM_SAMPLE, 0);
    for (uint64_t i = 0; i < 1000; i++)
        assert_true(permutation_at(&p, (i << 30) + i) <= (uint64_t)1 << 40);
}

/* The 24 orders of four elements over 24,000 keys: chi-square of 23 degrees of freedom,
 * its 0.9999 quantile is 58. */
static void all_orders_are_as_likely(void **state)
{
    (void)state;
    enum { KEYS = 24000, ORDERS = 24 };
    int counts[256] = {0}, orders = 0;
    for (uint64_t key = 0; key < KEYS; key++) {
        struct permutation p;
        permutation_init(&p, 4, 5, RANDOM_SAMPLE, key);
        unsigned order = 0;
        for (uint64_t i = 0; i < 4; i++)
            order = order << 2 | (unsigned)permutation_at(&p, i);
        counts[order]++;
    }
    double chi = 0, expected = (double)KEYS / ORDERS;
    for (int i = 0; i < 256; i++)
        if (counts[i]) {
            orders++;
            chi += (counts[i] - expected) * (counts[i] - expected) / expected;
        }
    assert_int_equal(orders, ORDERS);
    assert_true(chi < 58);
}

static void neighbours_are_not_kept_together(void **state)
{
    (void)state;
    enum { N = 1000 };
    struct permutation p;
    permutation_init(&p, N, 3, RANDOM_SAMPLE, 8);
    double sum = 0;
    for (uint64_t i = 0; i + 1 < N; i++)
        sum += fabs((double)permutation_at(&p, i) - (double)permutation_at(&p, i + 1));
    assert_true(fabs(sum / (N - 1) - N / 3.0) < 25); /* expected n / 3, deviation 8 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_element_comes_once),
        cmocka_unit_test(large_ones_stay_below_their_number),
        cmocka_unit_test(all_orders_are_as_likely),
        cmocka_unit_test(neighbours_are_not_kept_together),
    };
    return cmocka_run_group_tests_name("base/permutation", tests, NULL, NULL);
}
