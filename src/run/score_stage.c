#include "run/score_stage.h"

#include <math.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "comm/vigil.h"
#include "run/loss.h"
#include "run/protocol.h"
#include "run/score_internal.h"
#include "score/froc_files.h"

/* What rank 0 has in hand. */
struct scoring {
    const struct score_job *job;
    struct stored_run run;
    struct score_lists lists;
    struct evaluation evaluation;
    struct nodule_list malignancy;
    struct assessed_scan *scans;
    uint8_t *losses;
    struct assessment assessment;
    struct assessment_input input;
    struct assessment_notes notes;
    const char *missing[SCORE_NOTES];
    char key[HASH_HEX_BYTES];
    char *folder;
    bool made; /* by an earlier start */
};

static void arm(const struct score_job *j, const char *what)
{
    watchdog_arm(j->watchdog, j->settings->limits.deadline_s * PATIENCE_DEADLINES,
                 "score: %s", what);
}

/* ---- before any work ---- */

enum status score_stage_check(const struct settings *s, struct error *err)
{
    const char *const findings[] = {s->dataset.annotations, s->dataset.excluded,
                                    s->dataset.malignancy};
    enum status status = STATUS_OK;
    struct nodule_list list = {0};
    struct series_list scans = {0};
    for (size_t i = 0; i < sizeof findings / sizeof *findings; i++)
        if (findings[i][0]) {
            TRY(nodule_list_init(&list, findings[i], err));
            nodule_list_release(&list);
        }
    if (s->stages.detect && !s->dataset.annotations[0])
        log_warning("score: dataset.annotations is not given and not beside the scans: "
                    "nothing will be scored");
    if (s->dataset.seriesuids[0])
        TRY(series_list_init(&scans, s->dataset.seriesuids, err));
out:
    nodule_list_release(&list);
    series_list_release(&scans);
    return status;
}

/* ---- reading ---- */

static void note(struct scoring *s, const char *sentence)
{
    CHECK(s->notes.missing_count < SCORE_NOTES);
    s->missing[s->notes.missing_count++] = sentence;
}

static void note_missing(struct scoring *s)
{
    const struct score_lists *l = &s->lists;
    if (!l->annotations[0])
        note(s, "dataset.annotations is not given and not beside the scans: nothing can "
                "be called found or missed");
    if (!l->excluded[0])
        note(s, "dataset.excluded is not given and not beside the scans: marks on "
                "findings that should not count are false positives here");
    if (!l->seriesuids[0])
        note(s, "dataset.seriesuids is not given and not beside the scans: the scans of "
                "the run are the list");
    if (!l->malignancy[0])
        note(s, "dataset.malignancy is not given and not beside the scans: no ROC of "
                "malignancy or of patients, and the table takes all nodules for benign");
    if (l->malignancy[0] && !s->run.has_malignancy)
        note(s, "the run has no malignancy model: no ROC of malignancy or of patients");
}

static enum status take_scans(struct scoring *s, struct error *err)
{
    enum status status = STATUS_OK;
    const struct evaluation *e = &s->evaluation;
    size_t nodules = 0;
    for (size_t i = 0; i < e->scan_count; i++)
        nodules += e->scans[i].included_count;
    TRY(memory_new(e->scan_count, sizeof *s->scans, "scored scans", (void **)&s->scans,
                   err));
    TRY(memory_new(nodules, sizeof *s->losses, "scored nodules", (void **)&s->losses,
                   err));
    uint8_t *losses = s->losses;
    for (size_t i = 0; i < e->scan_count; i++) {
        const struct stored_scan *scan = stored_run_find(&s->run, e->seriesuids[i]);
        s->scans[i] = (struct assessed_scan){
            .fold = -1, .seen = -1, .thickness_mm = NAN, .patient_score = NAN};
        if (scan)
            s->scans[i] = (struct assessed_scan){.candidates = s->run.candidates +
                                                               scan->candidate_first,
                                                 .candidate_count = scan->candidate_count,
                                                 .done = scan->done,
                                                 .fold = scan->fold,
                                                 .seen = scan->seen,
                                                 .thickness_mm = scan->thickness_mm,
                                                 .patient_score = scan->patient_score};
        TRY(loss_find(&s->run, scan, e->scans[i].included, e->scans[i].included_count,
                      losses, err));
        losses += e->scans[i].included_count;
        s->job->alive(s->job->context);
    }
out:
    return status;
}

static enum status assess(struct scoring *s, struct error *err)
{
    enum status status = STATUS_OK;
    const struct settings *set = &s->run.settings;
    const struct evaluation_paths paths = {s->lists.annotations, s->lists.excluded,
                                           s->lists.seriesuids};
    const struct evaluation_scope scope = {s->run.seriesuids, s->run.scan_count,
                                           s->run.whole};
    TRY(evaluation_init_run(&s->evaluation, &paths, &scope, err));
    evaluation_set_marks(&s->evaluation, &s->run.submission);
    if (s->lists.malignancy[0])
        TRY(nodule_list_init(&s->malignancy, s->lists.malignancy, err));
    TRY(take_scans(s, err));
    s->input = (struct assessment_input){
        .evaluation = &s->evaluation,
        .scans = s->scans,
        .losses = s->losses,
        .malignancy = s->lists.malignancy[0] ? &s->malignancy : NULL,
        /* In the precision of the probabilities, as the diagnosis compares them. */
        .thresholds = {(double)(float)set->classify.threshold,
                       (double)(float)set->malignancy.threshold}};
    TRY(assessment_init(&s->assessment, &s->input, err));
out:
    return status;
}

/* A run that is done is scored as it was made. */
static void say_whose(const char *key, double of_run, double asked)
{
    if (of_run != asked)
        log_info("score: %s is the run's, %g; %g is not taken", key, of_run, asked);
}

static void say_settings(const struct settings *of_run, const struct settings *asked)
{
    say_whose("seed", (double)of_run->seed, (double)asked->seed);
    say_whose("classify.threshold", of_run->classify.threshold,
              asked->classify.threshold);
    say_whose("malignancy.threshold", of_run->malignancy.threshold,
              asked->malignancy.threshold);
}

static enum status prepare(struct scoring *s, struct error *err)
{
    enum status status = STATUS_OK;
    TRY(stored_run_open(&s->run, s->job->settings->output, err));
    say_settings(&s->run.settings, s->job->settings);
    s->lists = score_lists_of(s->job->settings, &s->run.settings);
    TRY(path_join(s->run.folder, "froc", &s->folder, err));
    TRY(score_key(&s->run, &s->lists, s->key, err));
    s->notes = (struct assessment_notes){.key = s->key,
                                         .run_scans = (int64_t)s->run.scan_count,
                                         .whole = s->run.whole,
                                         .missing = s->missing};
    s->made = score_is_made(s->folder, s->key);
    if (s->made)
        return STATUS_OK;
    note_missing(s);
    if (s->lists.annotations[0])
        TRY(assess(s, err));
out:
    return status;
}

/* ---- bootstraps ---- */

/* Rank 0's events and scans, on all ranks. */
struct shared_input {
    struct curve_input curve;
    struct event *events; /* those of other ranks are their own */
    struct scan_totals *scans;
};

static enum status share_input(const struct comm *c, const struct froc_result *r,
                               struct shared_input *in, struct error *err)
{
    enum status status = STATUS_OK;
    *in = (struct shared_input){0};
    if (c->rank == 0)
        in->curve = froc_curve_input(r);
    comm_share(c, &in->curve, sizeof in->curve);
    size_t events = in->curve.event_count, scans = in->curve.scan_count;
    if (c->rank == 0) {
        in->events = r->events;
        in->scans = r->totals;
    } else {
        status = memory_new(events, sizeof *in->events, "events of a curve",
                            (void **)&in->events, err);
        if (status == STATUS_OK)
            status = memory_new(scans, sizeof *in->scans, "scans of a curve",
                                (void **)&in->scans, err);
    }
    TRY(comm_agree(c, status, err));
    comm_share(c, in->events, events * sizeof *in->events);
    comm_share(c, in->scans, scans * sizeof *in->scans);
    in->curve.events = in->events;
    in->curve.scans = in->scans;
out:
    return status;
}

/* Each rank's rows go behind those of the ranks before it: the order of the resamples.
 * The last ranks may have none, or fewer than the others. */
static enum status gather_rows(const struct comm *c, struct bootstrap_rows *mine,
                               struct bootstrap_rows *all, struct error *err)
{
    enum status status = STATUS_OK;
    size_t each = mine->resamples;
    if (c->rank == 0)
        status = bootstrap_rows_init(all, each * (size_t)c->size, err);
    TRY(comm_agree(c, status, err));
    comm_gather(c, mine->grid, each * BOOTSTRAP_GRID * sizeof *mine->grid, all->grid);
    comm_gather(c, mine->summary, each * BOOTSTRAP_SUMMARY * sizeof *mine->summary,
                all->summary);
    all->resamples = SCORE_RESAMPLES;
out:
    return status;
}

/* Fills the band of a result that rank 0 has (NULL elsewhere). Collective. */
static enum status share_bootstrap(const struct comm *c, struct froc_result *r,
                                   uint64_t seed, struct error *err)
{
    enum status status = STATUS_OK;
    struct shared_input in;
    struct bootstrap_rows mine = {0}, all = {0};
    size_t each = (SCORE_RESAMPLES + (size_t)c->size - 1) / (size_t)c->size;
    size_t first = each * (size_t)c->rank, left = 0;
    if (first < SCORE_RESAMPLES)
        left = SCORE_RESAMPLES - first;
    TRY(share_input(c, r, &in, err));
    status = bootstrap_rows_init(&mine, each, err);
    mine.first = first;
    if (status == STATUS_OK && left > 0)
        status =
            bootstrap_fill(&mine, &in.curve, seed, first, left < each ? left : each, err);
    TRY(comm_agree(c, status, err));
    TRY(gather_rows(c, &mine, &all, err));
    if (c->rank == 0)
        status = bootstrap_band_init(&r->band, &all, seed, err);
    TRY(comm_agree(c, status, err));
out:
    if (c->rank > 0) {
        free(in.events);
        free(in.scans);
    }
    bootstrap_rows_release(&mine);
    bootstrap_rows_release(&all);
    return status;
}

static enum status share_bootstraps(struct scoring *s, struct error *err)
{
    enum status status = STATUS_OK;
    const struct comm *c = s->job->comm;
    struct {
        uint64_t parts, seed;
    } plan = {s->assessment.part_count, (uint64_t)s->run.settings.seed};
    comm_share(c, &plan, sizeof plan);
    for (size_t i = 0; i < plan.parts; i++) {
        struct froc_result *r = c->rank == 0 ? &s->assessment.parts[i].froc : NULL;
        uint8_t wanted = r && r->counts.nodules > 0;
        arm(s->job, "resampling the scans");
        comm_share(c, &wanted, sizeof wanted);
        if (wanted)
            TRY(share_bootstrap(c, r, plan.seed, err));
    }
out:
    return status;
}

/* ---- writing ---- */

/* What says that an earlier score is whole goes before any other file changes. */
static enum status write_files(struct scoring *s, struct error *err)
{
    enum status status = STATUS_OK;
    char *path = NULL;
    TRY(folder_make(s->folder, err));
    TRY(path_join(s->folder, "score.json", &path, err));
    unlink(path);
    if (s->lists.annotations[0]) {
        TRY(froc_write(s->folder, "submission", &s->evaluation,
                       &s->assessment.parts[0].froc, err));
        TRY(assessment_write(s->folder, &s->input, &s->assessment, &s->notes, err));
        score_log(&s->input, &s->assessment, &s->notes);
    } else {
        TRY(assessment_write_none(s->folder, &s->notes, err));
        for (size_t i = 0; i < s->notes.missing_count; i++)
            log_warning("score: %s", s->missing[i]);
    }
out:
    free(path);
    return status;
}

static void scoring_release(struct scoring *s)
{
    assessment_release(&s->assessment);
    free(s->scans);
    free(s->losses);
    evaluation_release(&s->evaluation);
    nodule_list_release(&s->malignancy);
    stored_run_release(&s->run);
    free(s->folder);
}

enum status score_stage_run(const struct score_job *j, struct error *err)
{
    enum status status = STATUS_OK;
    struct scoring s = {.job = j};
    const bool master = j->comm->rank == 0;
    arm(j, "reading the run");
    if (master)
        status = prepare(&s, err);
    vigil_end(j->comm);
    TRY(comm_agree(j->comm, status, err));
    uint8_t made = s.made;
    comm_share(j->comm, &made, sizeof made);
    if (made) {
        if (master)
            log_info("score: %s holds the score of these results and lists already",
                     s.folder);
        goto out;
    }
    TRY(share_bootstraps(&s, err));
    arm(j, "writing the files");
    if (master)
        status = write_files(&s, err);
    TRY(comm_agree(j->comm, status, err));
out:
    watchdog_disarm(j->watchdog);
    scoring_release(&s);
    return status;
}
