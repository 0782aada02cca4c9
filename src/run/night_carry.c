/* What goes over from one night to the next: the journal, but for what is not finished,
 * not of the last run, or made of something else. */
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "io/journal.h"
#include "io/run_reader.h"
#include "run/night_internal.h"
#include "run/record.h"

/* ---- the last run ---- */

static enum status take_scans(struct night *n, struct run_reader *r, struct error *err)
{
    enum status status = STATUS_OK;
    const int64_t count = run_reader_scan_count(r);
    TRY(memory_new((size_t)count, sizeof *n->last_seriesuids, "scans of the last run",
                   (void **)&n->last_seriesuids, err));
    TRY(memory_new((size_t)count, sizeof *n->last_done, "scans of the last run",
                   (void **)&n->last_done, err));
    for (int64_t i = 0; i < count; i++) {
        struct run_store_scan row;
        TRY(run_reader_scan(r, i, &row, err));
        TRY(text_new(row.seriesuid, &n->last_seriesuids[i], err));
        n->last_done[i] = !strcmp(row.status, "done");
        n->last_count++;
    }
out:
    return status;
}

enum status night_take_last(struct night *n, struct error *err)
{
    enum status status = STATUS_OK;
    const char *last = night_folder_last(&n->folder);
    char *store = NULL;
    struct run_reader *r = NULL;
    if (!last)
        return STATUS_OK;
    TRY(night_folder_file(&n->folder, last, "run.h5", &store, err));
    status = run_reader_open(store, &r, err);
    if (status == STATUS_OK)
        status = take_scans(n, r, err);
    if (status_is_item(status)) {
        error_prefix(err, "the last run cannot be read; put it back, or take its folder "
                          "away to go on from the one before");
        status = err->code = STATUS_JOB_FAILED;
    }
out:
    run_reader_close(r);
    free(store);
    return status;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Index among the scans of the last run, or -1. */
static int64_t find_last(const struct night *n, const char *seriesuid)
{
    if (n->last_count == 0)
        return -1;
    char *const *found = bsearch(&seriesuid, n->last_seriesuids, n->last_count,
                                 sizeof *n->last_seriesuids, by_name);
    return found ? found - n->last_seriesuids : -1;
}

bool night_last_has(const struct night *n, const char *seriesuid)
{
    return find_last(n, seriesuid) >= 0;
}

/* ---- records of a journal ---- */

/* What a journal holds of finished scans, the newest of each. */
struct reading {
    struct journal_record *scans;
    size_t count, capacity;
    struct journal_record run;
    bool has_run;
};

static enum status visit(void *context, const struct journal_record *r, struct error *err)
{
    struct reading *g = context;
    if (r->kind == RECORD_RUN && !g->has_run) {
        g->run = *r;
        g->has_run = true;
    }
    if (r->kind != RECORD_SCAN)
        return STATUS_OK;
    enum status status = memory_grow((void **)&g->scans, &g->capacity, g->count + 1,
                                     sizeof *g->scans, "records of a journal", err);
    if (status == STATUS_OK)
        g->scans[g->count++] = *r;
    return status;
}

static int compare_items(struct hash128 a, struct hash128 b)
{
    if (a.high != b.high)
        return a.high < b.high ? -1 : 1;
    return a.low < b.low ? -1 : a.low > b.low;
}

static int by_item(const void *a, const void *b)
{
    const struct journal_record *x = a, *y = b;
    const int order = compare_items(x->item, y->item);
    return order ? order : x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Opens a journal and reads what it says; the newest record of each scan is left. */
static enum status read_journal(const char *path, struct reading *g, struct journal **out,
                                struct error *err)
{
    enum status status = journal_open(path, visit, g, out, err);
    if (status != STATUS_OK || g->count == 0)
        return status;
    qsort(g->scans, g->count, sizeof *g->scans, by_item);
    size_t kept = 0;
    for (size_t i = 0; i < g->count; i++)
        if (i + 1 == g->count ||
            compare_items(g->scans[i].item, g->scans[i + 1].item) != 0)
            g->scans[kept++] = g->scans[i];
    g->count = kept;
    return STATUS_OK;
}

static int by_record_item(const void *a, const void *b)
{
    const struct night_record *x = a, *y = b;
    return compare_items(x->item, y->item);
}

bool night_records_have(const struct night_records *r, struct hash128 item,
                        struct hash128 identity)
{
    size_t low = 0, high = r->count; /* the first of the item's */
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (compare_items(r->items[middle].item, item) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < r->count && hash_equal(r->items[low].item, item); low++)
        if (hash_equal(r->items[low].identity, identity))
            return true;
    return false;
}

enum status night_records_add(struct night_records *r, const char *path,
                              struct error *err)
{
    enum status status = STATUS_OK;
    struct reading g = {0};
    struct journal *j = NULL;
    if (!file_exists(path))
        return STATUS_OK;
    TRY(read_journal(path, &g, &j, err));
    TRY(memory_grow((void **)&r->items, &r->capacity, r->count + g.count + 1,
                    sizeof *r->items, "scans of earlier nights", err));
    for (size_t i = 0; i < g.count; i++)
        r->items[r->count++] = (struct night_record){g.scans[i].item, g.scans[i].key};
    qsort(r->items, r->count, sizeof *r->items, by_record_item);
out:
    journal_close(j);
    free(g.scans);
    return status;
}

/* ---- carrying over ---- */

/* *same: the journal was begun with this identity; else `text` says what differs. */
static enum status hold_identity(const struct journal *j, const struct reading *g,
                                 const char *identity, bool *same, char *text,
                                 size_t text_bytes, struct error *err)
{
    enum status status = STATUS_OK;
    void *old = NULL;
    *same = false;
    snprintf(text, text_bytes, "the journal of the last run is damaged");
    if (!g->has_run)
        return STATUS_OK;
    TRY(journal_read(j, &g->run, &old, err));
    const size_t bytes = strlen(identity) + 1;
    *same = g->run.bytes == bytes && !memcmp(old, identity, bytes);
    if (!*same && g->run.bytes > 0 && ((char *)old)[g->run.bytes - 1] == '\0')
        ledger_describe_differences(old, identity, text, text_bytes);
out:
    free(old);
    return status;
}

static enum status compare_settings(struct night *n, const char *last, struct error *err)
{
    enum status status = STATUS_OK;
    char *job = NULL;
    struct settings old = {0};
    TRY(night_folder_file(&n->folder, last, "job.cfg", &job, err));
    const struct settings_sources sources = {.job = job};
    if (settings_init(&old, &sources, err) != STATUS_OK)
        status = text_new(err->message, &n->why_all, err);
    else
        status = settings_compare_results(&old, n->settings, &n->why_all, err);
out:
    settings_release(&old);
    free(job);
    return status;
}

static int by_hash(const void *a, const void *b)
{
    return compare_items(*(const struct hash128 *)a, *(const struct hash128 *)b);
}

/* *out = the items of the scans that the last run published, sorted, to be freed. A
 * result counts only then: what was left of a scan before it was quarantined does not. */
static enum status published_items(const struct night *n, struct hash128 **out,
                                   size_t *count, struct error *err)
{
    enum status status = memory_new(n->last_count, sizeof **out, "scans of the last run",
                                    (void **)out, err);
    if (status != STATUS_OK)
        return status;
    *count = 0;
    for (size_t i = 0; i < n->last_count; i++)
        if (n->last_done[i])
            (*out)[(*count)++] =
                hash128(n->last_seriesuids[i], strlen(n->last_seriesuids[i]));
    qsort(*out, *count, sizeof **out, by_hash);
    return STATUS_OK;
}

static enum status copy_records(const struct night *n, struct journal *from,
                                const struct reading *g, const char *part,
                                const char *identity, struct error *err)
{
    enum status status = STATUS_OK;
    struct journal *to = NULL;
    struct hash128 *items = NULL;
    size_t count;
    struct journal_record run = {.kind = RECORD_RUN, .bytes = strlen(identity) + 1};
    TRY(published_items(n, &items, &count, err));
    TRY(journal_open(part, NULL, NULL, &to, err));
    TRY(journal_append(to, &run, identity, err));
    for (size_t i = 0; i < g->count; i++) {
        void *payload;
        struct journal_record r = g->scans[i];
        if (!bsearch(&r.item, items, count, sizeof *items, by_hash))
            continue;
        TRY(journal_read(from, &r, &payload, err));
        status = journal_append(to, &r, payload, err);
        free(payload);
        TRY(status);
    }
    status = journal_sync(to, err);
out:
    journal_close(to);
    free(items);
    return status;
}

/* Begins tonight's journal with what the last run's holds, whole or not at all. */
static enum status begin_journal(struct night *n, const char *journal,
                                 const char *identity, struct error *err)
{
    enum status status = STATUS_OK;
    const char *last = night_folder_last(&n->folder);
    char *old = NULL, *part = NULL, text[ERROR_MESSAGE_BYTES / 2];
    struct reading g = {0};
    struct journal *from = NULL;
    bool same;
    if (!last)
        return STATUS_OK;
    TRY(compare_settings(n, last, err));
    TRY(night_folder_file(&n->folder, last, "journal", &old, err));
    if (n->why_all)
        goto out;
    if (!file_exists(old)) {
        status = text_new("the last run has no journal", &n->why_all, err);
        goto out;
    }
    TRY(read_journal(old, &g, &from, err));
    TRY(hold_identity(from, &g, identity, &same, text, sizeof text, err));
    if (!same) {
        status = text_new(text, &n->why_all, err);
        goto out;
    }
    if (file_exists(journal))
        goto out;
    if (asprintf(&part, "%s.part", journal) < 0) {
        part = NULL;
        TRY(error_set(err, STATUS_STAGE_MEMORY, "%s: no memory", journal));
    }
    remove(part);
    TRY(copy_records(n, from, &g, part, identity, err));
    status = file_publish(part, journal, err);
out:
    journal_close(from);
    free(g.scans);
    free(old);
    free(part);
    return status;
}

/* A journal that a killed night left is kept when it fits. */
static enum status keep_fitting(const char *journal, const char *identity,
                                struct error *err)
{
    enum status status = STATUS_OK;
    struct reading g = {0};
    struct journal *j = NULL;
    char text[ERROR_MESSAGE_BYTES / 2];
    bool same;
    if (!file_exists(journal))
        return STATUS_OK;
    TRY(read_journal(journal, &g, &j, err));
    TRY(hold_identity(j, &g, identity, &same, text, sizeof text, err));
    if (!same) {
        log_info("%s: what a night that was broken off has done is done again: %s",
                 journal, text);
        remove(journal);
    }
out:
    journal_close(j);
    free(g.scans);
    return status;
}

enum status night_carry(void *context, const char *journal, const char *identity,
                        struct error *err)
{
    struct night *n = context;
    enum status status = STATUS_OK;
    TRY(text_new(identity, &n->identity, err));
    TRY(keep_fitting(journal, identity, err));
    TRY(begin_journal(n, journal, identity, err));
    if (n->why_all)
        log_warning("nothing carries over from the last run, all scans are run anew: %s",
                    n->why_all);
out:
    return status;
}
