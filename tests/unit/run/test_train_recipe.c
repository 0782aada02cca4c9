/* Promise: a stage is trained as its own group says, then as the group train, then as
 * mode and stage want it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "config/places.h"
#include "run/stage_setup.h"
#include "run/train_recipe.h"

static struct error err;

static void ok(enum status s)
{
    if (s != STATUS_OK)
        fail_msg("%s", err.message);
}

static enum status make(enum train_stage stage, const char *network,
                        const char *const *assignments, size_t count,
                        struct train_recipe *out)
{
    struct settings s;
    struct network n = {.path = NULL};
    struct settings_sources sources = {.assignments = assignments,
                                       .assignment_count = count};
    char *path = NULL;
    ok(settings_init(&s, &sources, &err));
    ok(stage_network_path(network, &path, &err));
    ok(network_init(&n, path, &err));
    enum status status = train_recipe_init(&s, stage, &n, out, &err);
    out->init = NULL; /* was borrowed */
    network_release(&n);
    settings_release(&s);
    free(path);
    return status;
}

static int find_networks(void **state)
{
    (void)state;
    if (!getenv("PULMO_CONF") && getenv("PULMO_SOURCE")) {
        char *path = NULL;
        if (asprintf(&path, "%s/conf", getenv("PULMO_SOURCE")) < 0)
            return -1;
        setenv("PULMO_CONF", path, 1);
        free(path);
    }
    return 0;
}

static void mode_book_has_the_books_numbers(void **state)
{
    (void)state;
    static const char *const book[] = {"mode=book"};
    struct train_recipe r;
    ok(make(TRAIN_SEGMENT, "unet2d", book, 1, &r));
    assert_int_equal(r.optimizer.kind, OPTIMIZER_ADAM);
    assert_true(r.rate.base == 1e-3 && r.batch == 16 && r.epoch_samples == 300000);
    assert_int_equal(r.loss.kind, LOSS_DICE);
    assert_int_equal(r.best, METRIC_RECALL);
    assert_true(r.example.window[0] == 7 && r.example.window[1] == 96);
    assert_true(r.example.crop[0] == 7 && r.example.crop[2] == 64 && r.input[0] == 1);
    assert_true(r.example.middle_slice && r.example.augmentation.keep_depth);
    ok(make(TRAIN_CLASSIFY, "luna", book, 1, &r));
    assert_int_equal(r.optimizer.kind, OPTIMIZER_SGD);
    assert_true(r.optimizer.weight_decay == 1e-4 && r.optimizer.momentum == 0);
    assert_true(r.batch == 24 && r.example.crop[0] == 32 && r.example.window[1] == 48);
    ok(make(TRAIN_MALIGNANCY, "luna", book, 1, &r));
    assert_true(r.rate.base == 3e-3 && r.depth == 2 && r.best == METRIC_AUC);
}

static void a_stage_comes_before_all_and_all_before_the_mode(void **state)
{
    (void)state;
    static const char *const given[] = {
        "train.epochs=7",           "train.classify.epochs=3",
        "train.optimizer=adamw",    "train.segment.optimizer=sgd",
        "train.momentum=0",         "train.segment.momentum=0.9",
        "train.weight_decay=0",     "train.classify.schedule=cosine",
        "train.classify.warmup=0.5"};
    const size_t count = sizeof given / sizeof *given;
    struct train_recipe r;
    ok(make(TRAIN_SEGMENT, "unet2d", given, count, &r));
    assert_int_equal(r.epochs, 7);
    assert_int_equal(r.optimizer.kind, OPTIMIZER_SGD);
    assert_true(r.optimizer.momentum == 0.9);
    ok(make(TRAIN_CLASSIFY, "luna", given, count, &r));
    assert_int_equal(r.epochs, 3);
    assert_int_equal(r.optimizer.kind, OPTIMIZER_ADAMW);
    assert_true(r.optimizer.weight_decay == 0); /* given, though AdamW has its own */
    assert_int_equal(r.rate.kind, LEARNING_RATE_COSINE);
    const int64_t steps = (r.epoch_samples + r.batch - 1) / r.batch;
    assert_int_equal(r.rate.steps, 3 * steps);
    assert_int_equal(r.rate.warmup, steps / 2);
}

static void a_rigid_augmentation_keeps_sizes(void **state)
{
    (void)state;
    static const char *const given[] = {"train.augment=rigid",
                                        "train.classify.augment=full"};
    struct train_recipe r;
    ok(make(TRAIN_MALIGNANCY, "luna", given, 2, &r));
    assert_true(r.example.augment && r.example.augmentation.scale == 0);
    assert_true(r.example.augmentation.offset == 0.1 &&
                r.example.augmentation.noise_hu == 25);
    ok(make(TRAIN_CLASSIFY, "luna", given, 2, &r));
    assert_true(r.example.augmentation.scale == 0.2);
}

static void a_malignancy_model_may_begin_anew_and_see_nodules_alone(void **state)
{
    (void)state;
    static const char *const alone[] = {"train.malignancy.start=random",
                                        "train.malignancy.non_nodules=false"};
    struct train_recipe r;
    ok(make(TRAIN_MALIGNANCY, "luna", NULL, 0, &r));
    assert_int_equal(r.scheme, SAMPLER_MALIGNANCY);
    assert_true(r.depth > 0);
    ok(make(TRAIN_MALIGNANCY, "luna", alone, 2, &r));
    assert_int_equal(r.scheme, SAMPLER_MALIGNANT);
    assert_int_equal(r.depth, 0);
}

static void a_segmenter_in_3d_has_a_recipe_of_its_own(void **state)
{
    (void)state;
    static const char *const given[] = {"mode=book", "train.segment.loss=dice",
                                        "train.segment.ratio=3"};
    struct train_recipe r;
    ok(make(TRAIN_SEGMENT, "unet3d", NULL, 0, &r));
    assert_int_equal(r.loss.kind, LOSS_DICE_BCE);
    assert_int_equal(r.scheme, SAMPLER_BALANCED);
    assert_int_equal(r.ratio, 1);
    assert_int_equal(r.example.target, TARGET_BOXES);
    assert_false(r.example.middle_slice || r.example.augmentation.keep_depth);
    for (int i = 0; i < 3; i++) {
        /* The network can halve the patch twice, and the place stays inside it. */
        assert_true(r.input[i] == r.example.crop[i] && r.input[i] % 4 == 0);
        assert_true(r.example.window[i] - r.example.crop[i] <= r.example.crop[i] / 2);
    }
    ok(make(TRAIN_SEGMENT, "unet3d", given, 3, &r));
    assert_int_equal(r.loss.kind, LOSS_DICE);
    assert_int_equal(r.ratio, 3);
    ok(make(TRAIN_SEGMENT, "unet2d", NULL, 0, &r));
    assert_int_equal(r.scheme, SAMPLER_NODULES);
}

static void the_book_has_slices_and_fixed_has_volumes(void **state)
{
    (void)state;
    assert_string_equal(train_stage_network(TRAIN_SEGMENT, "book"), "unet2d");
    assert_string_equal(train_stage_network(TRAIN_SEGMENT, "fixed"), "unet3d");
    assert_string_equal(train_stage_network(TRAIN_CLASSIFY, "book"), "luna");
    assert_string_equal(train_stage_network(TRAIN_MALIGNANCY, "fixed"), "luna");
}

static void a_network_that_cannot_serve_is_refused(void **state)
{
    (void)state;
    struct train_recipe r;
    assert_int_equal(make(TRAIN_SEGMENT, "luna", NULL, 0, &r), STATUS_JOB_CONFIG);
    assert_non_null(strstr(err.message, "luna"));
    assert_int_equal(make(TRAIN_CLASSIFY, "unet2d", NULL, 0, &r), STATUS_JOB_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mode_book_has_the_books_numbers),
        cmocka_unit_test(a_stage_comes_before_all_and_all_before_the_mode),
        cmocka_unit_test(a_rigid_augmentation_keeps_sizes),
        cmocka_unit_test(a_malignancy_model_may_begin_anew_and_see_nodules_alone),
        cmocka_unit_test(a_segmenter_in_3d_has_a_recipe_of_its_own),
        cmocka_unit_test(the_book_has_slices_and_fixed_has_volumes),
        cmocka_unit_test(a_network_that_cannot_serve_is_refused),
    };
    return cmocka_run_group_tests(tests, find_networks, NULL);
}
