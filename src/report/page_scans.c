/* A row for each scan of the run, and what was left out. */
#include <math.h>

#include "base/memory.h"
#include "io/csv.h"
#include "report/page.h"

/* What the score says of a scan; below 0: nothing. */
struct scored {
    int32_t nodules, hits, falses;
};

enum { SERIESUID, NODULES, HITS, FALSES, COLUMNS };

static const struct csv_column columns[COLUMNS] = {{"seriesuid", false},
                                                   {"nodules", false},
                                                   {"hits", false},
                                                   {"false_positives", false}};

struct joining {
    const struct page *page;
    struct scored *scans;
};

static enum status take_scored(void *context, const struct csv_row *row,
                               struct error *err)
{
    const struct joining *j = context;
    double value[COLUMNS];
    for (size_t k = NODULES; k < COLUMNS; k++) {
        enum status status = csv_number(row, k, columns[k].name, &value[k], err);
        if (status != STATUS_OK)
            return status;
        if (!(value[k] >= 0 && value[k] < INT32_MAX))
            return csv_refuse(row, k, columns[k].name, "a count", err);
    }
    const struct stored_scan *s = stored_run_find(&j->page->run, row->fields[SERIESUID]);
    if (s)
        j->scans[s - j->page->run.scans] = (struct scored){
            (int32_t)value[NODULES], (int32_t)value[HITS], (int32_t)value[FALSES]};
    return STATUS_OK;
}

static double count_or_none(int32_t count)
{
    return count < 0 ? (double)NAN : count;
}

static enum status put_scan(const struct page *p, size_t i, const struct scored *scored,
                            struct error *err)
{
    const struct html *h = &p->html;
    const struct stored_scan *s = &p->run.scans[i];
    struct run_store_scan row;
    enum status status = run_reader_scan(p->run.store, s->row, &row, err);
    if (status != STATUS_OK)
        return status;
    html_format(h, "<tr class=%s><th scope=row class=uid>", s->done ? "done" : "failed");
    html_scan(h, s->seriesuid);
    html_format(h, "<td>%s", s->done ? "done" : "left out");
    html_cell(h, "%.0f", s->subset);
    html_cell(h, "%.0f", s->fold < 0 ? (double)NAN : s->fold);
    html_format(h, "<td>%s",
                !s->done       ? "\u2013"
                : s->seen > 0  ? "seen"
                : s->seen == 0 ? "unseen"
                               : "unknown");
    html_cell(h, "%.2f", s->thickness_mm);
    html_format(h, "<td class=n data-v=%lld>",
                (long long)(row.size[0] * row.size[1] * row.size[2]));
    if (s->done)
        html_format(h, "%lld \u00d7 %lld \u00d7 %lld", (long long)row.size[0],
                    (long long)row.size[1], (long long)row.size[2]);
    html_cell(h, "%.0f", s->done ? (double)s->candidate_count : (double)NAN);
    html_cell(h, "%.0f", s->done ? (double)row.nodules : (double)NAN);
    html_cell(h, "%.3f", s->patient_score);
    if (scored) {
        html_cell(h, "%.0f", count_or_none(scored->nodules));
        html_cell(h, "%.0f", count_or_none(scored->hits));
        html_cell(h, "%.0f", count_or_none(scored->falses));
    }
    html_put(h, "<td class=hash>");
    html_text(h, s->content);
    html_put(h, "\n");
    return STATUS_OK;
}

static void put_head(const struct html *h, bool scored)
{
    html_put(h,
             "<div class=tools><label>Show <input type=search data-filter=scan-table "
             "placeholder=\"part of any column\"></label> <output data-count=scan-table>"
             "</output></div>\n<div class=wide><table id=scan-table class=\"numbers "
             "sort\"><caption>A row a scan; a column's head sorts by it</caption>"
             "<thead><tr><th scope=col>scan<th scope=col>result<th scope=col "
             "class=n>subset<th scope=col class=n>fold<th scope=col>seen<th scope=col "
             "class=n>slice (mm)<th scope=col class=n>voxels (z \u00d7 y \u00d7 x)<th "
             "scope=col "
             "class=n>candidates<th scope=col class=n>called nodule<th scope=col "
             "class=n>patient score");
    if (scored)
        html_put(h, "<th scope=col class=n>annotated<th scope=col class=n>found<th "
                    "scope=col class=n>false positives");
    html_put(h, "<th scope=col>content</thead><tbody>\n");
}

enum status page_scans(struct page *p, struct error *err)
{
    enum status status = STATUS_OK;
    char *path = NULL;
    struct scored *scored = NULL;
    TRY(page_file(p, "froc/scans.csv", &path, err));
    TRY(memory_new(p->run.scan_count, sizeof *scored, "scans", (void **)&scored, err));
    for (size_t i = 0; i < p->run.scan_count; i++)
        scored[i] = (struct scored){-1, -1, -1};
    if (path)
        TRY(csv_read(path, columns, COLUMNS, take_scored, &(struct joining){p, scored},
                     err));
    page_part(p, "scans", "Scans");
    put_head(&p->html, path != NULL);
    for (size_t i = 0; i < p->run.scan_count; i++) {
        TRY(put_scan(p, i, path ? &scored[i] : NULL, err));
        page_alive(p);
    }
    html_put(&p->html, "</tbody></table></div>\n");
    page_part_end(p);
out:
    free(scored);
    free(path);
    return status;
}

/* ---- left out ---- */

struct listing {
    const struct page *page;
    size_t rows;
};

static enum status put_problem(void *context, const struct csv_row *row,
                               struct error *err)
{
    struct listing *l = context;
    const struct html *h = &l->page->html;
    (void)err;
    if (l->rows++ == 0)
        html_put(h, "<div class=wide><table class=sort><caption>What could not be "
                    "processed, and why</caption><thead><tr><th scope=col>scan<th "
                    "scope=col>stage<th scope=col>reason</thead><tbody>\n");
    html_put(h, "<tr><th scope=row class=uid>");
    html_scan(h, row->fields[0]);
    html_put(h, "<td>");
    html_text(h, row->fields[1]);
    html_put(h, "<td>");
    html_message(h, row->fields[2], row->fields[0]);
    html_put(h, "\n");
    return STATUS_OK;
}

enum status page_quarantine(struct page *p, struct error *err)
{
    static const struct csv_column list[] = {
        {"seriesuid", false}, {"stage", false}, {"reason", false}};
    enum status status = STATUS_OK;
    char *path = NULL;
    struct listing l = {p, 0};
    page_part(p, "quarantine", "Left out");
    TRY(page_file(p, "quarantine.csv", &path, err));
    if (path)
        TRY(csv_read(path, list, 3, put_problem, &l, err));
    html_put(&p->html,
             l.rows ? "</tbody></table></div>\n" : "<p>No scan was left out.</p>\n");
    page_part_end(p);
out:
    free(path);
    return status;
}
