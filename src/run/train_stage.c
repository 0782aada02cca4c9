#include "run/train_stage.h"

#include "base/log.h"
#include "base/memory.h"
#include "config/path_list.h"
#include "ct/lists.h"
#include "run/protocol.h"
#include "run/stage_setup.h"
#include "run/train_internal.h"

/* What the malignancy model begins with. */
static enum status check_start(const struct settings *s, struct error *err)
{
    const struct train_settings *own = &s->train.stage[TRAIN_MALIGNANCY],
                                *all = &s->train.all;
    const bool has_init = own->init[0] || all->init[0];
    if (!strcmp(s->train.start, "random")) {
        if (has_init || own->depth || all->depth)
            return error_set(err, STATUS_JOB_CONFIG,
                             "train.malignancy.start = \"random\" leaves no weights to "
                             "go on from: init and depth do not go with it");
        return STATUS_OK;
    }
    if (!s->train.stages[TRAIN_CLASSIFY] && !s->classify.weights[0] && !has_init)
        return error_set(err, STATUS_JOB_CONFIG,
                         "the malignancy model begins with a classifier: train.stages "
                         "needs \"classify\" too, or give train.malignancy.init or "
                         "train.malignancy.start = \"random\"");
    return STATUS_OK;
}

/* Read before any work: the classifier takes it up hours later, after the segmenter. */
static enum status check_hard_list(const char *path, struct error *err)
{
    struct candidate_list places;
    const enum status status = place_list_init(&places, path, err);
    if (status != STATUS_OK)
        error_prefix(err, "train.hard_negatives");
    candidate_list_release(&places);
    return status;
}

/* Where hard negatives come from. */
static enum status check_hard(const struct settings *s, struct error *err)
{
    const char *hard = s->train.hard_negatives;
    const bool own = !strcmp(hard, "own");
    if (!hard[0] || !s->train.stages[TRAIN_CLASSIFY])
        return STATUS_OK;
    if (!strcmp(s->mode, "book"))
        return error_set(err, STATUS_JOB_CONFIG,
                         "train.hard_negatives: mode \"book\" trains the classifier on "
                         "listed candidates only");
    if (!own && !strchr(hard, '/'))
        return error_set(err, STATUS_JOB_CONFIG,
                         "train.hard_negatives = \"%s\" is neither \"own\" nor a path; "
                         "for a file of this folder write \"./%s\"",
                         hard, hard);
    if (!own)
        return check_hard_list(hard, err);
    if (own && stage_uses_list(s))
        return error_set(err, STATUS_JOB_CONFIG,
                         "train.hard_negatives = \"own\": segment.method \"candidates\" "
                         "finds nothing but what is listed");
    if (own && stage_uses_network(s) && !s->train.stages[TRAIN_SEGMENT] &&
        !s->segment.weights[0])
        return error_set(err, STATUS_JOB_CONFIG,
                         "train.hard_negatives = \"own\" needs a segmenter: train.stages "
                         "with \"segment\", segment.weights, or segment.method = "
                         "\"threshold\"");
    return STATUS_OK;
}

/* What a training begins with, and what its folds are held against, is one model. */
static enum status check_single(const char *key, const char *weights, struct error *err)
{
    const size_t count = path_list_count(weights);
    if (count < 2)
        return STATUS_OK;
    return error_set(err, STATUS_JOB_CONFIG,
                     "%s names %zu models: a job that trains takes one; several are "
                     "averaged by a job with \"detect\" and without \"train\"",
                     key, count);
}

enum status train_stage_check(const struct settings *s, struct error *err)
{
    enum status status = STATUS_OK;
    const bool *stages = s->train.stages;
    TRY(check_single("segment.weights", s->segment.weights, err));
    TRY(check_single("classify.weights", s->classify.weights, err));
    TRY(check_single("malignancy.weights", s->malignancy.weights, err));
    if (!s->dataset.annotations[0] && !s->dataset.malignancy[0])
        return error_set(err, STATUS_JOB_CONFIG,
                         "dataset.annotations is not given: the stage train needs a list "
                         "of nodules");
    const bool samples_non_nodules =
        stages[TRAIN_CLASSIFY] || (stages[TRAIN_MALIGNANCY] && s->train.non_nodules);
    if (!s->dataset.candidates[0] && samples_non_nodules)
        return error_set(err, STATUS_JOB_CONFIG,
                         "dataset.candidates is not given: a classifier is trained on "
                         "listed candidates");
    if (!s->dataset.malignancy[0] && stages[TRAIN_MALIGNANCY])
        return error_set(err, STATUS_JOB_CONFIG,
                         "dataset.malignancy is not given: train.stages asks for the "
                         "malignancy model, which needs the list");
    if (!strcmp(s->train.labels, "mask") && !s->dataset.masks[0] && stages[TRAIN_SEGMENT])
        return error_set(err, STATUS_JOB_CONFIG,
                         "train.labels = \"mask\" needs dataset.masks, a folder of label "
                         "volumes");
    if (stages[TRAIN_MALIGNANCY])
        TRY(check_start(s, err));
    status = check_hard(s, err);
out:
    return status;
}

static enum status list_scans(struct train_work *w, struct error *err)
{
    enum status status;
    TRY(memory_new(w->scans.count, sizeof *w->loader_scans, "scans",
                   (void **)&w->loader_scans, err));
    for (size_t i = 0; i < w->scans.count; i++) {
        const struct train_scan *s = &w->scans.items[i];
        w->loader_scans[i] = (struct loader_scan){
            .seriesuid = s->seriesuid, .voxels = s->voxels, .cached = s->cached};
    }
out:
    return status;
}

enum status train_stage_open(const struct train_job *j, struct train_work **out,
                             struct error *err)
{
    enum status status;
    struct train_work *w = NULL;
    watchdog_arm(j->watchdog, j->settings->limits.deadline_s * PATIENCE_DEADLINES,
                 "dividing the scans to train on");
    status = memory_new(1, sizeof *w, "a training", (void **)&w, err);
    TRY(comm_agree(j->comm, status, err));
    w->job = *j;
    train_team_init(&w->team, j->comm, j->settings, j->watchdog, j->progress);
    TRY(train_scans_init(&w->scans, j->comm, j->settings, j->dataset, err));
    TRY(comm_agree(j->comm, list_scans(w, err), err));
out:
    *out = w;
    watchdog_disarm(j->watchdog);
    return status;
}

void train_stage_close(struct train_work *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->networks; i++)
        free(w->metrics[i].epochs);
    free(w->loader_scans);
    train_scans_release(&w->scans);
    train_team_release(&w->team);
    free(w);
}

/* A worker's part. */
static enum status work(struct train_work *w, enum train_stage first,
                        enum train_stage end, struct error *err)
{
    enum status status = STATUS_OK;
    const struct settings *s = w->job.settings;
    if (first == TRAIN_SEGMENT && s->train.stages[TRAIN_SEGMENT] &&
        !strcmp(s->train.labels, "mask"))
        TRY(train_masks_prepare(w, err));
    for (enum train_stage stage = first; stage < end; stage++)
        if (s->train.stages[stage])
            TRY(train_network_run(w, stage, err));
out:
    return status;
}

enum status train_stage_run(struct train_work *w, enum train_stage first,
                            enum train_stage end, struct error *err)
{
    enum status status = STATUS_OK;
    const struct train_job *j = &w->job;
    if (train_team_works(&w->team)) {
        status = work(w, first, end, err);
        train_team_through(&w->team);
    } else {
        train_team_wait(&w->team);
    }
    watchdog_arm(j->watchdog, j->settings->limits.deadline_s * PATIENCE_DEADLINES,
                 "the end of the training");
    status = comm_agree(j->comm, status, err);
    watchdog_disarm(j->watchdog);
    return status;
}

struct trainer_seconds train_stage_seconds(const struct train_work *w)
{
    return w->seconds;
}

bool train_stage_uses(const struct train_work *w, const char *seriesuid)
{
    size_t low = 0, high = w->scans.count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        const struct train_scan *s = &w->scans.items[middle];
        const int order = strcmp(seriesuid, s->seriesuid);
        if (order == 0)
            return s->cached && s->role != SCAN_TESTS;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

enum status train_stage_take_hard(struct train_work *w, const char *path,
                                  const char *segmenter, struct error *err)
{
    enum status status = STATUS_OK;
    struct tensor_file f = {.count = 0};
    w->hard_list = path;
    w->hard_isolated = segmenter && !segmenter[0];
    const bool is_master = w->job.comm->rank == 0; /* one speaks for all */
    if (!segmenter && is_master && w->job.settings->train.fold >= 0)
        log_warning("%s does not say which scans its segmenter has seen: fold %lld is "
                    "not isolated",
                    path, (long long)w->job.settings->train.fold);
    if (!segmenter || !segmenter[0])
        return STATUS_OK;
    TRY(tensor_file_init(&f, segmenter, err));
    if (is_master)
        TRY(train_check_isolation(w, &f, segmenter, err));
    w->hard_isolated = tensor_file_is_isolated(&f);
out:
    tensor_file_release(&f);
    return status;
}
