/* An assessment for programs: score.json. */
#include <math.h>

#include "score/assessment_files.h"
#include "score/json_parts.h"

static json_t *proportion(const struct proportion *p)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "count", json_count(p->count), "of",
                     json_count(p->of), "share", json_number(p->share), "lower",
                     json_number(p->lower), "upper", json_number(p->upper));
}

static json_t *area(const struct roc_area *a)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "positives", json_count(a->positives),
                     "negatives", json_count(a->negatives), "auc", json_number(a->area),
                     "lower", json_number(a->lower), "upper", json_number(a->upper));
}

/* ---- what was scored ---- */

static json_t *scope(const struct assessment_input *in, const struct assessment_notes *n)
{
    const struct evaluation *e = in->evaluation;
    int64_t done = 0;
    json_t *o = json_object();
    for (size_t s = 0; s < e->scan_count; s++)
        done += in->scans[s].done;
    json_put_count(o, "scans", (int64_t)e->scan_count);
    json_put_count(o, "scans_without_result", (int64_t)e->scan_count - done);
    json_put_count(o, "run_scans", n->run_scans);
    json_put_count(o, "run_scans_not_listed", (int64_t)e->unlisted);
    json_put_count(o, "listed_scans_left_out", (int64_t)e->left_out);
    json_object_set_new(o, "whole_data_set", json_boolean(n->whole));
    return o;
}

static json_t *seen(const struct assessment *a)
{
    json_t *o = json_object();
    for (int k = 2; k >= 0; k--)
        json_put_count(o, seen_name(k - 1), a->seen_scans[k]);
    return o;
}

static json_t *missing(const struct assessment_notes *n)
{
    json_t *all = json_array();
    for (size_t i = 0; i < n->missing_count; i++)
        json_array_append_new(all, json_string(n->missing[i]));
    return all;
}

static json_t *parts(const struct assessment *a, enum part_kind kind)
{
    json_t *all = json_array();
    for (size_t i = 0; i < a->part_count; i++) {
        const struct part *p = &a->parts[i];
        if (p->kind != kind)
            continue;
        json_t *label =
            kind == PART_FOLD ? json_count(p->label) : json_string(seen_name(p->label));
        json_array_append_new(
            all, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
                           kind == PART_FOLD ? "fold" : "seen", label, "scans",
                           json_count(p->scans), "nodules", json_count(p->nodules),
                           "true_positives", json_count(p->froc.counts.true_positives),
                           "false_positives", json_count(p->froc.counts.false_positives),
                           "cpm", json_number(p->froc.cpm), "cpm_bootstrap",
                           json_interval(&p->froc.band, &p->froc.band.cpm), "points",
                           json_points(&p->froc)));
    }
    return all;
}

/* ---- right and wrong ---- */

static json_t *losses(const struct assessment *a)
{
    json_t *o = json_object();
    for (int k = 0; k < LOSS_KINDS; k++)
        json_put_count(o, loss_names[k], a->losses[k]);
    return o;
}

static json_t *strata(const struct stratum *s, size_t count)
{
    json_t *all = json_array();
    for (size_t b = 0; b < count; b++) {
        json_t *found = json_array();
        for (size_t p = 0; p < BOOTSTRAP_POINTS; p++)
            json_array_append_new(found, proportion(&s[b].found[p]));
        json_array_append_new(all,
                              json_pack("{s:o, s:o, s:o}", "from", json_number(s[b].from),
                                        "to", json_number(s[b].to), "found", found));
    }
    return all;
}

static json_t *candidates(const struct assessment_input *in, const struct assessment *a)
{
    const struct confusion *c = &a->confusion;
    json_t *o = json_object();
    json_object_set_new(o, "threshold", json_number(in->thresholds.nodule));
    json_put_count(o, "true_positives", c->true_positives);
    json_put_count(o, "false_positives", c->false_positives);
    json_put_count(o, "false_negatives", c->false_negatives);
    json_put_count(o, "true_negatives", c->true_negatives);
    json_put_count(o, "on_excluded_findings", a->candidates_excluded);
    json_object_set_new(o, "precision", json_number(confusion_precision(c)));
    json_object_set_new(o, "recall", json_number(confusion_recall(c)));
    json_object_set_new(o, "f1", json_number(confusion_f1(c)));
    json_object_set_new(o, "accuracy", json_number(confusion_accuracy(c)));
    json_object_set_new(o, "roc", area(&a->candidates));
    return o;
}

static json_t *calibration(const struct calibration *c)
{
    json_t *bins = json_array();
    for (size_t k = 0; k < CALIBRATION_BINS; k++)
        json_array_append_new(
            bins, json_pack("{s:f, s:f, s:o, s:o}", "from", (double)k / CALIBRATION_BINS,
                            "to", (double)(k + 1) / CALIBRATION_BINS, "predicted",
                            json_number(c->bins[k].predicted), "observed",
                            proportion(&c->bins[k].observed)));
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "candidates",
                     json_count((int64_t)c->count), "brier", json_number(c->brier),
                     "expected_error", json_number(c->error), "skill",
                     json_number(c->skill), "bins", bins);
}

static json_t *book(const struct assessment_input *in, const struct assessment *a)
{
    static const char *const found[FOUND_KINDS] = {"missed", "filtered", "benign",
                                                   "malignant"};
    static const char *const truth[TRUTH_KINDS] = {"no_nodule", "benign", "malignant"};
    json_t *table = json_object();
    for (int t = 0; t < TRUTH_KINDS; t++) {
        json_t *row = json_object();
        for (int f = 0; f < FOUND_KINDS; f++)
            if (t != TRUTH_NO_NODULE || f != FOUND_MISSED)
                json_put_count(row, found[f], a->book.cells[t][f]);
        json_object_set_new(table, truth[t], row);
    }
    return json_pack("{s:o, s:o, s:b, s:o}", "nodule_threshold",
                     json_number(in->thresholds.nodule), "malignancy_threshold",
                     json_number(in->thresholds.malignancy), "malignancy_known",
                     a->has_malignancy, "table", table);
}

static json_t *malignancy(const struct assessment *a)
{
    const struct roc_difference *d = &a->malignancy;
    if (!a->has_malignancy)
        return json_null();
    return json_pack("{s:o, s:o, s:o, s:{s:o, s:o, s:o, s:o}}", "model", area(&d->a),
                     "diameter", area(&d->b), "nodules_without_judged_candidate",
                     json_count(a->malignancy_unjudged), "difference", "auc",
                     json_number(d->difference), "lower", json_number(d->lower), "upper",
                     json_number(d->upper), "p", json_number(d->p));
}

static json_t *patients(const struct assessment *a)
{
    if (!a->has_malignancy)
        return json_null();
    return json_pack("{s:o, s:o}", "roc", area(&a->patients), "scans_without_score",
                     json_count(a->patients_unscored));
}

/* Everything that needs annotations; null without. */
static void put_results(json_t *root, const struct assessment_input *in,
                        const struct assessment *a, const struct assessment_notes *n)
{
    json_object_set_new(root, "scope", scope(in, n));
    json_object_set_new(root, "scan_seen_by_the_model", seen(a));
    json_object_set_new(root, "froc",
                        json_froc("submission", in->evaluation, &a->parts[0].froc));
    json_object_set_new(root, "folds", parts(a, PART_FOLD));
    json_object_set_new(root, "by_seen", parts(a, PART_SEEN));
    json_object_set_new(root, "nodules", losses(a));
    json_object_set_new(root, "by_diameter_mm",
                        strata(a->by_diameter, STRATA_DIAMETER_EDGES - 1));
    json_object_set_new(root, "by_slice_thickness_mm",
                        strata(a->by_thickness, STRATA_THICKNESS_EDGES - 1));
    json_object_set_new(root, "candidates", candidates(in, a));
    json_object_set_new(root, "calibration", calibration(&a->calibration));
    json_object_set_new(root, "book", book(in, a));
    json_object_set_new(root, "malignancy", malignancy(a));
    json_object_set_new(root, "patients", patients(a));
}

enum status assessment_json(const struct assessment_input *in, const struct assessment *a,
                            const struct assessment_notes *n, char **out,
                            struct error *err)
{
    static const char *const results[] = {"scope",          "scan_seen_by_the_model",
                                          "froc",           "folds",
                                          "by_seen",        "nodules",
                                          "by_diameter_mm", "by_slice_thickness_mm",
                                          "candidates",     "calibration",
                                          "book",           "malignancy",
                                          "patients"};
    json_t *root = json_object();
    json_object_set_new(root, "format", json_integer(1));
    json_object_set_new(root, "key", json_string(n->key));
    json_object_set_new(root, "missing", missing(n));
    for (size_t i = 0; i < sizeof results / sizeof *results; i++)
        json_object_set_new(root, results[i], json_null());
    if (a)
        put_results(root, in, a, n);
    return json_text(root, "score.json", out, err);
}
