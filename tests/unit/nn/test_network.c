/* Descriptions that are wrong are refused with file and line; good ones mean what they
 * say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nn/network.h"
#include "temporary_folder.h"

static struct error err;

#define HEAD "name = \"n\"; dimensions = 2; input_channels = 3;\nlayers = (\n"
#define CONV "{ type = \"conv\"; name = \"a\"; channels = 4; kernel = 3; pad = 1; }"

static void assert_refused(const char *text, const char *message)
{
    struct network n;
    char *path = temporary_text("n.cfg", text);
    assert_int_equal(network_init(&n, path, &err), STATUS_JOB_CONFIG);
    network_release(&n);
    if (!strstr(err.message, message))
        fail_msg("\"%s\" does not hold \"%s\"", err.message, message);
    assert_non_null(strstr(err.message, path));
}

static void a_description_gives_layers_inputs_and_defaults(void **state)
{
    (void)state;
    struct network n;
    char *path = temporary_text(
        "n.cfg",
        HEAD CONV ",\n{ type = \"relu\"; },\n"
                  "{ type = \"max_pool\"; name = \"p\"; kernel = [2, 3]; pad = 1; },\n"
                  "{ type = \"batch_norm\"; name = \"b\"; input = \"a\"; },\n"
                  "{ type = \"avg_pool\"; name = \"q\"; kernel = [2, 3]; pad = 1; "
                  "stride = [2, 3]; },\n"
                  "{ type = \"concat\"; inputs = [\"p\", \"q\"]; } );\n");
    if (network_init(&n, path, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_string_equal(n.name, "n");
    assert_int_equal(n.layer_count, 6);
    assert_int_equal(n.divisor, 1);
    assert_int_equal(n.crop[0] + n.crop[1] + n.crop[2], 0);
    assert_int_equal(n.layers[0].inputs[0], 0);
    assert_true(n.layers[0].bias);
    assert_int_equal(n.layers[0].kernel[0], 1);
    assert_int_equal(n.layers[0].pad[0], 0);
    assert_int_equal(n.layers[0].kernel[2], 3);
    assert_int_equal(n.layers[0].stride[2], 1);
    assert_string_equal(n.layers[1].name, "relu at line 4");
    assert_int_equal(n.layers[2].stride[1], 2);
    assert_int_equal(n.layers[2].stride[2], 3);
    assert_int_equal(n.layers[3].inputs[0], 1);
    assert_true(n.layers[3].eps == 1e-5);
    assert_int_equal(n.layers[5].input_count, 2);
    assert_int_equal(n.layers[5].inputs[0], 3);
    assert_int_equal(n.channels[6], 8);
    network_release(&n);
}

static void mistakes_are_told_with_file_and_line(void **state)
{
    (void)state;
    assert_refused(HEAD "{ type = \"conv3\"; } );",
                   "n.cfg:3: type = \"conv3\": no such layer");
    assert_refused(HEAD CONV ",\n{ type = \"relu\"; slope = 1; } );", "n.cfg:4");
    assert_refused(HEAD "{ type = \"conv\"; name = \"a\"; channels = 4; } );",
                   "n.cfg:3: layer a: 'kernel' is missing");
    assert_refused(HEAD "{ type = \"conv\"; name = \"a\"; kernel = 3; } );",
                   "'channels'");
    assert_refused(HEAD "{ type = \"batch_norm\"; } );", "n.cfg:3");
    assert_refused(
        HEAD "{ type = \"conv\"; name = \"a\"; channels = 4; kernel = [3, 3, 3]; } );",
        "n.cfg:3");
    assert_refused(HEAD "{ type = \"conv\"; name = \"a\"; channels = 0; kernel = 3; } );",
                   "n.cfg:3");
    assert_refused(HEAD "{ type = \"batch_norm\"; name = \"b\"; eps = 0; } );",
                   "eps = 0");
    assert_refused("name = \"n\"; dimensions = 4; input_channels = 3; layers = ( );",
                   "dimensions");
    assert_refused("name = \"n\"; dimensions = 2; input_channels = 3; layers = ( );",
                   "layers: 0 of them");
    assert_refused("name = \"n\"; dimensions = 2; chanels = 3;", "chanels");
    assert_refused("name = \"n\"; dimensions = ", "n.cfg");
}

static void layers_that_do_not_go_together_are_refused(void **state)
{
    (void)state;
    assert_refused(
        HEAD CONV ",\n{ type = \"relu\"; input = \"b\"; } );",
        "n.cfg:4: layer relu at line 4: its input \"b\" is no layer before it");
    assert_refused(HEAD CONV ",\n" CONV " );", "n.cfg:4: layer a: a layer of this name");
    assert_refused(HEAD CONV ",\n{ type = \"relu\"; input = \"input\"; } );",
                   "n.cfg:3: layer a: no layer reads it");
    assert_refused(HEAD CONV
                   ",\n{ type = \"conv\"; name = \"b\"; channels = 2; in_channels = 5; "
                   "kernel = 1; } );",
                   "n.cfg:4: layer b: takes 5 channels, but its input has 4");
    assert_refused("crop = [16, 24]; " HEAD CONV
                   ",\n{ type = \"avg_pool\"; name = \"p\"; kernel = 2; },\n"
                   "{ type = \"concat\"; name = \"c\"; inputs = [\"a\", \"p\"]; } );",
                   "n.cfg:5: layer c: its inputs differ in size: 4 x 16x24 and 4 x 8x12");
    assert_refused(HEAD "{ type = \"max_pool\"; name = \"p\"; kernel = 2; pad = 2; } );",
                   "pad 2 is more than half of kernel 2");
    assert_refused(HEAD "{ type = \"linear\"; name = \"l\"; channels = 2; } );",
                   "layer l: its input is a map, not a vector");
    assert_refused(HEAD "{ type = \"flatten\"; } );", "'crop' is missing");
    assert_refused(
        "name = \"n\"; dimensions = 2; input_channels = 1; crop = [4, 4];\nlayers = (\n"
        "{ type = \"flatten\"; },\n{ type = \"max_pool\"; name = \"p\"; kernel = 2; } );",
        "n.cfg:4: layer p: its input is a vector");
    assert_refused(HEAD
                   "{ type = \"conv_transpose\"; name = \"u\"; channels = 2; kernel = 3; "
                   "stride = 2; output_pad = 2; } );",
                   "output_pad 2 is not less than stride 2");
}

static void a_file_that_is_not_there_is_named(void **state)
{
    (void)state;
    struct network n;
    assert_int_equal(network_init(&n, "/nowhere/n.cfg", &err), STATUS_JOB_CONFIG);
    assert_int_equal(err.code, STATUS_JOB_CONFIG);
    assert_non_null(strstr(err.message, "/nowhere/n.cfg"));
    network_release(&n);
}

#define IN_A_FOLDER(test)                                                                \
    cmocka_unit_test_setup_teardown(test, temporary_folder_make, temporary_folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(a_description_gives_layers_inputs_and_defaults),
        IN_A_FOLDER(mistakes_are_told_with_file_and_line),
        IN_A_FOLDER(layers_that_do_not_go_together_are_refused),
        cmocka_unit_test(a_file_that_is_not_there_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
