/* A score for programs. */
#include <jansson.h>
#include <math.h>

#include "score/froc_files.h"

/* jansson refuses NaN and infinities. */
static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *count(int64_t value)
{
    return json_integer((json_int_t)value);
}

static void put_count(json_t *object, const char *key, int64_t value)
{
    json_object_set_new(object, key, count(value));
}

static json_t *interval(const struct bootstrap_band *b, const struct interval *i)
{
    if (b->resamples == 0)
        return json_null();
    return json_pack("{s:o, s:o, s:o}", "mean", number(i->mean), "lower",
                     number(i->lower), "upper", number(i->upper));
}

static json_t *counts(const struct evaluation *e, const struct froc_result *r)
{
    const struct match_counts *c = &r->counts;
    json_t *o = json_object();
    put_count(o, "scans", (int64_t)r->scan_count);
    put_count(o, "scans_with_marks", (int64_t)e->with_marks);
    put_count(o, "scans_listed_again", (int64_t)e->repeated);
    put_count(o, "marks", c->marks);
    put_count(o, "marks_cut", c->cut);
    put_count(o, "candidates", c->candidates);
    put_count(o, "nodules", c->nodules);
    put_count(o, "excluded_findings", c->excluded_findings);
    put_count(o, "true_positives", c->true_positives);
    put_count(o, "false_positives", c->false_positives);
    put_count(o, "false_negatives", c->false_negatives);
    put_count(o, "excluded", c->excluded);
    put_count(o, "doubles", c->doubles);
    put_count(o, "shared", c->shared);
    put_count(o, "foreign_scans", (int64_t)e->foreign_scans);
    put_count(o, "foreign_marks", (int64_t)e->foreign_marks);
    put_count(o, "unused_annotations", (int64_t)e->unused_findings);
    return o;
}

static json_t *points(const struct froc_result *r)
{
    json_t *all = json_array();
    for (size_t i = 0; i < BOOTSTRAP_POINTS; i++)
        json_array_append_new(all,
                              json_pack("{s:o, s:o, s:o}", "false_positives_per_scan",
                                        number(bootstrap_points[i]), "sensitivity",
                                        number(r->sensitivity[i]), "bootstrap",
                                        interval(&r->band, &r->band.points[i])));
    return all;
}

static json_t *readings(const struct froc_result *r)
{
    json_t *all = json_object();
    for (size_t v = 0; v < FROC_READINGS; v++) {
        json_t *values = json_array();
        for (size_t i = 0; i < BOOTSTRAP_POINTS; i++)
            json_array_append_new(values, number(r->readings[v][i]));
        json_object_set_new(all, froc_reading_names[v],
                            json_pack("{s:o, s:o}", "cpm", number(r->reading_cpm[v]),
                                      "sensitivities", values));
    }
    return all;
}

static json_t *bootstrap(const struct bootstrap_band *b)
{
    if (b->resamples == 0)
        return json_null();
    return json_pack("{s:o, s:o, s:f}", "resamples", count((int64_t)b->resamples), "seed",
                     count((int64_t)b->seed), "confidence", 0.95);
}

enum status froc_json(const char *name, const struct evaluation *e,
                      const struct froc_result *r, char **out, struct error *err)
{
    json_t *label = json_string(name); /* NULL when the name is not UTF-8 */
    json_t *root =
        json_pack("{s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "name",
                  label ? label : json_null(), "cpm", number(r->cpm), "reading",
                  froc_reading_names[FROC_INTERPOLATED], "cpm_bootstrap",
                  interval(&r->band, &r->band.cpm), "points", points(r), "readings",
                  readings(r), "counts", counts(e, r), "bootstrap", bootstrap(&r->band));
    char *text = root ? json_dumps(root, JSON_INDENT(1) | JSON_PRESERVE_ORDER |
                                             JSON_REAL_PRECISION(15))
                      : NULL;
    json_decref(root);
    int written = text ? asprintf(out, "%s\n", text) : -1;
    free(text);
    if (written < 0)
        return error_set(err, STATUS_STAGE_MEMORY, "%s: no memory for froc.json", name);
    return STATUS_OK;
}
