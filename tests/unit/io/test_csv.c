#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "io/csv.h"
#include "temporary_folder.h"

/* What was read, as one text: "line:a|b;line:a|b;". An absent column is "-". */
struct rows {
    char text[512];
    size_t columns, count;
    enum status answer;
};

static enum status note(void *context, const struct csv_row *row, struct error *err)
{
    struct rows *r = context;
    size_t n = strlen(r->text);
    n += (size_t)snprintf(r->text + n, sizeof r->text - n, "%zu:", row->line);
    for (size_t i = 0; i < r->columns && n < sizeof r->text; i++)
        n += (size_t)snprintf(r->text + n, sizeof r->text - n, "%s%s", i ? "|" : "",
                              row->fields[i] ? row->fields[i] : "-");
    if (n < sizeof r->text)
        snprintf(r->text + n, sizeof r->text - n, ";");
    r->count++;
    return r->answer ? error_set(err, r->answer, "refused by the caller") : STATUS_OK;
}

static const struct csv_column a_and_b[] = {{"a", false}, {"b", true}};

static void assert_rows_of(const char *path, const char *wanted)
{
    struct rows rows = {.columns = 2};
    struct error err = {0};
    assert_int_equal(csv_read(path, a_and_b, 2, note, &rows, &err), STATUS_OK);
    assert_string_equal(rows.text, wanted);
}

static void assert_rows(const char *text, const char *wanted)
{
    assert_rows_of(temporary_text("list.csv", text), wanted);
}

/* A file is refused with a message that begins with its path and goes on as wanted. */
static void assert_refused_file(const char *path, const char *wanted)
{
    struct rows rows = {.columns = 2};
    struct error err = {0};
    assert_int_equal(csv_read(path, a_and_b, 2, note, &rows, &err), STATUS_JOB_CONFIG);
    assert_memory_equal(err.message, path, strlen(path));
    if (strncmp(err.message + strlen(path), wanted, strlen(wanted)) != 0)
        fail_msg("'%s' is not '...%s'", err.message, wanted);
}

static void assert_refused(const char *text, const char *wanted)
{
    assert_refused_file(temporary_text("list.csv", text), wanted);
}

static void columns_are_found_by_name_in_any_order(void **state)
{
    (void)state;
    assert_rows("a,b\n1,2\n3,4\n", "2:1|2;3:3|4;");
    assert_rows("x,b,y,a\n0,2,0,1\n", "2:1|2;");
    assert_rows("\"a\" , \"b\"\n1,2", "2:1|2;");
}

static void an_optional_column_may_be_absent(void **state)
{
    (void)state;
    assert_rows("a\n1\n", "2:1|-;");
}

static void quoted_fields_keep_commas_quotes_and_line_ends(void **state)
{
    (void)state;
    assert_rows("a,b\n\"1,5\",\"say \"\"no\"\"\"\n", "2:1,5|say \"no\";");
    assert_rows("a,b\n\"1\n2\",3\n4,5\n", "2:1\n2|3;4:4|5;");
}

static void lines_are_counted_through_blanks_crlf_and_quotes(void **state)
{
    (void)state;
    assert_rows("a,b\r\n1,2\r\n\r\n  \r\n3,4\r\n", "2:1|2;5:3|4;");
    assert_rows("\n\na,b\n\"x\r\n\r\ny\",2\n\n7,8", "4:x\r\n\r\ny|2;8:7|8;");
}

static void a_byte_order_mark_is_passed_over(void **state)
{
    (void)state;
    assert_rows("\xEF\xBB\xBF"
                "a,b\n1,2\n",
                "2:1|2;");
}

static void a_header_alone_is_a_list_without_rows(void **state)
{
    (void)state;
    assert_rows("a,b\n", "");
    assert_rows("a,b", "");
}

static void trailing_empty_fields_are_harmless(void **state)
{
    (void)state;
    assert_rows("a,b\n1,2,\n3,4,,\n", "2:1|2;3:3|4;");
}

static void what_is_wrong_is_named_with_its_line(void **state)
{
    (void)state;
    assert_refused("", ": empty, without even a header line");
    assert_refused("\n\n", ": empty");
    assert_refused("b,c\n1,2\n", ":1: no column a in the header");
    assert_refused("a,b,a\n1,2,3\n", ":1: column a stands twice");
    assert_refused("a,b\n1,2\n\n3\n", ":4: 1 fields where 2 are wanted");
    assert_refused("a,b\n1,5,2\n", ":2: more fields than the 2 of the header ('2')");
    assert_refused("a,b\n1,2\n\"3,4\n5,6\n", ":3: a quote that is not closed");
    assert_refused("a,b\n1,2\n3,x\"4\n", ":3: a quote");
    assert_refused("a,b\n\"1\"2,3\n", ":2: a quote");
    assert_refused_file(temporary_file("nul.csv", "a,b\n1,2\0\n", 9),
                        ":2: field 2 holds a NUL byte");
}

static void what_cannot_be_opened_or_read_is_named(void **state)
{
    (void)state;
    assert_refused_file(temporary_path("nowhere.csv"), ": No such file or directory");
    assert_refused_file(temporary_folder, ": not a regular file");
    assert_int_equal(mkfifo(temporary_path("pipe"), 0600), 0);
    assert_refused_file(temporary_path("pipe"), ": not a regular file");
}

static void a_field_has_a_largest_size(void **state)
{
    (void)state;
    for (size_t extra = 0; extra < 2; extra++) {
        size_t bytes = CSV_FIELD_BYTES + extra;
        char *text = malloc(bytes + 8);
        memcpy(text, "a\n", 2);
        memset(text + 2, 'x', bytes);
        memcpy(text + 2 + bytes, "\ny\n", 3);
        const char *path = temporary_file("long.csv", text, bytes + 5);
        free(text);
        struct rows rows = {.columns = 0};
        struct error err = {0};
        enum status status = csv_read(path, a_and_b, 1, note, &rows, &err);
        assert_int_equal(status, extra ? STATUS_JOB_CONFIG : STATUS_OK);
        assert_int_equal(rows.count, extra ? 0 : 2);
        if (extra)
            assert_non_null(strstr(err.message, ":2: a field of more than"));
    }
}

static void a_quote_left_open_is_found_without_reading_on(void **state)
{
    (void)state;
    const char *path = temporary_path("open.csv");
    FILE *f = fopen(path, "w");
    fputs("a,b\n1,2\n\"3,4\n", f);
    for (int i = 0; i < 400000; i++)
        fputs("5,6,7,8\n", f);
    fclose(f);
    assert_refused_file(path, ":3: a field of more than");
}

static void rows_and_lines_hold_across_blocks(void **state)
{
    (void)state;
    const char *path = temporary_path("many.csv");
    FILE *f = fopen(path, "w");
    fputs("a,b\r\n", f);
    for (int i = 0; i < 30000; i++)
        fprintf(f, "%d,\"row\n%d\"\r\n", i, i);
    fputs("1\r\n", f);
    fclose(f);
    assert_refused_file(path, ":60002: 1 fields where 2 are wanted");
}

static void a_callback_that_refuses_ends_the_reading(void **state)
{
    (void)state;
    struct rows rows = {.columns = 2, .answer = STATUS_STAGE_MEMORY};
    struct error err = {0};
    const char *path = temporary_text("list.csv", "a,b\n1,2\n3,4\n\"");
    assert_int_equal(csv_read(path, a_and_b, 2, note, &rows, &err), STATUS_STAGE_MEMORY);
    assert_int_equal(rows.count, 1);
    assert_string_equal(err.message, "refused by the caller");
}

static void a_plain_file_has_no_header(void **state)
{
    (void)state;
    struct rows rows = {.columns = 1};
    struct error err = {0};
    const char *path = temporary_text("plain.csv", "one\r\n\r\ntwo,2,3\n");
    assert_int_equal(csv_read_plain(path, 1, note, &rows, &err), STATUS_OK);
    assert_string_equal(rows.text, "1:one;3:two;");

    rows = (struct rows){.columns = 1};
    path = temporary_text("plain.csv", "");
    assert_int_equal(csv_read_plain(path, 1, note, &rows, &err), STATUS_OK);
    assert_int_equal(rows.count, 0);

    path = temporary_text("plain.csv", "a,b\nc\n");
    assert_int_equal(csv_read_plain(path, 2, note, &rows, &err), STATUS_JOB_CONFIG);
    assert_non_null(strstr(err.message, "plain.csv:2: 1 fields where 2 are wanted"));
}

static void a_number_is_the_whole_field_and_finite(void **state)
{
    (void)state;
    static const char *const good[] = {"1.5",    " 1.5 ", "1.5\t",
                                       "+1.5e0", "15E-1", "1.50"};
    static const char *const bad[] = {"",    " ",     "abc",   "1.5x", "1,5", "nan",
                                      "inf", "1e999", "0x1p3", "--1",  "1 5", "1e"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct csv_row row = {.path = "p", .line = 7, .fields = &good[i]};
        double value = 0;
        assert_int_equal(csv_number(&row, 0, "coordX", &value, NULL), STATUS_OK);
        assert_true(value == 1.5);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct csv_row row = {.path = "p", .line = 7, .fields = &bad[i]};
        struct error err = {0};
        char wanted[100];
        double value = 0;
        assert_int_equal(csv_number(&row, 0, "coordX", &value, &err), STATUS_JOB_CONFIG);
        snprintf(wanted, sizeof wanted, "p:7: column coordX: '%s' is not a finite number",
                 bad[i]);
        assert_string_equal(err.message, wanted);
    }
}

static void written_rows_are_read_back_as_they_were(void **state)
{
    (void)state;
    static const char *const texts[] = {"plain",      "",         "a,b", "say \"no\"",
                                        "two\nlines", " spaces ", "cr\r"};
    enum { TEXTS = sizeof texts / sizeof *texts };
    const char *path = temporary_path("out.csv");
    struct csv_writer w;
    struct error err = {0};
    struct rows rows = {.columns = 2};
    char wanted[512];
    size_t n = 0;
    assert_int_equal(csv_writer_open(&w, path, "a,b", &err), STATUS_OK);
    for (size_t i = 0, line = 2; i < TEXTS; i++) {
        csv_write_text(&w, texts[i]);
        csv_write_text(&w, texts[TEXTS - 1 - i]);
        csv_write_end(&w);
        n += (size_t)snprintf(wanted + n, sizeof wanted - n, "%zu:%s|%s;", line, texts[i],
                              texts[TEXTS - 1 - i]);
        line += i == 2 || i == 4 ? 2 : 1; /* those with a line feed inside */
    }
    assert_false(file_exists(path));
    assert_int_equal(csv_writer_commit(&w, &err), STATUS_OK);
    assert_int_equal(csv_read(path, a_and_b, 2, note, &rows, &err), STATUS_OK);
    assert_string_equal(rows.text, wanted);
}

static void fields_are_quoted_only_where_they_must_be(void **state)
{
    (void)state;
    const char *path = temporary_path("out.csv");
    struct csv_writer w;
    struct error err = {0};
    char *text;
    size_t bytes;
    assert_int_equal(csv_writer_open(&w, path, "seriesuid,n,x,y", &err), STATUS_OK);
    csv_write_text(&w, "1.2.840");
    csv_write_integer(&w, INT64_MIN);
    csv_write_number(&w, "%.3f", 2.0 / 3);
    csv_write_number(&w, "%.3f", NAN);
    csv_write_end(&w);
    assert_int_equal(csv_writer_commit(&w, &err), STATUS_OK);
    assert_int_equal(file_read(path, 1000, &text, &bytes, &err), STATUS_OK);
    assert_string_equal(text, "seriesuid,n,x,y\n1.2.840,-9223372036854775808,0.667,\n");
    free(text);
}

static void a_single_empty_field_is_still_a_row(void **state)
{
    (void)state;
    const char *path = temporary_path("out.csv");
    struct csv_writer w;
    struct error err = {0};
    struct rows rows = {.columns = 1};
    assert_int_equal(csv_writer_open(&w, path, "a", &err), STATUS_OK);
    csv_write_text(&w, "");
    csv_write_end(&w);
    csv_write_number(&w, "%g", NAN);
    csv_write_end(&w);
    assert_int_equal(csv_writer_commit(&w, &err), STATUS_OK);
    assert_int_equal(csv_read(path, a_and_b, 1, note, &rows, &err), STATUS_OK);
    assert_string_equal(rows.text, "2:;3:;");
}

static void an_abandoned_file_leaves_nothing(void **state)
{
    (void)state;
    struct csv_writer w;
    assert_int_equal(csv_writer_open(&w, temporary_path("out.csv"), "a", NULL),
                     STATUS_OK);
    csv_writer_abandon(&w);
    assert_false(file_exists(temporary_path("out.csv")));
    assert_false(file_exists(temporary_path("out.csv.part")));
}

static void a_full_disk_is_reported_by_commit(void **state)
{
    (void)state;
    struct csv_writer w;
    struct error err = {0};
    struct rlimit before, small;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(csv_writer_open(&w, temporary_path("out.csv"), "a", &err),
                     STATUS_OK);
    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    small.rlim_cur = 100000;
    setrlimit(RLIMIT_FSIZE, &small);
    for (int i = 0; i < 100000; i++) {
        csv_write_integer(&w, i);
        csv_write_end(&w);
    }
    enum status status = csv_writer_commit(&w, &err);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(status, STATUS_STAGE_IO);
    assert_non_null(strstr(err.message, "out.csv: File too large"));
    assert_false(file_exists(temporary_path("out.csv")));
    assert_false(file_exists(temporary_path("out.csv.part")));
}

#define TEST(name)                                                                       \
    cmocka_unit_test_setup_teardown(name, temporary_folder_make, temporary_folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(columns_are_found_by_name_in_any_order),
        TEST(an_optional_column_may_be_absent),
        TEST(quoted_fields_keep_commas_quotes_and_line_ends),
        TEST(lines_are_counted_through_blanks_crlf_and_quotes),
        TEST(a_byte_order_mark_is_passed_over),
        TEST(a_header_alone_is_a_list_without_rows),
        TEST(trailing_empty_fields_are_harmless),
        TEST(what_is_wrong_is_named_with_its_line),
        TEST(what_cannot_be_opened_or_read_is_named),
        TEST(a_field_has_a_largest_size),
        TEST(a_quote_left_open_is_found_without_reading_on),
        TEST(rows_and_lines_hold_across_blocks),
        TEST(a_callback_that_refuses_ends_the_reading),
        TEST(a_plain_file_has_no_header),
        TEST(a_number_is_the_whole_field_and_finite),
        TEST(written_rows_are_read_back_as_they_were),
        TEST(fields_are_quoted_only_where_they_must_be),
        TEST(a_single_empty_field_is_still_a_row),
        TEST(an_abandoned_file_leaves_nothing),
        TEST(a_full_disk_is_reported_by_commit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
