/* An index that is damaged forgets, and never lies. */
#include "made_scan.h"

#include "base/file.h"
#include "cache/scan_index.h"

static void add(struct scan_index *x, char *seriesuid, uint64_t identity, uint64_t key)
{
    const struct scan_index_entry e = {
        .identity = {.low = identity, .high = ~UINT64_C(0)},
        .key = {.low = key, .high = key * 3},
        .geometry = made_scan(0, 4, 5, 6).geometry,
        .seriesuid = seriesuid,
    };
    assert_int_equal(scan_index_add(x, &e, NULL), STATUS_OK);
}

static void the_last_line_of_a_source_counts(void **state)
{
    (void)state;
    struct scan_index x;
    assert_int_equal(scan_index_init(&x, temporary_path("index"), NULL), STATUS_OK);
    assert_null(scan_index_find(&x, "a b", NULL));
    add(&x, "a b", 1, 10);
    add(&x, "c", 2, 20);
    add(&x, "a b", 3, 30);
    add(&x, "a b", 1, 40);
    const struct hash128 third = {.low = 3, .high = ~UINT64_C(0)};
    assert_int_equal(scan_index_find(&x, "a b", NULL)->key.low, 40);
    assert_int_equal(scan_index_find(&x, "a b", &third)->key.low, 30);
    assert_int_equal(scan_index_find(&x, "c", NULL)->key.high, 60);
    const struct geometry g = made_scan(0, 4, 5, 6).geometry;
    assert_memory_equal(&scan_index_find(&x, "c", NULL)->geometry, &g, sizeof g);
    assert_null(scan_index_find(&x, "a", NULL));
    scan_index_release(&x);
}

static void lines_of_another_process_are_seen(void **state)
{
    (void)state;
    struct scan_index x, y;
    assert_int_equal(scan_index_init(&x, temporary_path("index"), NULL), STATUS_OK);
    assert_int_equal(scan_index_init(&y, temporary_path("index"), NULL), STATUS_OK);
    assert_null(scan_index_find(&y, "a", NULL));
    add(&x, "a", 1, 10);
    assert_non_null(scan_index_find(&y, "a", NULL));
    scan_index_release(&x);
    scan_index_release(&y);
}

static void a_changed_byte_costs_its_lines_and_no_more(void **state)
{
    (void)state;
    struct scan_index x;
    char *text;
    size_t bytes;
    assert_int_equal(scan_index_init(&x, temporary_path("index"), NULL), STATUS_OK);
    add(&x, "a", 1, 10);
    add(&x, "b", 2, 20);
    add(&x, "c", 3, 30);
    scan_index_release(&x);
    assert_int_equal(file_read(temporary_path("index"), 1 << 20, &text, &bytes, NULL),
                     STATUS_OK);
    for (size_t at = 0; at < bytes; at++) {
        size_t known = 0;
        text[at] ^= 1;
        assert_int_equal(
            scan_index_init(&x, temporary_file("changed", text, bytes), NULL), STATUS_OK);
        text[at] ^= 1;
        for (int i = 0; i < 3; i++) {
            const struct scan_index_entry *e =
                scan_index_find(&x, (const char[]){(char)('a' + i), '\0'}, NULL);
            known += e != NULL;
            if (e)
                assert_int_equal(e->key.low, 10 * (i + 1));
        }
        assert_true(known == 2 || (known == 1 && text[at] == '\n'));
        assert_int_equal(known, x.count);
        scan_index_release(&x);
    }
    free(text);
}

static void zeros_in_the_middle_cost_one_line(void **state)
{
    (void)state;
    struct scan_index x;
    char *text;
    size_t bytes;
    assert_int_equal(scan_index_init(&x, temporary_path("index"), NULL), STATUS_OK);
    add(&x, "a", 1, 10);
    add(&x, "b", 2, 20);
    add(&x, "c", 3, 30);
    assert_int_equal(file_read(x.path, 1 << 20, &text, &bytes, NULL), STATUS_OK);
    memset(text + bytes / 3 + 8, 0, bytes / 3 - 16); /* within the second line */
    temporary_file("index", text, bytes);
    free(text);
    scan_index_refresh(&x);
    assert_non_null(scan_index_find(&x, "a", NULL));
    assert_null(scan_index_find(&x, "b", NULL));
    assert_non_null(scan_index_find(&x, "c", NULL));
    scan_index_release(&x);
}

#define TEST(name)                                                                       \
    cmocka_unit_test_setup_teardown(name, temporary_folder_make, temporary_folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_last_line_of_a_source_counts),
        TEST(lines_of_another_process_are_seen),
        TEST(a_changed_byte_costs_its_lines_and_no_more),
        TEST(zeros_in_the_middle_cost_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
