#include "run/crossval_groups.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void groups_are_neighbours_that_differ_by_one_worker_at_most(void **state)
{
    (void)state;
    for (int workers = 1; workers <= 40; workers++)
        for (int groups = 1; groups <= 10 && groups <= workers; groups++) {
            int sizes[10] = {0}, last = 0;
            for (int w = 0; w < workers; w++) {
                const int g = crossval_group_of(w, groups, workers);
                assert_in_range(g - last, 0, 1);
                last = g;
                sizes[g]++;
            }
            assert_int_equal(last, groups - 1);
            for (int g = 0; g < groups; g++)
                assert_in_range(sizes[g], workers / groups,
                                (workers + groups - 1) / groups);
        }
}

static void the_number_of_groups_lets_the_last_fold_end_first(void **state)
{
    (void)state;
    assert_int_equal(crossval_groups(0, 10, 1), 1);
    assert_int_equal(crossval_groups(0, 10, 2), 2);
    assert_int_equal(crossval_groups(0, 10, 4), 2); /* five rounds of half, not three */
    assert_int_equal(crossval_groups(0, 10, 10), 10);
    assert_int_equal(crossval_groups(0, 10, 16), 6);
    assert_int_equal(crossval_groups(0, 10, 32), 10);
    assert_int_equal(crossval_groups(0, 1, 10), 1);
    assert_int_equal(crossval_groups(0, 0, 10), 1);
}

static void what_is_asked_for_is_cut_to_folds_and_workers(void **state)
{
    (void)state;
    assert_int_equal(crossval_groups(3, 10, 16), 3);
    assert_int_equal(crossval_groups(8, 10, 4), 4);
    assert_int_equal(crossval_groups(8, 2, 16), 2);
    assert_int_equal(crossval_groups(8, 0, 16), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_are_neighbours_that_differ_by_one_worker_at_most),
        cmocka_unit_test(the_number_of_groups_lets_the_last_fold_end_first),
        cmocka_unit_test(what_is_asked_for_is_cut_to_folds_and_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
