/*
 * One run of the folds that are done. Rank 0 reads their stores and writes the run's own,
 * a scan at a time; heatmaps stay where they are.
 */
#include "run/crossval_internal.h"
#include "run/stored_mask.h"

#include <jansson.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "io/run_store.h"

enum { TEXT_BYTES = 512, LIST_BYTES = 900 };

struct merge {
    struct crossval *c;
    struct merged_fold folds[SETTINGS_SUBSETS];
    size_t fold_count;
    struct merged_scans scans;
    struct fold_models models;
    struct run_store *store;
    char *configuration;
};

/* ---- which folds are there ---- */

/* A fold that was made for another job is not merged, nor gone on with. */
static enum status hold_against_fold(const struct part *part, struct error *err)
{
    struct settings old = {0};
    char *file = NULL, *differences = NULL;
    enum status status;
    TRY(path_join(part->folder, "job.cfg", &file, err));
    const struct settings_sources sources = {.job = file};
    TRY(settings_init(&old, &sources, err));
    TRY(settings_compare(&old, &part->settings, &differences, err));
    if (differences)
        status = error_set(err, STATUS_JOB_CONFIG,
                           "output: %s belongs to a job with other settings: %s; choose "
                           "another output",
                           part->folder, differences);
out:
    free(differences);
    free(file);
    settings_release(&old);
    return status;
}

enum status fold_merge_look(struct crossval *c, struct error *err)
{
    enum status status = STATUS_OK;
    struct part part = {.folder = NULL};
    for (int k = 0; k < SETTINGS_SUBSETS; k++) {
        if (!c->job->asked->crossval.folds[k])
            continue;
        c->folds[k] = FOLD_WAITS;
        TRY(crossval_fold(c->job->asked, k, &part, err));
        if (run_folder_exit_code(part.folder) >= 0) {
            TRY(hold_against_fold(&part, err));
            c->folds[k] = FOLD_DONE;
        }
        free(part.folder);
        part.folder = NULL;
    }
out:
    free(part.folder);
    return status;
}

/* Why a fold is not there, from what its own job last said. */
static void describe_missing(const struct settings *s, int fold, char out[TEXT_BYTES])
{
    struct part part = {.folder = NULL};
    struct error ignored;
    char *path = NULL;
    const char *message = NULL;
    json_t *root = NULL;
    if (crossval_fold(s, fold, &part, &ignored) == STATUS_OK &&
        path_join(part.folder, "status.json", &path, &ignored) == STATUS_OK)
        root = json_load_file(path, 0, NULL);
    message = json_string_value(json_object_get(root, "message"));
    snprintf(out, TEXT_BYTES, "fold %d %s%s", fold,
             message                    ? "failed: "
             : root                     ? "was not completed"
             : file_exists(part.folder) ? "came to nothing"
                                        : "was not begun",
             message ? message : "");
    json_decref(root);
    free(path);
    free(part.folder);
}

static enum status refuse_missing(const struct crossval *c, struct error *err)
{
    char list[LIST_BYTES] = "", text[TEXT_BYTES];
    size_t used = 0;
    int missing = 0, all = 0;
    for (int k = 0; k < SETTINGS_SUBSETS; k++) {
        all += c->folds[k] != FOLD_NONE;
        if (c->folds[k] == FOLD_NONE || c->folds[k] == FOLD_DONE)
            continue;
        describe_missing(c->job->asked, k, text);
        if (used < sizeof list)
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%s",
                                     missing ? "; " : "", text);
        missing++;
    }
    if (missing == 0)
        return STATUS_OK;
    return error_set(err, STATUS_JOB_FAILED,
                     "%d of %d folds are not there, nothing is merged: %s", missing, all,
                     list);
}

/* ---- their scans ---- */

static enum status open_folds(struct merge *m, struct error *err)
{
    enum status status = STATUS_OK;
    char *path = NULL;
    for (int k = 0; k < SETTINGS_SUBSETS; k++) {
        if (m->c->folds[k] != FOLD_DONE)
            continue;
        struct merged_fold *f = &m->folds[m->fold_count++];
        f->fold = k;
        TRY(crossval_fold(m->c->job->asked, k, &f->part, err));
        TRY(hold_against_fold(&f->part, err));
        TRY(path_join(f->part.folder, "run.h5", &path, err));
        TRY(run_reader_open(path, &f->store, err));
        m->scans.count += (size_t)run_reader_scan_count(f->store);
        free(path);
        path = NULL;
    }
out:
    free(path);
    return status;
}

/* A scan while they are sorted. */
struct found {
    char *seriesuid;
    int fold;
    int64_t row;
};

static int by_seriesuid(const void *a, const void *b)
{
    return strcmp(((const struct found *)a)->seriesuid,
                  ((const struct found *)b)->seriesuid);
}

/* Each scan of a fold's subset is tested by that fold: a fold may be of a time when the
 * tree had fewer scans, or its patients were not known or others. */
static enum status hold_against_dataset(const struct merge *m, const struct found *found,
                                        size_t count, struct error *err)
{
    const struct dataset *d = &m->c->job->dataset;
    for (size_t i = 0; i < d->count; i++) {
        const struct found wanted = {.seriesuid = d->scans[i].seriesuid};
        const int fold = d->scans[i].subset;
        if (!m->c->job->asked->crossval.folds[fold])
            continue;
        const struct found *f =
            bsearch(&wanted, found, count, sizeof *found, by_seriesuid);
        if (!f || f->fold != fold)
            return error_set(err, STATUS_JOB_FAILED,
                             "scan %s is in subset %d, but fold %d was run without it: "
                             "take its folder %s/folds/%d away to run it again",
                             wanted.seriesuid, fold, fold, m->c->job->asked->output,
                             fold);
    }
    return STATUS_OK;
}

static enum status find_scans(const struct merge *m, struct found *found,
                              struct error *err)
{
    enum status status = STATUS_OK;
    size_t n = 0;
    for (size_t k = 0; k < m->fold_count; k++)
        for (int64_t i = 0; i < run_reader_scan_count(m->folds[k].store); i++) {
            struct run_store_scan row;
            TRY(run_reader_scan(m->folds[k].store, i, &row, err));
            found[n].fold = m->folds[k].fold;
            found[n].row = i;
            TRY(text_new(row.seriesuid, &found[n++].seriesuid, err));
        }
    qsort(found, n, sizeof *found, by_seriesuid);
    for (size_t i = 1; i < n; i++)
        if (!strcmp(found[i - 1].seriesuid, found[i].seriesuid))
            TRY(error_set(err, STATUS_JOB_FAILED, "scan %s is tested by folds %d and %d",
                          found[i].seriesuid, found[i - 1].fold, found[i].fold));
    TRY(hold_against_dataset(m, found, n, err));
out:
    return status;
}

static enum status sort_scans(struct merge *m, struct error *err)
{
    enum status status;
    struct merged_scans *s = &m->scans;
    struct found *found = NULL;
    TRY(memory_new(s->count, sizeof *found, "scans", (void **)&found, err));
    TRY(memory_new(s->count, sizeof *s->seriesuids, "scans", (void **)&s->seriesuids,
                   err));
    TRY(memory_new(s->count, sizeof *s->folds, "scans", (void **)&s->folds, err));
    TRY(memory_new(s->count, sizeof *s->rows, "scans", (void **)&s->rows, err));
    status = find_scans(m, found, err);
    for (size_t i = 0; i < s->count; i++) {
        s->seriesuids[i] = found[i].seriesuid;
        s->folds[i] = found[i].fold;
        s->rows[i] = found[i].row;
    }
out:
    free(found);
    return status;
}

/* ---- the store ---- */

static struct run_reader *store_of(const struct merge *m, int fold)
{
    size_t k = 0;
    while (m->folds[k].fold != fold)
        k++;
    return m->folds[k].store;
}

static enum status measure(const struct merge *m, struct run_store_extent *out,
                           struct error *err)
{
    enum status status = STATUS_OK;
    *out =
        (struct run_store_extent){.scans = (int64_t)m->scans.count, .seriesuid_bytes = 1};
    for (size_t i = 0; i < m->scans.count; i++) {
        struct run_store_scan row;
        const int64_t bytes = (int64_t)strlen(m->scans.seriesuids[i]) + 1;
        struct run_reader *from = store_of(m, m->scans.folds[i]);
        TRY(run_reader_scan(from, m->scans.rows[i], &row, err));
        TRY(stored_mask_measure(from, &row, err));
        out->candidates += row.candidate_count;
        out->mask_bytes += row.mask_bytes;
        if (bytes > out->seriesuid_bytes)
            out->seriesuid_bytes = bytes;
    }
out:
    return status;
}

/* Moves scan i, whose candidates and mask begin where `at` says. */
static enum status move_scan(struct merge *m, size_t i, struct run_store_extent *at,
                             struct error *err)
{
    enum status status;
    struct run_reader *from = store_of(m, m->scans.folds[i]);
    struct run_store_scan row;
    struct run_store_candidate *candidates = NULL;
    uint8_t *mask = NULL;
    TRY(run_reader_scan(from, m->scans.rows[i], &row, err));
    TRY(run_reader_candidates(from, &row, &candidates, err));
    TRY(stored_mask_read(from, &row, &mask, err));
    for (int64_t k = 0; k < row.candidate_count; k++)
        candidates[k].scan = (int64_t)i;
    row.candidate_first = at->candidates;
    row.mask_first = at->mask_bytes;
    TRY(run_store_write_scans(m->store, (int64_t)i, 1, &row, err));
    TRY(run_store_write_candidates(m->store, at->candidates, row.candidate_count,
                                   candidates, err));
    TRY(run_store_write_mask(m->store, at->mask_bytes, row.mask_bytes, mask, err));
    at->candidates += row.candidate_count;
    at->mask_bytes += row.mask_bytes;
out:
    free(candidates);
    free(mask);
    return status;
}

static enum status write_provenance(struct merge *m, struct error *err)
{
    const struct job *j = m->c->job;
    const char *names[TIMING_COUNT];
    char *text = NULL;
    size_t bytes;
    for (int t = 0; t < TIMING_COUNT; t++)
        names[t] = timing_name((enum timing)t);
    enum status status = settings_print(j->asked, &text, &bytes, err);
    if (status != STATUS_OK)
        return status;
    const struct run_store_provenance p = {.job = text,
                                           .version = PULMO_VERSION,
                                           .isa = isa_name(j->isa),
                                           .mpi_io = comm_io_driver(),
                                           .host = j->comm->host,
                                           .threads = j->threads,
                                           .started_unix = j->started_unix,
                                           .timing_names = names,
                                           .timings = m->c->timings,
                                           .timing_count = TIMING_COUNT,
                                           .peak_bytes = memory_peak_bytes()};
    status = run_store_write_provenance(m->store, &p, err);
    free(text);
    return status;
}

static enum status write_store(struct merge *m, struct error *err)
{
    enum status status;
    const struct settings *s = m->c->job->asked;
    struct run_store_extent extent, at = {0};
    char *path = NULL;
    size_t bytes;
    TRY(measure(m, &extent, err));
    TRY(path_join(s->output, "run.h5", &path, err));
    TRY(settings_print_binding(s, &m->configuration, &bytes, err));
    TRY(run_store_create(path, &extent, m->configuration, MPI_COMM_SELF, &m->store, err));
    for (size_t i = 0; i < m->scans.count; i++) {
        TRY(move_scan(m, i, &at, err));
        crossval_look(m->c);
        watchdog_touch(m->c->job->watchdog);
    }
    TRY(run_store_write_models(m->store, &m->models.store, err));
    TRY(write_provenance(m, err));
    status = run_store_commit(m->store, err);
    m->store = NULL;
out:
    free(path);
    return status;
}

/* ---- the whole ---- */

static void merge_release(struct merge *m)
{
    run_store_abandon(m->store);
    for (size_t k = 0; k < m->fold_count; k++) {
        run_reader_close(m->folds[k].store);
        free(m->folds[k].part.folder);
    }
    for (size_t i = 0; i < m->scans.count && m->scans.seriesuids; i++)
        free(m->scans.seriesuids[i]);
    free(m->scans.seriesuids);
    free(m->scans.folds);
    free(m->scans.rows);
    fold_models_release(&m->models);
    free(m->configuration);
}

enum status fold_merge(struct crossval *c, struct error *err)
{
    enum status status;
    struct merge m = {.c = c};
    const char *output = c->job->asked->output;
    TRY(refuse_missing(c, err));
    watchdog_arm(c->job->watchdog, c->job->asked->limits.deadline_s * 2,
                 "merging the folds");
    TRY(open_folds(&m, err));
    TRY(sort_scans(&m, err));
    TRY(fold_models_init(&m.models, output, m.folds, m.fold_count, &m.scans, err));
    TRY(write_store(&m, err));
    TRY(fold_lists_merge(output, m.folds, m.fold_count, &c->quarantined, err));
out:
    if (status == STATUS_ITEM_IO || status == STATUS_ITEM_FORMAT)
        status = err->code = STATUS_JOB_FAILED; /* no scan's, a fold's */
    watchdog_disarm(c->job->watchdog);
    merge_release(&m);
    return status;
}
