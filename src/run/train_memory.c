#include "run/train_memory.h"

#include "base/memory.h"
#include "nn/model.h"
#include "nn/training_file.h"
#include "run/stage_setup.h"
#include "run/train_internal.h"

enum status train_network_describe(const struct settings *s, enum train_stage stage,
                                   struct network *n, struct train_recipe *r,
                                   struct error *err)
{
    enum status status;
    const char *given = stage == TRAIN_SEGMENT    ? s->segment.network
                        : stage == TRAIN_CLASSIFY ? s->classify.network
                                                  : s->malignancy.network;
    char *path = NULL;
    if (!given[0] && stage == TRAIN_MALIGNANCY)
        given = s->classify.network;
    if (!given[0])
        given = train_stage_network(stage, s->mode);
    TRY(stage_network_path(given, &path, err));
    TRY(network_init(n, path, err));
    TRY(train_recipe_init(s, stage, n, r, err));
out:
    free(path);
    return status;
}

enum status train_validation_plan(const struct training *t, const struct network *n,
                                  const int64_t size[3], enum isa isa,
                                  enum conv_algorithm algorithm, struct model **model,
                                  struct model_plan **plan, struct error *err)
{
    enum status status;
    struct tensor_file weights = {.count = 0};
    float *values;
    const struct model_plan_options o = {.isa = isa, .algorithm = algorithm};
    TRY(memory_new(training_value_count(t), sizeof *values, "weights", (void **)&values,
                   err));
    training_values_copy(t, values);
    status = training_file_init(t, n->name, values, &weights, err);
    if (status == STATUS_OK)
        status = model_make(n->path, &weights, model, err);
    else
        tensor_file_release(&weights);
    free(values);
    TRY(status);
    status = model_plan_new(*model, size[0], size[1], size[2], &o, plan, err);
out:
    return status;
}

/* What a thread works in when something of a size is validated. */
static enum status validation_bytes(const struct training *t, const struct network *n,
                                    const int64_t size[3], enum isa isa,
                                    enum conv_algorithm algorithm, int64_t *bytes,
                                    struct error *err)
{
    struct model *model = NULL;
    struct model_plan *plan = NULL;
    const enum status status =
        train_validation_plan(t, n, size, isa, algorithm, &model, &plan, err);
    if (status == STATUS_OK)
        *bytes = (int64_t)model_plan_workspace_bytes(plan);
    model_plan_free(plan);
    model_free(model);
    return status;
}

static int64_t maker_bytes(const struct example_options *o, int threads)
{
    enum { WINDOWS = 6 };
    return train_readers(threads) * WINDOWS * o->window[0] * o->window[1] * o->window[2] *
           (int64_t)sizeof(float);
}

static int64_t example_bytes(const struct example_options *o)
{
    return (example_input_floats(o) + example_target_floats(o)) * (int64_t)sizeof(float);
}

/* Validations of slices are as large as the scans', which nobody has looked at yet:
 * LUNA16's. */
static struct example_options still_of(const struct train_recipe *r,
                                       enum train_stage stage)
{
    enum { SLICE = 512 };
    struct example_options o = r->example;
    if (train_slices_wanted(stage, r))
        o.crop[1] = o.crop[2] = SLICE;
    memcpy(o.window, o.crop, sizeof o.window);
    return o;
}

/* What the trainer and its loaders hold beside the training's own. */
static void add_rest(struct train_memory *m, const struct train_recipe *r,
                     const struct example_options *still, int at_a_time,
                     const struct training *t, int threads)
{
    enum { MOMENTS = 2, COPIES = 2, OUTCOME_WORDS = 3 };
    m->sample_bytes += LOADER_BATCHES * example_bytes(&r->example);
    m->fixed_bytes += LOADER_BATCHES * at_a_time * example_bytes(still) +
                      maker_bytes(&r->example, threads) + maker_bytes(still, threads);
    m->fixed_bytes += (int64_t)(COPIES * training_value_count(t) +
                                MOMENTS * training_trained_values(t)) *
                      (int64_t)sizeof(float);
    m->fixed_bytes += (r->epoch_samples + (OUTCOME_WORDS - 1) * r->validate_samples) *
                      (int64_t)sizeof(int64_t);
}

enum status train_memory_init(struct train_memory *m, const struct settings *s,
                              enum train_stage stage, enum isa isa, int threads,
                              struct error *err)
{
    enum status status;
    struct network n = {.path = NULL};
    struct train_recipe r;
    struct training *t = NULL;
    size_t a_sample;
    int64_t workspace;
    *m = (struct train_memory){.batch = 0};
    TRY(train_network_describe(s, stage, &n, &r, err));
    struct training_options o = train_training_options(s, &n, &r, isa, threads);
    o.samples = 1;
    TRY(training_new(&n, r.input, &o, &t, err));
    const size_t all = training_bytes(t, &a_sample);
    m->batch = r.batch;
    m->sample_bytes = (int64_t)a_sample;
    m->fixed_bytes = (int64_t)(all - a_sample);
    const struct example_options still = still_of(&r, stage);
    const int64_t size[] = {r.input[0], still.crop[1], still.crop[2]};
    TRY(validation_bytes(t, &n, size, isa, o.algorithm, &workspace, err));
    const int at_a_time =
        train_slices_wanted(stage, &r) ? VALIDATION_SLICES : VALIDATION_SAMPLES;
    m->fixed_bytes += (threads < at_a_time ? threads : at_a_time) * workspace;
    add_rest(m, &r, &still, at_a_time, t, threads);
out:
    training_free(t);
    network_release(&n);
    return status;
}

int64_t train_memory_bytes(const struct train_memory *m, int64_t workers)
{
    return m->fixed_bytes + (m->batch + workers - 1) / workers * m->sample_bytes;
}

int64_t train_memory_workers(const struct train_memory *m, double limit_bytes)
{
    const double room = limit_bytes - (double)m->fixed_bytes;
    const int64_t share = room > 0 ? (int64_t)(room / (double)m->sample_bytes) : 0;
    return share < 1 ? 0 : (m->batch + share - 1) / share;
}

enum status train_memory_check(const struct settings *s, enum isa isa, int threads,
                               int64_t workers, struct error *err)
{
    enum status status = STATUS_OK;
    const double limit = s->limits.memory_gb * 1e9;
    for (enum train_stage stage = 0; stage < TRAIN_STAGES; stage++) {
        struct train_memory m;
        if (!s->train.stages[stage])
            continue;
        TRY(train_memory_init(&m, s, stage, isa, threads, err));
        const int64_t needs = train_memory_bytes(&m, workers);
        if ((double)needs <= limit)
            continue;
        const int64_t enough = train_memory_workers(&m, limit);
        char others[64] = "";
        if (enough)
            snprintf(others, sizeof others, ", take %lld workers", (long long)enough);
        return error_set(
            err, STATUS_JOB_CONFIG,
            "train.%s: a batch of %lld on %lld worker%s takes %.2f GB a rank (%.1f MB a "
            "sample, %.2f GB beside them), limits.memory_gb is %g: lower "
            "train.%s.batch%s, or raise limits.memory_gb",
            train_stage_name(stage), (long long)m.batch, (long long)workers,
            workers == 1 ? "" : "s", (double)needs * 1e-9, (double)m.sample_bytes * 1e-6,
            (double)m.fixed_bytes * 1e-9, s->limits.memory_gb, train_stage_name(stage),
            others);
    }
out:
    return status;
}
