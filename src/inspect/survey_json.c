/* A survey for programs: one JSON object, every list whole. Numbers that are not known
 * are null. */
#include <jansson.h>
#include <math.h>

#include "config/path_list.h"
#include "inspect/forecast.h"
#include "inspect/survey.h"

/* jansson refuses NaN and infinities. */
static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *count(int64_t value)
{
    return json_integer((json_int_t)value);
}

/* Paths need not be UTF-8, which JSON has to be: what is not becomes null. */
static json_t *text(const char *value)
{
    json_t *string = value && value[0] ? json_string(value) : NULL;
    return string ? string : json_null();
}

static json_t *spread(const struct spread *s)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "min", number(s->low), "quartile1",
                     number(s->q1), "median", number(s->median), "quartile3",
                     number(s->q3), "max", number(s->high));
}

static json_t *subsets(const struct survey *v)
{
    json_t *all = json_array();
    for (int k = 0; k < DATASET_SUBSETS; k++) {
        const struct survey_subset *s = &v->subsets[k];
        if (s->asked)
            json_array_append_new(
                all, json_pack("{s:i, s:b, s:o, s:o, s:o, s:o}", "subset", k, "present",
                               s->present, "scans", count(s->scans), "broken",
                               count(s->broken), "unlisted", count(s->unlisted), "bytes",
                               count(s->bytes)));
    }
    return all;
}

static json_t *broken(const struct survey *v)
{
    json_t *all = json_array();
    for (size_t i = 0; i < v->dataset.count; i++)
        if (v->reasons[i])
            json_array_append_new(all, json_pack("{s:o, s:i, s:o}", "seriesuid",
                                                 text(v->dataset.scans[i].seriesuid),
                                                 "subset", v->dataset.scans[i].subset,
                                                 "reason", text(v->reasons[i])));
    return all;
}

static json_t *unlisted(const struct survey *v)
{
    json_t *all = json_array();
    for (size_t i = 0; v->unlisted && i < v->dataset.count; i++)
        if (!v->listed[i])
            json_array_append_new(all, text(v->dataset.scans[i].seriesuid));
    return all;
}

static json_t *missing(const struct survey *v)
{
    json_t *all = json_array();
    for (int64_t i = 0; i < v->missing_count; i++)
        json_array_append_new(all, text(v->missing[i]));
    return all;
}

static json_t *problems(const struct survey *v)
{
    json_t *all = json_array();
    for (size_t i = 0; i < v->dataset.problem_count; i++)
        json_array_append_new(all, text(v->dataset.problems[i].sentence));
    return all;
}

static json_t *headers(const struct survey_headers *h)
{
    json_t *bins = json_array(), *directions = json_object(), *elements = json_object();
    for (int i = 0; i < THICKNESS_BINS; i++)
        json_array_append_new(
            bins,
            json_pack("{s:o, s:o}", "to_mm",
                      i < THICKNESS_BINS - 1 ? number(thickness_bounds[i]) : json_null(),
                      "scans", count(h->thickness_bins[i])));
    for (int k = 0; k < DIRECTION_KINDS; k++)
        json_object_set_new(directions, direction_name((enum direction_kind)k),
                            count(h->directions[k]));
    for (int k = 0; k < h->element_count; k++)
        json_object_set_new(elements, h->elements[k].name, count(h->elements[k].scans));
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "scans",
        count(h->scans), "slice_thickness_mm", spread(&h->thickness),
        "slice_thickness_bins", bins, "pixel_spacing_mm", spread(&h->pixel), "slices",
        spread(&h->size[0]), "rows", spread(&h->size[1]), "columns", spread(&h->size[2]),
        "directions", directions, "element_types", elements, "oblong_pixels",
        count(h->oblong), "compressed", count(h->compressed), "compressed_bytes",
        count(h->compressed_bytes), "voxels", count(h->voxels));
}

static json_t *voxels(const struct survey *v)
{
    const struct survey_voxels *x = &v->voxels;
    if (!v->deep)
        return json_null();
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "scans",
                     count(x->scans), "voxels", count(x->voxels), "hu_min",
                     number(x->low), "hu_max", number(x->high), "hu_mean",
                     number(x->mean), "scan_mean", spread(&x->scan_mean),
                     "padding_voxels", count(x->padding), "padding_scans",
                     count(x->padded_scans), "padding_min", number(x->padding_low));
}

static json_t *list(const struct survey_list *l)
{
    if (!l->path[0])
        return json_null();
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "path",
                     text(l->path), "error", text(l->error), "rows", count(l->rows),
                     "scans", count(l->scans), "rows_here", count(l->rows_here),
                     "scans_here", count(l->scans_here), "rows_absent",
                     count(l->rows_absent), "scans_absent", count(l->scans_absent),
                     "rows_outside", count(l->rows_outside));
}

static json_t *nodules(const struct survey *v)
{
    json_t *all = json_array();
    for (int i = 0; i < DIAMETER_BINS; i++)
        json_array_append_new(
            all, json_pack("{s:o, s:o, s:o, s:o}", "from_mm",
                           i ? number(diameter_bounds[i]) : json_null(), "benign",
                           count(v->nodules[i][MALIGNANCY_NO]), "malignant",
                           count(v->nodules[i][MALIGNANCY_YES]), "not_said",
                           count(v->nodules[i][MALIGNANCY_UNSAID])));
    return all;
}

static json_t *lists(const struct survey *v)
{
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:o, s:o}", "seriesuids",
        list(&v->lists[LIST_SERIES]), "annotations", list(&v->lists[LIST_NODULES]),
        "malignancy", list(&v->lists[LIST_MALIGNANCY]), "candidates",
        list(&v->lists[LIST_CANDIDATES]), "excluded", list(&v->lists[LIST_EXCLUDED]),
        "complete", v->complete, "nodules", nodules(v), "unmatched_malignancies",
        count(v->unmatched_malignancies), "candidates_by_class",
        json_pack("[o, o]", count(v->candidates[0]), count(v->candidates[1])));
}

/* One path as a text, several as a list of them. */
static json_t *paths(const char *list)
{
    const size_t count = path_list_count(list);
    if (count < 2)
        return text(list);
    json_t *all = json_array();
    for (const char *p = list; p; p = path_list_next(p))
        json_array_append_new(all, json_stringn(p, path_list_length(p)));
    return all;
}

static json_t *weights(const struct survey *v)
{
    json_t *all = json_object();
    for (int i = 0; i < 3; i++) {
        const struct survey_weights *w = &v->weights[i];
        json_object_set_new(all, w->stage,
                            json_pack("{s:o, s:b, s:o, s:o, s:o, s:o}", "path",
                                      paths(w->path), "needed", w->needed, "error",
                                      text(w->error), "network", text(w->network),
                                      "parameters", count(w->parameters),
                                      "workspace_bytes", count(w->workspace_bytes)));
    }
    return all;
}

static json_t *room(const struct survey_room *r)
{
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "output", text(r->output),
        "free_bytes", r->free_bytes >= 0 ? count(r->free_bytes) : json_null(),
        "heatmap_bytes", count(r->heatmap_bytes), "voxel_bytes_rank",
        count(r->voxel_bytes), "workspace_bytes_thread", count(r->thread_bytes),
        "weights_bytes_rank", count(r->model_bytes), "too_large_scans",
        count(r->too_large), "cache_bytes", count(r->cache_bytes));
}

static json_t *training(const struct survey_room *r)
{
    json_t *all = json_array();
    for (int i = 0; i < TRAIN_STAGES; i++) {
        const struct survey_training *t = &r->training[i];
        if (t->stage)
            json_array_append_new(all, json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}",
                                                 "stage", t->stage, "error",
                                                 text(t->error), "batch", count(t->batch),
                                                 "sample_bytes", count(t->sample_bytes),
                                                 "alone_bytes", count(t->alone_bytes),
                                                 "workers_needed", count(t->workers)));
    }
    return all;
}

static json_t *folds(const struct survey_room *r)
{
    json_t *all = json_array();
    for (int k = 0; k < SETTINGS_SUBSETS; k++)
        if (r->folds[k])
            json_array_append_new(all, json_integer(k));
    return all;
}

enum status survey_print_json(const struct survey *v, const struct forecast *f, FILE *out,
                              struct error *err)
{
    json_t *root =
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i}",
                  "root", text(v->root), "scans", count((int64_t)v->dataset.count),
                  "bytes", count(v->bytes), "subsets", subsets(v), "broken", broken(v),
                  "missing", missing(v), "unlisted", unlisted(v), "problems", problems(v),
                  "headers", headers(&v->headers), "voxels", voxels(v), "lists", lists(v),
                  "weights", weights(v), "exit_code", survey_exit_code(v));
    if (root)
        json_object_set_new(root, "room", room(&v->room));
    if (root)
        json_object_set_new(root, "training", training(&v->room));
    if (root)
        json_object_set_new(root, "training_refused", text(v->room.refusal));
    if (root && f)
        json_object_set_new(root, "forecast", forecast_json(f));
    if (root && v->room.fold_count > 0)
        json_object_set_new(root, "folds", folds(&v->room));
    bool written = root && !json_dumpf(root, out, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
    json_decref(root);
    fputc('\n', out);
    return written ? STATUS_OK
                   : error_set(err, STATUS_JOB_FAILED,
                               "the survey cannot be written as JSON");
}
