/* What a job needs before any work, and before each sweep over its scans. */
#include <math.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/memory.h"
#include "run/crossval_groups.h"
#include "run/fold_check.h"
#include "run/job_internal.h"
#include "run/protocol.h"
#include "run/score_stage.h"
#include "run/stage_setup.h"
#include "run/train_memory.h"

/* Whether there will be weights for a stage. */
static bool has_weights(const struct settings *s, enum train_stage stage,
                        const char *given)
{
    return given[0] || (s->stages.train && s->train.stages[stage]);
}

/* What finding nodules needs. */
static enum status check_detection(const struct settings *s, struct error *err)
{
    if (stage_uses_network(s) && !has_weights(s, TRAIN_SEGMENT, s->segment.weights))
        return error_set(
            err, STATUS_JOB_CONFIG,
            "segment.weights is not given: segment.method \"network\" needs the "
            "weights of a segmenter (docs/weights.md); \"threshold\" needs none");
    if (stage_uses_list(s) && !s->dataset.candidates[0])
        return error_set(err, STATUS_JOB_CONFIG,
                         "segment.method \"candidates\" needs dataset.candidates: no "
                         "candidates_V2.csv or candidates.csv is in dataset.root");
    if (s->blob.max_mm < s->blob.min_mm)
        return error_set(err, STATUS_JOB_CONFIG,
                         "blob.max_mm = %g is less than blob.min_mm = %g", s->blob.max_mm,
                         s->blob.min_mm);
    if (!stage_uses_blobs(s) && !has_weights(s, TRAIN_CLASSIFY, s->classify.weights))
        return error_set(
            err, STATUS_JOB_CONFIG,
            "classify.weights is not given: the stage classify needs the weights "
            "of a classifier (docs/weights.md)");
    return STATUS_OK;
}

/* A job that scores or shows what another one has found. */
static enum status check_stored(const struct settings *s, struct error *err)
{
    if (s->output[0] && run_folder_exit_code(s->output) < 0)
        return error_set(err, STATUS_JOB_CONFIG,
                         "stages: \"%s\" alone needs a finished run, and there is no "
                         "DONE in output = %s",
                         s->stages.score ? "score" : "report", s->output);
    return STATUS_OK;
}

static enum status check_settings(const struct settings *s, struct error *err)
{
    enum status status = STATUS_OK;
    const bool crosses = settings_cross_validates(s);
    if (s->stages.score)
        TRY(score_stage_check(s, err));
    if (run_folder_looks_back(s))
        return check_stored(s, err);
    TRY(fold_check_settings(s, err));
    if (s->stages.score && !s->stages.detect && !crosses)
        return error_set(err, STATUS_JOB_CONFIG,
                         "stages: \"score\" needs \"detect\" beside \"%s\"; alone it "
                         "scores a run that is done",
                         s->stages.train ? "train" : "prepare");
    if (s->stages.report && !s->stages.detect && !s->stages.train && !crosses)
        return error_set(
            err, STATUS_JOB_CONFIG,
            "stages: \"report\" has nothing to show of \"prepare\"; alone it "
            "shows a run that is done");
    if (!s->stages.detect && !s->stages.prepare && !s->stages.train && !crosses)
        return error_set(err, STATUS_JOB_CONFIG, "stages: there is nothing to do");
    if (!s->dataset.root[0] == !s->dataset.scan[0])
        return error_set(err, STATUS_JOB_CONFIG,
                         "give either dataset.root=TREE or dataset.scan=FILE%s",
                         s->dataset.root[0] ? ", not both" : "");
    if ((s->stages.prepare || s->stages.train) && !s->cache.dir[0])
        return error_set(err, STATUS_JOB_CONFIG,
                         "cache.dir is not given: the stage %s needs a folder for the "
                         "volume cache",
                         s->stages.prepare ? "prepare" : "train");
    if (s->stages.train)
        TRY(train_stage_check(s, err));
    if (s->stages.detect)
        TRY(check_detection(s, err));
out:
    return status;
}

static enum status open_dataset(struct job *j, struct error *err)
{
    const struct settings *s = j->settings;
    if (s->dataset.scan[0])
        return dataset_init_scan(&j->dataset, s->dataset.scan, err);
    return dataset_init(&j->dataset, s->dataset.root, s->dataset.subsets, err);
}

static enum status make_schedule(struct job *j, struct error *err)
{
    enum status status = STATUS_OK;
    struct schedule_scan *scans = NULL;
    int workers = comm_worker_count(j->comm);
    TRY(memory_new(j->dataset.count, sizeof *scans, "schedule", (void **)&scans, err));
    for (size_t i = 0; i < j->dataset.count; i++)
        scans[i] = (struct schedule_scan){j->dataset.scans[i].subset,
                                          j->dataset.scans[i].bytes + 1};
    TRY(schedule_new(scans, j->dataset.count, DATASET_SUBSETS, workers, &j->schedule,
                     err));
    if (j->settings->stages.prepare)
        schedule_prepare(j->schedule, !j->settings->stages.detect);
out:
    free(scans);
    return status;
}

static enum status open_ledger(struct job *j, struct error *err)
{
    const struct settings *s = j->settings;
    enum status status = STATUS_OK;
    char *identity = NULL, *path = NULL;
    const bool fills = j->asked->stages.train && s->stages.prepare;
    struct ledger_options options = {
        .segment_slices = detector_segment_slices(j->detector),
        .classifies = stage_classifies(s),
        .verify = j->hooks && s->nightly.verify,
        .diagnose = {.nodule_threshold = s->classify.threshold,
                     .rule = strcmp(s->malignancy.patient, "max") ? PATIENT_NOISY_OR
                                                                  : PATIENT_MAX,
                     .has_malignancy = s->malignancy.weights[0] != '\0'}};
    TRY(detector_identity(j->detector, &identity, err));
    TRY(run_folder_file(&j->folder,
                        j->journal ? j->journal
                        : fills    ? "journal-prepare"
                                   : "journal",
                        &path, err));
    if (j->hooks)
        TRY(j->hooks->carry(j->hooks->context, path, identity, err));
    TRY(ledger_open(path, identity, &j->dataset, j->schedule, &options, &j->ledger, err));
    for (size_t i = 0; i < j->dataset.problem_count; i++) {
        const struct dataset_problem *p = &j->dataset.problems[i];
        log_warning("%s", p->sentence);
        if (p->seriesuid[0])
            TRY(ledger_quarantine(j->ledger, -1, p->seriesuid, "load", p->sentence, err));
    }
out:
    free(identity);
    free(path);
    return status;
}

static int64_t quarantine_limit(const struct job *j)
{
    double limit = j->settings->limits.quarantine;
    return (int64_t)floor(limit < 1 ? limit * (double)j->dataset.count : limit);
}

static enum status make_progress(struct job *j, struct error *err)
{
    char *path;
    enum status status = run_folder_file(&j->folder, "status.json", &path, err);
    if (status != STATUS_OK)
        return status;
    status = progress_new(path, j->comm->host, j->comm->size, &j->progress, err);
    free(path);
    if (status == STATUS_OK && j->around && j->around->tell)
        progress_listen(j->progress, j->around->tell, j->around->context);
    return status;
}

/* Rank 0, before anybody else has to do anything. */
static enum status begin_master(struct job *j, struct error *err)
{
    enum status status = STATUS_OK;
    TRY(check_settings(j->asked, err));
    TRY(run_folder_open(&j->folder, j->asked, err));
    if (j->folder.done)
        return STATUS_OK;
    TRY(open_dataset(j, err));
    TRY(fold_check_scans(j->asked, &j->dataset, err));
    if (j->hooks)
        TRY(j->hooks->choose(j->hooks->context, &j->dataset, err));
    j->folder.keeps_journal = j->hooks != NULL;
    TRY(make_progress(j, err));
out:
    return status;
}

static enum status open_master(struct job *j, struct error *err)
{
    enum status status = STATUS_OK;
    const bool computes = comm_computes(j->comm);
    TRY(make_schedule(j, err));
    TRY(detector_new(j->settings, j->isa, j->threads, j->folder.heatmaps,
                     computes ? master_poll : NULL, computes ? &j->master : NULL,
                     &j->detector, err));
    if (!j->claimed)
        TRY(run_folder_claim(&j->folder, j->asked, err));
    j->claimed = true;
    TRY(open_ledger(j, err));
    if (j->settings->stages.detect && !j->settings->classify.weights[0] && !j->journal)
        log_info("without classify.weights, probabilities are the score of the blobs "
                 "(segment.method \"threshold\")");
    j->master = (struct master){.comm = j->comm,
                                .settings = j->settings,
                                .watchdog = j->watchdog,
                                .dataset = &j->dataset,
                                .schedule = j->schedule,
                                .ledger = j->ledger,
                                .progress = j->progress,
                                .quarantine_limit = quarantine_limit(j)};
out:
    return status;
}

enum status job_wait_to_see(const struct job *j, const char *key, const char *folder,
                            const char *made, struct error *err)
{
    static const double patience = 20, pause = 0.2;
    for (double start = clock_seconds(); !file_exists(made); clock_sleep(pause))
        if (clock_seconds() - start > patience)
            return error_set(err, STATUS_JOB_CONFIG,
                             "%s: host %s does not see %s: it has to be on a file system "
                             "that all hosts share",
                             key, j->comm->host, folder);
    return STATUS_OK;
}

/* A worker; `output` exists by now, and so does the cache. */
static enum status open_worker(struct job *j, struct error *err)
{
    enum status status = STATUS_OK;
    char *file = NULL;
    TRY(path_join(j->settings->output, "job.cfg", &file, err));
    TRY(job_wait_to_see(j, "output", j->settings->output, file, err));
    if (j->settings->stages.prepare)
        TRY(job_wait_to_see(j, "cache.dir", j->settings->cache.dir,
                            j->settings->cache.dir, err));
    if (!j->folder.heatmaps)
        TRY(path_join(j->settings->output, "heatmaps", &j->folder.heatmaps, err));
    j->worker = (struct worker){
        .comm = j->comm, .settings = j->settings, .watchdog = j->watchdog};
    TRY(detector_new(j->settings, j->isa, j->threads, j->folder.heatmaps, worker_poll,
                     &j->worker, &j->detector, err));
out:
    free(file);
    return status;
}

static enum status agree_on_machine(struct job *j, struct error *err)
{
    enum status status = STATUS_OK;
    char *text = NULL;
    size_t bytes;
    if (j->around) {
        j->isa = j->around->isa;
        j->threads = j->around->threads;
        return STATUS_OK;
    }
    status = settings_print(j->settings, &text, &bytes, err);
    if (status == STATUS_OK)
        status = isa_parse(j->settings->compute.isa, &j->isa, err);
    TRY(comm_agree(j->comm, status, err));
    if (!comm_same(j->comm, hash64(text, bytes)))
        TRY(error_set(
            err, STATUS_JOB_CONFIG,
            "the hosts read different configurations: job, site and default files "
            "must be the same everywhere"));
    j->isa = (enum isa)comm_lowest(j->comm, (int)j->isa);
    isa_use(j->isa);
    j->threads = comm_threads(j->comm, comm_computes(j->comm));
    if (j->settings->compute.threads > 0)
        j->threads = (int)j->settings->compute.threads;
out:
    free(text);
    return status;
}

/* Those that have a share of a batch, at least. */
static int sharing_workers(const struct job *j)
{
    const int workers = comm_worker_count(j->comm);
    if (!settings_cross_validates(j->asked))
        return workers;
    int folds = 0;
    for (int k = 0; k < SETTINGS_SUBSETS; k++)
        folds += j->asked->crossval.folds[k];
    return workers / crossval_groups(j->asked->crossval.groups, folds, workers);
}

enum status job_begin(struct job *j, bool *done, struct error *err)
{
    enum status status = STATUS_OK;
    double patience = j->asked->limits.deadline_s * PATIENCE_DEADLINES;
    j->now = *j->asked;
    j->settings = &j->now;
    watchdog_arm(j->watchdog, patience, "starting: the settings of all hosts");
    TRY(agree_on_machine(j, err));
    watchdog_arm(j->watchdog, patience, "starting: the run directory, the scans");
    if (job_is_master(j))
        status = begin_master(j, err);
    TRY(comm_agree(j->comm, status, err));
    uint8_t ended = job_is_master(j) && j->folder.done;
    comm_share(j->comm, &ended, sizeof ended);
    *done = ended;
    if (!ended && j->asked->stages.train && comm_computes(j->comm))
        status =
            train_memory_check(j->asked, j->isa, j->threads, sharing_workers(j), err);
    TRY(comm_agree(j->comm, status, err));
out:
    watchdog_disarm(j->watchdog);
    return status;
}

enum status job_open_sweep(struct job *j, bool prepare, bool detect, struct error *err)
{
    enum status status = STATUS_OK;
    watchdog_arm(j->watchdog, j->asked->limits.deadline_s * PATIENCE_DEADLINES,
                 "starting: the models");
    j->now.stages.prepare = prepare;
    j->now.stages.train = false;
    j->now.stages.detect = detect;
    if (job_is_master(j))
        status = open_master(j, err);
    TRY(comm_agree(j->comm, status, err));
    if (!job_is_master(j))
        status = open_worker(j, err);
    TRY(comm_agree(j->comm, status, err));
out:
    watchdog_disarm(j->watchdog);
    return status;
}

void job_close_sweep(struct job *j)
{
    for (int t = 0; t < TIMING_COUNT && j->detector; t++)
        j->timings[t] += detector_timings(j->detector)[t];
    detector_free(j->detector);
    ledger_close(j->ledger);
    schedule_free(j->schedule);
    j->detector = NULL;
    j->ledger = NULL;
    j->schedule = NULL;
}
