/* A watchdog ends what takes too long, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/watchdog.h"

struct end {
    char description[64];
    atomic_int times;
};

static void expired(void *context, const char *description, double seconds)
{
    struct end *end = context;
    (void)seconds;
    snprintf(end->description, sizeof end->description, "%s", description);
    atomic_fetch_add(&end->times, 1);
}

static struct watchdog *start(struct end *end)
{
    struct watchdog *w;
    struct error err;
    *end = (struct end){.times = 0};
    assert_int_equal(watchdog_start(expired, end, &w, &err), STATUS_OK);
    return w;
}

/* Ten seconds at most. */
static bool comes(const struct end *end)
{
    for (int i = 0; i < 1000 && atomic_load(&end->times) == 0; i++)
        clock_sleep(0.01);
    return atomic_load(&end->times) == 1;
}

static void what_takes_too_long_is_named(void **state)
{
    (void)state;
    struct end end;
    struct watchdog *w = start(&end);
    watchdog_arm(w, 0.02, "reading %s", "a file");
    assert_true(comes(&end));
    assert_string_equal(end.description, "reading a file");
    watchdog_stop(w);
}

static void what_is_done_in_time_is_left_alone(void **state)
{
    (void)state;
    struct end end;
    struct watchdog *w = start(&end);
    watchdog_arm(w, 0.02, "something");
    watchdog_disarm(w);
    clock_sleep(0.1);
    watchdog_stop(w);
    assert_int_equal(atomic_load(&end.times), 0);
}

static void a_wait_inside_a_watched_one_changes_nothing(void **state)
{
    (void)state;
    struct end end;
    struct watchdog *w = start(&end);
    watchdog_arm(w, 0.02, "the whole");
    assert_false(watchdog_arm_idle(w, 1000, "a part of it"));
    assert_true(comes(&end));
    assert_string_equal(end.description, "the whole");
    watchdog_stop(w);
}

static void a_wait_that_nobody_watches_is_watched(void **state)
{
    (void)state;
    struct end end;
    struct watchdog *w = start(&end);
    watchdog_arm(w, 1000, "something before it");
    watchdog_disarm(w);
    assert_true(watchdog_arm_idle(w, 0.02, "an agreement"));
    assert_true(comes(&end));
    assert_string_equal(end.description, "an agreement");
    watchdog_stop(w);
    assert_false(watchdog_arm_idle(NULL, 1, "nobody"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_takes_too_long_is_named),
        cmocka_unit_test(what_is_done_in_time_is_left_alone),
        cmocka_unit_test(a_wait_inside_a_watched_one_changes_nothing),
        cmocka_unit_test(a_wait_that_nobody_watches_is_watched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
