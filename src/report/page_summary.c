/* What a reader wants to know first, and the way to the rest. */
#include <errno.h>
#include <math.h>

#include "base/file.h"
#include "report/page.h"

static void tile(const struct html *h, const char *name)
{
    html_format(h, "<div class=tile><dt>%s</dt><dd>", name);
}

static void tile_end(const struct html *h, const char *remark)
{
    html_format(h, "</dd><dd class=remark>%s</dd></div>\n", remark);
}

static void tile_count(const struct html *h, const char *name, double value,
                       const char *remark)
{
    tile(h, name);
    html_number(h, "%.0f", value);
    tile_end(h, remark);
}

static void score_tiles(const struct page *p)
{
    const struct html *h = &p->html;
    char remark[96];
    tile(h, "CPM");
    html_number(h, "%.3f", page_score_at(p, "froc.cpm"));
    snprintf(remark, sizeof remark, "95 %%: %.3f to %.3f",
             page_score_at(p, "froc.cpm_bootstrap.lower"),
             page_score_at(p, "froc.cpm_bootstrap.upper"));
    tile_end(h, isfinite(page_score_at(p, "froc.cpm_bootstrap.lower"))
                    ? remark
                    : "no bounds were computed");
    tile(h, "Sensitivity");
    html_number(h, "%.3f", page_score_at(p, "froc.points.3.sensitivity"));
    tile_end(h, "at 1 false positive a scan");
    tile(h, "Nodules found");
    html_number(h, "%.0f", page_score_at(p, "nodules.found"));
    snprintf(remark, sizeof remark, "of %.0f annotated",
             page_score_at(p, "froc.counts.nodules"));
    tile_end(h, remark);
}

static void run_tiles(const struct page *p)
{
    size_t done = 0;
    char remark[96];
    for (size_t i = 0; i < p->run.scan_count; i++)
        done += p->run.scans[i].done;
    const size_t failed = p->run.scan_count - done;
    snprintf(remark, sizeof remark,
             failed ? "%zu more could not be processed" : "all of them", failed);
    tile_count(&p->html, "Scans processed", (double)done, remark);
    tile_count(&p->html, "Candidates", (double)p->run.candidate_count,
               "places that were judged");
}

static void link_to(const struct html *h, bool there, const char *name, const char *title)
{
    if (there)
        html_format(h, "<li><a href=\"#%s\">%s</a></li>", name, title);
}

static void contents(const struct page *p)
{
    const struct html *h = &p->html;
    html_put(h, "<nav aria-label=\"Parts of this report\"><ul>");
    link_to(h, p->options->other, "comparison", "Comparison");
    link_to(h, p->score, "score", "Score");
    link_to(h, p->score, "errors", "Right and wrong");
    link_to(h, p->has_training, "training", "Training");
    link_to(h, p->has_results, "findings", "Findings");
    link_to(h, p->has_results, "slices", "Slices");
    link_to(h, p->has_results, "scans", "Scans");
    link_to(h, true, "quarantine", "Left out");
    link_to(h, true, "times", "Time");
    link_to(h, true, "origin", "Origin");
    html_put(h, "</ul></nav>\n");
}

/* What a reader has to know to read the figures right. */
static void warnings(const struct page *p)
{
    const struct html *h = &p->html;
    const double seen = page_score_at(p, "scan_seen_by_the_model.seen");
    const double unknown = page_score_at(p, "scan_seen_by_the_model.unknown");
    const json_t *missing = page_score_json(p, "missing"), *sentence;
    size_t i;
    if (seen > 0)
        html_format(h,
                    "<p class=warning>The models were trained or selected on %.0f of "
                    "these scans: what is found there says little about other scans.</p>",
                    seen);
    if (unknown > 0)
        html_format(h,
                    "<p class=warning>Of %.0f scans it is not known whether the models "
                    "have seen them.</p>",
                    unknown);
    json_array_foreach(missing, i, sentence)
    {
        html_put(h, "<p class=warning>Not computed: ");
        html_message(h, json_string_value(sentence), "");
        html_put(h, "</p>");
    }
    if (p->has_results && !p->score)
        html_put(h, "<p class=warning>This run was not scored: nothing is called right "
                    "or wrong here. The stage <code>score</code> does that.</p>");
}

enum status page_summary(struct page *p, struct error *err)
{
    const struct html *h = &p->html;
    char *folder = realpath(p->options->folder, NULL);
    if (!folder)
        return error_set(err, STATUS_JOB_FAILED, "%s: %s", p->options->folder,
                         strerror(errno));
    html_put(h, "<header class=top><p class=brand>pulmo</p><h1>");
    html_text(h, h->hide ? "A run" : path_name(folder));
    html_put(h, "</h1>\n<p class=uid>");
    html_path(h, folder);
    html_put(h, "</p>\n<p class=device><strong>No medical device.</strong> Research "
                "software: nothing here may decide what happens to a patient.</p>\n"
                "<dl class=tiles>\n");
    if (p->score)
        score_tiles(p);
    if (p->has_results)
        run_tiles(p);
    html_put(h, "</dl>\n");
    warnings(p);
    html_put(h, "</header>\n");
    contents(p);
    free(folder);
    return STATUS_OK;
}
