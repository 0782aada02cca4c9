/* What the cores of a run were used for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "run/efficiency.h"

static struct usage rank_of(const char *host, int threads, double segment, double wall)
{
    struct usage u = {.threads = threads, .wall = wall};
    snprintf(u.host, sizeof u.host, "%s", host);
    u.timings[TIMING_SEGMENT] = segment;
    return u;
}

static void the_master_is_left_out_and_threads_count(void **state)
{
    (void)state;
    const struct usage all[] = {rank_of("a", 1, 0, 100), rank_of("a", 2, 80, 100),
                                rank_of("b", 1, 90, 100)};
    struct efficiency e;
    efficiency_of(all + 1, 2, &e);
    assert_true(fabs(e.core_seconds[TIMING_SEGMENT] - 250) < 1e-9);
    assert_true(fabs(e.wait - 50) < 1e-9);
    assert_true(fabs(e.all - 300) < 1e-9);
    assert_string_equal(e.straggler, "b");
    assert_true(fabs(e.ahead - (90 / 85.0 - 1)) < 1e-9);
}

static void a_host_is_the_mean_of_its_ranks(void **state)
{
    (void)state;
    const struct usage all[] = {rank_of("a", 1, 0, 10), rank_of("a", 1, 9, 10),
                                rank_of("b", 1, 7, 10), rank_of("a", 1, 3, 10),
                                rank_of("b", 1, 8, 10)};
    struct efficiency e;
    efficiency_of(all + 1, 4, &e);
    assert_string_equal(e.straggler, "b");
    assert_true(fabs(e.ahead - (7.5 / 6.75 - 1)) < 1e-9);
}

static void one_rank_alone_computes_and_has_no_straggler(void **state)
{
    (void)state;
    const struct usage one = rank_of("a", 2, 4, 5);
    struct efficiency e;
    efficiency_of(&one, 1, &e);
    assert_true(fabs(e.all - 10) < 1e-9);
    assert_null(e.straggler);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_master_is_left_out_and_threads_count),
        cmocka_unit_test(a_host_is_the_mean_of_its_ranks),
        cmocka_unit_test(one_rank_alone_computes_and_has_no_straggler),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
