#include "report/report.h"

#include <math.h>

#include "base/file.h"
#include "base/memory.h"
#include "report/assets.h"
#include "report/page.h"

/* ---- what the parts share ---- */

enum status page_file(const struct page *p, const char *name, char **out,
                      struct error *err)
{
    enum status status = path_join(p->options->folder, name, out, err);
    if (status == STATUS_OK && !file_exists(*out)) {
        free(*out);
        *out = NULL;
    }
    return status;
}

void page_part(const struct page *p, const char *name, const char *title)
{
    html_format(&p->html, "<section id=%s><h2>%s</h2>\n", name, title);
}

void page_part_end(const struct page *p)
{
    html_put(&p->html, "</section>\n");
}

enum status page_draw(struct page *p, struct chart *c, struct error *err)
{
    return chart_draw(c, &p->html, ++p->charts, err);
}

const json_t *page_score_json(const struct page *p, const char *way)
{
    const json_t *at = p->score;
    char step[64];
    while (at && *way) {
        const size_t n = strcspn(way, ".");
        snprintf(step, sizeof step, "%.*s", (int)n, way);
        at = json_is_array(at) ? json_array_get(at, (size_t)strtoul(step, NULL, 10))
                               : json_object_get(at, step);
        way += n + (way[n] == '.');
    }
    return at;
}

double page_score_at(const struct page *p, const char *way)
{
    const json_t *found = page_score_json(p, way);
    return json_is_number(found) ? json_number_value(found) : (double)NAN;
}

void page_alive(const struct page *p)
{
    if (p->options->alive)
        p->options->alive(p->options->context);
}

/* ---- what is read beforehand ---- */

static enum status read_score(struct page *p, struct error *err)
{
    char *path = NULL;
    json_error_t why;
    enum status status = page_file(p, "froc/score.json", &path, err);
    if (status != STATUS_OK || !path)
        return status;
    p->score = json_load_file(path, 0, &why);
    if (!p->score)
        status = error_set(err, STATUS_JOB_FAILED, "%s:%d: %s", path, why.line, why.text);
    else if (!json_is_object(json_object_get(p->score, "froc"))) {
        json_decref(p->score); /* there was nothing to score against */
        p->score = NULL;
    }
    free(path);
    return status;
}

static enum status read_results(struct page *p, struct error *err)
{
    enum status status = STATUS_OK;
    const struct report_options *o = p->options;
    TRY(stored_run_open(&p->run, o->folder, err));
    p->settings = &p->run.settings;
    p->html.run = &p->run;
    TRY(read_score(p, err));
    TRY(highlights_init(&p->findings, &p->run, o->findings, err));
    TRY(viewer_new(&p->run, o->masks ? o->masks : p->settings->dataset.masks, &p->viewer,
                   err));
    if (o->scan && !stored_run_find(&p->run, o->scan))
        status = error_set(err, STATUS_JOB_FAILED, "%s: no scan '%s' in this run",
                           o->folder, o->scan);
out:
    return status;
}

static enum status read_run(struct page *p, struct error *err)
{
    enum status status = STATUS_OK;
    char *job = NULL, *store = NULL, *metrics = NULL;
    TRY(page_file(p, "job.cfg", &job, err));
    TRY(page_file(p, "run.h5", &store, err));
    TRY(page_file(p, "metrics.csv", &metrics, err));
    p->has_results = store != NULL;
    p->has_training = metrics != NULL;
    if (!job) {
        status = error_set(err, STATUS_JOB_FAILED,
                           "%s: no run directory: there is no job.cfg in it",
                           p->options->folder);
    } else if (p->has_results) {
        status = read_results(p, err);
    } else if (p->has_training) {
        p->settings = &p->own;
        status =
            settings_init(&p->own, &(const struct settings_sources){.job = job}, err);
    } else {
        status = error_set(err, STATUS_JOB_FAILED,
                           "%s: nothing to report yet: no run.h5, no metrics.csv",
                           p->options->folder);
    }
out:
    free(job);
    free(store);
    free(metrics);
    return status;
}

/* ---- the page ---- */

/* Nothing is fetched, whatever a browser or a string in the page may want. */
static void head(const struct page *p)
{
    const struct html *h = &p->html;
    html_put(h, "<!doctype html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n"
                "<meta name=viewport content=\"width=device-width,initial-scale=1\">\n"
                "<meta name=color-scheme content=\"light dark\">\n"
                "<meta name=robots content=noindex>\n"
                "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; "
                "img-src data:; style-src 'unsafe-inline'; script-src "
                "'unsafe-inline'\">\n<link rel=icon href=\"data:,\">\n<title>");
    html_put(h, "Report of a run \u00b7 pulmo</title>\n<style>");
    fwrite(asset_style, 1, asset_style_bytes, h->out);
    html_put(h, "</style>\n</head>\n<body>\n");
}

static void foot(const struct page *p)
{
    const struct html *h = &p->html;
    html_put(h, "<footer><p>Made by pulmo " PULMO_VERSION
                ". Research software, no medical device: "
                "nothing here may decide what happens to a patient.</p></footer>\n"
                "<script>");
    fwrite(asset_script, 1, asset_script_bytes, h->out);
    html_put(h, "</script>\n</body>\n</html>\n");
}

static enum status write_parts(struct page *p, struct error *err)
{
    enum status status = STATUS_OK;
    head(p);
    TRY(page_summary(p, err));
    html_put(&p->html, "<main>\n");
    if (p->options->other)
        TRY(page_comparison(p, err));
    if (p->score) {
        TRY(page_score(p, err));
        TRY(page_score_tables(p, err));
    }
    if (p->has_training)
        TRY(page_training(p, err));
    if (p->has_results) {
        TRY(page_findings(p, err));
        TRY(page_slices(p, err));
        TRY(page_scans(p, err));
    }
    TRY(page_quarantine(p, err));
    TRY(page_times(p, err));
    TRY(page_origin(p, err));
    html_put(&p->html, "</main>\n");
    foot(p);
out:
    return status;
}

enum status report_write(const struct report_options *o, struct error *err)
{
    enum status status = STATUS_OK;
    struct page p = {
        .options = o, .html.hide = o->pseudonymise, .room = o->megabytes * 1e6};
    struct atomic_file file = {0};
    char *path = NULL;
    TRY(read_run(&p, err));
    TRY(o->out ? text_new(o->out, &path, err)
               : path_join(o->folder, "report.html", &path, err));
    TRY(atomic_file_open(path, &file, err));
    p.html.out = file.stream;
    TRY(write_parts(&p, err));
    TRY(atomic_file_commit(&file, err));
out:
    atomic_file_abandon(&file);
    viewer_free(p.viewer);
    highlights_release(&p.findings);
    json_decref(p.score);
    stored_run_release(&p.run);
    settings_release(&p.own);
    free(path);
    return status;
}
