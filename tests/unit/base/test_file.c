#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"

static int enter_folder(void **state)
{
    const char *root = getenv("TMPDIR");
    char *path;
    if (asprintf(&path, "%s/pulmo-file-XXXXXX", root ? root : "/tmp") < 0 ||
        !mkdtemp(path) || chdir(path))
        return -1;
    *state = path;
    return 0;
}

static int leave_folder(void **state)
{
    int failed = chdir("/") || rmdir(*state);
    free(*state);
    return failed;
}

static void a_folder_is_made_with_its_parents(void **state)
{
    (void)state;
    struct error err;
    assert_int_equal(folder_make("a/b//c/", &err), STATUS_OK);
    assert_true(file_is_folder("a/b/c"));
    assert_int_equal(folder_make("a/b/c", &err), STATUS_OK);
    assert_int_equal(rmdir("a/b/c") | rmdir("a/b") | rmdir("a"), 0);
}

static void a_folder_without_a_name_is_refused(void **state)
{
    (void)state;
    struct error err;
    assert_int_equal(folder_make("", &err), STATUS_STAGE_IO);
    assert_string_equal(err.message, "a folder without a name");
}

static void a_file_appears_whole_and_replaces_the_one_before(void **state)
{
    (void)state;
    struct error err;
    char *text;
    size_t bytes;
    assert_int_equal(file_write("f", "first", 5, &err), STATUS_OK);
    assert_int_equal(file_write("f", "2nd", 3, &err), STATUS_OK);
    assert_int_equal(file_read("f", 100, &text, &bytes, &err), STATUS_OK);
    assert_string_equal(text, "2nd");
    free(text);
    assert_false(file_exists("f.part"));
    assert_int_equal(unlink("f"), 0);
}

/* The next one might be /dev/null. */
static void what_is_no_regular_file_is_not_replaced(void **state)
{
    (void)state;
    struct error err;
    struct stat s;
    assert_int_equal(mkfifo("pipe", 0600), 0);
    assert_int_equal(symlink("pipe", "link"), 0);
    assert_int_equal(mkdir("folder", 0700), 0);
    const char *const names[] = {"pipe", "link", "folder"};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(file_write(names[i], "x", 1, &err), STATUS_STAGE_IO);
        assert_non_null(strstr(err.message, "not a regular file"));
    }
    assert_int_equal(lstat("pipe", &s), 0);
    assert_true(S_ISFIFO(s.st_mode));
    assert_int_equal(unlink("pipe") | unlink("link") | rmdir("folder"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_is_made_with_its_parents),
        cmocka_unit_test(a_folder_without_a_name_is_refused),
        cmocka_unit_test(a_file_appears_whole_and_replaces_the_one_before),
        cmocka_unit_test(what_is_no_regular_file_is_not_replaced),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
