/*
 * Steps and epochs. Every rank goes through the same sequence of collective calls: where
 * one may fail alone (reading examples, writing a checkpoint), all agree before they go
 * on. What is wanted of a training (a checkpoint, a stop) is looked at once a step, and
 * the ranks tell each other in the same reduction; whether a checkpoint is due is decided
 * by rank 0's clock alone.
 */
#include "train/trainer.h"

#include <math.h>

#include "base/clock.h"
#include "base/memory.h"
#include "nn/training_file.h"
#include "train/trainer_internal.h"

enum { SCANS_NAMED = 8, REPAIRS = 8 };

/* ---- the team's reductions, with the time they take ---- */

static enum status timed_sum(int64_t *values, size_t count, void *context,
                             struct error *err)
{
    struct trainer *t = context;
    const double begun = clock_seconds();
    enum status status = t->team.reducer.sum(values, count, t->team.reducer.context, err);
    t->seconds.allreduce += clock_seconds() - begun;
    return status;
}

static enum status timed_max(int64_t *values, size_t count, void *context,
                             struct error *err)
{
    struct trainer *t = context;
    const double begun = clock_seconds();
    enum status status = t->team.reducer.max(values, count, t->team.reducer.context, err);
    t->seconds.allreduce += clock_seconds() - begun;
    return status;
}

/* ---- making one ---- */

static enum status trainer_init(struct trainer *t, struct error *err)
{
    enum status status;
    const struct trainer_options *o = &t->o;
    size_t tensors;
    CHECK(o->epochs > 0 && o->epoch_samples > 0 && o->batch > 0);
    t->steps = (o->epoch_samples + o->batch - 1) / o->batch;
    t->timed = (struct training_reducer){timed_sum, timed_max, t};
    t->target_floats = (size_t)example_target_floats(o->example);
    training_tensors(o->training, &tensors);
    TRY(memory_new(tensors, sizeof *t->gradients, "gradients", (void **)&t->gradients,
                   err));
    TRY(memory_new(tensors, sizeof *t->gradient_counts, "gradients",
                   (void **)&t->gradient_counts, err));
    TRY(sampler_init(&t->sampler, &o->sampler, err));
    TRY(optimizer_init(&t->optimizer, &o->optimizer, training_trained_values(o->training),
                       err));
    TRY(state_init(t, err));
out:
    return status;
}

enum status trainer_new(const struct trainer_options *o, const struct team *team,
                        struct trainer **out, struct error *err)
{
    struct trainer *t;
    enum status status = memory_new(1, sizeof *t, "trainer", (void **)&t, err);
    if (status == STATUS_OK) {
        t->o = *o;
        t->team = *team;
        status = trainer_init(t, err);
    }
    if (team->ranks > 1)
        status = team->agree(status, team->context, err);
    TRY(status);
    TRY(state_restore(t, err));
    t->saved = trainer_position(t);
    t->checkpoint_time = clock_seconds();
    *out = t;
    t = NULL;
out:
    trainer_free(t);
    return status;
}

void trainer_free(struct trainer *t)
{
    if (!t)
        return;
    optimizer_release(&t->optimizer);
    state_release(&t->state);
    free(t->gradients);
    free(t->gradient_counts);
    free(t);
}

/* ---- samples ---- */

/* Sample n of the epoch that the sampler is turned to. */
static struct example_item item_of(const struct trainer *t, int64_t n)
{
    const struct sample s = sampler_at(&t->sampler, (uint64_t)n);
    return (struct example_item){
        .place = t->o.pool->places[s.list][s.entry],
        .epoch = t->sampler.epoch,
        .sample = (uint64_t)n,
        .label = s.list == LIST_MALIGNANT ||
                 (s.list == LIST_NODULE && t->o.sampler.scheme != SAMPLER_MALIGNANCY),
        .again = s.list != LIST_NON_NODULE && s.list != LIST_HARD};
}

/* Samples [first, first + count) of the epoch make up a step. */
static int64_t batch_of(const struct trainer *t, int64_t step, int64_t *first)
{
    *first = step * t->o.batch;
    const int64_t left = t->o.epoch_samples - *first;
    return left < t->o.batch ? left : t->o.batch;
}

static void turn(struct trainer *t, int64_t epoch)
{
    if (t->sampler.epoch != (uint64_t)epoch)
        sampler_turn(&t->sampler, (uint64_t)epoch);
}

static int fill_batch(void *context, int64_t n, struct example_item *items)
{
    struct trainer *t = context;
    int64_t epoch = n / t->steps, start, first, end;
    if (epoch >= t->o.epochs)
        return FEED_END;
    const int64_t count = batch_of(t, n % t->steps, &start);
    team_share_of(&t->team, count, &first, &end);
    turn(t, epoch);
    for (int64_t i = first; i < end; i++)
        items[i - first] = item_of(t, start + i);
    return (int)(end - first);
}

/* Puts stage, epoch, step and the batch's scans to a message. */
static enum status name_batch(struct trainer *t, struct error *err)
{
    char scans[ERROR_MESSAGE_BYTES / 2] = "";
    const struct error cause = *err;
    int64_t start;
    const int64_t count = batch_of(t, t->state.numbers[NUMBER_STEP], &start);
    size_t used = 0;
    turn(t, t->state.numbers[NUMBER_EPOCH]);
    for (int64_t i = 0; i < count && i < SCANS_NAMED && used < sizeof scans; i++)
        used += (size_t)snprintf(scans + used, sizeof scans - used, "%s%s", i ? ", " : "",
                                 t->o.scans[item_of(t, start + i).place.scan].seriesuid);
    return error_set(err, cause.code,
                     "%s, epoch %lld, step %lld: %s; scans of the batch: %s%s", t->o.name,
                     (long long)t->state.numbers[NUMBER_EPOCH] + 1,
                     (long long)t->state.numbers[NUMBER_STEP] + 1, cause.message, scans,
                     count > SCANS_NAMED ? ", ..." : "");
}

/* ---- steps ---- */

static int wanted(const struct trainer *t)
{
    const struct trainer_watch *w = &t->o.watch;
    return w->wanted ? w->wanted(w->context) : 0;
}

static int stop_wanted(void *context)
{
    return wanted(context) & TRAINER_STOP;
}

static bool checkpoint_due(const struct trainer *t)
{
    return t->o.folder && t->team.rank == 0 &&
           clock_seconds() - t->checkpoint_time >= t->o.checkpoint_seconds;
}

/* Whether any rank failed, and what any of them wants. */
static enum status settle(struct trainer *t, enum status mine, int *all_want,
                          struct error *err)
{
    const int want = wanted(t);
    int64_t flags[] = {mine, (want & TRAINER_STOP) != 0,
                       (want & TRAINER_CHECKPOINT) || checkpoint_due(t)};
    enum status status = STATUS_OK;
    const double begun = clock_seconds();
    if (t->team.ranks > 1)
        TRY(t->team.reducer.max(flags, 3, t->team.reducer.context, err));
    t->seconds.wait += clock_seconds() - begun;
    if (flags[0])
        return trainer_agree(t, mine, err);
    *all_want = (flags[1] ? TRAINER_STOP : 0) | (flags[2] ? TRAINER_CHECKPOINT : 0);
out:
    return status;
}

/* A checkpoint between two steps; STATUS_JOB_INTERRUPTED when that was the last thing to
 * do. */
static enum status pause_here(struct trainer *t, int want, struct error *err)
{
    enum status status = STATUS_OK;
    if (want && t->saved != trainer_position(t)) {
        TRY(state_gather(t, err));
        TRY(state_save(t, err));
        t->saved = trainer_position(t);
    }
    if (want & TRAINER_STOP)
        status = error_set(err, STATUS_JOB_INTERRUPTED, "stopped on request");
out:
    return status;
}

/* All trained tensors as one gradient. */
static void clip_gradient(const struct trainer *t)
{
    size_t count, n = 0;
    const struct training_tensor *tensors = training_tensors(t->o.training, &count);
    for (size_t i = 0; i < count; i++)
        if (tensors[i].gradient) {
            t->gradients[n] = tensors[i].gradient;
            t->gradient_counts[n++] = tensors[i].count;
        }
    gradient_clip(t->gradients, t->gradient_counts, n, t->o.clip);
}

/* What became of this rank's samples. */
static void note_outcomes(struct trainer *t, const struct loader_batch *b, int64_t first)
{
    struct state *s = &t->state;
    for (int i = 0; i < b->count; i++) {
        size_t count;
        const float *output = training_output(t->o.training, i, &count);
        if (t->target_floats)
            voxels_count(output, b->targets + (size_t)i * t->target_floats, count,
                         s->counts_mine);
        else
            s->outcomes[first + i] = outcome_pack(output[count - 1], b->items[i].label);
    }
}

static enum status learn(struct trainer *t, const struct loader_batch *b,
                         struct training_sample *samples, struct error *err)
{
    enum status status;
    struct state *s = &t->state;
    struct training *training = t->o.training;
    const size_t input = (size_t)example_input_floats(t->o.example);
    int64_t start, first, end;
    double loss;
    size_t tensors;
    const int64_t count = batch_of(t, s->numbers[NUMBER_STEP], &start);
    team_share_of(&t->team, count, &first, &end);
    for (int i = 0; i < b->count; i++)
        samples[i] = (struct training_sample){
            b->inputs + (size_t)i * input, b->items[i].label,
            t->target_floats ? b->targets + (size_t)i * t->target_floats : NULL};
    status = training_gradients(training, samples, b->count, count,
                                t->team.ranks > 1 ? &t->timed : NULL, &loss, err);
    if (status == STATUS_STAGE_NUMERIC)
        name_batch(t, err);
    TRY(status);
    note_outcomes(t, b, start + first);
    if (t->o.clip > 0)
        clip_gradient(t);
    const struct optimizer_tensor *trained = training_trained(training, &tensors);
    optimizer_step(&t->optimizer, trained, tensors,
                   learning_rate_at(&t->o.rate, trainer_step(t)));
    s->sums[SUM_LOSS] += loss * (double)count;
    s->numbers[NUMBER_STEP]++;
    t->samples_now += count;
out:
    return status;
}

static void show(const struct trainer *t, bool validating)
{
    const struct trainer_watch *w = &t->o.watch;
    const struct state *s = &t->state;
    int64_t first = 0;
    if (!w->progress)
        return;
    if (s->numbers[NUMBER_STEP])
        first = batch_of(t, s->numbers[NUMBER_STEP] - 1, &first) +
                (s->numbers[NUMBER_STEP] - 1) * t->o.batch;
    const struct trainer_progress p = {
        .name = t->o.name,
        .epoch = s->numbers[NUMBER_EPOCH],
        .epochs = t->o.epochs,
        .step = s->numbers[NUMBER_STEP],
        .steps = t->steps,
        .samples = t->samples_now,
        .loss = first ? s->sums[SUM_LOSS] / (double)first : NAN,
        .validating = validating,
    };
    w->progress(w->context, &p);
}

static enum status do_step(struct trainer *t, struct feed *feed,
                           struct training_sample *samples, struct error *err)
{
    struct loader_batch b;
    int want = 0;
    double begun = clock_seconds();
    enum status status = feed_take(feed, &b, err);
    t->seconds.input += clock_seconds() - begun;
    TRY(settle(t, status, &want, err));
    TRY(pause_here(t, want, err));
    begun = clock_seconds() - t->seconds.allreduce;
    TRY(learn(t, &b, samples, err));
    t->seconds.compute += clock_seconds() - t->seconds.allreduce - begun;
    show(t, false);
out:
    return status;
}

/* ---- the end of an epoch ---- */

static bool validation_due(const struct trainer *t)
{
    const int64_t epoch = t->state.numbers[NUMBER_EPOCH] + 1, every = t->o.every;
    return t->o.validation.count > 0 && every > 0 &&
           (epoch == 1 || epoch % every == 0 || epoch == t->o.epochs);
}

static enum status validate(struct trainer *t, struct metrics *out, struct error *err)
{
    enum status status;
    struct model *model = NULL;
    struct tensor_file weights;
    struct validation_options o = t->o.validation;
    struct team team = t->team;
    const double begun = clock_seconds();
    o.stop = stop_wanted;
    o.stop_context = t;
    o.repair = t->o.repair;
    o.repair_context = t->o.repair_context;
    show(t, true);
    training_values_copy(t->o.training, t->state.values);
    status = training_file_init(t->o.training, t->o.network->name, t->state.values,
                                &weights, err);
    if (status == STATUS_OK)
        status = model_make(t->o.network->path, &weights, &model, err);
    else
        tensor_file_release(&weights);
    TRY(trainer_agree(t, status, err));
    TRY(validation_run(&o, &team, model, out, err));
out:
    model_free(model);
    t->seconds.validation += clock_seconds() - begun;
    return status;
}

static void keep_best(struct trainer *t, const struct metrics *m)
{
    struct state *s = &t->state;
    const double value = metric_value(m, t->o.best);
    /* While nothing has come out right yet, the later weights are the better ones. */
    if (s->sums[SUM_BEST] > 0 && value <= s->sums[SUM_BEST]) {
        s->numbers[NUMBER_SINCE_BEST]++;
        s->numbers[NUMBER_ENDED] =
            t->o.patience > 0 && s->numbers[NUMBER_SINCE_BEST] >= t->o.patience;
        return;
    }
    s->sums[SUM_BEST] = value;
    s->numbers[NUMBER_BEST_EPOCH] = s->numbers[NUMBER_EPOCH] + 1;
    s->numbers[NUMBER_SINCE_BEST] = 0;
    training_values_copy(t->o.training, s->best);
}

static enum status report(const struct trainer *t, struct error *err)
{
    const struct trainer_watch *w = &t->o.watch;
    enum status status = STATUS_OK;
    if (w->epochs && t->team.rank == 0)
        status = w->epochs(w->context, t->state.epochs,
                           (size_t)t->state.numbers[NUMBER_EPOCH], err);
    return trainer_agree(t, status, err);
}

static void begin_epoch(struct state *s)
{
    memset(s->outcomes, 0, (size_t)s->together * sizeof *s->outcomes);
    memset(s->counts, 0, sizeof s->counts);
    s->together = 0;
    s->sums[SUM_LOSS] = 0;
    s->numbers[NUMBER_STEP] = 0;
    s->numbers[NUMBER_EPOCH]++;
}

static enum status end_epoch(struct trainer *t, struct error *err)
{
    enum status status;
    struct state *s = &t->state;
    const size_t samples = (size_t)t->o.epoch_samples;
    struct trainer_epoch *e = &s->epochs[s->numbers[NUMBER_EPOCH]];
    const double loss = s->sums[SUM_LOSS] / (double)samples;
    *e = (struct trainer_epoch){.epoch = (double)(s->numbers[NUMBER_EPOCH] + 1),
                                .learning_rate =
                                    learning_rate_at(&t->o.rate, trainer_step(t) - 1)};
    TRY(state_gather(t, err));
    if (t->target_floats)
        metrics_of_voxels(s->counts, samples, loss, &e->training);
    else
        status = metrics_of_outcomes(s->outcomes, samples, loss, &e->training, err);
    TRY(trainer_agree(t, status, err));
    if (validation_due(t)) {
        status = validate(t, &e->validation, err);
        if (status == STATUS_JOB_INTERRUPTED)
            status = pause_here(t, TRAINER_STOP, err);
        TRY(status);
        e->validated = 1;
        keep_best(t, &e->validation);
    }
    begin_epoch(s);
    TRY(report(t, err));
out:
    return status;
}

static bool is_finished(const struct trainer *t)
{
    return t->state.numbers[NUMBER_ENDED] ||
           t->state.numbers[NUMBER_EPOCH] >= t->o.epochs;
}

static enum status train(struct trainer *t, struct feed *feed,
                         struct training_sample *samples, struct error *err)
{
    enum status status = STATUS_OK;
    while (!is_finished(t)) {
        while (t->state.numbers[NUMBER_STEP] < t->steps)
            TRY(do_step(t, feed, samples, err));
        TRY(end_epoch(t, err));
    }
    t->saved = UINT64_MAX; /* the last one is written even where nothing is new */
    TRY(pause_here(t, TRAINER_CHECKPOINT, err));
out:
    return status;
}

enum status trainer_run(struct trainer *t, struct error *err)
{
    enum status status;
    struct training_sample *samples = NULL;
    struct feed feed = {.items = NULL};
    const int most = (int)team_share_most(&t->team, t->o.batch);
    const struct feed_options o = {.loader = t->o.loader,
                                   .samples = most,
                                   .repairs = REPAIRS,
                                   .fill = fill_batch,
                                   .fill_context = t,
                                   .repair = t->o.repair,
                                   .repair_context = t->o.repair_context};
    if (is_finished(t))
        return report(t, err);
    status = memory_new((size_t)most, sizeof *samples, "a batch", (void **)&samples, err);
    if (status == STATUS_OK)
        status = feed_init(&feed, &o, trainer_step(t), err);
    TRY(trainer_agree(t, status, err));
    TRY(train(t, &feed, samples, err));
out:
    feed_drain(&feed);
    feed_release(&feed);
    free(samples);
    return status;
}

/* ---- what came of it ---- */

const float *trainer_result(const struct trainer *t, int64_t *epoch)
{
    const struct state *s = &t->state;
    *epoch = s->numbers[NUMBER_BEST_EPOCH];
    if (*epoch)
        return s->best;
    *epoch = s->numbers[NUMBER_EPOCH];
    return s->values;
}

const struct trainer_epoch *trainer_epochs(const struct trainer *t, size_t *count)
{
    *count = (size_t)t->state.numbers[NUMBER_EPOCH];
    return t->state.epochs;
}

struct trainer_seconds trainer_seconds(const struct trainer *t)
{
    return t->seconds;
}
