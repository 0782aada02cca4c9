/*
 * The life of a cross-validation: one run that is made of others, each in a folder of its
 * own, with books and DONE of its own.
 *
 *   OUTPUT/prepare    the scans into the cache, by all ranks
 *   OUTPUT/folds/K    networks trained without subset K, which they then are tested on;
 *                     by a group of ranks (crossval_lead.c)
 *   OUTPUT            all folds as one run (fold_merge.c), scored by all ranks
 *
 * What each part leaves depends neither on who made it nor when, so parts may as well be
 * made by jobs of their own (slurm/crossval.sh), and a start goes on with the parts that
 * are not done, each from where it was.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "comm/vigil.h"
#include "run/crossval_groups.h"
#include "run/crossval_internal.h"
#include "run/protocol.h"

enum { EXIT_QUARANTINED = 3 };

static enum status make_part(const struct settings *s, const char *folder,
                             struct part *out, struct error *err)
{
    *out = (struct part){.settings = *s};
    if (asprintf(&out->folder, "%s/%s", s->output, folder) < 0) {
        out->folder = NULL;
        return error_set(err, STATUS_STAGE_MEMORY, "no memory for a path");
    }
    out->settings.output = out->folder;
    return STATUS_OK;
}

enum status crossval_fold(const struct settings *s, int fold, struct part *out,
                          struct error *err)
{
    char folder[32];
    snprintf(folder, sizeof folder, "folds/%d", fold);
    const enum status status = make_part(s, folder, out, err);
    out->settings.train.fold = fold;
    return status;
}

/* All scans into the cache. Returns the exit code. */
static int prepare(struct crossval *c)
{
    struct part part;
    struct error err;
    int exit_code;
    enum status status = make_part(c->job->asked, "prepare", &part, &err);
    memset(&part.settings.stages, 0, sizeof part.settings.stages);
    part.settings.stages.prepare = true;
    status = comm_agree(c->job->comm, status, &err);
    exit_code = status == STATUS_OK
                    ? job_run_within(c->job->comm, &part.settings, &c->around)
                    : job_give_up(c->job, status, &err);
    free(part.folder);
    return exit_code;
}

/* Makes the folder that of this run, and finds out which folds are left to do. */
static enum status begin(struct crossval *c, struct error *err)
{
    enum status status = STATUS_OK;
    struct job *j = c->job;
    int left = 0;
    watchdog_arm(j->watchdog, j->asked->limits.deadline_s * PATIENCE_DEADLINES,
                 "looking at the folds that are done");
    if (job_is_master(j)) {
        status = fold_merge_look(c, err);
        if (status == STATUS_OK)
            status = run_folder_claim(&j->folder, j->asked, err);
        j->claimed = status == STATUS_OK;
        for (int k = 0; k < SETTINGS_SUBSETS; k++)
            left += c->folds[k] == FOLD_WAITS;
    }
    TRY(comm_agree(j->comm, status, err));
    comm_share(j->comm, &left, sizeof left);
    const int workers = comm_worker_count(j->comm);
    c->group_count = crossval_groups(j->asked->crossval.groups, left, workers);
    if (job_is_master(j) && left > 0 && j->asked->stages.train)
        log_info("%d folds to run in %d group%s of %d to %d ranks", left, c->group_count,
                 c->group_count == 1 ? "" : "s", workers / c->group_count,
                 (workers + c->group_count - 1) / c->group_count);
out:
    watchdog_disarm(j->watchdog);
    return status;
}

/* Rank 0's word on the folds that are not there stands in the message of fold_merge. */
static enum status run_folds(struct crossval *c, struct error *err)
{
    const struct comm *world = c->job->comm;
    const int worker = world->rank - comm_first_worker(world);
    c->line[0] = '\0';
    for (int k = 0; k < SETTINGS_SUBSETS && !c->job->asked->stages.train; k++)
        if (c->folds[k] == FOLD_WAITS)
            c->folds[k] = FOLD_FAILED; /* nobody runs it here */
    comm_group(world,
               comm_computes(world)
                   ? crossval_group_of(worker, c->group_count, comm_worker_count(world))
                   : -1,
               &c->group);
    const enum status status = crossval_run_folds(c, fold_merge, err);
    comm_release(&c->group);
    return status;
}

/* The score, DONE. */
static enum status finish(struct crossval *c, int *exit_code, struct error *err)
{
    enum status status = STATUS_OK;
    struct job *j = c->job;
    watchdog_arm(j->watchdog, j->asked->limits.deadline_s * PATIENCE_DEADLINES,
                 "finishing the run");
    if (j->asked->stages.score)
        TRY(job_score(j, err));
    *exit_code = c->quarantined ? EXIT_QUARANTINED : 0;
    comm_share(j->comm, exit_code, sizeof *exit_code);
    if (job_is_master(j)) {
        status = job_show(j, err);
        if (status == STATUS_OK)
            status = run_folder_finish(&j->folder, *exit_code, err);
    }
    vigil_end(j->comm);
    TRY(comm_agree(j->comm, status, err));
out:
    watchdog_disarm(j->watchdog);
    return status;
}

static void say_end(const struct crossval *c, int exit_code)
{
    char spent[32];
    int folds = 0;
    for (int k = 0; k < SETTINGS_SUBSETS; k++)
        folds += c->folds[k] == FOLD_DONE;
    clock_describe((double)time(NULL) - c->job->started_unix, spent, sizeof spent);
    log_info("%s: %d folds merged, %d of them run now, %s", c->job->folder.path, folds,
             c->done_now, spent);
    if (exit_code == EXIT_QUARANTINED)
        log_info("quarantine.csv names what was left out and why");
}

int job_cross_validate(struct job *j)
{
    struct error err;
    int exit_code = 0;
    struct crossval c = {.job = j};
    c.around = (struct job_around){.isa = j->isa,
                                   .threads = j->threads,
                                   .tell = crossval_tell,
                                   .context = &c,
                                   .timings = c.timings,
                                   .page = j->page};
    enum status status = begin(&c, &err);
    if (status == STATUS_OK && j->asked->stages.train) {
        exit_code = prepare(&c);
        if (exit_code != 0 && exit_code != EXIT_QUARANTINED)
            status = error_set(&err,
                               exit_code == status_exit_code(STATUS_JOB_INTERRUPTED)
                                   ? STATUS_JOB_INTERRUPTED
                               : exit_code == status_exit_code(STATUS_JOB_CONFIG)
                                   ? STATUS_JOB_CONFIG
                                   : STATUS_JOB_FAILED,
                               "the scans are not prepared: no fold is begun");
    }
    if (status == STATUS_OK)
        status = run_folds(&c, &err);
    if (status == STATUS_OK)
        status = finish(&c, &exit_code, &err);
    free(c.peers);
    if (status != STATUS_OK)
        return job_give_up(j, status, &err);
    if (job_is_master(j)) {
        say_end(&c, exit_code);
        job_conclude(j, status, exit_code, &err);
    }
    return exit_code;
}
