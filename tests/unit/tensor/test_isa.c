#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tensor/isa.h"

static void every_set_up_to_the_best_is_found_by_its_name(void **state)
{
    (void)state;
    for (int i = ISA_PORTABLE; i <= (int)isa_best(); i++) {
        enum isa found;
        assert_int_equal(isa_parse(isa_name((enum isa)i), &found, NULL), STATUS_OK);
        assert_int_equal(found, i);
    }
}

static void auto_is_the_best(void **state)
{
    (void)state;
    enum isa found;
    assert_int_equal(isa_parse("auto", &found, NULL), STATUS_OK);
    assert_int_equal(found, isa_best());
}

static void a_set_that_this_machine_lacks_is_refused_by_name(void **state)
{
    (void)state;
    if (isa_best() == ISA_AVX512) {
        print_message("this machine lacks no instruction set\n");
        skip();
    }
    enum isa found;
    struct error err;
    assert_int_equal(isa_parse("avx512", &found, &err), STATUS_JOB_CONFIG);
    assert_non_null(strstr(err.message, "avx512"));
}

static void an_unknown_name_is_refused_with_the_names_there_are(void **state)
{
    (void)state;
    enum isa found;
    struct error err;
    const char *const wrong[] = {"", "AVX2", "avx", "sse2", "avx512f"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(isa_parse(wrong[i], &found, &err), STATUS_JOB_CONFIG);
        assert_non_null(strstr(err.message, "portable, avx2 or avx512"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_set_up_to_the_best_is_found_by_its_name),
        cmocka_unit_test(auto_is_the_best),
        cmocka_unit_test(a_set_that_this_machine_lacks_is_refused_by_name),
        cmocka_unit_test(an_unknown_name_is_refused_with_the_names_there_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
