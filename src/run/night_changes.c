/*
 * changes.csv: what the new run says that the last one did not. Both stores are read side
 * by side in the order of their scans, one scan at a time.
 */
#include <math.h>

#include "base/file.h"
#include "base/memory.h"
#include "io/csv.h"
#include "io/run_reader.h"
#include "run/night_internal.h"

enum { TEXT_BYTES = 64 };

/* A scan of one of the two runs. */
struct side {
    struct run_reader *store; /* NULL: there is no last run */
    int64_t next;             /* row that is looked at next */
    bool there;               /* it has the scan */
    struct run_store_scan row;
    struct run_store_candidate *candidates; /* of a scan that was done */
    size_t count;
};

struct comparison {
    const struct night *night;
    struct night_changes *counts;
    struct csv_writer out;
    struct side before, after;
    const char *seriesuid;
    const struct night_waiting *waiting; /* the scan waits; NULL: it does not */
};

/* ---- rows ---- */

struct row {
    const char *what, *change;
    const double *xyz; /* NULL: no place */
    const char *quantity, *before, *after, *reason;
};

static void write_row(struct comparison *c, const struct row *r)
{
    csv_write_text(&c->out, c->seriesuid);
    csv_write_text(&c->out, r->what);
    csv_write_text(&c->out, r->change);
    for (int k = 0; k < 3; k++)
        csv_write_number(&c->out, "%.6f", r->xyz ? r->xyz[k] : NAN);
    csv_write_text(&c->out, r->quantity ? r->quantity : "");
    csv_write_text(&c->out, r->before ? r->before : "");
    csv_write_text(&c->out, r->after ? r->after : "");
    csv_write_text(&c->out, r->reason ? r->reason : "");
    csv_write_end(&c->out);
}

static const char *number(double value, char text[TEXT_BYTES])
{
    if (isnan(value))
        text[0] = '\0';
    else
        snprintf(text, TEXT_BYTES, "%.9g", value);
    return text;
}

static bool differs(double a, double b, double tolerance)
{
    return isnan(a) != isnan(b) || fabs(a - b) > tolerance;
}

/* A row when a number has changed beyond the tolerance. */
static bool write_number(struct comparison *c, const char *what, const double *xyz,
                         const char *quantity, double before, double after,
                         double tolerance)
{
    char was[TEXT_BYTES], is[TEXT_BYTES];
    if (!differs(before, after, tolerance))
        return false;
    write_row(c, &(struct row){.what = what,
                               .change = "changed",
                               .xyz = xyz,
                               .quantity = quantity,
                               .before = number(before, was),
                               .after = number(after, is)});
    return true;
}

/* ---- findings ---- */

/* Index of the candidate nearest to a place within the tolerance that `taken` leaves, or
 * -1. */
static int64_t nearest(const double xyz[3], const struct side *s, const bool *taken,
                       double tolerance_mm)
{
    int64_t best = -1;
    double least = tolerance_mm * tolerance_mm;
    for (size_t i = 0; i < s->count; i++) {
        double square = 0;
        for (int k = 0; k < 3; k++)
            square +=
                (s->candidates[i].xyz[k] - xyz[k]) * (s->candidates[i].xyz[k] - xyz[k]);
        if (taken[i] || square > least || (square == least && best >= 0))
            continue;
        best = (int64_t)i;
        least = square;
    }
    return best;
}

static void write_finding(struct comparison *c, const struct run_store_candidate *f,
                          bool is_new)
{
    char text[TEXT_BYTES];
    number((double)f->probability, text);
    write_row(c, &(struct row){.what = "finding",
                               .change = is_new ? "new" : "vanished",
                               .xyz = f->xyz,
                               .quantity = "probability",
                               .before = is_new ? "" : text,
                               .after = is_new ? text : ""});
    *(is_new ? &c->counts->findings_new : &c->counts->findings_vanished) += 1;
}

static void compare_pair(struct comparison *c, const struct run_store_candidate *was,
                         const struct run_store_candidate *is)
{
    const struct settings *s = c->night->settings;
    bool changed =
        write_number(c, "finding", is->xyz, "probability", (double)was->probability,
                     (double)is->probability, s->nightly.tolerance);
    changed |= write_number(c, "finding", is->xyz, "malignancy", (double)was->malignancy,
                            (double)is->malignancy, s->nightly.tolerance);
    changed |= write_number(c, "finding", is->xyz, "diameter_mm", was->diameter_mm,
                            is->diameter_mm, s->nightly.tolerance_mm);
    c->counts->findings_changed += changed;
}

static bool is_finding(const struct comparison *c, const struct run_store_candidate *f)
{
    return (double)f->probability >= c->night->settings->classify.threshold;
}

/* Findings of the new run are paired with the nearest candidates of the last one, then
 * what is left of the last one's findings with candidates that are no findings now. */
static enum status compare_findings(struct comparison *c, struct error *err)
{
    enum status status = STATUS_OK;
    const double mm = c->night->settings->nightly.tolerance_mm;
    const struct side *b = &c->before, *a = &c->after;
    bool *before_taken = NULL, *after_taken = NULL;
    TRY(memory_new(b->count, 1, "findings", (void **)&before_taken, err));
    TRY(memory_new(a->count, 1, "findings", (void **)&after_taken, err));
    for (size_t i = 0; i < a->count; i++) {
        if (!is_finding(c, &a->candidates[i]))
            continue;
        const int64_t pair = nearest(a->candidates[i].xyz, b, before_taken, mm);
        after_taken[i] = true;
        if (pair < 0) {
            write_finding(c, &a->candidates[i], true);
            continue;
        }
        before_taken[pair] = true;
        compare_pair(c, &b->candidates[pair], &a->candidates[i]);
    }
    for (size_t i = 0; i < b->count; i++) {
        if (before_taken[i] || !is_finding(c, &b->candidates[i]))
            continue;
        const int64_t pair = nearest(b->candidates[i].xyz, a, after_taken, mm);
        if (pair < 0) {
            write_finding(c, &b->candidates[i], false);
            continue;
        }
        after_taken[pair] = true;
        compare_pair(c, &b->candidates[i], &a->candidates[pair]);
    }
out:
    free(before_taken);
    free(after_taken);
    return status;
}

/* ---- scans ---- */

static bool is_done(const struct side *s)
{
    return s->there && !strcmp(s->row.status, "done");
}

static const char *seen_reason(const struct side *s)
{
    return s->count > 0 && s->candidates[0].seen > 0
               ? "the models were trained or selected on this scan"
               : "";
}

static void write_scan(struct comparison *c, const char *change, const char *reason)
{
    char was[TEXT_BYTES], is[TEXT_BYTES];
    write_row(
        c,
        &(struct row){
            .what = "scan",
            .change = change,
            .quantity = "nodules",
            .before =
                number(is_done(&c->before) ? (double)c->before.row.nodules : NAN, was),
            .after = number(is_done(&c->after) ? (double)c->after.row.nodules : NAN, is),
            .reason = reason});
}

static void compare_diagnoses(struct comparison *c)
{
    const struct run_store_scan *b = &c->before.row, *a = &c->after.row;
    bool changed = write_number(c, "diagnosis", NULL, "score", b->score, a->score,
                                c->night->settings->nightly.tolerance);
    changed |= write_number(c, "diagnosis", NULL, "nodules", (double)b->nodules,
                            (double)a->nodules, 0);
    if (strcmp(b->diagnosis, a->diagnosis) != 0) {
        write_row(c, &(struct row){.what = "diagnosis",
                                   .change = "changed",
                                   .quantity = "status",
                                   .before = b->diagnosis,
                                   .after = a->diagnosis});
        changed = true;
    }
    c->counts->diagnoses += changed;
}

/* Both runs have results of the scan. */
static enum status compare_results(struct comparison *c, struct error *err)
{
    if (strcmp(c->before.row.content, c->after.row.content) != 0) {
        write_row(c, &(struct row){.what = "scan",
                                   .change = "changed",
                                   .quantity = "content",
                                   .before = c->before.row.content,
                                   .after = c->after.row.content,
                                   .reason = seen_reason(&c->after)});
        c->counts->changed++;
    }
    compare_diagnoses(c);
    return compare_findings(c, err);
}

static enum status compare_scan(struct comparison *c, struct error *err)
{
    char reason[512];
    if (c->waiting) {
        write_scan(c, "waiting", c->waiting->reason);
        return STATUS_OK;
    }
    if (!c->after.there) {
        write_scan(c, "vanished", "it is no longer in the tree");
        c->counts->vanished++;
        return STATUS_OK;
    }
    if (is_done(&c->before) && is_done(&c->after))
        return compare_results(c, err);
    if (!is_done(&c->after)) {
        if (c->before.there && !is_done(&c->before))
            return STATUS_OK; /* as before */
        snprintf(reason, sizeof reason, "%s%s", c->after.row.reason,
                 c->before.there ? "; its result of the last run is not carried over"
                                 : "");
        write_scan(c, "quarantined", reason);
        c->counts->quarantined++;
        return STATUS_OK;
    }
    write_scan(c, c->before.there ? "recovered" : "new", seen_reason(&c->after));
    *(c->before.there ? &c->counts->recovered : &c->counts->new) += 1;
    return compare_findings(c, err);
}

/* ---- both runs, scan by scan ---- */

static enum status side_open(struct side *s, const char *store, struct error *err)
{
    return run_reader_open(store, &s->store, err);
}

static bool side_has_more(const struct side *s)
{
    return s->store && s->next < run_reader_scan_count(s->store);
}

static enum status side_look(struct side *s, struct error *err)
{
    if (!side_has_more(s))
        return STATUS_OK;
    return run_reader_scan(s->store, s->next, &s->row, err);
}

/* Takes the scan that is looked at, when it is this one. */
static enum status side_take(struct side *s, const char *seriesuid, struct error *err)
{
    free(s->candidates);
    s->candidates = NULL;
    s->count = 0;
    s->there = side_has_more(s) && !strcmp(s->row.seriesuid, seriesuid);
    if (!is_done(s))
        return STATUS_OK;
    s->count = (size_t)s->row.candidate_count;
    return run_reader_candidates(s->store, &s->row, &s->candidates, err);
}

/* The first name of those that are looked at, NULL at the end of all. */
static const char *first_name(const struct comparison *c, size_t waiting)
{
    const char *names[] = {
        side_has_more(&c->before) ? c->before.row.seriesuid : NULL,
        side_has_more(&c->after) ? c->after.row.seriesuid : NULL,
        waiting < c->night->waiting_count ? c->night->waiting[waiting].seriesuid : NULL};
    const char *first = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i] && (!first || strcmp(names[i], first) < 0))
            first = names[i];
    return first;
}

static enum status compare_runs(struct comparison *c, struct error *err)
{
    enum status status = STATUS_OK;
    size_t waiting = 0;
    char *seriesuid = NULL;
    TRY(side_look(&c->before, err));
    TRY(side_look(&c->after, err));
    for (const char *first; (first = first_name(c, waiting));) {
        free(seriesuid);
        seriesuid = NULL;
        TRY(text_new(first, &seriesuid, err));
        c->seriesuid = seriesuid;
        c->waiting = NULL;
        if (waiting < c->night->waiting_count &&
            !strcmp(c->night->waiting[waiting].seriesuid, seriesuid))
            c->waiting = &c->night->waiting[waiting++];
        TRY(side_take(&c->before, seriesuid, err));
        TRY(side_take(&c->after, seriesuid, err));
        c->counts->seen += c->after.count > 0 && c->after.candidates[0].seen > 0;
        TRY(compare_scan(c, err));
        c->before.next += c->before.there;
        c->after.next += c->after.there;
        if (c->before.there)
            TRY(side_look(&c->before, err));
        if (c->after.there)
            TRY(side_look(&c->after, err));
    }
out:
    free(seriesuid);
    return status;
}

static enum status open_all(struct comparison *c, struct error *err)
{
    enum status status = STATUS_OK;
    const struct night_folder *f = &c->night->folder;
    char *before = NULL, *after = NULL, *path = NULL;
    TRY(path_join(f->next, "run.h5", &after, err));
    TRY(path_join(f->next, "changes.csv", &path, err));
    TRY(side_open(&c->after, after, err));
    if (night_folder_last(f)) {
        TRY(night_folder_file(f, night_folder_last(f), "run.h5", &before, err));
        TRY(side_open(&c->before, before, err));
    }
    TRY(csv_writer_open(&c->out, path,
                        "seriesuid,what,change,coordX,coordY,coordZ,quantity,before,"
                        "after,reason",
                        err));
out:
    free(before);
    free(after);
    free(path);
    return status;
}

enum status night_changes_write(const struct night *n, struct night_changes *out,
                                struct error *err)
{
    enum status status = STATUS_OK;
    struct comparison c = {.night = n, .counts = out, .seriesuid = ""};
    *out = (struct night_changes){0};
    TRY(open_all(&c, err));
    if (n->why_all)
        write_row(
            &c, &(struct row){.what = "run", .change = "changed", .reason = n->why_all});
    TRY(compare_runs(&c, err));
    status = csv_writer_commit(&c.out, err);
out:
    csv_writer_abandon(&c.out);
    run_reader_close(c.before.store);
    run_reader_close(c.after.store);
    free(c.before.candidates);
    free(c.after.candidates);
    if (status_is_item(status))
        status = err->code = STATUS_JOB_FAILED;
    return status;
}
