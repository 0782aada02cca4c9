/*
 * The life of a night. Each step ends in an agreement of all ranks.
 *
 *   begin      rank 0: the claim, the last run, what a killed night left
 *   detect     an ordinary job into next/, with hooks                       (job.c)
 *   canaries   rank 0 makes what is lacking; an ordinary job over them
 *   publish    rank 0: changes.csv, then one rename; links, canaries.csv, old runs
 *
 * Before the rename nothing of the chain has changed; after it the run is the last one,
 * whatever else fails. The next night mends the rest.
 */
#include "run/night.h"

#include <math.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "comm/vigil.h"
#include "run/interrupt.h"
#include "run/night_canaries.h"
#include "run/night_internal.h"
#include "run/protocol.h"

enum { EXIT_LOOK = 3 };

/* A night as a rank sees it. */
struct life {
    const struct comm *comm;
    struct settings now;       /* of the detection; its texts are borrowed */
    struct watchdog *watchdog; /* of comm */
    job_report *page;
    struct night night; /* settings and folder's paths on all ranks, else rank 0's */
    double told;        /* when the others last heard that rank 0 lives */
    bool has_canaries;
    struct night_canary_result canaries;
};

static bool is_master(const struct life *f)
{
    return f->comm->rank == 0;
}

/* All ranks wait for rank 0, not for ever. */
static void watch(const struct life *f, const char *what)
{
    watchdog_arm(f->watchdog, f->night.settings->limits.deadline_s * PATIENCE_DEADLINES,
                 "%s", what);
}

/* ---- begin ---- */

static enum status check(const struct settings *s, struct error *err)
{
    if (!s->stages.detect || s->stages.prepare || s->stages.train)
        return error_set(err, STATUS_JOB_CONFIG,
                         "nightly.enabled: a night detects, and may score: stages = "
                         "[\"detect\"]");
    if (!s->dataset.root[0] || s->dataset.scan[0])
        return error_set(err, STATUS_JOB_CONFIG,
                         "nightly.enabled: a night is over dataset.root = TREE");
    if (!s->output[0])
        return error_set(err, STATUS_JOB_CONFIG,
                         "output is not given: name the folder of the chain of nights "
                         "with --set output=NIGHTS");
    if (s->store.heatmaps)
        return error_set(err, STATUS_JOB_CONFIG,
                         "store.heatmaps: heatmaps do not carry over from night to "
                         "night; leave them out");
    return STATUS_OK;
}

static enum status begin(struct night *n, struct error *err)
{
    enum status status = STATUS_OK;
    TRY(folder_make(n->folder.path, err));
    TRY(claim_take(n->folder.path, &n->claim, err));
    TRY(night_folder_open(&n->folder, err));
    TRY(night_folder_mend(&n->folder, err));
    TRY(night_take_last(n, err));
    TRY(night_check_root(n, err));
out:
    return status;
}

static enum status begin_together(struct life *f, const struct settings *s,
                                  struct error *err)
{
    enum status status = STATUS_OK;
    f->night.settings = s;
    f->night.started = time(NULL);
    watch(f, "a night: beginning");
    status = is_master(f) ? check(s, err) : STATUS_OK;
    TRY(comm_agree(f->comm, status, err));
    status = night_folder_init(&f->night.folder, s->output, err);
    f->now = *s;
    f->now.nightly.enabled = false;
    f->now.stages.report = false; /* its page names the run: when that has its name */
    f->now.output = f->night.folder.next;
    if (status == STATUS_OK && is_master(f)) {
        status = begin(&f->night, err);
        if (status == STATUS_OK)
            status = night_folder_resume(&f->night.folder, &f->now, err);
    }
    TRY(comm_agree(f->comm, status, err));
out:
    watchdog_disarm(f->watchdog);
    return status;
}

/* ---- canaries ---- */

/* Returns the exit code of a night that cannot go on, or 0. Collective. */
static int look_for_canaries(struct life *f)
{
    struct error err;
    enum status status = STATUS_OK;
    struct settings s;
    char *texts[NIGHT_CANARY_TEXTS] = {0};
    uint8_t there = 0;
    int exit_code = 0;
    watch(f, "a night: making canaries");
    if (is_master(f)) {
        bool some = false;
        status = night_canaries_make(&f->night, &some, &err);
        there = some;
    }
    TRY(comm_agree(f->comm, status, &err));
    comm_share(f->comm, &there, sizeof there);
    watchdog_disarm(f->watchdog);
    if (!there)
        return 0;
    status = night_canaries_settings(&f->now, &f->night.folder, &s, texts, &err);
    TRY(comm_agree(f->comm, status, &err));
    if (is_master(f))
        log_info("canaries:");
    const int ended = job_run(f->comm, &s, NULL);
    f->has_canaries = true;
    if (ended == status_exit_code(STATUS_JOB_INTERRUPTED))
        exit_code = ended;
    else if (is_master(f))
        status = night_canaries_judge(&f->night, ended, &f->canaries, &err);
    TRY(comm_agree(f->comm, status, &err));
out:
    watchdog_disarm(f->watchdog);
    for (int i = 0; i < NIGHT_CANARY_TEXTS; i++)
        free(texts[i]);
    if (status != STATUS_OK) {
        exit_code = status_exit_code(status);
        if (is_master(f))
            log_error("%s", err.message);
    }
    return exit_code;
}

/* ---- publish ---- */

/* The job as it stands in the run names the run's own folder, so that it can be asked
 * for again. */
static enum status write_job(const struct life *f, const char *name, struct error *err)
{
    enum status status = STATUS_OK;
    struct settings s = f->now;
    char *file = NULL, *text = NULL, *output = NULL;
    size_t bytes;
    TRY(night_folder_file(&f->night.folder, name, "", &output, err));
    s.output = output;
    s.stages.report = f->night.settings->stages.report;
    TRY(path_join(f->night.folder.next, "job.cfg", &file, err));
    TRY(settings_print(&s, &text, &bytes, err));
    status = file_write(file, text, bytes, err);
out:
    free(output);
    free(file);
    free(text);
    return status;
}

static void summarize(const struct night *n, const char *name, const char *last,
                      const struct night_changes *c)
{
    log_info("%s/runs/%s: %zu scans: %zu run, %zu carried over, %zu quarantined; %zu "
             "wait for the next night",
             n->folder.path, name, n->scans, n->scans - n->carried - n->quarantined,
             n->carried, n->quarantined, n->waiting_count);
    log_info("since %s: scans %zu new, %zu vanished, %zu changed, %zu newly quarantined, "
             "%zu recovered",
             last ? last : "nothing", c->new, c->vanished, c->changed, c->quarantined,
             c->recovered);
    log_info("since %s: findings %zu new, %zu vanished, %zu changed; %zu diagnoses "
             "changed; changes.csv names them",
             last ? last : "nothing", c->findings_new, c->findings_vanished,
             c->findings_changed, c->diagnoses);
    if (c->seen > 0)
        log_info("the models were trained or selected on %zu of these scans (column seen "
                 "of candidates.csv)",
                 c->seen);
}

static void alive(void *context)
{
    struct life *f = context;
    vigil_alive(f->comm, &f->told);
}

static enum status show(struct life *f, const char *name, struct error *err)
{
    char *folder;
    if (!f->night.settings->stages.report)
        return STATUS_OK;
    enum status status = night_folder_file(&f->night.folder, name, "", &folder, err);
    alive(f);
    if (status == STATUS_OK)
        status = f->page(folder, alive, f, err);
    free(folder);
    return status;
}

/* What comes after the rename; the first failure is reported, the rest is done. */
static enum status tidy(struct life *f, const char *name, int exit_code,
                        struct error *err)
{
    struct night *n = &f->night;
    struct error later;
    char *done = NULL, text[16];
    enum status status = night_folder_retain(&n->folder, n->settings->nightly.keep, err);
    enum status next = night_folder_link(&n->folder, status == STATUS_OK ? err : &later);
    status = status == STATUS_OK ? next : status;
    if (f->has_canaries) {
        next = night_canaries_note(n, name, &f->canaries,
                                   status == STATUS_OK ? err : &later);
        status = status == STATUS_OK ? next : status;
    }
    next = show(f, name, status == STATUS_OK ? err : &later);
    TRY(status == STATUS_OK ? next : status);
    const int bytes = snprintf(text, sizeof text, "%d\n", exit_code);
    TRY(path_join(n->folder.path, "DONE", &done, err));
    status = file_write(done, text, (size_t)bytes, err);
out:
    free(done);
    return status;
}

static enum status publish(struct life *f, int exit_code, struct error *err)
{
    struct night *n = &f->night;
    enum status status = STATUS_OK;
    struct night_changes changes;
    char *name = NULL, *last = NULL;
    bool published = false;
    if (night_folder_last(&n->folder))
        TRY(text_new(night_folder_last(&n->folder), &last, err));
    TRY(night_changes_write(n, &changes, err));
    TRY(night_folder_name(&n->folder, n->started, &name, err));
    TRY(write_job(f, name, err));
    if (!claim_is_held(n->claim))
        TRY(error_set(err, STATUS_JOB_FAILED,
                      "%s: another night has taken this one for dead and its place: "
                      "nothing is published",
                      n->folder.path));
    TRY(night_folder_publish(&n->folder, name, err));
    published = true;
    summarize(n, name, last, &changes);
    TRY(tidy(f, name, exit_code, err));
out:
    if (status != STATUS_OK && published)
        error_prefix(err, "runs/%s is published, but", name);
    free(name);
    free(last);
    return status;
}

/* ---- the whole ---- */

static void life_release(struct life *f)
{
    struct night *n = &f->night;
    claim_give_back(n->claim);
    for (size_t i = 0; i < n->last_count; i++)
        free(n->last_seriesuids[i]);
    for (size_t i = 0; i < n->waiting_count; i++) {
        free(n->waiting[i].seriesuid);
        free(n->waiting[i].reason);
    }
    for (size_t i = 0; i < n->source_count; i++) {
        free(n->sources[i].seriesuid);
        free(n->sources[i].path);
    }
    free(n->last_seriesuids);
    free(n->last_done);
    free(n->waiting);
    free(n->sources);
    free(n->why_all);
    free(n->identity);
    night_folder_release(&n->folder);
}

static bool is_complete(int exit_code)
{
    return exit_code == 0 || exit_code == EXIT_LOOK;
}

/* Detection, canaries, publishing. Returns the exit code. Collective. */
static int spend(struct life *f)
{
    struct error err;
    enum status status = STATUS_OK;
    const struct job_hooks hooks = {.context = &f->night,
                                    .choose = night_choose,
                                    .carry = night_carry,
                                    .inspect = night_inspect};
    int exit_code = job_run_hooked(f->comm, &f->now, NULL, &hooks);
    if (!is_complete(exit_code))
        return exit_code;
    const int cut = look_for_canaries(f);
    if (cut != 0)
        return cut;
    watch(f, "a night: publishing");
    if (is_master(f)) {
        exit_code = f->canaries.alarm ? EXIT_LOOK : exit_code;
        status = publish(f, exit_code, &err);
        if (status != STATUS_OK)
            log_error("%s", err.message);
    }
    vigil_end(f->comm);
    status = comm_agree(f->comm, status, &err);
    comm_share(f->comm, &exit_code, sizeof exit_code);
    watchdog_disarm(f->watchdog);
    return status == STATUS_OK ? exit_code : status_exit_code(status);
}

static void say_what_stays(const struct life *f, int exit_code)
{
    const char *last = night_folder_last(&f->night.folder);
    if (!is_master(f) || is_complete(exit_code) || !f->night.claim)
        return;
    log_info("exit code %d%s%s%s", exit_code,
             exit_code == status_exit_code(STATUS_JOB_INTERRUPTED)
                 ? ": the same command goes on"
                 : ": this night is not complete",
             last ? "; the last published run is runs/" : "; no run is published",
             last ? last : "");
}

int night_run(const struct comm *c, const struct settings *s, job_report *page)
{
    struct life f = {.comm = c, .watchdog = c->watchdog, .page = page};
    struct error err;
    int exit_code;
    f.night.settings = s;
    interrupt_install();
    enum status status = begin_together(&f, s, &err);
    if (status == STATUS_OK) {
        exit_code = spend(&f);
    } else {
        exit_code = status_exit_code(status);
        if (is_master(&f))
            log_error("%s", err.message);
    }
    say_what_stays(&f, exit_code);
    life_release(&f);
    return exit_code;
}
