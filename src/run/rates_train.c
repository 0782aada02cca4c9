/* What training costs: steps and validations of the networks with their first weights, on
 * examples cut out of a scan in the temporary cache. */
#include <math.h>

#include "base/memory.h"
#include "base/random.h"
#include "nn/initialise.h"
#include "run/rates.h"
#include "run/stage_setup.h"
#include "run/train_internal.h"

enum { SAMPLES = 4, EXAMPLES = 16, REPEATS = 3 };

/* A cached scan, and what is made of it. */
struct bench {
    const struct settings *settings;
    enum isa isa;
    const struct cached_scan *scan;
    struct network network;
    struct train_recipe recipe;
    struct training *training;
    float *inputs, *targets;
    struct training_sample samples[SAMPLES];
};

/* Examples around places anywhere in the scan; the first are kept for the steps. */
static enum status measure_examples(struct bench *b, double *seconds, struct error *err)
{
    const struct example_options *o = &b->recipe.example;
    const size_t input = (size_t)example_input_floats(o),
                 target = (size_t)example_target_floats(o);
    const int64_t *size = cached_scan_geometry(b->scan)->size;
    struct random r = random_stream(1, RANDOM_LOSS, 3, 0);
    struct example_maker *maker = NULL;
    enum status status;
    TRY(memory_new(SAMPLES * input, sizeof(float), "examples", (void **)&b->inputs, err));
    TRY(memory_new(SAMPLES * target, sizeof(float), "examples", (void **)&b->targets,
                   err));
    TRY(example_maker_new(o, &maker, err));
    const double start = rates_core_seconds();
    for (int i = 0; i < EXAMPLES; i++) {
        struct example_item item = {.sample = (uint64_t)i, .label = i % 2};
        struct label_box box;
        const int k = i % SAMPLES;
        for (int a = 0; a < 3; a++)
            item.place.voxel[a] = (int32_t)random_below(&r, (uint64_t)size[a]);
        if (o->target == TARGET_BOXES)
            TRY(example_boxes(maker, b->scan, &item.place, 1, &box, err));
        const struct example_scan scan = {
            .voxels = b->scan, .boxes = &box, .box_count = o->target == TARGET_BOXES};
        TRY(example_make(maker, &scan, &item, b->inputs + (size_t)k * input,
                         b->targets + (size_t)k * target, err));
        b->samples[k] = (struct training_sample){
            b->inputs + (size_t)k * input, item.label, b->targets + (size_t)k * target};
    }
    *seconds = (rates_core_seconds() - start) / EXAMPLES;
out:
    example_maker_free(maker);
    return status;
}

static enum status measure_steps(const struct bench *b, double *seconds,
                                 struct error *err)
{
    enum status status = STATUS_OK;
    double mean;
    *seconds = INFINITY;
    for (int i = 0; i < REPEATS; i++) {
        const double start = rates_core_seconds();
        TRY(training_gradients(b->training, b->samples, SAMPLES, SAMPLES, NULL, &mean,
                               err));
        *seconds = fmin(*seconds, (rates_core_seconds() - start) / SAMPLES);
    }
out:
    return status;
}

/* A segmenter of slices is validated on whole ones, else on crops. */
static enum status measure_validation(const struct bench *b, enum train_stage stage,
                                      double *seconds, struct error *err)
{
    enum status status;
    struct model *model = NULL;
    struct model_plan *plan = NULL;
    float *input = NULL, *output = NULL;
    const float **channels = NULL;
    void *workspace = NULL;
    int64_t size[3];
    memcpy(size, b->recipe.input, sizeof size);
    TRY(train_validation_plan(b->training, &b->network, size, b->isa,
                              stage_algorithm(b->settings), &model, &plan, err));
    if (train_slices_wanted(stage, &b->recipe)) {
        const int64_t *scan = cached_scan_geometry(b->scan)->size,
                      step = model_divisor(model);
        for (int k = 1; k < 3; k++)
            size[k] = (scan[k] + step - 1) / step * step;
        model_plan_free(plan);
        model_free(model);
        plan = NULL;
        model = NULL;
        TRY(train_validation_plan(b->training, &b->network, size, b->isa,
                                  stage_algorithm(b->settings), &model, &plan, err));
    }
    const size_t voxels = (size_t)(size[0] * size[1] * size[2]);
    const int count = model_input_channels(model);
    TRY(memory_new(voxels, sizeof *input, "validation", (void **)&input, err));
    TRY(memory_new((size_t)model_plan_output_floats(plan), sizeof *output, "validation",
                   (void **)&output, err));
    TRY(memory_new((size_t)count, sizeof *channels, "validation", (void **)&channels,
                   err));
    TRY(memory_new(model_plan_workspace_bytes(plan), 1, "validation", &workspace, err));
    for (int i = 0; i < count; i++)
        channels[i] = input;
    *seconds = INFINITY;
    for (int i = 0; i < REPEATS; i++) {
        const double start = rates_core_seconds();
        model_run(plan, channels, output, workspace);
        *seconds = fmin(*seconds, rates_core_seconds() - start);
    }
out:
    free(input);
    free(output);
    free(channels);
    free(workspace);
    model_plan_free(plan);
    model_free(model);
    return status;
}

/* Each norm with statistics of the batch is two sums, there and back. */
static int64_t count_sums(const struct training *t)
{
    enum { ALWAYS = 3, A_NORM = 2 }; /* flags, maxima, gradients */
    size_t count;
    const struct training_tensor *tensors = training_tensors(t, &count);
    int64_t sums = ALWAYS;
    for (size_t i = 0; i < count; i++)
        if (strstr(tensors[i].name, "running_mean"))
            sums += A_NORM;
    return sums;
}

static enum status measure_network(struct bench *b, enum train_stage stage,
                                   struct train_rates *r, struct error *err)
{
    enum status status;
    size_t count;
    TRY(train_network_describe(b->settings, stage, &b->network, &b->recipe, err));
    struct training_options o =
        train_training_options(b->settings, &b->network, &b->recipe, b->isa, 1);
    o.samples = SAMPLES;
    TRY(training_new(&b->network, b->recipe.input, &o, &b->training, err));
    const struct training_tensor *tensors = training_tensors(b->training, &count);
    initialise_tensors(&b->network, tensors, count, 0, 1);
    r->gradient_bytes =
        (int64_t)((training_trained_values(b->training) + 1) * sizeof(int64_t));
    r->sums = count_sums(b->training);
    r->trained = true;
    r->epochs = b->recipe.epochs;
    r->epoch_samples = b->recipe.epoch_samples;
    r->batch = b->recipe.batch;
    r->every = b->recipe.every;
    r->validate_samples = b->recipe.validate_samples;
    TRY(measure_examples(b, &r->example, err));
    TRY(measure_steps(b, &r->step, err));
    TRY(measure_validation(b, stage, &r->validate, err));
out:
    training_free(b->training);
    network_release(&b->network);
    free(b->inputs);
    free(b->targets);
    b->training = NULL;
    b->inputs = b->targets = NULL;
    return status;
}

/* Any scan that the measurement of the sweep has left in the cache. */
static enum status open_scan(struct cache *c, const struct dataset *d,
                             struct cached_scan **out, struct error *err)
{
    struct geometry g;
    struct hash128 key;
    for (size_t i = 0; i < d->count; i++)
        if (cache_find(c, d->scans[i].seriesuid, d->scans[i].subset, NULL, &key, &g))
            return cache_open_scan(c, key, out, err);
    return error_set(err, STATUS_JOB_FAILED, "no scan is in the temporary cache");
}

enum status rates_measure_training(struct rates *r, const struct settings *s,
                                   const struct rates_options *o, const char *folder,
                                   struct error *err)
{
    enum status status;
    struct cache *cache = NULL;
    struct cached_scan *scan = NULL;
    const struct cache_options options = {.folder = folder};
    TRY(cache_open(&options, &cache, err));
    TRY(open_scan(cache, o->dataset, &scan, err));
    for (enum train_stage i = 0; i < TRAIN_STAGES; i++) {
        struct bench b = {.settings = s, .isa = o->isa, .scan = scan};
        if (s->train.stages[i])
            TRY(measure_network(&b, i, &r->train[i], err));
    }
out:
    if (scan)
        cached_scan_close(scan);
    cache_close(cache);
    return status;
}
