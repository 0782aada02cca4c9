/* Which scans go when room is wanted. */
#include "made_scan.h"

#include <fcntl.h>
#include <utime.h>

#include "base/file.h"
#include "cache/lease.h"
#include "cache/shelf.h"

enum { SCANS = 5 };

/* Prepares scans 1 .. SCANS, all of one size; returns what one takes. */
static int64_t fill(struct hash128 keys[SCANS])
{
    struct cache *c = made_cache(0, false);
    int64_t most = 0;
    for (unsigned i = 0; i < SCANS; i++) {
        char uid[8];
        snprintf(uid, sizeof uid, "%u", i);
        struct made_scan m = made_scan(i + 1, 8, 32, 32);
        struct cache_prepared p = made_prepare(c, &m, uid, CACHE_TRUST);
        keys[i] = p.key;
        most = p.file_bytes > most ? p.file_bytes : most;
    }
    cache_close(c);
    return most;
}

static char *path_of(struct hash128 key)
{
    char *path;
    assert_int_equal(shelf_path(temporary_path("cache"), key, &path, NULL), STATUS_OK);
    char *copy = temporary_path(path + strlen(temporary_folder) + 1);
    free(path);
    return copy;
}

static void used_hours_ago(struct hash128 key, int hours)
{
    time_t then = time(NULL) - 3600 * hours;
    assert_int_equal(utime(path_of(key), &(struct utimbuf){then, then}), 0);
}

static struct shelf_pruned prune(int64_t quota_bytes)
{
    struct shelf_pruned p;
    struct error err = {0};
    if (shelf_prune(temporary_path("cache"), quota_bytes, &p, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return p;
}

static void the_least_recently_used_go_until_the_quota_holds(void **state)
{
    (void)state;
    struct hash128 keys[SCANS];
    int64_t bytes = fill(keys);
    const int hours[SCANS] = {3, 50, 1, 40, 2};
    for (int i = 0; i < SCANS; i++)
        used_hours_ago(keys[i], hours[i]);
    struct shelf_pruned p = prune(3 * bytes);
    assert_int_equal(p.removed, 2);
    assert_int_equal(p.held, 0);
    assert_true(p.left_bytes <= 3 * bytes);
    for (int i = 0; i < SCANS; i++)
        assert_int_equal(file_exists(path_of(keys[i])), hours[i] < 40);
    assert_int_equal(prune(3 * bytes).removed, 0);
    assert_int_equal(prune(0).left_bytes, 0);
}

static void what_a_running_job_uses_stays(void **state)
{
    (void)state;
    struct hash128 keys[SCANS];
    int64_t bytes = fill(keys);
    for (int i = 0; i < SCANS; i++)
        used_hours_ago(keys[i], 10 - i);
    struct cache *job = made_cache(0, true);
    struct cached_scan *s;
    assert_int_equal(cache_open_scan(job, keys[0], &s, NULL), STATUS_OK);
    struct shelf_pruned p = prune(bytes / 2);
    assert_int_equal(p.removed, SCANS - 1);
    assert_int_equal(p.held, 1);
    assert_true(file_exists(path_of(keys[0])));
    cached_scan_close(s);
    cache_close(job);
    assert_int_equal(prune(0).removed, 1);
}

static void a_job_that_was_killed_holds_nothing_for_ever(void **state)
{
    (void)state;
    struct hash128 keys[SCANS];
    fill(keys);
    struct lease l;
    assert_int_equal(lease_begin(&l, temporary_path("cache"), NULL), STATUS_OK);
    for (int i = 0; i < SCANS; i++)
        shelf_touch(path_of(keys[i]));
    assert_int_equal(prune(0).held, SCANS);
    time_t then = time(NULL) - 3600;
    assert_int_equal(utime(l.path, &(struct utimbuf){then, then}), 0);
    assert_int_equal(prune(0).removed, SCANS);
    assert_false(file_exists(l.path));
    lease_end(&l);
}

static void a_job_prunes_what_it_does_not_use_itself(void **state)
{
    (void)state;
    struct hash128 keys[SCANS];
    int64_t bytes = fill(keys);
    for (int i = 0; i < SCANS; i++)
        used_hours_ago(keys[i], 10 - i);
    struct cache *job = made_cache(3 * bytes, true);
    struct made_scan m = made_scan(77, 8, 32, 32);
    struct cache_prepared p = made_prepare(job, &m, "77", CACHE_TRUST);
    assert_true(file_exists(path_of(p.key)));
    for (int i = 0; i < SCANS; i++)
        assert_int_equal(file_exists(path_of(keys[i])), i >= 3);
    cache_close(job);
}

static void half_written_files_of_the_dead_are_cleared_away(void **state)
{
    (void)state;
    struct hash128 keys[SCANS];
    fill(keys);
    char *old = temporary_text("cache/scans/0011.h5.host-1.part", "half"),
         *young = temporary_text("cache/scans/0022.h5.host-2.part", "half");
    time_t then = time(NULL) - 48 * 3600;
    assert_int_equal(utime(old, &(struct utimbuf){then, then}), 0);
    prune(INT64_MAX);
    assert_false(file_exists(old));
    assert_true(file_exists(young));
}

#define TEST(name)                                                                       \
    cmocka_unit_test_setup_teardown(name, temporary_folder_make, temporary_folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_least_recently_used_go_until_the_quota_holds),
        TEST(what_a_running_job_uses_stays),
        TEST(a_job_that_was_killed_holds_nothing_for_ever),
        TEST(a_job_prunes_what_it_does_not_use_itself),
        TEST(half_written_files_of_the_dead_are_cleared_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
