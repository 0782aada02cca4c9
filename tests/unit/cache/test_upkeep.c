/* What is looked after is named and counted; nothing sound is removed. */
#include "made_scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "cache/shelf.h"
#include "cache/upkeep.h"

enum { NOBODY = 65534 };

static char *prepared(unsigned seed, const char *seriesuid)
{
    char *path;
    struct cache *c = made_cache(0, false);
    struct made_scan m = made_scan(seed, 9, 20, 30);
    struct hash128 key = made_prepare(c, &m, seriesuid, CACHE_TRUST).key;
    cache_close(c);
    assert_int_equal(shelf_path(temporary_path("cache"), key, &path, NULL), STATUS_OK);
    return path;
}

/* The report of a verification, to be freed. */
static char *verify(bool remove, enum status wanted)
{
    char *text;
    size_t bytes;
    struct error err = {0};
    FILE *out = open_memstream(&text, &bytes);
    assert_non_null(out);
    assert_int_equal(cache_verify(temporary_path("cache"), remove, out, &err), wanted);
    fclose(out);
    return text;
}

static void damaged_files_are_named_with_their_scans_and_go(void **state)
{
    (void)state;
    char *sound = prepared(1, "a"), *cut = prepared(2, "b"), *text;
    free(verify(true, STATUS_OK));
    assert_int_equal(truncate(cut, 700), 0);
    text = verify(false, STATUS_JOB_FAILED);
    assert_non_null(strstr(text, cut));
    assert_non_null(strstr(text, "subset3/b"));
    assert_null(strstr(text, sound));
    free(text);
    assert_true(file_exists(cut));
    free(verify(true, STATUS_JOB_FAILED));
    assert_false(file_exists(cut));
    text = verify(false, STATUS_OK);
    assert_non_null(strstr(text, "1 scans"));
    assert_non_null(strstr(text, "all sound"));
    free(text);
    free(sound);
    free(cut);
}

static void a_file_that_may_not_be_read_is_named_and_stays(void **state)
{
    (void)state;
    char *path = prepared(1, "a"), *text;
    const bool is_root = geteuid() == 0;
    assert_int_equal(chmod(path, 0), 0);
    if (is_root) { /* who reads everything */
        assert_int_equal(chmod(temporary_folder, 0777), 0);
        assert_int_equal(chmod(temporary_path("cache/scans"), 0777), 0);
        assert_int_equal(seteuid(NOBODY), 0);
    }
    text = verify(true, STATUS_JOB_FAILED);
    if (is_root)
        assert_int_equal(seteuid(0), 0);
    assert_non_null(strstr(text, path));
    assert_null(strstr(text, "all sound"));
    assert_true(file_exists(path));
    free(text);
    free(path);
}

#define TEST(name)                                                                       \
    cmocka_unit_test_setup_teardown(name, temporary_folder_make, temporary_folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(damaged_files_are_named_with_their_scans_and_go),
        TEST(a_file_that_may_not_be_read_is_named_and_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
