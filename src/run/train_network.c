/* Training one network: everything it needs is made, used and given back here. */
#include <math.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "nn/initialise.h"
#include "run/protocol.h"
#include "run/stage_setup.h"
#include "run/train_internal.h"
#include "run/train_memory.h"

/* ---- making it ---- */

struct training_options train_training_options(const struct settings *s,
                                               const struct network *n,
                                               const struct train_recipe *r, enum isa isa,
                                               int threads)
{
    return (struct training_options){.isa = isa,
                                     .algorithm = stage_algorithm(s),
                                     .threads = threads,
                                     .loss = r->loss,
                                     .frozen_layers =
                                         r->depth ? fine_tuning_layer(n, r->depth) : 0,
                                     .frozen_norms_adapt = r->example.book};
}

static enum status make_training(struct train_network *n, struct error *err)
{
    const struct train_job *j = &n->work->job;
    const struct train_recipe *r = &n->recipe;
    struct training_options o =
        train_training_options(j->settings, &n->network, r, j->isa, j->threads);
    o.samples = (int)team_share_most(&n->work->team.team, r->batch);
    return training_new(&n->network, r->input, &o, &n->training, err);
}

static int validation_samples(const struct train_network *n)
{
    return n->inside ? VALIDATION_SLICES : VALIDATION_SAMPLES;
}

static int validation_threads(const struct train_network *n)
{
    const int threads = n->work->job.threads, most = validation_samples(n);
    return threads < most ? threads : most;
}

/* How many windows of nodules a reading thread keeps: all, within half of what the
 * training leaves of limits.memory_gb. */
static enum status windows_to_keep(const struct train_network *n, size_t *count,
                                   struct error *err)
{
    const struct train_work *w = n->work;
    const struct example_options *o = &n->recipe.example;
    struct train_memory m;
    const enum status status =
        train_memory_init(&m, w->job.settings, n->stage, w->job.isa, w->job.threads, err);
    if (status != STATUS_OK)
        return status;
    const int64_t share = team_share_most(&w->team.team, n->recipe.batch);
    const double spare = w->job.settings->limits.memory_gb * 1e9 - (double)m.fixed_bytes -
                         (double)(share * m.sample_bytes);
    const double window =
        (double)(o->window[0] * o->window[1] * o->window[2]) * (double)sizeof(int16_t);
    const double most = spare / 2 / window / train_readers(w->job.threads);
    const double nodules = (double)n->training_pool.counts[LIST_NODULE];
    *count = most < 0 ? 0 : (size_t)(most < nodules ? most : nodules);
    return STATUS_OK;
}

static enum status make_loaders(struct train_network *n, struct error *err)
{
    enum status status;
    const struct train_work *w = n->work;
    const struct settings *s = w->job.settings;
    struct loader_options o = {
        .example = n->recipe.example,
        .cache = {.folder = s->cache.dir,
                  .local = s->cache.local,
                  .quota_bytes = (int64_t)(s->cache.quota_gb * 1e9),
                  .hold = true},
        .scans = w->loader_scans,
        .scan_count = w->scans.count,
        .pool = &n->training_pool,
        .threads = train_readers(w->job.threads),
        .samples = (int)team_share_most(&w->team.team, n->recipe.batch),
        .deadline_s = s->limits.deadline_s};
    TRY(windows_to_keep(n, &o.example.keep, err));
    TRY(loader_new(&o, &n->loader, err));
    o.example = n->still;
    o.pool = &n->validation_pool;
    o.samples = validation_samples(n);
    if (n->item_count > 0)
        TRY(loader_new(&o, &n->validation_loader, err));
out:
    return status;
}

/* All that one rank does on its own. */
static enum status prepare(struct train_network *n, struct error *err)
{
    enum status status;
    const struct train_work *w = n->work;
    const long long fold = (long long)w->job.settings->train.fold;
    snprintf(n->name, sizeof n->name, fold < 0 ? "%s" : "%s-fold%lld",
             train_stage_name(n->stage), fold);
    TRY(train_network_describe(w->job.settings, n->stage, &n->network, &n->recipe, err));
    TRY(make_training(n, err));
    if (w->team.team.rank == 0)
        TRY(train_model_begin(n, err));
    TRY(train_samples_init(n, err));
    TRY(train_model_binding(n, err));
    TRY(make_loaders(n, err));
out:
    return status;
}

static void network_release_all(struct train_network *n)
{
    trainer_free(n->trainer);
    loader_free(n->loader);
    loader_free(n->validation_loader);
    training_free(n->training);
    tensor_file_release(&n->origin);
    pool_release(&n->training_pool);
    pool_release(&n->validation_pool);
    network_release(&n->network);
    free(n->items);
    free(n->inside);
    free(n->binding);
}

/* ---- what is told of it ---- */

enum { SHARE_BYTES = 16 };

/* "12.3 %", or "none" where there was nothing of the kind. */
static const char *share_text(double share, char text[SHARE_BYTES])
{
    if (isnan(share))
        return "none";
    snprintf(text, SHARE_BYTES, "%.1f %%", 100 * share);
    return text;
}

static void tell_metrics(const char *name, const char *set, const struct metrics *m,
                         const char *pace)
{
    char positive[SHARE_BYTES], negative[SHARE_BYTES], area[SHARE_BYTES + 8] = "";
    if (!isnan(m->auc))
        snprintf(area, sizeof area, ", AUC %.4f", m->auc);
    log_info("%s, %s: loss %.4f, correct %.1f %% (positives %s, negatives %s), precision "
             "%.3f, recall %.3f, F1 %.3f%s%s",
             name, set, m->loss, 100 * m->correct,
             share_text(m->correct_positive, positive),
             share_text(m->correct_negative, negative), m->precision, m->recall, m->f1,
             area, pace);
}

static void tell_epoch(struct train_network *n, const struct trainer_epoch *e)
{
    const double now = clock_seconds(), spent = now - n->epoch_begun;
    char set[32], pace[40];
    n->epoch_begun = now;
    snprintf(set, sizeof set, "epoch %.0f", e->epoch);
    snprintf(pace, sizeof pace, ", %.1f samples/s", e->training.samples / spent);
    tell_metrics(n->name, set, &e->training, pace);
    if (e->validated)
        tell_metrics(n->name, "validation", &e->validation, "");
}

static enum status take_epochs(void *context, const struct trainer_epoch *epochs,
                               size_t count, struct error *err)
{
    enum status status;
    struct train_network *n = context;
    struct train_work *w = n->work;
    char *path = NULL;
    if ((int64_t)count == n->epochs_told + 1)
        tell_epoch(n, &epochs[count - 1]);
    n->epochs_told = (int64_t)count;
    TRY(train_metrics_take(&w->metrics[w->networks - 1], train_stage_name(n->stage),
                           epochs, count, err));
    TRY(path_join(w->job.settings->output, "metrics.csv", &path, err));
    TRY(train_metrics_write(path, w->metrics, w->networks, err));
out:
    free(path);
    return status;
}

static int wanted(void *context)
{
    const struct train_network *n = context;
    return train_team_wanted(&n->work->team);
}

static void show(void *context, const struct trainer_progress *p)
{
    const struct train_network *n = context;
    train_team_progress(&n->work->team, p);
}

/* ---- training it ---- */

static struct trainer_options trainer_options_of(struct train_network *n,
                                                 const char *folder)
{
    const struct train_work *w = n->work;
    const struct settings *s = w->job.settings;
    const struct train_recipe *r = &n->recipe;
    struct trainer_options o = {
        .name = n->name,
        .network = &n->network,
        .training = n->training,
        .optimizer = r->optimizer,
        .rate = r->rate,
        .clip = r->clip,
        .epochs = r->epochs,
        .epoch_samples = r->epoch_samples,
        .batch = r->batch,
        .patience = r->patience,
        .every = r->every,
        .best = r->best,
        .sampler = {.scheme = r->scheme,
                    .ratio = r->ratio,
                    .hard_share = s->train.hard_share,
                    .seed = train_seed(s)},
        .pool = &n->training_pool,
        .scans = w->loader_scans,
        .loader = n->loader,
        .example = &n->recipe.example,
        .repair = train_repair,
        .repair_context = n->work,
        .validation = {.loader = n->validation_loader,
                       .items = n->items,
                       .count = n->item_count,
                       .samples = validation_samples(n),
                       .inside = n->inside,
                       .example = &n->still,
                       .loss = r->loss,
                       .plan = {.isa = w->job.isa, .algorithm = stage_algorithm(s)},
                       .threads = validation_threads(n)},
        .watch = {wanted, show, take_epochs, n},
        .folder = folder,
        .keep = (int)s->checkpoint.keep,
        .checkpoint_seconds = s->checkpoint.seconds,
        .binding = n->binding};
    memcpy(o.sampler.counts, n->training_pool.counts, sizeof o.sampler.counts);
    return o;
}

static void add_seconds(struct trainer_seconds *to, struct trainer_seconds s)
{
    to->compute += s.compute;
    to->wait += s.wait;
    to->input += s.input;
    to->allreduce += s.allreduce;
    to->validation += s.validation;
    to->checkpoint += s.checkpoint;
}

static enum status train(struct train_network *n, const char *folder, struct error *err)
{
    enum status status;
    const struct team *team = &n->work->team.team;
    const struct trainer_options o = trainer_options_of(n, folder);
    size_t done;
    TRY(trainer_new(&o, team, &n->trainer, err));
    trainer_epochs(n->trainer, &done);
    n->epochs_told = (int64_t)done;
    n->epoch_begun = clock_seconds();
    status = trainer_run(n->trainer, err);
    add_seconds(&n->work->seconds, trainer_seconds(n->trainer));
    TRY(status);
    if (team->rank == 0)
        status = train_model_write(n, err);
    TRY(team->agree(status, team->context, err));
out:
    return status;
}

enum status train_network_run(struct train_work *w, enum train_stage stage,
                              struct error *err)
{
    enum status status;
    struct train_network n = {.work = w,
                              .stage = stage,
                              .hard_list = stage == TRAIN_CLASSIFY ? w->hard_list : NULL};
    const struct team *team = &w->team.team;
    char *folder = NULL;
    watchdog_arm(w->job.watchdog, w->job.settings->limits.deadline_s * PATIENCE_DEADLINES,
                 "preparing to train %s", train_stage_name(stage));
    w->networks++;
    status = path_join(w->job.settings->output, "checkpoints", &folder, err);
    if (status == STATUS_OK)
        status = prepare(&n, err);
    TRY(team->agree(status, team->context, err));
    TRY(train(&n, folder, err));
out:
    watchdog_disarm(w->job.watchdog);
    network_release_all(&n);
    free(folder);
    return status;
}
