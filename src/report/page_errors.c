/* Right and wrong: where nodules were lost, folds, confusion, ROC, calibration. */
#include <math.h>

#include "io/csv.h"
#include "report/page.h"

static double at(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return json_is_number(v) ? json_number_value(v) : (double)NAN;
}

/* ---- where nodules were lost ---- */

/* In the order in which a nodule passes them. */
static const struct {
    const char *key, *meaning;
} stages[] = {
    {"found", "a candidate at or above the threshold is near it"},
    {"classifier", "a candidate is near it, below the threshold"},
    {"grouping", "its voxels were marked, but their centre lies elsewhere"},
    {"erosion", "nothing of its mask was left after erosion"},
    {"heatmap", "the segmenter saw nothing there"},
    {"search", "the search for blobs has none there"},
    {"list", "none of the listed places is near it"},
    {"outside", "it lies outside of the volume"},
    {"quarantine", "its scan could not be processed"},
    {"absent", "its scan is not in this run"},
};

static void losses(const struct page *p)
{
    const struct html *h = &p->html;
    const double all = page_score_at(p, "froc.counts.nodules");
    html_put(h, "<table class=bars><caption>What became of the annotated nodules"
                "</caption><thead><tr><th scope=col>stage<th scope=col class=n>nodules"
                "<th scope=col><span class=hidden>share</span><th scope=col>that is"
                "</thead><tbody>\n");
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
        char way[64];
        snprintf(way, sizeof way, "nodules.%s", stages[i].key);
        const double count = page_score_at(p, way);
        if (!(count > 0) && i > 0)
            continue;
        html_format(h,
                    "<tr><th scope=row>%s<td class=n>%.0f<td class=bar><span "
                    "class=\"%s\" style=\"width:%.1f%%\"></span><td>%s\n",
                    stages[i].key, count, i == 0 ? "good" : "lost",
                    all > 0 ? 100 * count / all : 0, stages[i].meaning);
    }
    html_put(h, "</tbody></table>\n");
}

/* ---- folds, and scans seen or not ---- */

static void parts(const struct page *p, const char *key, const char *label,
                  const char *caption)
{
    const struct html *h = &p->html;
    const json_t *all = page_score_json(p, key), *part;
    size_t i;
    if (json_array_size(all) == 0)
        return;
    html_format(h,
                "<div class=wide><table class=\"numbers sort\"><caption>%s</caption>"
                "<thead><tr><th scope=col>%s<th scope=col class=n>scans<th scope=col "
                "class=n>nodules<th scope=col class=n>found<th scope=col class=n>false "
                "positives<th scope=col class=n>CPM<th scope=col class=n>95 %%</thead>"
                "<tbody>\n",
                caption, label);
    json_array_foreach(all, i, part)
    {
        const json_t *name = json_object_get(part, label), *b;
        html_put(h, "<tr><th scope=row>");
        if (json_is_string(name))
            html_text(h, json_string_value(name));
        else
            html_number(h, "%.0f", json_number_value(name));
        html_cell(h, "%.0f", at(part, "scans"));
        html_cell(h, "%.0f", at(part, "nodules"));
        html_cell(h, "%.0f", at(part, "true_positives"));
        html_cell(h, "%.0f", at(part, "false_positives"));
        html_cell(h, "%.3f", at(part, "cpm"));
        b = json_object_get(part, "cpm_bootstrap");
        html_format(h, "<td class=n data-v=\"%g\">", at(b, "lower"));
        html_range(h, "%.3f", at(b, "lower"), at(b, "upper"));
        html_put(h, "</td>\n");
    }
    html_put(h, "</tbody></table></div>\n");
}

/* ---- confusion ---- */

/* A count, on a ground that is the darker the larger its share of `all`. */
static void shaded(const struct html *h, double count, double all, bool right)
{
    html_format(h, "<td class=\"n cell %s\" style=\"--share:%.3f\">%.0f",
                right ? "good" : "lost", all > 0 ? count / all : 0, count);
}

static void confusion(const struct page *p)
{
    const struct html *h = &p->html;
    const json_t *c = page_score_json(p, "candidates");
    const double tp = at(c, "true_positives"), fp = at(c, "false_positives"),
                 fn = at(c, "false_negatives"), tn = at(c, "true_negatives");
    html_format(h,
                "<table class=\"numbers confusion\"><caption>Candidates at threshold "
                "%.3g</caption><thead><tr><th scope=col><th scope=col class=n>called "
                "nodule<th scope=col class=n>called none</thead><tbody><tr><th "
                "scope=row>in a nodule",
                at(c, "threshold"));
    shaded(h, tp, tp + fn, true);
    shaded(h, fn, tp + fn, false);
    html_put(h, "<tr><th scope=row>elsewhere");
    shaded(h, fp, fp + tn, false);
    shaded(h, tn, fp + tn, true);
    html_put(h, "</tbody></table>\n<p class=note>Precision ");
    html_number(h, "%.3f", at(c, "precision"));
    html_put(h, ", recall ");
    html_number(h, "%.3f", at(c, "recall"));
    html_put(h, ", F1 ");
    html_number(h, "%.3f", at(c, "f1"));
    html_put(h, "; area under the ROC curve of all candidates ");
    html_number(h, "%.3f", page_score_at(p, "candidates.roc.auc"));
    html_put(h, ". Candidates on findings that do not count are left out: ");
    html_number(h, "%.0f", at(c, "on_excluded_findings"));
    html_put(h, ".</p>\n");
}

static void book(const struct page *p)
{
    static const char *const rows[] = {"no_nodule", "benign", "malignant"};
    static const char *const row_names[] = {"no nodule", "benign nodule",
                                            "malignant nodule"};
    static const char *const columns[] = {"missed", "filtered", "benign", "malignant"};
    const struct html *h = &p->html;
    html_put(h, "<table class=\"numbers confusion\"><caption>Nodules and malignancy, at "
                "both thresholds</caption><thead><tr><th scope=col><th scope=col "
                "class=n>missed<th scope=col class=n>filtered out<th scope=col "
                "class=n>called benign<th scope=col class=n>called malignant</thead>"
                "<tbody>");
    for (int r = 0; r < 3; r++) {
        double count[4], all = 0;
        for (int c = 0; c < 4; c++) {
            char way[64];
            snprintf(way, sizeof way, "book.table.%s.%s", rows[r], columns[c]);
            count[c] = page_score_at(p, way);
            all += isfinite(count[c]) ? count[c] : 0;
        }
        html_format(h, "<tr><th scope=row>%s", row_names[r]);
        for (int c = 0; c < 4; c++)
            if (isfinite(count[c]))
                shaded(h, count[c], all, r == 0 ? c == 1 : r == c - 1);
            else
                html_put(h, "<td class=n>\u2013");
    }
    html_put(h, "</tbody></table>\n<p class=note>A nodule counts as found when a "
                "candidate is nearer than 0.7 diameters: more generous than LUNA16's "
                "rule, so these counts are not those of the FROC curve.</p>\n");
}

/* ---- ROC ---- */

enum { CURVES = 3 };

static const struct {
    const char *score, *title, *way, *look;
} curves[CURVES] = {
    {"malignancy", "nodules: model", "malignancy.model",
     "lw 2.5 dt solid lc rgb " CHART_COLOUR(1)},
    {"diameter", "nodules: diameter", "malignancy.diameter",
     "lw 2 dt 2 lc rgb " CHART_COLOUR(2)},
    {"patient", "patients", "patients.roc", "lw 2 dt 4 lc rgb " CHART_COLOUR(3)},
};

struct curve_points {
    FILE *out;
    const char *score;
    double x, y;
    size_t count;
};

static enum status take_roc(void *context, const struct csv_row *row, struct error *err)
{
    struct curve_points *c = context;
    double x, y;
    if (strcmp(row->fields[0], c->score))
        return STATUS_OK;
    enum status status = csv_number(row, 1, "false_positive_rate", &x, err);
    if (status == STATUS_OK)
        status = csv_number(row, 2, "true_positive_rate", &y, err);
    if (status != STATUS_OK ||
        (c->count > 0 && fabs(x - c->x) < 0.001 && fabs(y - c->y) < 0.001))
        return status;
    fprintf(c->out, "%.5f %.5f\n", x, y);
    c->x = x;
    c->y = y;
    c->count++;
    return STATUS_OK;
}

static enum status put_curves(const struct page *p, FILE *out, size_t counts[CURVES],
                              struct error *err)
{
    static const struct csv_column columns[] = {
        {"score", false}, {"false_positive_rate", false}, {"true_positive_rate", false}};
    enum status status = STATUS_OK;
    char *path = NULL;
    TRY(page_file(p, "froc/roc.csv", &path, err));
    for (int i = 0; path && i < CURVES; i++) {
        struct curve_points c = {.out = out, .score = curves[i].score};
        fprintf(out, "$c%d << EOD\n", i);
        TRY(csv_read(path, columns, 3, take_roc, &c, err));
        fputs("1 1\nEOD\n", out);
        counts[i] = c.count;
    }
out:
    free(path);
    return status;
}

static void roc_numbers(const struct page *p)
{
    const struct html *h = &p->html;
    html_put(h, "<table class=numbers><thead><tr><th scope=col>score<th scope=col "
                "class=n>malignant<th scope=col class=n>benign<th scope=col "
                "class=n>area<th scope=col class=n>95 %</thead><tbody>");
    for (int i = 0; i < CURVES; i++) {
        const json_t *a = page_score_json(p, curves[i].way);
        html_format(h, "<tr><th scope=row>%s", curves[i].title);
        html_cell(h, "%.0f", at(a, "positives"));
        html_cell(h, "%.0f", at(a, "negatives"));
        html_cell(h, "%.3f", at(a, "auc"));
        html_put(h, "<td class=n>");
        html_range(h, "%.3f", at(a, "lower"), at(a, "upper"));
    }
    html_put(h, "</tbody></table>\n");
}

static enum status draw_roc(struct page *p, struct error *err)
{
    static const struct chart_axes axes = {"ROC curves of malignancy",
                                           "false positive rate (share)",
                                           "true positive rate (share)", 0};
    enum status status = STATUS_OK;
    struct chart c;
    size_t counts[CURVES] = {0};
    if (!json_is_object(page_score_json(p, "malignancy")))
        return STATUS_OK;
    TRY(chart_begin(&c, &axes, err));
    status = put_curves(p, c.script, counts, err);
    if (status != STATUS_OK) {
        chart_drop(&c);
        goto out;
    }
    fputs("set xrange [0:1]\nset yrange [0:1]\nplot x with lines lw "
          "1 dt 3 lc rgb " CHART_INK " title \"chance\"",
          c.script);
    for (int i = 0; i < CURVES; i++)
        if (counts[i] > 1)
            fprintf(c.script, ", $c%d using 1:2 with lines %s title \"%s\"", i,
                    curves[i].look, curves[i].title);
    fputc('\n', c.script);
    TRY(page_draw(p, &c, err));
    roc_numbers(p);
    html_put(&p->html, "</figure>\n");
out:
    return status;
}

/* ---- calibration ---- */

static void calibration_numbers(const struct page *p)
{
    const struct html *h = &p->html;
    const json_t *bins = page_score_json(p, "calibration.bins"), *bin;
    size_t i;
    html_format(h,
                "<p class=note>Brier score %.4f, expected error %.4f, over %.0f "
                "candidates.</p><details><summary>The numbers</summary><table "
                "class=numbers><thead><tr><th scope=col>probability<th scope=col "
                "class=n>candidates<th scope=col class=n>predicted<th scope=col "
                "class=n>observed</thead><tbody>",
                page_score_at(p, "calibration.brier"),
                page_score_at(p, "calibration.expected_error"),
                page_score_at(p, "calibration.candidates"));
    json_array_foreach(bins, i, bin)
    {
        const json_t *o = json_object_get(bin, "observed");
        html_format(h, "<tr><th scope=row>%.1f to %.1f", at(bin, "from"), at(bin, "to"));
        html_cell(h, "%.0f", at(o, "of"));
        html_cell(h, "%.3f", at(bin, "predicted"));
        html_cell(h, "%.3f", at(o, "share"));
    }
    html_put(h, "</tbody></table></details></figure>\n");
}

static enum status draw_calibration(struct page *p, struct error *err)
{
    static const struct chart_axes axes = {"Calibration of the probabilities",
                                           "predicted probability (0 to 1)",
                                           "observed nodules (share)", 0};
    enum status status = STATUS_OK;
    struct chart c;
    const json_t *bins = page_score_json(p, "calibration.bins"), *bin;
    size_t i;
    TRY(chart_begin(&c, &axes, err));
    fputs("$d << EOD\n", c.script);
    json_array_foreach(bins, i, bin)
    {
        const json_t *o = json_object_get(bin, "observed");
        if (at(o, "of") > 0)
            fprintf(c.script, "%g %g %g %g\n", at(bin, "predicted"), at(o, "share"),
                    at(o, "lower"), at(o, "upper"));
    }
    fputs(
        "EOD\nset xrange [0:1]\nset yrange [0:1]\nplot x with lines lw 1 dt 3 lc "
        "rgb " CHART_INK
        " title \"as predicted\", $d using 1:2:3:4 with yerrorbars pt 7 ps 0.7 lw 1.5 lc "
        "rgb " CHART_COLOUR(1) " title \"candidates, 95 % bounds\"\n",
        c.script);
    TRY(page_draw(p, &c, err));
    calibration_numbers(p);
out:
    return status;
}

enum status page_score_tables(struct page *p, struct error *err)
{
    enum status status = STATUS_OK;
    page_part(p, "errors", "Right and wrong");
    losses(p);
    parts(p, "folds", "fold", "By fold");
    parts(p, "by_seen", "seen", "By whether the models have seen the scan");
    html_put(&p->html, "<div class=charts><div>\n");
    confusion(p);
    book(p);
    html_put(&p->html, "</div>\n");
    TRY(draw_calibration(p, err));
    TRY(draw_roc(p, err));
    html_put(&p->html, "</div>\n");
    page_part_end(p);
out:
    return status;
}
