#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "config/tree.h"

static char folder[200], path[300];

static int make_folder(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof(folder), "%.150s/pulmo-tree-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/net.cfg", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static struct tree *open_text(const char *text)
{
    struct tree *t = NULL;
    struct error err = {0};
    assert_int_equal(file_write(path, text, strlen(text), &err), STATUS_OK);
    if (tree_open(path, &t, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return t;
}

/* That the message names file and line and holds a text. */
static void assert_names(const struct error *err, int line, const char *text)
{
    char place[320];
    assert_int_equal(err->code, STATUS_JOB_CONFIG);
    snprintf(place, sizeof(place), "%s:%d: ", path, line);
    if (!strstr(err->message, place) || !strstr(err->message, text))
        fail_msg("'%s' does not name %s or '%s'", err->message, place, text);
}

static const char network[] = "name = \"unet\";\n"
                              "eps = 1e-5;\n"
                              "layers = (\n"
                              "  { kind = \"conv\"; kernel = [3, 5]; pad = 1;\n"
                              "    from = [\"a\", \"b\"]; },\n"
                              "  { kind = \"relu\"; },\n"
                              "  17\n"
                              ");\n"
                              "large = 4294967297; # no L needed";

static void values_come_back_with_their_types(void **state)
{
    (void)state;
    struct error err;
    struct tree *t = open_text(network);
    tree_node root = tree_root(t), layers, conv;
    const char *text, *texts[3];
    int64_t integers[2], n;
    double number;
    size_t count;

    assert_int_equal(tree_text(t, root, "name", &text, &err), STATUS_OK);
    assert_string_equal(text, "unet");
    assert_int_equal(tree_integer(t, root, "large", 0, INT64_MAX, &n, &err), STATUS_OK);
    assert_true(n == 4294967297);
    assert_int_equal(tree_list(t, root, "layers", &layers, &err), STATUS_OK);
    assert_int_equal(tree_length(layers), 3);
    assert_int_equal(tree_group_at(t, layers, 0, &conv, &err), STATUS_OK);
    assert_int_equal(tree_line(conv), 4);
    assert_int_equal(tree_integers(t, conv, "kernel", 1, 9, 2, integers, &err),
                     STATUS_OK);
    assert_true(integers[0] == 3 && integers[1] == 5);
    assert_int_equal(tree_integers(t, conv, "pad", 0, 9, 2, integers, &err), STATUS_OK);
    assert_true(integers[0] == 1 && integers[1] == 1);
    assert_int_equal(tree_texts(t, conv, "from", 3, texts, &count, &err), STATUS_OK);
    assert_int_equal(count, 2);
    assert_string_equal(texts[1], "b");
    assert_true(tree_has(conv, "pad"));
    assert_false(tree_has(conv, "stride"));
    assert_int_equal(tree_number(t, conv, "pad", &number, &err), STATUS_OK);
    assert_true(number == 1.0);
    assert_int_equal(tree_number(t, root, "eps", &number, &err), STATUS_OK);
    assert_true(number == 1e-5);
    assert_string_equal(tree_path(t), path);
    tree_close(t);
}

static void a_wrong_value_is_named_with_file_and_line(void **state)
{
    (void)state;
    struct error err;
    struct tree *t = open_text(network);
    tree_node root = tree_root(t), layers, conv, seventeen;
    const char *text, *texts[1];
    int64_t integers[3], n;
    double number;
    size_t count;
    assert_int_equal(tree_list(t, root, "layers", &layers, &err), STATUS_OK);
    assert_int_equal(tree_group_at(t, layers, 0, &conv, &err), STATUS_OK);

    assert_int_not_equal(tree_text(t, conv, "pad", &text, &err), STATUS_OK);
    assert_names(&err, 4, "pad = 1: must be a text");
    assert_int_not_equal(tree_text(t, conv, "stride", &text, &err), STATUS_OK);
    assert_names(&err, 4, "'stride' is missing");
    assert_int_not_equal(tree_integer(t, conv, "pad", 2, 3, &n, &err), STATUS_OK);
    assert_names(&err, 4, "pad = 1: must be an integer from 2 to 3");
    assert_int_not_equal(tree_integers(t, conv, "kernel", 1, 9, 3, integers, &err),
                         STATUS_OK);
    assert_names(&err, 4, "kernel has 2 values: must be 3");
    assert_int_not_equal(tree_integers(t, conv, "kernel", 1, 4, 2, integers, &err),
                         STATUS_OK);
    assert_names(&err, 4, "kernel = 5");
    assert_int_not_equal(tree_number(t, conv, "kind", &number, &err), STATUS_OK);
    assert_names(&err, 4, "kind = \"conv\"");
    assert_int_not_equal(tree_texts(t, conv, "from", 1, texts, &count, &err), STATUS_OK);
    assert_names(&err, 5, "from has 2 values");
    assert_int_not_equal(tree_list(t, conv, "pad", &layers, &err), STATUS_OK);
    assert_names(&err, 4, "must be a list");
    assert_int_not_equal(tree_group_at(t, layers, 2, &seventeen, &err), STATUS_OK);
    assert_names(&err, 7, "layers[2] = 17: must be a group");
    tree_close(t);
}

static void a_name_that_nobody_knows_is_refused(void **state)
{
    (void)state;
    struct error err;
    static const char *const known[] = {"name", "eps", "layers", NULL};
    struct tree *t = open_text(network);
    assert_int_not_equal(tree_only(t, tree_root(t), known, &err), STATUS_OK);
    assert_names(&err, 9, "unknown name 'large'");
    tree_close(t);
}

static void refuses(const char *text, int line, const char *message)
{
    struct tree *t = NULL;
    struct error err = {0};
    assert_int_equal(file_write(path, text, strlen(text), &err), STATUS_OK);
    assert_int_not_equal(tree_open(path, &t, &err), STATUS_OK);
    assert_names(&err, line, message);
}

static void what_libconfig_would_misread_is_refused(void **state)
{
    (void)state;
    char deep[100] = "a = ";
    memset(deep + 4, '(', 40);
    refuses(deep, 1, "nested deeper than 32");
    refuses("a = 1;\nb = 99999999999999999999;", 2, "does not fit 64 bits");
    refuses("a = 0xfffffffffffffffff;", 1, "does not fit 64 bits");
    refuses("a = 99999999999999999999L;", 1, "does not fit 64 bits");
    refuses("\n\na = 12abc = 3;", 3, "is no number");
    refuses("a = 1.2.3;", 1, "is no number");
    refuses("a = \"x\ny\";", 1, "not closed");
    refuses("a = 1;\n/* b", 2, "never closed");
    refuses("a = \"x\\x00y\";", 1, "\\x00");
    refuses("a = 1;\n@include \"b.cfg\"", 2, "include = \"FILE\"");
    refuses("a = 1;\nb \"c\";", 2, "where none belongs");
    refuses("a = 1;\nb = 1, \"c\";", 2, "where none belongs");
    refuses("a = 1;\n}", 2, "} closes nothing");
    refuses("a = 1;\na = 2;", 2, "duplicate");
    refuses("a = 1;\nb = ;", 2, "syntax");
    assert_int_equal(file_write(path, "a = 1;\0b", 8, NULL), STATUS_OK);
    struct tree *t;
    struct error err;
    assert_int_not_equal(tree_open(path, &t, &err), STATUS_OK);
    assert_names(&err, 1, "no text file");
}

static void integers_need_no_suffix(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } cases[] = {{"-2147483649", -2147483649},
                 {"2147483648L", 2147483648},
                 {"9223372036854775807", INT64_MAX},
                 {"-9223372036854775808", INT64_MIN},
                 {"0xffffffff", 4294967295},
                 {"0x7fffffffffffffff", INT64_MAX},
                 {"+5", 5},
                 {"/* 1 */ 2 // 3", 2}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[80];
        int64_t value;
        struct error err;
        snprintf(text, sizeof(text), "a-1 = %s", cases[i].text);
        struct tree *t = open_text(text);
        if (tree_integer(t, tree_root(t), "a-1", INT64_MIN, INT64_MAX, &value, &err) !=
            STATUS_OK)
            fail_msg("%s", err.message);
        assert_true(value == cases[i].value);
        tree_close(t);
    }
}

static void a_missing_file_is_an_error_of_the_job(void **state)
{
    (void)state;
    struct tree *t;
    struct error err;
    assert_int_equal(tree_open("/nowhere/net.cfg", &t, &err), STATUS_JOB_CONFIG);
    assert_non_null(strstr(err.message, "/nowhere/net.cfg"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_back_with_their_types),
        cmocka_unit_test(a_wrong_value_is_named_with_file_and_line),
        cmocka_unit_test(a_name_that_nobody_knows_is_refused),
        cmocka_unit_test(what_libconfig_would_misread_is_refused),
        cmocka_unit_test(integers_need_no_suffix),
        cmocka_unit_test(a_missing_file_is_an_error_of_the_job),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
