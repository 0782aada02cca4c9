/* Which network weights belong to, and that weights which do not fit are refused by name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nn/model.h"
#include "temporary_folder.h"
#include "weights_writer.h"

static struct error err;

/* Networks "small" and "large" differ in the channels of layer a; "other" has other
 * names. */
static void write_networks(void)
{
    temporary_text(
        "small.cfg",
        "name = \"small\"; dimensions = 2; input_channels = 1; layers = (\n"
        "{ type = \"conv\"; name = \"a\"; channels = 2; kernel = 3; pad = 1; },\n"
        "{ type = \"batch_norm\"; name = \"b\"; } );\n");
    temporary_text(
        "large.cfg",
        "name = \"large\"; dimensions = 2; input_channels = 1; layers = (\n"
        "{ type = \"conv\"; name = \"a\"; channels = 4; kernel = 3; pad = 1; },\n"
        "{ type = \"batch_norm\"; name = \"b\"; } );\n");
    temporary_text(
        "other.cfg",
        "name = \"other\"; dimensions = 2; input_channels = 1; layers = (\n"
        "{ type = \"conv\"; name = \"x\"; channels = 2; kernel = 3; pad = 1; } );\n");
    temporary_text("notes.txt", "no network");
}

/* What to leave out, put in or bend in a file of weights for "small". */
struct fault {
    const char *missing, *bent, *added;
    const char *network;
    float variance;
};

static char *write_weights(struct fault fault)
{
    static const float ones[36] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    static const char *const names[] = {"a.weight", "a.bias",         "b.weight",
                                        "b.bias",   "b.running_mean", "b.running_var"};
    const float variance[2] = {1, fault.variance};
    char *path = temporary_path("weights.h5");
    hid_t file = weights_create(path);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *name = names[i];
        const hsize_t kernel[4] = {2, 1, 3, 3}, flat[4] = {2, 9, 1, 1}, two[1] = {2},
                      three[1] = {3};
        int bent = fault.bent && strcmp(name, fault.bent) == 0;
        if (fault.missing && strcmp(name, fault.missing) == 0)
            continue;
        if (strcmp(name, "a.weight") == 0)
            weights_write(file, name, bent ? 2 : 4, bent ? flat : kernel, ones);
        else
            weights_write(file, name, 1, bent ? three : two,
                          fault.variance < 0 && strstr(name, "var") ? variance : ones);
    }
    weights_write_as(file, "b.num_batches_tracked", H5T_STD_I64LE, 0, NULL, ones);
    if (fault.added)
        weights_write_as(file, fault.added, H5T_STD_I64LE, 0, NULL, ones);
    if (fault.network)
        weights_write_attribute(file, "network", 0, fault.network);
    H5Fclose(file);
    return path;
}

static struct model *open_model(const char *network, struct fault fault)
{
    struct model *m = NULL;
    write_networks();
    if (model_open(network, temporary_folder, write_weights(fault), &m, &err) !=
        STATUS_OK)
        fail_msg("%s", err.message);
    return m;
}

static void assert_refused(const char *network, struct fault fault, const char *message)
{
    struct model *m;
    write_networks();
    char *weights = write_weights(fault);
    assert_int_equal(model_open(network, temporary_folder, weights, &m, &err),
                     STATUS_JOB_CONFIG);
    assert_int_equal(err.code, STATUS_JOB_CONFIG);
    if (!strstr(err.message, message))
        fail_msg("\"%s\" does not hold \"%s\"", err.message, message);
    assert_non_null(strstr(err.message, weights));
}

static void names_and_shapes_of_tensors_determine_the_network(void **state)
{
    (void)state;
    struct model *m = open_model(NULL, (struct fault){.missing = NULL});
    assert_string_equal(model_name(m), "small");
    assert_int_equal(model_parameters(m), 2 * 9 + 2 + 2 + 2);
    assert_int_equal(model_dimensions(m), 2);
    assert_int_equal(model_input_channels(m), 1);
    assert_int_equal(model_has_seen(m, "1.2.3"), -1);
    model_free(m);
}

static void the_attribute_determines_the_network(void **state)
{
    (void)state;
    struct model *m = open_model(NULL, (struct fault){.network = "small"});
    assert_string_equal(model_name(m), "small");
    model_free(m);
    assert_refused(
        NULL, (struct fault){.network = "large"},
        "layer a (conv) of network large: tensor a.weight must be [4, 1, 3, 3], "
        "found [2, 1, 3, 3]");
    assert_refused(NULL, (struct fault){.network = "huge"},
                   "is of network \"huge\", which no");
}

static void weights_that_do_not_fit_are_refused_by_layer_and_shape(void **state)
{
    (void)state;
    char small[sizeof temporary_folder + 16];
    snprintf(small, sizeof small, "%s/small.cfg", temporary_folder);
    assert_refused(
        small, (struct fault){.bent = "a.weight"},
        "layer a (conv) of network small: tensor a.weight must be [2, 1, 3, 3], "
        "found [2, 9]");
    assert_refused(
        small, (struct fault){.bent = "b.running_mean"},
        "layer b (batch_norm) of network small: tensor b.running_mean must be [2], "
        "found [3]");
    assert_refused(small, (struct fault){.missing = "a.bias"},
                   "layer a (conv) of network small: tensor a.bias [2] is missing");
    assert_refused(small, (struct fault){.added = "c.weight"},
                   "tensor c.weight belongs to no layer of network small");
    assert_refused(small, (struct fault){.added = "a.num_batches_tracked"},
                   "tensor a.num_batches_tracked belongs to no layer");
    assert_refused(small, (struct fault){.variance = -1}, "the negative variance -1");
}

static void when_no_network_fits_the_closest_ones_mismatch_is_told(void **state)
{
    (void)state;
    assert_refused(NULL, (struct fault){.missing = "b.running_var"},
                   "fits; the closest: ");
    assert_non_null(
        strstr(err.message, "of network small: tensor b.running_var [2] is missing"));
}

static void when_several_networks_fit_one_has_to_be_named(void **state)
{
    (void)state;
    temporary_text(
        "twin.cfg",
        "name = \"twin\"; dimensions = 2; input_channels = 1; layers = (\n"
        "{ type = \"conv\"; name = \"a\"; channels = 2; kernel = 3; pad = 1; },\n"
        "{ type = \"relu\"; },\n"
        "{ type = \"batch_norm\"; name = \"b\"; } );\n");
    assert_refused(NULL, (struct fault){.missing = NULL}, "fits several networks");
    assert_non_null(strstr(err.message, "small.cfg and "));
    struct model *m =
        open_model(temporary_path("twin.cfg"), (struct fault){.missing = NULL});
    assert_string_equal(model_name(m), "twin");
    model_free(m);
}

static void content_tells_networks_and_weights_apart(void **state)
{
    (void)state;
    struct model *a = open_model(NULL, (struct fault){.missing = NULL});
    struct model *same = open_model(NULL, (struct fault){.network = "small"});
    temporary_text("twin.cfg",
                   "name = \"small\"; dimensions = 2; input_channels = 1; layers = (\n"
                   "{ type = \"conv\"; name = \"a\"; channels = 2; kernel = 3; },\n"
                   "{ type = \"batch_norm\"; name = \"b\"; } );\n");
    struct model *b =
        open_model(temporary_path("twin.cfg"), (struct fault){.missing = NULL});
    assert_true(hash_equal(model_content(a), model_content(same)));
    assert_false(hash_equal(model_content(a), model_content(b)));
    model_free(a);
    model_free(same);
    model_free(b);
}

static void a_folder_without_networks_is_told(void **state)
{
    (void)state;
    struct model *m;
    char *weights = write_weights((struct fault){.missing = NULL});
    assert_int_equal(model_open(NULL, temporary_folder, weights, &m, &err),
                     STATUS_JOB_CONFIG);
    assert_non_null(strstr(err.message, "no *.cfg describes a network"));
    assert_int_equal(model_open(NULL, "/nowhere", weights, &m, &err), STATUS_JOB_CONFIG);
    assert_non_null(strstr(err.message, "/nowhere"));
}

#define IN_A_FOLDER(test)                                                                \
    cmocka_unit_test_setup_teardown(test, temporary_folder_make, temporary_folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(names_and_shapes_of_tensors_determine_the_network),
        IN_A_FOLDER(the_attribute_determines_the_network),
        IN_A_FOLDER(weights_that_do_not_fit_are_refused_by_layer_and_shape),
        IN_A_FOLDER(when_no_network_fits_the_closest_ones_mismatch_is_told),
        IN_A_FOLDER(when_several_networks_fit_one_has_to_be_named),
        IN_A_FOLDER(content_tells_networks_and_weights_apart),
        IN_A_FOLDER(a_folder_without_networks_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
