/* What comes from data is text on a page, whatever it holds. */
#include "report/html.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static char *written;
static size_t bytes;

static struct html begin(bool hide)
{
    free(written);
    written = NULL;
    struct html h = {.out = open_memstream(&written, &bytes), .hide = hide};
    assert_non_null(h.out);
    return h;
}

static void assert_written(struct html *h, const char *expected)
{
    assert_int_equal(fclose(h->out), 0);
    assert_string_equal(written, expected);
}

static void markup_in_a_text_is_text(void **state)
{
    (void)state;
    struct html h = begin(false);
    html_text(&h, "<b>&\"'onload=1>");
    assert_written(&h, "&lt;b&gt;&amp;&quot;&#39;onload=1&gt;");
}

static void what_is_no_utf8_and_what_turns_the_reading_is_replaced(void **state)
{
    (void)state;
    struct html h = begin(false);
    html_text(&h, "a\xff\x80"
                  "b\x01 \xc0\xbc \xed\xa0\x80 \xe2\x80\xae \xc3\xa4 \xe2\x82");
    assert_written(&h, "a\ufffd\ufffdb\ufffd \ufffd\ufffd \ufffd\ufffd\ufffd "
                       "\ufffd\ufffd\ufffd \u00e4 \ufffd\ufffd");
}

static void base64_is_that_of_rfc_4648(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct html h = begin(false);
        html_base64(&h, cases[i][0], strlen(cases[i][0]));
        assert_written(&h, cases[i][1]);
    }
}

static void a_number_that_does_not_exist_is_a_dash(void **state)
{
    (void)state;
    struct html h = begin(false);
    html_number(&h, "%.1f", NAN);
    html_number(&h, " %.1f", 0.25);
    html_range(&h, " %g", NAN, 1);
    assert_written(&h, "\u2013 0.2\u2013");
}

static void a_hidden_message_keeps_words_and_numbers_alone(void **state)
{
    (void)state;
    struct html h = begin(true);
    html_message(&h,
                 "smith: /data/smith/scan.raw: 1000 bytes, not 589824 (1.2.840.1) at Ann",
                 "smith");
    assert_written(&h, "\u2026 \u2026 1000 bytes, not 589824 \u2026 at \u2026");
    h = begin(true);
    html_path(&h, "/data/smith");
    html_scan(&h, "smith");
    assert_written(&h, "(path)a scan");
}

static void a_hidden_configuration_has_no_paths(void **state)
{
    (void)state;
    struct html h = begin(true);
    html_configuration(&h, "seed = 1;\nroot = \"/data/smith\";\nmode = \"book\";\n");
    assert_written(&h, "seed = 1;\nroot = &quot;(path)&quot;;\nmode = "
                       "&quot;book&quot;;\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(markup_in_a_text_is_text),
        cmocka_unit_test(what_is_no_utf8_and_what_turns_the_reading_is_replaced),
        cmocka_unit_test(base64_is_that_of_rfc_4648),
        cmocka_unit_test(a_number_that_does_not_exist_is_a_dash),
        cmocka_unit_test(a_hidden_message_keeps_words_and_numbers_alone),
        cmocka_unit_test(a_hidden_configuration_has_no_paths),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(written);
    return failed;
}
