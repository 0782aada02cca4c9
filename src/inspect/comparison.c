#include "inspect/comparison.h"

#include <math.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "inspect/comparison_internal.h"
#include "run/run_folder.h"

enum { LIST_LIMIT = 1 << 30 };

/* ---- the runs ---- */

static enum status open_run(struct stored_run *r, const char *folder, struct error *err)
{
    enum status status = STATUS_OK;
    TRY(stored_run_open(r, folder, err));
    if (run_folder_exit_code(folder) < 0)
        status = error_set(err, STATUS_JOB_FAILED,
                           "%s: the run is not done: there is no DONE in it", folder);
out:
    return status;
}

static enum status share_scans(struct comparison_sources *s, struct comparison *c,
                               struct error *err)
{
    const struct stored_run *a = &s->runs[0], *b = &s->runs[1];
    enum status status = memory_new(a->scan_count, sizeof *s->shared, "shared scans",
                                    (void **)&s->shared, err);
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < a->scan_count; i++)
        if (stored_run_find(b, a->seriesuids[i]))
            s->shared[s->shared_count++] = a->seriesuids[i];
    c->shared = (int64_t)s->shared_count;
    for (int k = 0; k < 2; k++) {
        c->run_scans[k] = (int64_t)s->runs[k].scan_count;
        c->only[k] = c->run_scans[k] - c->shared;
    }
    if (s->shared_count == 0)
        return error_set(err, STATUS_JOB_FAILED,
                         "%s and %s have no scan in common: there is nothing to compare",
                         a->folder, b->folder);
    return STATUS_OK;
}

/* ---- the truth ---- */

static enum status hash_list(const char *path, struct hash128 *out, struct error *err)
{
    char *text;
    size_t bytes;
    enum status status = file_read(path, LIST_LIMIT, &text, &bytes, err);
    if (status != STATUS_OK)
        return status;
    *out = hash128(text, bytes);
    free(text);
    return STATUS_OK;
}

/* *out = the list that both runs are held against: the one asked for, or that of the
 * runs, which must not be two. */
static enum status choose_list(const char *option, const char *asked, const char *of_a,
                               const char *of_b, const char **out, struct error *err)
{
    enum status status = STATUS_OK;
    struct hash128 a, b;
    *out = asked ? asked : of_a[0] ? of_a : of_b;
    if (asked || !of_a[0] || !of_b[0] || !strcmp(of_a, of_b))
        return STATUS_OK;
    TRY(hash_list(of_a, &a, err));
    TRY(hash_list(of_b, &b, err));
    if (!hash_equal(a, b))
        status =
            error_set(err, STATUS_JOB_CONFIG,
                      "the runs have different lists, %s and %s: say which one counts "
                      "with --%s",
                      of_a, of_b, option);
out:
    /* Which one cannot be read is said; an option spares it. */
    if (status_is_item(status)) {
        error_prefix(err,
                     "the lists of the runs cannot be told apart (--%s says which one "
                     "counts)",
                     option);
        status = err->code = STATUS_JOB_CONFIG;
    }
    return status;
}

static enum status choose_lists(struct comparison_sources *s,
                                const struct comparison_request *r, struct error *err)
{
    enum status status = STATUS_OK;
    const struct settings *a = &s->runs[0].settings, *b = &s->runs[1].settings;
    TRY(choose_list("annotations", r->annotations, a->dataset.annotations,
                    b->dataset.annotations, &s->truth.annotations, err));
    TRY(choose_list("excluded", r->excluded, a->dataset.excluded, b->dataset.excluded,
                    &s->truth.excluded, err));
    TRY(choose_list("seriesuids", r->seriesuids, a->dataset.seriesuids,
                    b->dataset.seriesuids, &s->truth.seriesuids, err));
    TRY(choose_list("malignancy", r->malignancy, a->dataset.malignancy,
                    b->dataset.malignancy, &s->truth.malignancy, err));
    if (!s->truth.annotations[0])
        status =
            error_set(err, STATUS_JOB_CONFIG,
                      "the runs know no list of nodules: give one with --annotations");
out:
    return status;
}

static enum status hold_against_truth(struct comparison_sources *s, struct error *err)
{
    enum status status = STATUS_OK;
    const struct evaluation_paths paths = {s->truth.annotations, s->truth.excluded,
                                           s->truth.seriesuids};
    const struct evaluation_scope scope = {s->shared, s->shared_count, false};
    for (int k = 0; k < 2; k++) {
        struct evaluation *e = &s->evaluations[k];
        TRY(evaluation_init_run(e, &paths, &scope, err));
        evaluation_set_marks(e, &s->runs[k].submission);
        TRY(memory_new(e->scan_count, sizeof *s->scans[k], "compared scans",
                       (void **)&s->scans[k], err));
        for (size_t i = 0; i < e->scan_count; i++) {
            s->scans[k][i] = stored_run_find(&s->runs[k], e->seriesuids[i]);
            CHECK(s->scans[k][i]);
        }
    }
    if (s->truth.malignancy[0])
        TRY(nodule_list_init(&s->malignancy, s->truth.malignancy, err));
out:
    return status;
}

static void count_scans(const struct comparison_sources *s, struct comparison *c)
{
    c->scans = (int64_t)s->evaluations[0].scan_count;
    c->excluded_is_given = s->truth.excluded[0] != '\0';
    c->list_is_given = s->truth.seriesuids[0] != '\0';
    for (size_t i = 0; i < s->evaluations[0].scan_count; i++) {
        const struct stored_scan *a = s->scans[0][i], *b = s->scans[1][i];
        c->nodules += (int64_t)s->evaluations[0].scans[i].included_count;
        c->changed += a->done && b->done && strcmp(a->content, b->content);
        for (int k = 0; k < 2; k++) {
            const struct stored_scan *scan = s->scans[k][i];
            c->failed[k] += !scan->done;
            c->seen[k][scan->seen + 1] += scan->done;
        }
    }
}

/* ---- malignancy ---- */

/* Cases that both runs judged; the scores of B come first. */
struct cases {
    double *scores[2];
    bool *positive;
    size_t count;
};

static enum status cases_init(struct cases *c, size_t room, struct error *err)
{
    enum status status = STATUS_OK;
    for (int k = 0; k < 2; k++)
        TRY(memory_new(room, sizeof *c->scores[k], "cases", (void **)&c->scores[k], err));
    TRY(memory_new(room, sizeof *c->positive, "cases", (void **)&c->positive, err));
out:
    return status;
}

static void cases_add(struct cases *c, double of_a, double of_b, bool positive)
{
    c->scores[0][c->count] = of_b;
    c->scores[1][c->count] = of_a;
    c->positive[c->count++] = positive;
}

static enum status cases_compare(const struct cases *c, struct roc_difference *out,
                                 struct error *err)
{
    const struct roc_cases roc = {c->scores[0], c->positive, c->count};
    return roc_compare(&roc, c->scores[1], out, err);
}

static void cases_release(struct cases *c)
{
    free(c->scores[0]);
    free(c->scores[1]);
    free(c->positive);
}

static const struct book_candidate *judged(const struct comparison_sources *s, int run,
                                           size_t scan, const struct nodule *n)
{
    const struct stored_scan *stored = s->scans[run][scan];
    return book_judged(s->runs[run].candidates + stored->candidate_first,
                       stored->candidate_count, n);
}

static enum status compare_malignancy(const struct comparison_sources *s,
                                      struct comparison *c, struct error *err)
{
    enum status status = STATUS_OK;
    struct cases nodules = {0}, patients = {0};
    TRY(cases_init(&nodules, s->malignancy.row_count, err));
    TRY(cases_init(&patients, s->evaluations[0].scan_count, err));
    for (size_t i = 0; i < s->evaluations[0].scan_count; i++) {
        const double of_a = s->scans[0][i]->patient_score,
                     of_b = s->scans[1][i]->patient_score;
        size_t first, count;
        bool malignant = false;
        nodule_list_find(&s->malignancy, s->evaluations[0].seriesuids[i], &first, &count);
        for (size_t k = first; k < first + count; k++) {
            const struct nodule *n = &s->malignancy.rows[k];
            const struct book_candidate *a = judged(s, 0, i, n), *b = judged(s, 1, i, n);
            malignant |= n->malignant == 1;
            if (n->malignant >= 0 && a && b)
                cases_add(&nodules, a->malignancy, b->malignancy, n->malignant == 1);
        }
        if (!isnan(of_a) && !isnan(of_b))
            cases_add(&patients, of_a, of_b, malignant);
    }
    TRY(cases_compare(&nodules, &c->malignancy, err));
    TRY(cases_compare(&patients, &c->patients, err));
    c->has_malignancy = true;
out:
    cases_release(&nodules);
    cases_release(&patients);
    return status;
}

/* ---- the whole ---- */

static void sources_release(struct comparison_sources *s)
{
    for (int k = 0; k < 2; k++) {
        free(s->scans[k]);
        evaluation_release(&s->evaluations[k]);
        stored_run_release(&s->runs[k]);
    }
    free(s->shared);
    nodule_list_release(&s->malignancy);
}

enum status comparison_init(struct comparison *c, const struct comparison_request *r,
                            struct error *err)
{
    enum status status = STATUS_OK;
    struct comparison_sources s = {0};
    *c = (struct comparison){.resamples = r->resamples, .seed = r->seed};
    TRY(open_run(&s.runs[0], r->folders[0], err));
    TRY(open_run(&s.runs[1], r->folders[1], err));
    TRY(share_scans(&s, c, err));
    TRY(choose_lists(&s, r, err));
    TRY(hold_against_truth(&s, err));
    count_scans(&s, c);
    TRY(comparison_stratify(c, &s, err));
    if (s.truth.malignancy[0] && s.runs[0].has_malignancy && s.runs[1].has_malignancy)
        TRY(compare_malignancy(&s, c, err));
out:
    sources_release(&s);
    return status;
}
