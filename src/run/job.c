/*
 * The life of a job. Each step ends in an agreement of all ranks before the next begins,
 * so a failure anywhere is the same exit code everywhere.
 *
 *   prepare   rank 0: settings, run directory, scans, models, books     then the workers'
 * models detect    rank 0 leads (master.c), the others serve (worker.c) finish    run.h5
 * by all, lists by rank 0, DONE last
 */
#include "run/job.h"

#include <errno.h>
#include <math.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/memory.h"
#include "ct/dataset.h"
#include "io/csv.h"
#include "run/assembly.h"
#include "run/interrupt.h"
#include "run/master.h"
#include "run/protocol.h"
#include "run/run_folder.h"
#include "run/stage_setup.h"
#include "run/usage.h"
#include "run/worker.h"

enum { EXIT_FAILED = 1, EXIT_QUARANTINED = 3 };

struct job {
    const struct comm *comm;
    const struct settings *settings;
    struct watchdog *watchdog;
    struct detector *detector; /* of a worker, or of rank 0 */
    struct worker worker;
    struct master master;
    enum isa isa;
    int threads;
    double started, started_unix;
    double ping_time;
    /* Rank 0 only: */
    struct run_folder folder;
    struct dataset dataset;
    struct schedule *schedule;
    struct ledger *ledger;
    struct progress *progress;
};

static bool is_master(const struct job *j)
{
    return j->comm->rank == 0;
}

static void expired(void *context, const char *description, double seconds)
{
    const struct comm *c = context;
    log_error("rank %d on %s: %s has taken more than %.0f s: the job ends; the same "
              "command goes "
              "on from what is done",
              c->rank, c->host, description, seconds);
    comm_abort(EXIT_FAILED);
}

/* --- prepare --- */

/* What finding nodules needs. */
static enum status check_detection(const struct settings *s, struct error *err)
{
    if (stage_uses_network(s) && !s->segment.weights[0])
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
    if (!stage_uses_blobs(s) && !s->classify.weights[0])
        return error_set(
            err, STATUS_JOB_CONFIG,
            "classify.weights is not given: the stage classify needs the weights "
            "of a classifier (docs/weights.md)");
    return STATUS_OK;
}

static enum status check_settings(const struct settings *s, struct error *err)
{
    if (!s->stages.detect && !s->stages.prepare)
        return error_set(err, STATUS_JOB_CONFIG, "stages: there is nothing to do");
    if (!s->dataset.root[0] == !s->dataset.scan[0])
        return error_set(err, STATUS_JOB_CONFIG,
                         "give either dataset.root=TREE or dataset.scan=FILE%s",
                         s->dataset.root[0] ? ", not both" : "");
    if (s->stages.prepare && !s->cache.dir[0])
        return error_set(err, STATUS_JOB_CONFIG,
                         "cache.dir is not given: the stage prepare needs a folder for "
                         "the volume cache");
    return s->stages.detect ? check_detection(s, err) : STATUS_OK;
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
    int workers = j->comm->size > 1 ? j->comm->size - 1 : 1;
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
    char *identity = NULL;
    struct ledger_options options = {
        .segments = stage_uses_network(s),
        .classifies = stage_classifies(s),
        .diagnose = {.nodule_threshold = s->classify.threshold,
                     .rule = strcmp(s->malignancy.patient, "max") ? PATIENT_NOISY_OR
                                                                  : PATIENT_MAX,
                     .has_malignancy = s->malignancy.weights[0] != '\0'}};
    TRY(detector_identity(j->detector, &identity, err));
    TRY(ledger_open(j->folder.journal, identity, &j->dataset, j->schedule, &options,
                    &j->ledger, err));
    for (size_t i = 0; i < j->dataset.problem_count; i++) {
        const struct dataset_problem *p = &j->dataset.problems[i];
        log_warning("%s", p->sentence);
        if (p->seriesuid[0])
            TRY(ledger_quarantine(j->ledger, -1, p->seriesuid, "load", p->sentence, err));
    }
out:
    free(identity);
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
    return status;
}

/* Rank 0, before anybody else has to do anything. */
static enum status prepare_master(struct job *j, struct error *err)
{
    enum status status = STATUS_OK;
    bool alone = j->comm->size == 1;
    TRY(check_settings(j->settings, err));
    TRY(run_folder_open(&j->folder, j->settings, err));
    if (j->folder.done)
        return STATUS_OK;
    TRY(open_dataset(j, err));
    TRY(make_schedule(j, err));
    TRY(detector_new(j->settings, j->isa, j->threads, j->folder.heatmaps,
                     alone ? master_poll : NULL, alone ? &j->master : NULL, &j->detector,
                     err));
    TRY(run_folder_claim(&j->folder, j->settings, err));
    TRY(open_ledger(j, err));
    TRY(make_progress(j, err));
    if (j->settings->stages.detect && !j->settings->classify.weights[0])
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

/* Network file systems may take a moment to show what rank 0 has made. */
static enum status wait_to_see(const struct job *j, const char *key, const char *folder,
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
static enum status prepare_worker(struct job *j, struct error *err)
{
    enum status status = STATUS_OK;
    char *file = NULL;
    TRY(path_join(j->settings->output, "job.cfg", &file, err));
    TRY(wait_to_see(j, "output", j->settings->output, file, err));
    if (j->settings->stages.prepare)
        TRY(wait_to_see(j, "cache.dir", j->settings->cache.dir, j->settings->cache.dir,
                        err));
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
    bool computes = j->comm->rank > 0 || j->comm->size == 1;
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
    j->threads = comm_threads(j->comm, computes);
    if (j->settings->compute.threads > 0)
        j->threads = (int)j->settings->compute.threads;
out:
    free(text);
    return status;
}

/* *done: the run was finished by an earlier start. Collective. */
static enum status prepare(struct job *j, bool *done, struct error *err)
{
    enum status status = STATUS_OK;
    double patience = j->settings->limits.deadline_s * PATIENCE_DEADLINES;
    watchdog_arm(j->watchdog, patience, "starting: the settings of all hosts");
    TRY(agree_on_machine(j, err));
    watchdog_arm(j->watchdog, patience,
                 "starting: the run directory, the scans, the models");
    if (is_master(j))
        status = prepare_master(j, err);
    TRY(comm_agree(j->comm, status, err));
    uint8_t ended = is_master(j) && j->folder.done;
    comm_share(j->comm, &ended, sizeof ended);
    *done = ended;
    if (ended)
        goto out;
    if (!is_master(j))
        status = prepare_worker(j, err);
    TRY(comm_agree(j->comm, status, err));
out:
    watchdog_disarm(j->watchdog);
    return status;
}

/* --- finish --- */

static struct assembly assembly_of(struct job *j)
{
    return (struct assembly){.comm = j->comm,
                             .settings = j->settings,
                             .watchdog = j->watchdog,
                             .isa = isa_name(j->isa),
                             .threads = j->threads,
                             .started_unix = j->started_unix,
                             .timings = detector_timings(j->detector),
                             .dataset = &j->dataset,
                             .ledger = j->ledger,
                             .folder = &j->folder};
}

/* run.h5, then what it cost: the collective part of finishing. */
static enum status store_together(struct job *j, struct error *err)
{
    struct assembly a = assembly_of(j);
    enum status status = j->settings->stages.detect ? assembly_store(&a, err) : STATUS_OK;
    if (status != STATUS_OK)
        return status;
    return usage_report(j->comm, is_master(j) ? &j->folder : NULL,
                        detector_timings(j->detector), clock_seconds() - j->started, err);
}

static enum status assemble(void *context, struct error *err)
{
    return store_together(context, err);
}

static void still_alive(void *context)
{
    struct job *j = context;
    double now = clock_seconds();
    watchdog_touch(j->watchdog);
    if (now - j->ping_time < j->settings->limits.deadline_s / PINGS_PER_DEADLINE)
        return;
    j->ping_time = now;
    master_tell(&j->master, SAYS_PING, 0, NULL, 0);
    watchdog_arm(j->watchdog, j->settings->limits.deadline_s * PATIENCE_DEADLINES,
                 "writing the lists");
}

static enum status finish(struct job *j, int *exit_code, struct error *err)
{
    enum status status = STATUS_OK;
    struct assembly a = assembly_of(j);
    size_t quarantined;
    progress_show(j->progress, schedule_counts(j->schedule),
                  j->settings->stages.detect ? "assemble" : "prepare", true);
    master_tell(&j->master, SAYS_ASSEMBLE, 0, NULL, 0);
    TRY(store_together(j, err));
    j->ping_time = clock_seconds();
    watchdog_arm(j->watchdog, j->settings->limits.deadline_s * PATIENCE_DEADLINES,
                 "writing the lists");
    if (j->settings->stages.detect)
        TRY(assembly_lists(&a, still_alive, j, err));
    TRY(assembly_quarantine(&j->folder, j->ledger, err));
    ledger_quarantined(j->ledger, &quarantined);
    *exit_code = quarantined > 0 ? EXIT_QUARANTINED : 0;
    TRY(run_folder_finish(&j->folder, *exit_code, err));
out:
    watchdog_disarm(j->watchdog);
    return status;
}

static void report_cache(const struct job *j)
{
    const struct ledger_prepared p = ledger_prepared(j->ledger);
    log_info("%s: %lld scans prepared, %lld of them written, %lld again since they were "
             "damaged; %.2f GB, %.3f of the voxels' size",
             j->settings->cache.dir, (long long)p.scans, (long long)p.written,
             (long long)p.repaired, (double)p.file_bytes * 1e-9,
             p.voxel_bytes > 0 ? (double)p.file_bytes / (double)p.voxel_bytes : 0);
}

/* What a person wants to know at the end. */
static void report(const struct job *j, int exit_code)
{
    struct schedule_counts c = schedule_counts(j->schedule);
    char spent[32];
    clock_describe((double)time(NULL) - j->started_unix, spent, sizeof spent);
    log_info("%s: %lld scans, %lld quarantined, %lld done by an earlier start, %s",
             j->folder.path, (long long)c.scans, (long long)c.quarantined,
             (long long)ledger_restored(j->ledger), spent);
    if (j->settings->stages.prepare)
        report_cache(j);
    if (exit_code == EXIT_QUARANTINED)
        log_info("quarantine.csv names what was left out and why");
}

static int lead(struct job *j)
{
    struct error err;
    int exit_code = 0;
    const char *state = "done";
    bool alone = j->comm->size == 1;
    enum status status = master_run(&j->master, alone ? j->detector : NULL, &err);
    if (status == STATUS_OK)
        status = finish(j, &exit_code, &err);
    if (status != STATUS_OK) {
        struct error ignored;
        exit_code = status_exit_code(status);
        state = status == STATUS_JOB_INTERRUPTED ? "checkpointed" : "failed";
        if (status == STATUS_JOB_INTERRUPTED)
            log_info("%s", err.message);
        else
            log_error("%s", err.message);
        assembly_quarantine(&j->folder, j->ledger, &ignored);
    }
    progress_end(j->progress, schedule_counts(j->schedule), state, exit_code,
                 status == STATUS_OK ? NULL : err.message);
    if (status == STATUS_OK)
        report(j, exit_code);
    master_tell(&j->master, SAYS_QUIT, exit_code, NULL, 0);
    return exit_code;
}

static int serve(struct job *j)
{
    struct error err;
    int exit_code = EXIT_FAILED;
    j->worker.assemble = assemble;
    j->worker.context = j;
    if (worker_serve(&j->worker, j->detector, &exit_code, &err) != STATUS_OK) {
        log_error("%s", err.message);
        comm_abort(EXIT_FAILED);
    }
    return exit_code;
}

static void job_release(struct job *j)
{
    detector_free(j->detector);
    progress_free(j->progress);
    ledger_close(j->ledger);
    schedule_free(j->schedule);
    dataset_release(&j->dataset);
    if (is_master(j))
        run_folder_release(&j->folder);
    else
        free(j->folder.heatmaps);
    watchdog_stop(j->watchdog);
}

int job_run(const struct comm *c, const struct settings *s)
{
    struct job j = {.comm = c,
                    .settings = s,
                    .started = clock_seconds(),
                    .started_unix = (double)time(NULL)};
    struct error err;
    int exit_code;
    bool done = false;

    j.folder.lock = -1;
    interrupt_install();
    enum status status = watchdog_start(expired, (void *)(uintptr_t)c, &j.watchdog, &err);
    status = comm_agree(c, status, &err);
    if (status == STATUS_OK)
        status = prepare(&j, &done, &err);
    if (status != STATUS_OK) {
        if (is_master(&j))
            log_error("%s", err.message);
        exit_code = status_exit_code(status);
    } else if (done) {
        exit_code = j.folder.done_exit_code;
        comm_share(c, &exit_code, sizeof exit_code);
        if (is_master(&j))
            log_info("%s is done already", j.folder.path);
    } else {
        exit_code = is_master(&j) ? lead(&j) : serve(&j);
    }
    job_release(&j);
    return exit_code;
}
