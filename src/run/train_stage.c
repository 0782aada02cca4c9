#include "run/train_stage.h"

#include "base/file.h"
#include "base/memory.h"
#include "run/protocol.h"
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

enum status train_stage_check(const struct settings *s, struct error *err)
{
    const bool *stages = s->train.stages;
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
    return stages[TRAIN_MALIGNANCY] ? check_start(s, err) : STATUS_OK;
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

/* A worker's part. */
static enum status work(struct train_work *w, struct error *err)
{
    enum status status;
    const struct settings *s = w->job->settings;
    const struct team *team = &w->team->team;
    TRY(team->agree(list_scans(w, err), team->context, err));
    if (s->train.stages[TRAIN_SEGMENT] && !strcmp(s->train.labels, "mask"))
        TRY(train_masks_prepare(w, err));
    for (enum train_stage stage = 0; stage < TRAIN_STAGES; stage++)
        if (s->train.stages[stage])
            TRY(train_network_run(w, stage, err));
out:
    return status;
}

static void work_release(struct train_work *w)
{
    for (size_t i = 0; i < w->networks; i++)
        free(w->metrics[i].epochs);
    free(w->loader_scans);
    train_scans_release(&w->scans);
}

enum status train_stage_run(const struct train_job *j, struct trainer_seconds *seconds,
                            struct error *err)
{
    enum status status;
    struct train_team team;
    struct train_work w = {.job = j, .team = &team};
    const double patience = j->settings->limits.deadline_s * PATIENCE_DEADLINES;
    watchdog_arm(j->watchdog, patience, "dividing the scans to train on");
    train_team_init(&team, j->comm, j->settings, j->watchdog, j->progress);
    TRY(train_scans_init(&w.scans, j->comm, j->settings, j->dataset, err));
    status = STATUS_OK;
    if (train_team_works(&team)) {
        status = work(&w, err);
        train_team_through(&team);
    } else {
        train_team_wait(&team);
    }
    watchdog_arm(j->watchdog, patience, "the end of the training");
    TRY(comm_agree(j->comm, status, err));
out:
    *seconds = w.seconds;
    train_team_release(&team);
    work_release(&w);
    watchdog_disarm(j->watchdog);
    return status;
}
