/* Promise: company works until it is ended, none of it is left, and work that fails ends
 * itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "run/rates_company.h"

enum { PATIENCE_S = 60 };

static atomic_int *calls; /* by index; the processes share them */

static int setup(void **state)
{
    (void)state;
    calls = mmap(NULL, RATES_COMPANY * sizeof *calls, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return calls == MAP_FAILED;
}

static int teardown(void **state)
{
    (void)state;
    return munmap(calls, RATES_COMPANY * sizeof *calls);
}

static int count(int index, void *last)
{
    atomic_fetch_add(&calls[index], 1);
    return index == *(int *)last;
}

static void it_works_until_it_is_ended(void **state)
{
    (void)state;
    struct rates_company c;
    int fails = 1;
    const double until = clock_seconds() + PATIENCE_S;
    rates_company_start(&c, 2, count, &fails);
    assert_int_equal(c.count, 2);
    const pid_t first = c.processes[0];
    while ((atomic_load(&calls[0]) < 100 || !atomic_load(&calls[1])) &&
           clock_seconds() < until)
        ;
    rates_company_end(&c);
    assert_true(atomic_load(&calls[0]) >= 100);
    assert_int_equal(atomic_load(&calls[1]), 1);
    assert_int_equal(kill(first, 0), -1);
    assert_int_equal(errno, ESRCH);
    assert_int_equal(c.count, 0);
}

static void one_core_has_none(void **state)
{
    (void)state;
    struct rates_company c;
    int fails = -1;
    assert_int_equal(rates_company_size(1), 0);
    assert_true(rates_company_size(1000) <= RATES_COMPANY);
    rates_company_start(&c, 0, count, &fails);
    assert_int_equal(c.count, 0);
    rates_company_end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_works_until_it_is_ended),
        cmocka_unit_test(one_core_has_none),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
