/* What the results rest on: versions, models, hashes, the whole configuration. */
#include <inttypes.h>
#include <math.h>

#include "base/file.h"
#include "config/path_list.h"
#include "io/tensor_file.h"
#include "report/page.h"

enum { JOB_LIMIT = 4 << 20 };

static void row(const struct html *h, const char *name)
{
    html_format(h, "<tr><th scope=row>%s<td>", name);
}

static void provenance(const struct page *p)
{
    static const struct {
        const char *name, *dataset;
    } texts[] = {
        {"pulmo that made the run", "/provenance/version"},
        {"started (UTC)", "/provenance/started"},
        {"instruction set", "/provenance/isa"},
        {"MPI", "/provenance/mpi"},
        {"MPI-IO", "/provenance/mpi_io"},
        {"HDF5", "/provenance/hdf5"},
    };
    struct error ignored;
    const struct html *h = &p->html;
    for (size_t i = 0; p->has_results && i < sizeof texts / sizeof *texts; i++) {
        char *text = NULL;
        if (run_reader_text(p->run.store, texts[i].dataset, &text, &ignored) != STATUS_OK)
            continue;
        row(h, texts[i].name);
        html_text(h, text);
        free(text);
    }
    const json_t *key = page_score_json(p, "key");
    if (json_is_string(key)) {
        row(h, "key of the score");
        html_put(h, "<span class=hash>");
        html_text(h, json_string_value(key));
        html_put(h, "</span>");
    }
    row(h, "pulmo that made this page");
    html_put(h, PULMO_VERSION);
}

static void put_model(const struct html *h, const char *stage, const char *path)
{
    struct tensor_file f = {0};
    struct error err;
    char hex[HASH_HEX_BYTES] = "";
    html_format(h, "<tr><th scope=row>%s<td class=uid>", stage);
    html_path(h, path);
    if (tensor_file_init(&f, path, &err) == STATUS_OK) {
        hash_hex(f.content, hex);
        html_format(h, "<td class=hash>%s", hex);
        html_cell(h, "%.0f",
                  tensor_file_fold(&f) < 0 ? (double)NAN : tensor_file_fold(&f));
        html_cell(h, "%.0f", f.seen ? (double)f.seen_count : (double)NAN);
    } else {
        html_put(h, "<td>no longer there<td><td>");
    }
    html_put(h, "\n");
    tensor_file_release(&f);
}

/* Of a stage, that the run trained for a fold; -1: for none. */
static enum status trained_model(const struct page *p, const char *stage, int64_t fold,
                                 struct error *err)
{
    char name[64], *path = NULL;
    if (fold >= 0)
        snprintf(name, sizeof name, "models/%s-fold%" PRId64 ".h5", stage, fold);
    else
        snprintf(name, sizeof name, "models/%s.h5", stage);
    const enum status status = page_file(p, name, &path, err);
    if (status == STATUS_OK && path)
        put_model(&p->html, stage, path);
    free(path);
    return status;
}

/* Of a stage, by a list of weights. */
static enum status given_models(const struct html *h, const char *stage, const char *list,
                                struct error *err)
{
    for (size_t i = 0; i < path_list_count(list); i++) {
        char *path;
        const enum status status = path_list_item(list, i, &path, err);
        if (status != STATUS_OK)
            return status;
        put_model(h, stage, path);
        free(path);
    }
    return STATUS_OK;
}

/* Those that were given, and those that the run trained. */
static enum status models(const struct page *p, struct error *err)
{
    static const char *const stages[TRAIN_STAGES] = {"segment", "classify", "malignancy"};
    const struct settings *s = p->settings;
    const char *const given[TRAIN_STAGES] = {s->segment.weights, s->classify.weights,
                                             s->malignancy.weights};
    const struct html *h = &p->html;
    bool any = s->stages.train || given[0][0] || given[1][0] || given[2][0];
    for (int fold = 0; fold < SETTINGS_SUBSETS; fold++)
        any |= s->crossval.folds[fold];
    if (!any)
        return STATUS_OK;
    html_put(h, "<div class=wide><table class=numbers><caption>Models</caption><thead>"
                "<tr><th scope=col>stage<th scope=col>file<th scope=col>content<th "
                "scope=col class=n>fold<th scope=col class=n>scans it was trained or "
                "selected on</thead><tbody>\n");
    for (int i = 0; i < TRAIN_STAGES; i++) {
        enum status status = given_models(h, stages[i], given[i], err);
        if (status == STATUS_OK && s->stages.train)
            status = trained_model(p, stages[i], s->train.fold, err);
        for (int fold = 0; status == STATUS_OK && fold < SETTINGS_SUBSETS; fold++)
            if (s->crossval.folds[fold] && fold != s->train.fold)
                status = trained_model(p, stages[i], fold, err);
        if (status != STATUS_OK)
            return status;
    }
    html_put(h, "</tbody></table></div>\n");
    return STATUS_OK;
}

static enum status configuration(const struct page *p, struct error *err)
{
    enum status status = STATUS_OK;
    char *path = NULL, *text = NULL;
    size_t bytes;
    TRY(page_file(p, "job.cfg", &path, err));
    if (path)
        TRY(file_read(path, JOB_LIMIT, &text, &bytes, err));
    html_put(&p->html, "<details class=configuration><summary>The whole configuration"
                       "</summary><pre>");
    html_configuration(&p->html, text ? text : "");
    html_put(&p->html, "</pre></details>\n");
out:
    free(path);
    free(text);
    return status;
}

enum status page_origin(struct page *p, struct error *err)
{
    enum status status = STATUS_OK;
    page_part(p, "origin", "Origin");
    html_put(&p->html, "<table class=facts><caption>Versions</caption><tbody>\n");
    provenance(p);
    html_put(&p->html, "</tbody></table>\n");
    TRY(models(p, err));
    TRY(configuration(p, err));
    if (p->left_out > 0)
        html_format(&p->html,
                    "<p class=note>%zu findings are shown without pictures, which would "
                    "have made this file larger than %.0f MB.</p>\n",
                    p->left_out, p->options->megabytes);
    page_part_end(p);
out:
    return status;
}
