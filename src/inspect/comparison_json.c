/* A comparison for programs. */
#include <jansson.h>
#include <math.h>

#include "inspect/comparison.h"

/* jansson refuses NaN and infinities. */
static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *count(int64_t value)
{
    return json_integer((json_int_t)value);
}

/* null when a text is no UTF-8. */
static json_t *text(const char *value)
{
    json_t *t = json_string(value);
    return t ? t : json_null();
}

static json_t *value(const struct paired_value *v)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "a", number(v->a), "b", number(v->b),
                     "difference", number(v->difference), "lower", number(v->lower),
                     "upper", number(v->upper));
}

static json_t *points(const struct paired_result *r)
{
    json_t *all = json_array();
    for (size_t i = 0; i < BOOTSTRAP_POINTS; i++) {
        json_t *point = value(&r->points[i]);
        json_object_set_new(point, "false_positives_per_scan",
                            number(bootstrap_points[i]));
        json_array_append_new(all, point);
    }
    return all;
}

static json_t *strata(const struct comparison_stratum *s, size_t strata_count)
{
    json_t *all = json_array();
    for (size_t b = 0; b < strata_count; b++) {
        bool any = s[b].nodules > 0;
        json_array_append_new(
            all, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "from", number(s[b].from),
                           "to", number(s[b].to), "scans", count(s[b].scans), "nodules",
                           count(s[b].nodules), "cpm",
                           any ? value(&s[b].paired.cpm) : json_null(), "points",
                           any ? points(&s[b].paired) : json_null()));
    }
    return all;
}

static json_t *run(const struct comparison *c, const struct comparison_request *r, int k)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:{s:o, s:o, s:o}}", "run",
                     text(r->folders[k]), "scans", count(c->run_scans[k]),
                     "not_in_the_other", count(c->only[k]), "failed", count(c->failed[k]),
                     "scan_seen_by_the_model", "seen", count(c->seen[k][2]), "unseen",
                     count(c->seen[k][1]), "unknown", count(c->seen[k][0]));
}

static json_t *area(const struct roc_area *a)
{
    return json_pack("{s:o, s:o, s:o}", "auc", number(a->area), "lower", number(a->lower),
                     "upper", number(a->upper));
}

/* b is run A (comparison.h). */
static json_t *areas(const struct comparison *c, const struct roc_difference *d)
{
    if (!c->has_malignancy)
        return json_null();
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "positives",
                     count(d->a.positives), "negatives", count(d->a.negatives), "a",
                     area(&d->b), "b", area(&d->a), "difference", number(d->difference),
                     "lower", number(d->lower), "upper", number(d->upper), "p",
                     number(d->p));
}

enum status comparison_json(const struct comparison *c,
                            const struct comparison_request *r, char **out,
                            struct error *err)
{
    json_t *root = json_object();
    json_object_set_new(root, "format", count(1));
    json_object_set_new(root, "a", run(c, r, 0));
    json_object_set_new(root, "b", run(c, r, 1));
    json_object_set_new(root, "shared_scans", count(c->shared));
    json_object_set_new(root, "scans", count(c->scans));
    json_object_set_new(root, "scans_with_other_content", count(c->changed));
    json_object_set_new(root, "nodules", count(c->nodules));
    json_object_set_new(root, "excluded_findings_known",
                        json_boolean(c->excluded_is_given));
    json_object_set_new(root, "bootstrap",
                        json_pack("{s:o, s:o, s:f}", "resamples",
                                  count((int64_t)c->resamples), "seed",
                                  count((int64_t)c->seed), "confidence", 0.95));
    json_object_set_new(root, "cpm", value(&c->all.cpm));
    json_object_set_new(root, "points", points(&c->all));
    json_object_set_new(root, "by_diameter_mm",
                        strata(c->by_diameter, STRATA_DIAMETER_EDGES - 1));
    json_object_set_new(root, "by_slice_thickness_mm",
                        strata(c->by_thickness, STRATA_THICKNESS_EDGES - 1));
    json_object_set_new(root, "malignancy", areas(c, &c->malignancy));
    json_object_set_new(root, "patients", areas(c, &c->patients));
    char *dumped =
        json_dumps(root, JSON_INDENT(1) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(15));
    json_decref(root);
    if (!dumped)
        return error_set(err, STATUS_STAGE_MEMORY, "no memory for a comparison");
    *out = dumped;
    return STATUS_OK;
}
