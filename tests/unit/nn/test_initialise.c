/* Promise: initial weights are what the specification says, a function of seed and name
 * alone, and fine-tuning begins where its depth says. */
#include "temporary_folder.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nn/initialise.h"
#include "nn/training_file.h"

static const char description[] =
    "name = \"t\"; dimensions = 3; input_channels = 1; crop = [4, 4, 4]; divisor = 2;\n"
    "layers = ({ type = \"batch_norm\"; name = \"norm\"; },\n"
    "{ type = \"conv\"; name = \"a.one\"; channels = 48; kernel = 3; pad = 1; },\n"
    "{ type = \"relu\"; },\n"
    "{ type = \"conv\"; name = \"a.two\"; channels = 48; kernel = 3; pad = 1; },\n"
    "{ type = \"relu\"; }, { type = \"max_pool\"; kernel = 2; }, { type = \"flatten\"; "
    "},\n"
    "{ type = \"linear\"; name = \"head\"; channels = 2; }, { type = \"softmax\"; });\n";

static struct error err;
static struct network network;
static struct training *training;

static void ok(enum status s)
{
    if (s != STATUS_OK)
        fail_msg("%s", err.message);
}

static int make(void **state)
{
    const int64_t size[3] = {4, 4, 4};
    const struct training_options o = {.isa = isa_best(),
                                       .algorithm = CONV_AUTO,
                                       .threads = 1,
                                       .samples = 1,
                                       .loss = loss_make(LOSS_CROSS_ENTROPY)};
    temporary_folder_make(state);
    ok(network_init(&network, temporary_text("t.cfg", description), &err));
    ok(training_new(&network, size, &o, &training, &err));
    return 0;
}

static int release(void **state)
{
    training_free(training);
    network_release(&network);
    return temporary_folder_remove(state);
}

static const struct training_tensor *find(const char *name)
{
    size_t count;
    const struct training_tensor *t = training_tensors(training, &count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(t[i].name, name) == 0)
            return &t[i];
    fail_msg("no tensor %s", name);
    return NULL;
}

static void fill(int first, uint64_t seed)
{
    size_t count;
    const struct training_tensor *t = training_tensors(training, &count);
    initialise_tensors(&network, t, count, first, seed);
}

static void check_normal(const char *name, double mean, double deviation)
{
    const struct training_tensor *t = find(name);
    double sum = 0, squares = 0;
    for (size_t i = 0; i < t->count; i++) {
        const double d = (double)t->values[i] - mean;
        sum += d;
        squares += d * d;
    }
    const double n = (double)t->count;
    assert_true(fabs(sum / n) < 5 * deviation / sqrt(n));
    assert_true(fabs(sqrt(squares / n) / deviation - 1) < 4 / sqrt(n));
}

static void weights_are_kaimings_by_fan_out(void **state)
{
    (void)state;
    const double fan = 48 * 27;
    fill(0, 1);
    check_normal("a.two.weight", 0, sqrt(2 / fan));
    check_normal("a.two.bias", -1 / sqrt(fan), 1 / sqrt(fan));
    check_normal("head.weight", 0, 1); /* fan_out 2 */
    assert_true(find("norm.weight")->values[0] == 1);
    assert_true(find("norm.bias")->values[0] == 0);
    assert_true(find("norm.running_mean")->values[0] == 0);
    assert_true(find("norm.running_var")->values[0] == 1);
}

static void seed_and_name_alone_decide(void **state)
{
    (void)state;
    fill(0, 1);
    const struct training_tensor *one = find("a.one.bias"), *two = find("a.two.bias");
    float before[48];
    memcpy(before, one->values, sizeof before);
    assert_memory_not_equal(one->values, two->values, sizeof before);
    fill(0, 2);
    assert_memory_not_equal(one->values, before, sizeof before);
    fill(0, 1);
    assert_memory_equal(one->values, before, sizeof before);
}

static void layers_before_the_first_stay(void **state)
{
    (void)state;
    fill(0, 1);
    const float conv = find("a.two.weight")->values[5],
                head = find("head.weight")->values[5];
    fill(fine_tuning_layer(&network, 1), 2);
    assert_true(find("a.two.weight")->values[5] == conv);
    assert_true(find("head.weight")->values[5] != head);
}

static void depth_counts_parts_from_the_end(void **state)
{
    (void)state;
    assert_string_equal(network.layers[fine_tuning_layer(&network, 1)].name, "head");
    assert_string_equal(network.layers[fine_tuning_layer(&network, 2)].name, "a.one");
    assert_int_equal(fine_tuning_layer(&network, 3), 0);
    assert_int_equal(fine_tuning_layer(&network, 9), 0);
}

static void values_go_into_a_file_and_back(void **state)
{
    (void)state;
    struct tensor_file out = {.count = 0}, in = {.count = 0};
    const size_t count = training_value_count(training);
    float *values = calloc(count, sizeof *values), *back = calloc(count, sizeof *back);
    fill(0, 3);
    training_values_copy(training, values);
    ok(training_file_init(training, network.name, values, &out, &err));
    ok(tensor_file_write(temporary_path("w.h5"), &out, &err));
    ok(tensor_file_init(&in, temporary_path("w.h5"), &err));
    assert_true(hash_equal(in.content, out.content));
    fill(0, 4);
    ok(training_load(training, &in, "w.h5", &err));
    training_values_copy(training, back);
    assert_memory_equal(values, back, count * sizeof *values);
    training_values_set(training, values);
    tensor_file_release(&in);
    tensor_file_release(&out);
    free(values);
    free(back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_are_kaimings_by_fan_out),
        cmocka_unit_test(seed_and_name_alone_decide),
        cmocka_unit_test(layers_before_the_first_stay),
        cmocka_unit_test(depth_counts_parts_from_the_end),
        cmocka_unit_test(values_go_into_a_file_and_back),
    };
    return cmocka_run_group_tests(tests, make, release);
}
