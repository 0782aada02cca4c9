#include "run/stored_run.h"

#include <math.h>

#include "base/file.h"
#include "base/memory.h"
#include "io/csv.h"
#include "run/run_folder.h"

static enum status refuse_unfinished(const char *folder, struct error *err)
{
    char *job = NULL, *store = NULL;
    enum status status = STATUS_OK;
    TRY(path_join(folder, "job.cfg", &job, err));
    TRY(path_join(folder, "run.h5", &store, err));
    if (!file_exists(job))
        status = error_set(err, STATUS_JOB_FAILED,
                           "%s: no run directory: there is no job.cfg in it", folder);
    else if (!file_exists(store))
        status = error_set(err, STATUS_JOB_FAILED,
                           "%s: there are no results of detection: no run.h5", folder);
out:
    free(job);
    free(store);
    return status;
}

static enum status open_files(struct stored_run *r, const char *folder, struct error *err)
{
    enum status status = STATUS_OK;
    char *job = NULL, *store = NULL, *marks = NULL;
    TRY(text_new(folder, &r->folder, err));
    TRY(refuse_unfinished(folder, err));
    TRY(path_join(folder, "job.cfg", &job, err));
    TRY(path_join(folder, "run.h5", &store, err));
    TRY(path_join(folder, "submission.csv", &marks, err));
    const struct settings_sources sources = {.job = job};
    TRY(settings_init(&r->settings, &sources, err));
    TRY(run_reader_open(store, &r->store, err));
    TRY(submission_init(&r->submission, marks, err));
out:
    free(job);
    free(store);
    free(marks);
    return status;
}

/* ---- scans and candidates ---- */

static enum status take_candidates(struct stored_run *r, struct stored_scan *s,
                                   const struct run_store_scan *row, size_t *capacity,
                                   struct error *err)
{
    enum status status = STATUS_OK;
    struct run_store_candidate *list = NULL;
    TRY(run_reader_candidates(r->store, row, &list, err));
    s->candidate_first = r->candidate_count;
    s->candidate_count = (size_t)row->candidate_count;
    TRY(memory_grow((void **)&r->candidates, capacity,
                    r->candidate_count + s->candidate_count, sizeof *r->candidates,
                    "candidates of a run", err));
    for (size_t i = 0; i < s->candidate_count; i++) {
        struct book_candidate *c = &r->candidates[r->candidate_count++];
        *c = (struct book_candidate){.probability = (double)list[i].probability,
                                     .malignancy = (double)list[i].malignancy};
        memcpy(c->xyz, list[i].xyz, sizeof c->xyz);
        r->has_malignancy |= !isnan(c->malignancy);
        if (!(c->probability >= 0 && c->probability <= 1))
            TRY(error_set(err, STATUS_ITEM_FORMAT,
                          "%s: run.h5: scan %s: a probability of %g", r->folder,
                          s->seriesuid, c->probability));
    }
out:
    free(list);
    return status;
}

static enum status take_scan(struct stored_run *r, int64_t i, size_t *capacity,
                             struct error *err)
{
    enum status status = STATUS_OK;
    struct run_store_scan row;
    struct stored_scan *s = &r->scans[i];
    TRY(run_reader_scan(r->store, i, &row, err));
    *s = (struct stored_scan){.row = i,
                              .subset = row.subset,
                              .fold = -1,
                              .seen = row.seen > 0    ? 1
                                      : row.seen == 0 ? 0
                                                      : -1,
                              .done = !strcmp(row.status, "done"),
                              .thickness_mm = NAN,
                              .patient_score = NAN};
    r->scan_count++;
    TRY(text_new(row.seriesuid, &s->seriesuid, err));
    r->seriesuids[i] = s->seriesuid;
    if (i > 0 && strcmp(r->seriesuids[i - 1], s->seriesuid) >= 0)
        TRY(error_set(err, STATUS_ITEM_FORMAT, "%s: run.h5: scans are not sorted",
                      r->folder));
    if (!s->done)
        return STATUS_OK;
    snprintf(s->content, sizeof s->content, "%s", row.content);
    s->thickness_mm = row.spacing[2];
    s->patient_score = row.score;
    TRY(take_candidates(r, s, &row, capacity, err));
out:
    return status;
}

static enum status take_scans(struct stored_run *r, struct error *err)
{
    enum status status = STATUS_OK;
    int64_t count = run_reader_scan_count(r->store);
    size_t capacity = 0;
    bool subsets[SETTINGS_SUBSETS] = {false};
    TRY(memory_new((size_t)count, sizeof *r->scans, "scans of a run", (void **)&r->scans,
                   err));
    TRY(memory_new((size_t)count, sizeof *r->seriesuids, "scans of a run",
                   (void **)&r->seriesuids, err));
    for (int64_t i = 0; i < count; i++) {
        TRY(take_scan(r, i, &capacity, err));
        if (r->scans[i].subset >= 0 && r->scans[i].subset < SETTINGS_SUBSETS)
            subsets[r->scans[i].subset] = true;
    }
    r->whole = true;
    for (int k = 0; k < SETTINGS_SUBSETS; k++)
        r->whole &= subsets[k];
    /* Without a model a scan without candidates has the score 0, which says nothing. */
    for (size_t i = 0; i < r->scan_count && !r->has_malignancy; i++)
        r->scans[i].patient_score = NAN;
out:
    return status;
}

/* ---- folds ---- */

static struct stored_scan *find(const struct stored_run *r, const char *seriesuid)
{
    size_t low = 0, high = r->scan_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(r->seriesuids[middle], seriesuid);
        if (order == 0)
            return &r->scans[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

enum { SERIESUID, FOLD };

static const struct csv_column fold_columns[] = {{"seriesuid", false}, {"fold", true}};

static enum status take_fold(void *context, const struct csv_row *row, struct error *err)
{
    struct stored_run *r = context;
    double fold;
    if (!row->fields[FOLD] || !row->fields[FOLD][0])
        return STATUS_OK;
    enum status status = csv_number(row, FOLD, "fold", &fold, err);
    if (status != STATUS_OK)
        return status;
    if (fold != floor(fold) || fold < -1 || fold >= SETTINGS_SUBSETS)
        return csv_refuse(row, FOLD, "fold", "a fold, or -1", err);
    struct stored_scan *s = find(r, row->fields[SERIESUID]);
    if (!s)
        return csv_refuse(row, SERIESUID, "seriesuid", "a scan of the run", err);
    if (s->fold >= 0 && s->fold != (int)fold)
        return csv_refuse(row, FOLD, "fold", "that of the scan's other candidates", err);
    s->fold = (int)fold;
    return STATUS_OK;
}

/* A scan without a candidate has no row that names its fold. One fold for all scans, or
 * folds that test a subset each, as those of a cross-validation, tell it all the same. */
static void complete_folds(struct stored_run *r)
{
    bool by_subset = true, is_one = true;
    int first = -1;
    for (size_t i = 0; i < r->scan_count; i++) {
        int fold = r->scans[i].fold;
        if (fold < 0)
            continue;
        first = first < 0 ? fold : first;
        is_one &= fold == first;
        by_subset &= fold == r->scans[i].subset;
    }
    for (size_t i = 0; i < r->scan_count && first >= 0 && (is_one || by_subset); i++)
        r->scans[i].fold = by_subset ? r->scans[i].subset : first;
}

static enum status take_folds(struct stored_run *r, struct error *err)
{
    char *path = NULL;
    enum status status = path_join(r->folder, "candidates.csv", &path, err);
    if (status == STATUS_OK)
        status = csv_read(path, fold_columns, 2, take_fold, r, err);
    if (status == STATUS_OK)
        complete_folds(r);
    free(path);
    return status;
}

/* ---- the whole ---- */

enum status stored_run_open(struct stored_run *r, const char *folder, struct error *err)
{
    enum status status = STATUS_OK;
    *r = (struct stored_run){0};
    TRY(open_files(r, folder, err));
    TRY(take_scans(r, err));
    TRY(take_folds(r, err));
out:
    if (status == STATUS_JOB_CONFIG) /* no slip of the caller's: the run is damaged */
        status = err->code = STATUS_JOB_FAILED;
    return status;
}

void stored_run_release(struct stored_run *r)
{
    for (size_t i = 0; i < r->scan_count; i++)
        free(r->scans[i].seriesuid);
    free(r->scans);
    free(r->seriesuids);
    free(r->candidates);
    free(r->folder);
    submission_release(&r->submission);
    run_reader_close(r->store);
    settings_release(&r->settings);
    *r = (struct stored_run){0};
}

const struct stored_scan *stored_run_find(const struct stored_run *r,
                                          const char *seriesuid)
{
    return find(r, seriesuid);
}
