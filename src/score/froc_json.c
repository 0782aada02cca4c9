/* A score for programs. */
#include <math.h>

#include "score/froc_files.h"
#include "score/json_parts.h"

/* jansson refuses NaN and infinities. */
json_t *json_number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *json_count(int64_t value)
{
    return json_integer((json_int_t)value);
}

void json_put_count(json_t *object, const char *key, int64_t value)
{
    json_object_set_new(object, key, json_count(value));
}

json_t *json_interval(const struct bootstrap_band *b, const struct interval *i)
{
    if (b->resamples == 0)
        return json_null();
    return json_pack("{s:o, s:o, s:o}", "mean", json_number(i->mean), "lower",
                     json_number(i->lower), "upper", json_number(i->upper));
}

static json_t *counts(const struct evaluation *e, const struct froc_result *r)
{
    const struct match_counts *c = &r->counts;
    json_t *o = json_object();
    json_put_count(o, "scans", (int64_t)r->scan_count);
    json_put_count(o, "scans_with_marks", (int64_t)e->with_marks);
    json_put_count(o, "scans_listed_again", (int64_t)e->repeated);
    json_put_count(o, "marks", c->marks);
    json_put_count(o, "marks_cut", c->cut);
    json_put_count(o, "candidates", c->candidates);
    json_put_count(o, "nodules", c->nodules);
    json_put_count(o, "excluded_findings", c->excluded_findings);
    json_put_count(o, "true_positives", c->true_positives);
    json_put_count(o, "false_positives", c->false_positives);
    json_put_count(o, "false_negatives", c->false_negatives);
    json_put_count(o, "excluded", c->excluded);
    json_put_count(o, "doubles", c->doubles);
    json_put_count(o, "shared", c->shared);
    json_put_count(o, "foreign_scans", (int64_t)e->foreign_scans);
    json_put_count(o, "foreign_marks", (int64_t)e->foreign_marks);
    json_put_count(o, "unused_annotations", (int64_t)e->unused_findings);
    return o;
}

json_t *json_points(const struct froc_result *r)
{
    json_t *all = json_array();
    for (size_t i = 0; i < BOOTSTRAP_POINTS; i++)
        json_array_append_new(all,
                              json_pack("{s:o, s:o, s:o}", "false_positives_per_scan",
                                        json_number(bootstrap_points[i]), "sensitivity",
                                        json_number(r->sensitivity[i]), "bootstrap",
                                        json_interval(&r->band, &r->band.points[i])));
    return all;
}

static json_t *readings(const struct froc_result *r)
{
    json_t *all = json_object();
    for (size_t v = 0; v < FROC_READINGS; v++) {
        json_t *values = json_array();
        for (size_t i = 0; i < BOOTSTRAP_POINTS; i++)
            json_array_append_new(values, json_number(r->readings[v][i]));
        json_object_set_new(all, froc_reading_names[v],
                            json_pack("{s:o, s:o}", "cpm", json_number(r->reading_cpm[v]),
                                      "sensitivities", values));
    }
    return all;
}

static json_t *bootstrap(const struct bootstrap_band *b)
{
    if (b->resamples == 0)
        return json_null();
    return json_pack("{s:o, s:o, s:f}", "resamples", json_count((int64_t)b->resamples),
                     "seed", json_count((int64_t)b->seed), "confidence", 0.95);
}

json_t *json_froc(const char *name, const struct evaluation *e,
                  const struct froc_result *r)
{
    json_t *label = json_string(name); /* NULL when the name is not UTF-8 */
    return json_pack("{s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "name",
                     label ? label : json_null(), "cpm", json_number(r->cpm), "reading",
                     froc_reading_names[FROC_INTERPOLATED], "cpm_bootstrap",
                     json_interval(&r->band, &r->band.cpm), "points", json_points(r),
                     "readings", readings(r), "counts", counts(e, r), "bootstrap",
                     bootstrap(&r->band));
}

enum status json_text(json_t *root, const char *what, char **out, struct error *err)
{
    char *text = root ? json_dumps(root, JSON_INDENT(1) | JSON_PRESERVE_ORDER |
                                             JSON_REAL_PRECISION(15))
                      : NULL;
    json_decref(root);
    int written = text ? asprintf(out, "%s\n", text) : -1;
    free(text);
    if (written < 0)
        return error_set(err, STATUS_STAGE_MEMORY, "no memory for %s", what);
    return STATUS_OK;
}

enum status froc_json(const char *name, const struct evaluation *e,
                      const struct froc_result *r, char **out, struct error *err)
{
    return json_text(json_froc(name, e, r), "froc.json", out, err);
}
