/* Another run beside this one: inspect/comparison.h as tables. */
#include <math.h>

#include "base/file.h"
#include "inspect/comparison.h"
#include "report/page.h"

enum { RESAMPLES = 1000, SEED = 1 };

static void put_difference(const struct html *h, const char *name, double a, double b,
                           double difference, double lower, double upper)
{
    const bool apart = lower > 0 || upper < 0;
    html_format(h, "<tr><th scope=row>%s", name);
    html_cell(h, "%.3f", a);
    html_cell(h, "%.3f", b);
    html_cell(h, "%+.3f", difference);
    html_put(h, "<td class=n>");
    html_range(h, "%+.3f", lower, upper);
    html_format(h, "<td>%s\n",
                !apart           ? ""
                : difference > 0 ? "\u25b2 better"
                                 : "\u25bc worse");
}

static void put_head(const struct html *h, const char *caption)
{
    html_format(h,
                "<div class=wide><table class=numbers><caption>%s</caption><thead><tr>"
                "<th scope=col>measure<th scope=col class=n>the other<th scope=col "
                "class=n>this run<th scope=col class=n>difference<th scope=col "
                "class=n>95 %% of the difference<th scope=col></thead><tbody>\n",
                caption);
}

static void put_paired(const struct html *h, const char *name,
                       const struct paired_value *d)
{
    put_difference(h, name, d->a, d->b, d->difference, d->lower, d->upper);
}

static void put_strata(const struct html *h, const struct comparison_stratum *s,
                       size_t count, const char *what)
{
    char name[96];
    for (size_t i = 0; i < count; i++) {
        if (s[i].nodules == 0)
            continue;
        if (isfinite(s[i].to))
            snprintf(name, sizeof name, "CPM, %s %g to %g mm", what, s[i].from, s[i].to);
        else
            snprintf(name, sizeof name, "CPM, %s %g mm and more", what, s[i].from);
        put_paired(h, name, &s[i].paired.cpm);
    }
}

static void put_areas(const struct html *h, const struct comparison *c)
{
    if (!c->has_malignancy)
        return;
    const struct roc_difference *const d[] = {&c->malignancy, &c->patients};
    static const char *const names[] = {"ROC area, malignancy of nodules",
                                        "ROC area, patients"};
    for (int i = 0; i < 2; i++) /* their a is this run */
        put_difference(h, names[i], d[i]->b.area, d[i]->a.area, d[i]->difference,
                       d[i]->lower, d[i]->upper);
}

enum status page_comparison(struct page *p, struct error *err)
{
    enum status status = STATUS_OK;
    struct comparison c;
    const struct html *h = &p->html;
    const struct comparison_request r = {
        .folders = {p->options->other, p->options->folder},
        .resamples = RESAMPLES,
        .seed = SEED};
    TRY(comparison_init(&c, &r, err));
    page_part(p, "comparison", "Comparison");
    html_put(h, "<p>This run beside <span class=uid>");
    html_path(h, p->options->other);
    html_format(h,
                "</span>, on the %lld scans and %lld nodules that both have. The bounds "
                "are those of the difference, from %zu resamples that both share; rows "
                "whose bounds leave out zero say better or worse. Of twenty rows that "
                "differ by chance alone, one does.</p>\n",
                (long long)c.scans, (long long)c.nodules, c.resamples);
    put_head(h, "What changed");
    put_paired(h, "CPM", &c.all.cpm);
    for (int k = 0; k < BOOTSTRAP_POINTS; k++) {
        char name[64];
        snprintf(name, sizeof name, "sensitivity at %g a scan", bootstrap_points[k]);
        put_paired(h, name, &c.all.points[k]);
    }
    put_strata(h, c.by_diameter, STRATA_DIAMETER_EDGES - 1, "diameter");
    put_strata(h, c.by_thickness, STRATA_THICKNESS_EDGES - 1, "slices of");
    put_areas(h, &c);
    html_put(h, "</tbody></table></div>\n");
    page_part_end(p);
out:
    return status;
}
