/*
 * The life of a job. Each step ends in an agreement of all ranks before the next begins,
 * so a failure anywhere is the same exit code everywhere.
 *
 *   begin    rank 0: settings, run directory, scans                       (job_begin.c)
 *   sweep    rank 0 leads (master.c), the others serve (worker.c)
 *   train    the workers together (train_stage.c), after a sweep that fills the cache; a
 *            sweep for hard negatives in the middle of it (job_hard.c); with a fold, what
 *            follows sees its test subset alone
 *   finish   run.h5 by all, lists by rank 0, the score (score_stage.c), the report, DONE
 *            last
 */
#include "run/job.h"

#include "base/clock.h"
#include "base/log.h"
#include "comm/vigil.h"
#include "run/assembly.h"
#include "run/interrupt.h"
#include "run/job_internal.h"
#include "run/protocol.h"
#include "run/score_stage.h"
#include "run/usage.h"

enum { EXIT_FAILED = 1, EXIT_QUARANTINED = 3 };

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
                             .folder = &j->folder,
                             .ensemble = detector_is_ensemble(j->detector),
                             .fold = j->asked->stages.train ? j->asked->train.fold
                                                            : detector_fold(j->detector)};
}

/* run.h5, then what it cost: the collective part of finishing. */
static enum status store_together(struct job *j, struct error *err)
{
    struct assembly a = assembly_of(j);
    enum status status = j->settings->stages.detect ? assembly_store(&a, err) : STATUS_OK;
    if (status != STATUS_OK)
        return status;
    double timings[TIMING_COUNT];
    for (int t = 0; t < TIMING_COUNT; t++)
        timings[t] = j->timings[t] + detector_timings(j->detector)[t];
    watchdog_arm(j->watchdog, j->settings->limits.deadline_s * PATIENCE_DEADLINES,
                 "writing what the run took");
    status = usage_report(j->comm, job_is_master(j) ? &j->folder : NULL, timings,
                          j->threads, clock_seconds() - j->started, err);
    watchdog_disarm(j->watchdog);
    return status;
}

/* Rank 0 works while all others wait in vigil_end. */
static void alone(void *context)
{
    struct job *j = context;
    vigil_alive(j->comm, &j->ping_time);
    if (j->around && j->schedule)
        progress_show(j->progress, schedule_counts(j->schedule), "score", false);
}

enum status job_score(struct job *j, struct error *err)
{
    const struct score_job s = {.comm = j->comm,
                                .settings = j->asked,
                                .watchdog = j->watchdog,
                                .alive = alone,
                                .context = j};
    return score_stage_run(&s, err);
}

static enum status assemble(void *context, enum assemble_what what, struct error *err)
{
    return what == ASSEMBLE_SCORE ? job_score(context, err)
                                  : store_together(context, err);
}

static void watch_writing(struct job *j, const char *what)
{
    j->writing = what;
    watchdog_arm(j->watchdog, j->settings->limits.deadline_s * PATIENCE_DEADLINES, "%s",
                 what);
}

/* Sending a message is watched instead of what is written, which then goes on. */
static void still_alive(void *context)
{
    struct job *j = context;
    double now = clock_seconds();
    watchdog_touch(j->watchdog);
    if (j->around)
        progress_show(j->progress, schedule_counts(j->schedule), "assemble", false);
    if (now - j->ping_time < j->settings->limits.deadline_s / PINGS_PER_DEADLINE)
        return;
    j->ping_time = now;
    master_tell(&j->master, SAYS_PING, 0, NULL, 0);
    watch_writing(j, j->writing);
}

/* The page, where it is asked for; rank 0 only. */
static enum status show(struct job *j, void (*alive)(void *context), struct error *err)
{
    if (!j->asked->stages.report)
        return STATUS_OK;
    if (j->progress && j->schedule)
        progress_show(j->progress, schedule_counts(j->schedule), "report", true);
    return j->page(j->asked->output, alive, j, err);
}

static enum status finish(struct job *j, int *exit_code, struct error *err)
{
    enum status status = STATUS_OK;
    struct assembly a = assembly_of(j);
    size_t quarantined;
    watchdog_arm(j->watchdog, j->settings->limits.deadline_s * PATIENCE_DEADLINES,
                 "looking at the scans once more");
    if (j->hooks)
        TRY(j->hooks->inspect(j->hooks->context, &j->dataset, j->ledger, err));
    progress_show(j->progress, schedule_counts(j->schedule),
                  j->settings->stages.detect ? "assemble" : "prepare", true);
    master_tell(&j->master, SAYS_ASSEMBLE, ASSEMBLE_STORE, NULL, 0);
    TRY(store_together(j, err));
    j->ping_time = clock_seconds();
    watch_writing(j, "writing the lists");
    if (j->settings->stages.detect)
        TRY(assembly_lists(&a, still_alive, j, err));
    TRY(assembly_quarantine(&j->folder, j->ledger, err));
    ledger_quarantined(j->ledger, &quarantined);
    if (j->asked->stages.score) {
        progress_show(j->progress, schedule_counts(j->schedule), "score", true);
        master_tell(&j->master, SAYS_ASSEMBLE, ASSEMBLE_SCORE, NULL, 0);
        TRY(job_score(j, err));
    }
    watch_writing(j, "writing the report");
    TRY(show(j, still_alive, err));
    watch_writing(j, "writing DONE");
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
    if (j->settings->stages.prepare && j->ledger)
        report_cache(j);
    if (exit_code == EXIT_QUARANTINED)
        log_info("quarantine.csv names what was left out and why");
}

int job_conclude(struct job *j, enum status status, int exit_code,
                 const struct error *err)
{
    const char *state = "done";
    watchdog_arm(j->watchdog, j->asked->limits.deadline_s * PATIENCE_DEADLINES,
                 "writing how the job ended");
    if (status != STATUS_OK) {
        struct error ignored;
        exit_code = status_exit_code(status);
        state = status == STATUS_JOB_INTERRUPTED ? "checkpointed" : "failed";
        if (status == STATUS_JOB_INTERRUPTED)
            log_info("%s", err->message);
        else
            log_error("%s", err->message);
        if (j->ledger)
            assembly_quarantine(&j->folder, j->ledger, &ignored);
    }
    struct schedule_counts none = {0};
    progress_end(j->progress, j->schedule ? schedule_counts(j->schedule) : none, state,
                 exit_code, status == STATUS_OK ? NULL : err->message);
    if (status == STATUS_OK && j->schedule)
        report(j, exit_code);
    watchdog_disarm(j->watchdog);
    return exit_code;
}

/* `last`: the results are assembled after it. Returns the exit code, or JOB_GO_ON. */
static int lead(struct job *j, bool last)
{
    struct error err;
    int exit_code = JOB_GO_ON;
    struct detector *own = comm_computes(j->comm) ? j->detector : NULL;
    enum status status = master_run(&j->master, own, &err);
    if (status == STATUS_OK && last)
        status = finish(j, &exit_code, &err);
    if (status != STATUS_OK || last)
        exit_code = job_conclude(j, status, exit_code, &err);
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

int job_give_up(struct job *j, enum status status, const struct error *err)
{
    if (job_is_master(j) && j->claimed)
        return job_conclude(j, status, 0, err);
    if (job_is_master(j))
        log_error("%s", err->message);
    return status_exit_code(status);
}

int job_sweep(struct job *j, bool prepare, bool detect, bool last)
{
    struct error err;
    enum status status = job_open_sweep(j, prepare, detect, &err);
    if (status != STATUS_OK)
        return job_give_up(j, status, &err);
    return job_is_master(j) ? lead(j, last) : serve(j);
}

/* ---- training ---- */

static void note_training(struct job *j, struct trainer_seconds s)
{
    j->timings[TIMING_TRAIN] += s.compute;
    j->timings[TIMING_TRAIN_WAIT] += s.wait;
    j->timings[TIMING_TRAIN_INPUT] += s.input;
    j->timings[TIMING_ALLREDUCE] += s.allreduce;
    j->timings[TIMING_VALIDATION] += s.validation;
    j->timings[TIMING_CHECKPOINT] += s.checkpoint;
}

/* The models just trained serve the stages that were given no weights. */
static enum status take_models(struct job *j, struct error *err)
{
    enum status status = STATUS_OK;
    struct settings *s = &j->now;
    char **weights[TRAIN_STAGES] = {&s->segment.weights, &s->classify.weights,
                                    &s->malignancy.weights};
    for (enum train_stage i = 0; i < TRAIN_STAGES; i++) {
        if (!s->train.stages[i] || (*weights[i])[0])
            continue;
        TRY(train_stage_model(s, i, &j->weights[i], err));
        *weights[i] = j->weights[i];
    }
out:
    return status;
}

/* The end of a job that trains and does nothing after it. Collective. */
static enum status finish_training(struct job *j, int *exit_code, struct error *err)
{
    size_t quarantined = 0;
    enum status status = store_together(j, err); /* may fail on rank 0 alone */
    watchdog_arm(j->watchdog, j->settings->limits.deadline_s * PATIENCE_DEADLINES,
                 "finishing the run");
    if (job_is_master(j) && status == STATUS_OK) {
        status = assembly_quarantine(&j->folder, j->ledger, err);
        ledger_quarantined(j->ledger, &quarantined);
        *exit_code = quarantined > 0 ? EXIT_QUARANTINED : 0;
        if (status == STATUS_OK)
            status = job_show(j, err);
        if (status == STATUS_OK)
            status = run_folder_finish(&j->folder, *exit_code, err);
    }
    vigil_end(j->comm);
    TRY(comm_agree(j->comm, status, err));
    comm_share(j->comm, exit_code, sizeof *exit_code);
out:
    watchdog_disarm(j->watchdog);
    return status;
}

/* The networks, and between segmenter and classifier the search for hard negatives.
 * Returns the exit code, or JOB_GO_ON. */
static int learn(struct job *j, struct train_work *w)
{
    struct error err;
    enum status status = STATUS_OK;
    const struct settings *s = j->asked;
    const char *hard = s->train.stages[TRAIN_CLASSIFY] ? s->train.hard_negatives : "";
    enum train_stage first = TRAIN_SEGMENT;
    if (!strcmp(hard, "own")) {
        status = train_stage_run(w, TRAIN_SEGMENT, TRAIN_CLASSIFY, &err);
        const int exit_code = status == STATUS_OK ? job_find_hard(j, w) : JOB_GO_ON;
        if (exit_code != JOB_GO_ON)
            return exit_code;
        first = TRAIN_CLASSIFY;
    } else if (hard[0]) {
        status = comm_agree(j->comm, train_stage_take_hard(w, hard, NULL, &err), &err);
    }
    if (status == STATUS_OK)
        status = train_stage_run(w, first, TRAIN_STAGES, &err);
    return status == STATUS_OK ? JOB_GO_ON : job_give_up(j, status, &err);
}

/* A sweep that fills the cache, the training, and what comes after it. */
static int train(struct job *j)
{
    struct error err;
    struct train_work *w;
    int exit_code = job_sweep(j, true, false, false);
    if (exit_code != JOB_GO_ON)
        return exit_code;
    const struct train_job t = {.comm = j->comm,
                                .settings = j->asked,
                                .watchdog = j->watchdog,
                                .isa = j->isa,
                                .threads = j->threads,
                                .dataset = &j->dataset,
                                .progress = j->progress};
    detector_let_go(j->detector);
    enum status status = train_stage_open(&t, &w, &err);
    exit_code = status == STATUS_OK ? learn(j, w) : job_give_up(j, status, &err);
    if (w)
        note_training(j, train_stage_seconds(w));
    train_stage_close(w);
    if (exit_code != JOB_GO_ON)
        return exit_code;
    if (!j->asked->stages.detect) {
        status = finish_training(j, &exit_code, &err);
        if (status != STATUS_OK)
            return job_give_up(j, status, &err);
        return job_is_master(j) ? job_conclude(j, status, exit_code, &err) : exit_code;
    }
    job_close_sweep(j);
    if (job_is_master(j) && j->asked->train.fold >= 0)
        dataset_keep_subset(&j->dataset, (int)j->asked->train.fold);
    status = comm_agree(j->comm, take_models(j, &err), &err);
    return status == STATUS_OK ? job_sweep(j, false, true, true)
                               : job_give_up(j, status, &err);
}

/* What an earlier start finished: score and report may still be wanted. */
static int go_on_from_done(struct job *j)
{
    struct error err;
    int exit_code = j->folder.done_exit_code;
    comm_share(j->comm, &exit_code, sizeof exit_code);
    if (job_is_master(j))
        log_info("%s is done already", j->folder.path);
    enum status status = STATUS_OK;
    if (j->asked->stages.score)
        status = job_score(j, &err);
    if (status == STATUS_OK && job_is_master(j))
        status = job_show(j, &err);
    vigil_end(j->comm);
    watchdog_disarm(j->watchdog);
    status = comm_agree(j->comm, status, &err);
    return status == STATUS_OK ? exit_code : job_give_up(j, status, &err);
}

enum status job_show(struct job *j, struct error *err)
{
    watchdog_arm(j->watchdog, j->asked->limits.deadline_s * PATIENCE_DEADLINES,
                 "writing the report");
    alone(j);
    return show(j, alone, err);
}

static void job_release(struct job *j)
{
    job_close_sweep(j);
    progress_free(j->progress);
    dataset_release(&j->dataset);
    for (int i = 0; i < TRAIN_STAGES; i++)
        free(j->weights[i]);
    free(j->hard_list);
    if (job_is_master(j))
        run_folder_release(&j->folder);
    else
        free(j->folder.heatmaps);
    watchdog_disarm(j->watchdog);
}

static int run(struct job *j)
{
    struct error err;
    int exit_code;
    bool done = false;

    j->watchdog = j->comm->watchdog;
    j->started = clock_seconds();
    j->started_unix = (double)time(NULL);
    j->folder.lock = -1;
    interrupt_install();
    enum status status = job_begin(j, &done, &err);
    if (status != STATUS_OK) {
        if (job_is_master(j))
            log_error("%s", err.message);
        exit_code = status_exit_code(status);
    } else if (done) {
        exit_code = go_on_from_done(j);
    } else if (settings_cross_validates(j->asked)) {
        exit_code = job_cross_validate(j);
    } else if (j->asked->stages.train) {
        exit_code = train(j);
    } else {
        const struct settings *s = j->asked;
        exit_code = job_sweep(j, s->stages.prepare, s->stages.detect, true);
    }
    job_release(j);
    return exit_code;
}

int job_run(const struct comm *c, const struct settings *s, job_report *page)
{
    return job_run_hooked(c, s, page, NULL);
}

int job_run_hooked(const struct comm *c, const struct settings *s, job_report *page,
                   const struct job_hooks *hooks)
{
    struct job j = {.comm = c, .asked = s, .page = page, .hooks = hooks};
    return run(&j);
}

int job_run_within(const struct comm *c, const struct settings *s,
                   const struct job_around *around)
{
    struct job j = {.comm = c, .asked = s, .page = around->page, .around = around};
    const int exit_code = run(&j);
    for (int t = 0; t < TIMING_COUNT; t++)
        around->timings[t] += j.timings[t];
    return exit_code;
}
