/* What a thread asks for ahead: all of what was added and nothing behind it, in turn, and
 * never more than is worth it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tensor/ahead.h"

static void all_is_asked_for_and_no_more(void **state)
{
    (void)state;
    static float first[10000], second[16];
    int times = 0;
    ahead_clear();
    ahead_ask(); /* nothing to ask for */
    ahead_add(first, 10000);
    ahead_add(second, 16);
    while (ahead.now < ahead.count && times < 100) {
        const struct ahead_range *range = &ahead.ranges[ahead.now];
        const char *before = range->next;
        ahead_ask();
        times++;
        assert_true(range->next > before && range->next - before <= AHEAD_STEP);
        assert_true(range->next < range->end + AHEAD_LINE);
    }
    assert_int_equal(times, (40000 + AHEAD_STEP - 1) / AHEAD_STEP + 1);
    assert_int_equal(ahead.count, 2);
    ahead_clear();
    assert_int_equal(ahead.count, 0);
}

static void too_much_is_left_out(void **state)
{
    (void)state;
    static float tensor[AHEAD_BYTES / sizeof(float)];
    ahead_clear();
    ahead_add(tensor, AHEAD_BYTES / (int64_t)sizeof(float) - 16);
    ahead_add(tensor, 17); /* one float too many */
    assert_int_equal(ahead.count, 1);
    ahead_add(tensor, 16);
    assert_int_equal(ahead.count, 2);
    ahead_clear();
    for (int i = 0; i < 2 * AHEAD_RANGES; i++)
        ahead_add(tensor, 16);
    assert_int_equal(ahead.count, AHEAD_RANGES);
    ahead_clear();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_is_asked_for_and_no_more),
        cmocka_unit_test(too_much_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
