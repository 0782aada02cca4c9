#include "score/evaluation.h"

#include "base/memory.h"

/* The list without repetitions; it is sorted, so they are neighbours. */
static enum status gather_scans(struct evaluation *e, const char *path, struct error *err)
{
    enum status status = STATUS_OK;
    if (e->list.count == 0)
        return error_set(err, STATUS_JOB_CONFIG, "%s: names no scan", path);
    TRY(memory_new(e->list.count, sizeof *e->seriesuids, "list of scans",
                   (void **)&e->seriesuids, err));
    TRY(memory_new(e->list.count, sizeof *e->scans, "list of scans", (void **)&e->scans,
                   err));
    for (size_t i = 0; i < e->list.count; i++) {
        char *seriesuid = e->list.seriesuids[i];
        if (e->scan_count > 0 && !strcmp(e->seriesuids[e->scan_count - 1], seriesuid))
            e->repeated++;
        else
            e->seriesuids[e->scan_count++] = seriesuid;
    }
out:
    return status;
}

static bool is_given(const char *path)
{
    return path && path[0];
}

/* A run without a list of scans: its own are the list. */
static enum status list_scope(struct evaluation *e, const struct evaluation_scope *scope,
                              struct error *err)
{
    enum status status = STATUS_OK;
    TRY(memory_new(scope->count, sizeof *e->list.seriesuids, "list of scans",
                   (void **)&e->list.seriesuids, err));
    for (; e->list.count < scope->count; e->list.count++)
        TRY(text_new(scope->seriesuids[e->list.count], &e->list.seriesuids[e->list.count],
                     err));
out:
    return status;
}

/* Holds the list against the scope: both are sorted by bytes. */
static void narrow(struct evaluation *e, const struct evaluation_scope *scope)
{
    size_t at = 0, kept = 0, listed = 0;
    for (size_t i = 0; i < e->scan_count; i++) {
        char *seriesuid = e->seriesuids[i];
        while (at < scope->count && strcmp(scope->seriesuids[at], seriesuid) < 0)
            at++;
        bool inside = at < scope->count && strcmp(scope->seriesuids[at], seriesuid) == 0;
        listed += inside;
        if (inside || scope->whole)
            e->seriesuids[kept++] = seriesuid;
    }
    e->left_out = e->scan_count - kept;
    e->scan_count = kept;
    e->unlisted = scope->count - listed;
}

static void lay_findings(struct evaluation *e)
{
    size_t used = 0, first, count;
    for (size_t i = 0; i < e->scan_count; i++) {
        struct scored_scan *scan = &e->scans[i];
        nodule_list_find(&e->included, e->seriesuids[i], &first, &count);
        scan->included = e->included.rows + first;
        scan->included_count = count;
        used += count;
        nodule_list_find(&e->excluded, e->seriesuids[i], &first, &count);
        scan->excluded = e->excluded.rows + first;
        scan->excluded_count = count;
    }
    e->unused_findings = e->included.row_count - used;
}

enum status evaluation_init(struct evaluation *e, const struct evaluation_paths *paths,
                            struct error *err)
{
    enum status status = STATUS_OK;
    *e = (struct evaluation){0};
    TRY(nodule_list_init(&e->included, paths->annotations, err));
    TRY(nodule_list_init(&e->excluded, paths->excluded, err));
    TRY(series_list_init(&e->list, paths->seriesuids, err));
    TRY(gather_scans(e, paths->seriesuids, err));
    lay_findings(e);
out:
    return status;
}

enum status evaluation_init_run(struct evaluation *e,
                                const struct evaluation_paths *paths,
                                const struct evaluation_scope *scope, struct error *err)
{
    enum status status = STATUS_OK;
    *e = (struct evaluation){0};
    if (is_given(paths->annotations))
        TRY(nodule_list_init(&e->included, paths->annotations, err));
    if (is_given(paths->excluded))
        TRY(nodule_list_init(&e->excluded, paths->excluded, err));
    if (is_given(paths->seriesuids))
        TRY(series_list_init(&e->list, paths->seriesuids, err));
    else
        TRY(list_scope(e, scope, err));
    TRY(gather_scans(e, is_given(paths->seriesuids) ? paths->seriesuids : "the run",
                     err));
    narrow(e, scope);
    if (e->scan_count == 0)
        TRY(error_set(err, STATUS_JOB_CONFIG, "%s: names no scan of the run",
                      paths->seriesuids));
    lay_findings(e);
out:
    return status;
}

/* Both sides are sorted by bytes: one walk along them. */
void evaluation_set_marks(struct evaluation *e, const struct submission *marks)
{
    size_t at = 0;
    e->foreign_scans = e->foreign_marks = e->with_marks = 0;
    e->first_foreign = NULL;
    for (size_t i = 0; i < e->scan_count; i++)
        e->scans[i].mark_count = 0;
    for (size_t s = 0; s < marks->series_count; s++) {
        size_t first = marks->starts[s], count = marks->starts[s + 1] - first;
        while (at < e->scan_count && strcmp(e->seriesuids[at], marks->seriesuids[s]) < 0)
            at++;
        if (at < e->scan_count && !strcmp(e->seriesuids[at], marks->seriesuids[s])) {
            e->scans[at].marks = marks->marks + first;
            e->scans[at].mark_count = count;
            e->with_marks++;
            continue;
        }
        if (!e->first_foreign)
            e->first_foreign = marks->seriesuids[s];
        e->foreign_scans++;
        e->foreign_marks += count;
    }
}

void evaluation_release(struct evaluation *e)
{
    nodule_list_release(&e->included);
    nodule_list_release(&e->excluded);
    series_list_release(&e->list);
    free(e->seriesuids);
    free(e->scans);
    *e = (struct evaluation){0};
}
