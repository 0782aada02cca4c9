/* Promise: the newest whole checkpoint is found, whatever happened to the others. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "io/checkpoint.h"
#include "temporary_folder.h"

static struct error err;

static void ok(enum status s)
{
    if (s != STATUS_OK)
        fail_msg("%s", err.message);
}

static const float weights[3] = {1.5f, -2, 3};
static const double losses[2] = {0.25, 0.125};
static const uint8_t order[5] = "abcd";

static void save(const char *folder, const char *training, uint64_t step, int keep)
{
    const int64_t epoch = (int64_t)step / 10;
    const struct checkpoint_array arrays[] = {
        {"weights", CHECKPOINT_FLOAT, 3, weights}, {"epoch", CHECKPOINT_INT64, 1, &epoch},
        {"losses", CHECKPOINT_DOUBLE, 2, losses},  {"order", CHECKPOINT_BYTES, 5, order},
        {"empty", CHECKPOINT_FLOAT, 0, NULL},
    };
    ok(checkpoint_write(folder, training, step, arrays, 5, keep, &err));
}

static int files(const char *folder, const char *ending)
{
    int count = 0;
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        const char *dot = strrchr(e->d_name, '.');
        count += dot && !strcmp(dot, ending);
    }
    closedir(d);
    return count;
}

static void everything_comes_back(void **state)
{
    (void)state;
    char *folder = temporary_path("c1");
    struct checkpoint *c;
    const void *values;
    ok(checkpoint_open(folder, "classify", &c, &err));
    assert_null(c);
    save(folder, "classify", 40, 2);
    ok(checkpoint_open(folder, "segment", &c, &err));
    assert_null(c);
    ok(checkpoint_open(folder, "classify", &c, &err));
    assert_int_equal(checkpoint_step(c), 40);
    ok(checkpoint_get(c, "weights", CHECKPOINT_FLOAT, 3, &values, &err));
    assert_memory_equal(values, weights, sizeof weights);
    ok(checkpoint_get(c, "losses", CHECKPOINT_DOUBLE, 2, &values, &err));
    assert_memory_equal(values, losses, sizeof losses);
    ok(checkpoint_get(c, "order", CHECKPOINT_BYTES, 5, &values, &err));
    assert_memory_equal(values, order, sizeof order);
    ok(checkpoint_get(c, "epoch", CHECKPOINT_INT64, 1, &values, &err));
    assert_int_equal(*(const int64_t *)values, 4);
    ok(checkpoint_get(c, "empty", CHECKPOINT_FLOAT, 0, &values, &err));
    assert_int_equal(checkpoint_count(c, "losses"), 2);
    assert_int_equal(checkpoint_get(c, "weights", CHECKPOINT_FLOAT, 4, &values, &err),
                     STATUS_JOB_FAILED);
    assert_int_equal(checkpoint_get(c, "other", CHECKPOINT_FLOAT, 4, &values, &err),
                     STATUS_JOB_FAILED);
    assert_non_null(strstr(err.message, "other"));
    checkpoint_free(c);
}

static void only_the_newest_are_kept(void **state)
{
    (void)state;
    char *folder = temporary_path("c2");
    struct checkpoint *c;
    for (uint64_t step = 1; step <= 5; step++)
        save(folder, "classify", step * 7, 2);
    save(folder, "segment", 1, 2);
    assert_int_equal(files(folder, ".h5"), 3);
    ok(checkpoint_open(folder, "classify", &c, &err));
    assert_int_equal(checkpoint_step(c), 35);
    checkpoint_free(c);
}

static char *newest(const char *folder)
{
    struct checkpoint *c;
    ok(checkpoint_open(folder, "t", &c, &err));
    char *path = strdup(checkpoint_path(c));
    checkpoint_free(c);
    return path;
}

static void a_damaged_one_is_marked_and_the_one_before_taken(void **state)
{
    (void)state;
    char *folder = temporary_path("c3");
    struct checkpoint *c;
    save(folder, "t", 1, 4);
    save(folder, "t", 2, 4);
    save(folder, "t", 3, 4);
    char *path = newest(folder);
    FILE *f = fopen(path, "r+b"); /* one byte changed */
    fseek(f, 900, SEEK_SET);
    int byte = fgetc(f);
    fseek(f, 900, SEEK_SET);
    fputc(byte ^ 1, f);
    fclose(f);
    free(path);
    ok(checkpoint_open(folder, "t", &c, &err));
    assert_int_equal(checkpoint_step(c), 2);
    assert_int_equal(truncate(checkpoint_path(c), 100), 0); /* cut */
    checkpoint_free(c);
    ok(checkpoint_open(folder, "t", &c, &err));
    assert_int_equal(checkpoint_step(c), 1);
    assert_int_equal(truncate(checkpoint_path(c), 0), 0); /* empty */
    checkpoint_free(c);
    ok(checkpoint_open(folder, "t", &c, &err));
    assert_null(c);
    assert_int_equal(files(folder, ".damaged"), 3);
}

static void a_damaged_one_is_kept_in_a_folder_of_a_long_name_too(void **state)
{
    (void)state;
    char folder[1024];
    struct checkpoint *c;
    int at = snprintf(folder, sizeof folder, "%s", temporary_path("long"));
    for (int i = 0; i < 3; i++)
        at += snprintf(folder + at, sizeof folder - (size_t)at, "/%0200d", i);
    save(folder, "t", 1, 4);
    save(folder, "t", 2, 4);
    char *path = newest(folder);
    assert_int_equal(truncate(path, 100), 0);
    free(path);
    ok(checkpoint_open(folder, "t", &c, &err));
    assert_int_equal(checkpoint_step(c), 1);
    checkpoint_free(c);
    assert_int_equal(files(folder, ".damaged"), 1);
    assert_int_equal(files(folder, ".h5"), 1);
}

static void the_same_content_gives_the_same_file(void **state)
{
    (void)state;
    char *a = temporary_path("c4"), *b = temporary_path("c5");
    save(a, "t", 9, 1);
    save(b, "t", 9, 1);
    char *first = newest(a), *second = newest(b);
    assert_string_equal(path_name(first), path_name(second));
    free(first);
    free(second);
}

static void a_folder_that_cannot_be_made_is_named(void **state)
{
    (void)state;
    char *path = temporary_path("file");
    ok(file_write(path, "x", 1, &err));
    const struct checkpoint_array one = {"weights", CHECKPOINT_FLOAT, 3, weights};
    assert_int_equal(checkpoint_write(path, "t", 1, &one, 1, 1, &err), STATUS_STAGE_IO);
    assert_non_null(strstr(err.message, "file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_comes_back),
        cmocka_unit_test(only_the_newest_are_kept),
        cmocka_unit_test(a_damaged_one_is_marked_and_the_one_before_taken),
        cmocka_unit_test(a_damaged_one_is_kept_in_a_folder_of_a_long_name_too),
        cmocka_unit_test(the_same_content_gives_the_same_file),
        cmocka_unit_test(a_folder_that_cannot_be_made_is_named),
    };
    return cmocka_run_group_tests_name("io/checkpoint", tests, temporary_folder_make,
                                       temporary_folder_remove);
}
