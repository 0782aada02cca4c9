/*
 * All ranks go through the same number of rounds, and in each round they first tell each
 * other whether anybody failed or was asked to stop.
 */
#include "train/validation.h"

#include <float.h>
#include <math.h>
#include <omp.h>

#include "base/memory.h"
#include "nn/elementary.h"

enum { CHANNELS_MAX = 64, CLASSES = 2 };

struct run {
    const struct validation_options *o;
    const struct team *team;
    struct model_plan *plan;
    int64_t first, end; /* of the items: this rank's */
    int channels;
    int64_t channel_floats, input_floats, target_floats, output_floats;
    char *workspaces; /* one a thread */
    size_t workspace_bytes;
    float *outputs, *numbers; /* [samples]; [threads] before the last layer */
    /* One a sample of all ranks; this rank's, until they are added up. */
    int64_t *outcomes, *losses;
    int64_t (*voxels)[VOXELS]; /* [samples] */
    int64_t counts[VOXELS];
};

static int fill_round(void *context, int64_t n, struct example_item *items)
{
    const struct run *r = context;
    const int64_t first = r->first + n * r->o->samples;
    int count = 0;
    if (n * r->o->samples >= team_share_most(r->team, r->o->count))
        return FEED_END;
    for (; count < r->o->samples && first + count < r->end; count++)
        items[count] = r->o->items[first + count];
    return count;
}

static enum status make_plan(struct run *r, const struct model *m, struct error *err)
{
    const int64_t *crop = r->o->example->crop;
    const bool flat = model_dimensions(m) == 2;
    r->channels = flat ? (int)crop[0] : 1;
    r->input_floats = example_input_floats(r->o->example);
    r->target_floats = example_target_floats(r->o->example);
    r->channel_floats = r->input_floats / r->channels;
    if (r->channels != model_input_channels(m) || r->channels > CHANNELS_MAX)
        return error_set(err, STATUS_JOB_CONFIG,
                         "network %s takes %d channels, examples have %d", model_name(m),
                         model_input_channels(m), r->channels);
    return model_plan_new(m, flat ? 1 : crop[0], crop[1], crop[2], &r->o->plan, &r->plan,
                          err);
}

static enum status run_init(struct run *r, const struct model *m, struct error *err)
{
    enum status status;
    const size_t samples = (size_t)r->o->samples, threads = (size_t)r->o->threads,
                 count = (size_t)r->o->count;
    TRY(make_plan(r, m, err));
    r->output_floats = model_plan_output_floats(r->plan);
    r->workspace_bytes = (model_plan_workspace_bytes(r->plan) + 63) / 64 * 64;
    TRY(memory_new(threads, r->workspace_bytes, "validation", (void **)&r->workspaces,
                   err));
    TRY(memory_new(samples, (size_t)r->output_floats * sizeof(float), "validation",
                   (void **)&r->outputs, err));
    TRY(memory_new(threads, 2 * (size_t)r->output_floats * sizeof(float), "validation",
                   (void **)&r->numbers, err));
    TRY(memory_new(samples, sizeof *r->voxels, "validation", (void **)&r->voxels, err));
    TRY(memory_new(count, sizeof *r->outcomes, "outcomes", (void **)&r->outcomes, err));
    TRY(memory_new(count, sizeof *r->losses, "outcomes", (void **)&r->losses, err));
out:
    return status;
}

static void run_release(struct run *r)
{
    model_plan_free(r->plan);
    free(r->workspaces);
    free(r->outputs);
    free(r->numbers);
    free(r->voxels);
    free(r->outcomes);
    free(r->losses);
}

/* What stood before the last softmax or sigmoid, up to a constant: losses are made of
 * that. A probability of exactly 0 or 1 is taken as the nearest one that is not. */
static void to_numbers(const struct run *r, const float *p, float *numbers)
{
    for (int64_t i = 0; i < r->output_floats; i++) {
        const double x = (double)p[i], low = x > FLT_MIN ? x : FLT_MIN;
        const double rest = 1 - x > FLT_EPSILON ? 1 - x : FLT_EPSILON;
        numbers[i] =
            (float)(r->target_floats ? same_log(low) - same_log(rest) : same_log(low));
    }
}

static double loss_of(const struct run *r, const float *p, const float *target, int label,
                      float *scratch)
{
    float *numbers = scratch, *gradient = scratch + r->output_floats;
    const int64_t *crop = r->o->example->crop;
    const bool map = r->target_floats > 0;
    const int64_t depth = map ? r->target_floats / (crop[1] * crop[2]) : 1;
    const int64_t height = map ? crop[1] : 1, width = map ? crop[2] : 1;
    const int classes = map ? 1 : (int)r->output_floats;
    if (loss_takes_logits(r->o->loss.kind))
        to_numbers(r, p, numbers);
    else
        memcpy(numbers, p, (size_t)r->output_floats * sizeof *p);
    const struct view output = view_make(numbers, depth, height, width, classes, 0, 0);
    const struct view ignored = view_make(gradient, depth, height, width, classes, 0, 0);
    return map ? loss_of_map(&r->o->loss, &output, target, 1, &ignored)
               : loss_of_class(&r->o->loss, &output, label, 1, &ignored);
}

static void count_inside(const struct run *r, const float *output, const float *target,
                         int64_t item, int64_t counts[VOXELS])
{
    const int64_t width = r->o->example->crop[2];
    if (!r->o->inside) {
        voxels_count(output, target, (size_t)r->target_floats, counts);
        return;
    }
    for (int64_t y = 0; y < r->o->inside[item][0]; y++)
        voxels_count(output + y * width, target + y * width,
                     (size_t)r->o->inside[item][1], counts);
}

static void do_sample(struct run *r, const struct loader_batch *b, int i, int64_t item)
{
    const float *channels[CHANNELS_MAX], *input = b->inputs + i * r->input_floats;
    const float *target = b->targets + i * r->target_floats;
    float *output = r->outputs + i * r->output_floats;
    const int thread = omp_get_thread_num(), label = b->items[i].label;
    for (int c = 0; c < r->channels; c++)
        channels[c] = input + c * r->channel_floats;
    model_run(r->plan, channels, output,
              r->workspaces + (size_t)thread * r->workspace_bytes);
    const double loss =
        loss_of(r, output, target, label, r->numbers + thread * 2 * r->output_floats);
    memcpy(&r->losses[item], &loss, sizeof loss);
    memset(r->voxels[i], 0, sizeof r->voxels[i]);
    if (r->target_floats)
        count_inside(r, output, target, item, r->voxels[i]);
    else
        r->outcomes[item] = outcome_pack(output[CLASSES - 1], label);
}

static void do_round(struct run *r, const struct loader_batch *b, int64_t round)
{
    const int64_t first = r->first + round * r->o->samples;
#pragma omp parallel for num_threads(r->o->threads) schedule(static)
    for (int i = 0; i < b->count; i++)
        do_sample(r, b, i, first + i);
    for (int i = 0; i < b->count; i++)
        for (int v = 0; v < VOXELS; v++)
            r->counts[v] += r->voxels[i][v];
}

/* Whether all ranks go on, known to all. */
static enum status settle(struct run *r, enum status mine, struct error *err)
{
    const struct team *t = r->team;
    int64_t flags[] = {mine, r->o->stop && r->o->stop(r->o->stop_context)};
    enum status status;
    if (t->ranks > 1)
        TRY(t->reducer.max(flags, 2, t->reducer.context, err));
    if (flags[0])
        return t->ranks > 1 ? t->agree(mine, t->context, err) : mine;
    status = flags[1] ? error_set(err, STATUS_JOB_INTERRUPTED, "stopped on request")
                      : STATUS_OK;
out:
    return status;
}

static enum status do_rounds(struct run *r, struct error *err)
{
    enum status status;
    struct feed feed;
    const struct feed_options o = {.loader = r->o->loader,
                                   .samples = r->o->samples,
                                   .repairs = r->o->threads + 2,
                                   .fill = fill_round,
                                   .fill_context = r,
                                   .repair = r->o->repair,
                                   .repair_context = r->o->repair_context};
    const int64_t most = team_share_most(r->team, r->o->count);
    TRY(settle(r, feed_init(&feed, &o, 0, err), err));
    for (int64_t round = 0; round * r->o->samples < most; round++) {
        struct loader_batch b;
        TRY(settle(r, feed_take(&feed, &b, err), err));
        do_round(r, &b, round);
    }
out:
    feed_drain(&feed);
    feed_release(&feed);
    return status;
}

/* The mean loss, in the order of the items. */
static double mean_loss(const struct run *r)
{
    double sum = 0;
    for (int64_t i = 0; i < r->o->count; i++) {
        double loss;
        memcpy(&loss, &r->losses[i], sizeof loss);
        sum += loss;
    }
    return sum / (double)r->o->count;
}

static enum status add_up(struct run *r, struct error *err)
{
    const struct training_reducer *reducer = &r->team->reducer;
    const size_t count = (size_t)r->o->count;
    enum status status = STATUS_OK;
    if (r->team->ranks == 1)
        return STATUS_OK;
    TRY(reducer->sum(r->outcomes, count, reducer->context, err));
    TRY(reducer->sum(r->losses, count, reducer->context, err));
    TRY(reducer->sum(r->counts, VOXELS, reducer->context, err));
out:
    return status;
}

enum status validation_run(const struct validation_options *o, const struct team *team,
                           const struct model *model, struct metrics *out,
                           struct error *err)
{
    enum status status;
    struct run r = {.o = o, .team = team};
    team_share_of(team, o->count, &r.first, &r.end);
    status = run_init(&r, model, err);
    if (team->ranks > 1)
        status = team->agree(status, team->context, err);
    TRY(status);
    TRY(do_rounds(&r, err));
    TRY(add_up(&r, err));
    if (r.target_floats)
        metrics_of_voxels(r.counts, (size_t)o->count, mean_loss(&r), out);
    else
        TRY(metrics_of_outcomes(r.outcomes, (size_t)o->count, mean_loss(&r), out, err));
out:
    run_release(&r);
    return status;
}
