/* The FROC curve with what others published, and sensitivity by size. */
#include <math.h>

#include "base/file.h"
#include "base/memory.h"
#include "io/csv.h"
#include "report/page.h"

enum { POINTS = 7 };

/* The seven false positives a scan at which LUNA16 reads a curve. */
static const double allowed[POINTS] = {0.125, 0.25, 0.5, 1, 2, 4, 8};
static const char *const allowed_names[POINTS] = {"1/8", "1/4", "1/2", "1",
                                                  "2",   "4",   "8"};

/* Others' sensitivities on LUNA16's 888 scans, ten folds: Liu et al. 2019
 * (arXiv:1906.03467), nnDetection 2021 (arXiv:2106.00817, table 2), MONAI's detection
 * tutorial. */
static const struct published {
    const char *name;
    double cpm, sensitivity[POINTS];
} published[] = {
    {"MONAI 2022", 0.936, {0.835, 0.885, 0.931, 0.957, 0.974, 0.983, 0.988}},
    {"nnDetection 2021", 0.930, {0.812, 0.885, 0.927, 0.950, 0.969, 0.979, 0.985}},
    {"Liu et al. 2019", 0.919, {0.848, 0.876, 0.905, 0.933, 0.943, 0.957, 0.970}},
};

enum { PUBLISHED = sizeof published / sizeof *published };

/* ---- the curve ---- */

struct thinning {
    FILE *out;
    double last_x, last_y;
    int columns;
};

/* What lies outside of the drawing, or would fall on the last point in it, is left out.
 */
static enum status take_point(void *context, const struct csv_row *row, struct error *err)
{
    struct thinning *t = context;
    double value[4];
    for (int k = 0; k < t->columns; k++) {
        enum status status =
            csv_number(row, (size_t)k, "a point of the curve", &value[k], err);
        if (status != STATUS_OK)
            return status;
    }
    if (value[0] < allowed[0] || value[0] > allowed[POINTS - 1] ||
        (value[0] < t->last_x * 1.02 && fabs(value[1] - t->last_y) < 0.002))
        return STATUS_OK;
    t->last_x = value[0];
    t->last_y = value[1];
    for (int k = 0; k < t->columns; k++)
        fprintf(t->out, "%.6g ", value[k]);
    fputc('\n', t->out);
    return STATUS_OK;
}

/* The rows of a file, when it is there. */
static enum status put_points(const struct page *p, FILE *out, const char *file,
                              const struct csv_column *columns, int count,
                              struct error *err)
{
    enum status status = STATUS_OK;
    char *path = NULL;
    struct thinning t = {out, -1, -1, count};
    TRY(page_file(p, file, &path, err));
    if (path)
        TRY(csv_read(path, columns, (size_t)count, take_point, &t, err));
out:
    free(path);
    return status;
}

static double sensitivity(const struct page *p, int point)
{
    char way[64];
    snprintf(way, sizeof way, "froc.points.%d.sensitivity", point);
    return page_score_at(p, way);
}

/* The blocks of data of the script: $band, $curve (from end to end of the drawing, as
 * the score reads it there), $points and $other0, ... */
static enum status put_data(const struct page *p, FILE *out, struct error *err)
{
    static const struct csv_column band[] = {{"FPrate", false},
                                             {"Sensivity[Lower bound]", false},
                                             {"Sensivity[Upper bound]", false}};
    static const struct csv_column curve[] = {{"false_positives_per_scan", false},
                                              {"sensitivity", false}};
    enum status status = STATUS_OK;
    const int last = POINTS - 1;
    fputs("$band << EOD\n", out);
    TRY(put_points(p, out, "froc/froc_submission_bootstrapping.csv", band, 3, err));
    fprintf(out, "EOD\n$curve << EOD\n%g %g\n", allowed[0], sensitivity(p, 0));
    TRY(put_points(p, out, "froc/froc.csv", curve, 2, err));
    fprintf(out, "%g %g\nEOD\n$points << EOD\n", allowed[last], sensitivity(p, last));
    for (int k = 0; k < POINTS; k++)
        fprintf(out, "%g %g\n", allowed[k], sensitivity(p, k));
    fputs("EOD\n", out);
    for (int i = 0; i < PUBLISHED; i++) {
        fprintf(out, "$other%d << EOD\n", i);
        for (int k = 0; k < POINTS; k++)
            fprintf(out, "%g %g\n", allowed[k], published[i].sensitivity[k]);
        fputs("EOD\n", out);
    }
out:
    return status;
}

static enum status script_froc(const struct page *p, FILE *out, struct error *err)
{
    static const char *const looks[PUBLISHED] = {
        "pt 5 ps 0.6 dt 2 lc rgb " CHART_COLOUR(2),
        "pt 9 ps 0.7 dt 4 lc rgb " CHART_COLOUR(3),
        "pt 12 ps 0.8 dt 3 lc rgb " CHART_COLOUR(4)};
    enum status status = put_data(p, out, err);
    if (status != STATUS_OK)
        return status;
    fputs("set logscale x 2\nset xrange [0.11:9]\nset yrange [0:1]\n"
          "set xtics (\"1/8\" 0.125, \"1/4\" 0.25, \"1/2\" 0.5, \"1\" 1, \"2\" 2, "
          "\"4\" 4, \"8\" 8)\n"
          "set key maxcols 2\nplot ",
          out);
    if (isfinite(page_score_at(p, "froc.cpm_bootstrap.lower")))
        fputs("$band using 1:2:3 title \"95 % of resamples\" with filledcurves "
              "fs transparent solid 0.18 noborder lc rgb " CHART_COLOUR(1) ", ",
              out);
    fputs("$curve using 1:2 title \"this run\" with lines lw 2.5 lc rgb " CHART_COLOUR(1),
          out);
    fputs(", $points using 1:2 notitle with points pt 7 ps 0.7 lc rgb " CHART_COLOUR(1),
          out);
    for (int i = 0; i < PUBLISHED; i++)
        fprintf(out, ", $other%d using 1:2 title \"%s\" with linespoints %s", i,
                published[i].name, looks[i]);
    fputc('\n', out);
    return STATUS_OK;
}

static void froc_numbers(const struct page *p)
{
    const struct html *h = &p->html;
    html_put(h,
             "<div class=wide><table class=numbers><caption>Sensitivity at seven rates "
             "of false positives a scan, and their mean, the CPM</caption><thead><tr>"
             "<th scope=col>system");
    for (int k = 0; k < POINTS; k++)
        html_format(h, "<th scope=col class=n>%s", allowed_names[k]);
    html_put(h, "<th scope=col class=n>CPM</thead><tbody><tr class=own><th "
                "scope=row>this run");
    for (int k = 0; k < POINTS; k++)
        html_cell(h, "%.3f", sensitivity(p, k));
    html_cell(h, "%.3f", page_score_at(p, "froc.cpm"));
    for (int i = 0; i < PUBLISHED; i++) {
        html_format(h, "<tr><th scope=row>%s", published[i].name);
        for (int k = 0; k < POINTS; k++)
            html_cell(h, "%.3f", published[i].sensitivity[k]);
        html_cell(h, "%.3f", published[i].cpm);
    }
    html_put(h,
             "</tbody></table></div>\n<p class=note>The others' figures are those they "
             "published for LUNA16's 888 scans in ten folds. They compare with this "
             "run only when it is of those scans, each left out of its own training. "
             "DeepLung (2018) published a CPM of 0.842; the best of LUNA16's board is "
             "0.951.</p>\n");
}

static enum status draw_froc(struct page *p, struct error *err)
{
    enum status status = STATUS_OK;
    struct chart c;
    const struct chart_axes axes = {"FROC curve", "false positives per scan",
                                    "sensitivity (share of nodules)", 380};
    TRY(chart_begin(&c, &axes, err));
    status = script_froc(p, c.script, err);
    if (status != STATUS_OK) {
        chart_drop(&c);
        goto out;
    }
    TRY(page_draw(p, &c, err));
    html_put(&p->html, "</figure>\n");
out:
    return status;
}

/* ---- by size ---- */

static void stratum_name(const json_t *s, const char *unit, char out[64])
{
    const double from = json_number_value(json_object_get(s, "from"));
    const json_t *to = json_object_get(s, "to");
    if (json_is_number(to))
        snprintf(out, 64, "%g\u2013%g%s", from, json_number_value(to), unit);
    else
        snprintf(out, 64, "\u2265 %g%s", from, unit);
}

enum { AT_ONE = 3 }; /* the point of one false positive a scan */

static enum status draw_strata(struct page *p, const char *key,
                               const struct chart_axes *axes, struct error *err)
{
    enum status status = STATUS_OK;
    const json_t *all = page_score_json(p, key), *s;
    const struct html *h = &p->html;
    struct chart c;
    size_t i;
    char name[64];
    TRY(chart_begin(&c, axes, err));
    fputs("set xtics ()\n$d << EOD\n", c.script);
    json_array_foreach(all, i, s)
    {
        const json_t *at = json_array_get(json_object_get(s, "found"), AT_ONE);
        if (json_number_value(json_object_get(at, "of")) > 0)
            fprintf(c.script, "%zu %g %g %g\n", i,
                    json_number_value(json_object_get(at, "share")),
                    json_number_value(json_object_get(at, "lower")),
                    json_number_value(json_object_get(at, "upper")));
    }
    fputs("EOD\n", c.script);
    json_array_foreach(all, i, s)
    {
        stratum_name(s, "", name);
        fprintf(c.script, "set xtics add (\"%s\" %zu)\n", name, i);
    }
    fprintf(
        c.script,
        "set yrange [0:1]\nset xrange [-0.6:%g]\nset boxwidth 0.6\nunset key\nplot $d "
        "using 1:2 with boxes lc rgb " CHART_COLOUR(
            1) " fs transparent solid 0.3 border, $d using 1:2:3:4 with yerrorbars pt 7 "
               "ps 0.6 lw 1.5 lc rgb " CHART_INK "\n",
        (double)json_array_size(all) - 0.4);
    TRY(page_draw(p, &c, err));
    html_put(h, "<details><summary>The numbers</summary><table class=numbers><thead><tr>"
                "<th scope=col>group<th scope=col class=n>found<th scope=col class=n>of"
                "<th scope=col class=n>share<th scope=col class=n>95 %</thead><tbody>");
    json_array_foreach(all, i, s)
    {
        const json_t *at = json_array_get(json_object_get(s, "found"), AT_ONE);
        stratum_name(s, " mm", name);
        html_format(h, "<tr><th scope=row>%s", name);
        html_cell(h, "%.0f", json_number_value(json_object_get(at, "count")));
        html_cell(h, "%.0f", json_number_value(json_object_get(at, "of")));
        const json_t *share = json_object_get(at, "share");
        html_cell(h, "%.3f",
                  json_is_number(share) ? json_number_value(share) : (double)NAN);
        html_put(h, "<td class=n>");
        if (json_is_number(share))
            html_format(h, "%.3f to %.3f",
                        json_number_value(json_object_get(at, "lower")),
                        json_number_value(json_object_get(at, "upper")));
    }
    html_put(h, "</tbody></table></details></figure>\n");
out:
    return status;
}

enum status page_score(struct page *p, struct error *err)
{
    enum status status = STATUS_OK;
    static const struct chart_axes diameter = {
        "Nodules found, by diameter", "diameter (mm)",
        "found at 1 false positive/scan (share)", 0};
    static const struct chart_axes thickness = {
        "Nodules found, by slice thickness", "slice thickness (mm)",
        "found at 1 false positive/scan (share)", 0};
    page_part(p, "score", "Score");
    html_put(&p->html, "<p>LUNA16's rules: a mark within the radius of a nodule finds "
                       "it; marks elsewhere are false positives, those on findings that "
                       "do not count are neither.</p>\n<div class=charts>\n");
    TRY(draw_froc(p, err));
    TRY(draw_strata(p, "by_diameter_mm", &diameter, err));
    TRY(draw_strata(p, "by_slice_thickness_mm", &thickness, err));
    html_put(&p->html, "</div>\n");
    froc_numbers(p);
    page_part_end(p);
out:
    return status;
}
