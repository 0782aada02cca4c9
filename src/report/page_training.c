/* Learning curves from metrics.csv: a loss and the measures of validation for each
 * network. */
#include <math.h>

#include "base/memory.h"
#include "io/csv.h"
#include "report/page.h"

enum { STAGE, EPOCH, SET, LOSS, PRECISION, RECALL, F1, AUC, COLUMNS };

static const struct csv_column columns[COLUMNS] = {
    {"stage", false},     {"epoch", false},  {"set", false}, {"loss", false},
    {"precision", false}, {"recall", false}, {"f1", false},  {"auc", false}};

enum { NETWORKS = 64, NAME_BYTES = 64 };

struct epoch {
    int network;
    bool validation;
    double values[COLUMNS];
};

struct curves {
    char names[NETWORKS][NAME_BYTES]; /* from the file */
    int networks;
    struct epoch *rows;
    size_t count, capacity;
};

static enum status take_row(void *context, const struct csv_row *row, struct error *err)
{
    struct curves *c = context;
    enum status status = STATUS_OK;
    int network = 0;
    while (network < c->networks &&
           strncmp(c->names[network], row->fields[STAGE], NAME_BYTES - 1) != 0)
        network++;
    if (network == NETWORKS)
        return csv_refuse(row, STAGE, "stage", "one of at most 64 networks", err);
    if (network == c->networks)
        snprintf(c->names[c->networks++], NAME_BYTES, "%s", row->fields[STAGE]);
    TRY(memory_grow((void **)&c->rows, &c->capacity, c->count + 1, sizeof *c->rows,
                    "epochs", err));
    struct epoch *e = &c->rows[c->count++];
    *e = (struct epoch){.network = network,
                        .validation = !strcmp(row->fields[SET], "validation")};
    for (size_t k = EPOCH; k < COLUMNS; k++) {
        e->values[k] = NAN;
        if (k != SET && row->fields[k][0])
            TRY(csv_number(row, k, columns[k].name, &e->values[k], err));
    }
out:
    return status;
}

/* ---- charts ---- */

static size_t put_rows(const struct curves *c, int network, bool validation, FILE *out)
{
    size_t finite[COLUMNS] = {0};
    double before = 0;
    fprintf(out, "$%s << EOD\n", validation ? "v" : "t");
    for (size_t i = 0; i < c->count; i++) {
        const struct epoch *e = &c->rows[i];
        if (e->network != network || e->validation != validation)
            continue;
        if (e->values[EPOCH] <= before)
            fputc('\n', out); /* another fold: a line of its own */
        before = e->values[EPOCH];
        fprintf(out, "%g", e->values[EPOCH]);
        for (int k = LOSS; k < COLUMNS; k++) {
            finite[k] += isfinite(e->values[k]) != 0;
            if (isfinite(e->values[k]))
                fprintf(out, " %.6g", e->values[k]);
            else
                fputs(" NaN", out);
        }
        fputc('\n', out);
    }
    fputs("EOD\n", out);
    return finite[AUC];
}

static enum status begin(struct chart *c, const struct curves *k, int network,
                         const char *what, const char *y, char title[160],
                         struct error *err)
{
    snprintf(title, 160, "%s: %s", k->names[network], what);
    const struct chart_axes axes = {title, "epoch (count)", y, 280};
    return chart_begin(c, &axes, err);
}

/* Whole epochs on the axis, also when there is one. */
static void x_axis(const struct curves *k, int network, FILE *out)
{
    double last = 1;
    for (size_t i = 0; i < k->count; i++)
        if (k->rows[i].network == network && k->rows[i].values[EPOCH] > last)
            last = k->rows[i].values[EPOCH];
    fprintf(out, "set xrange [0.5:%g]\nset format x \"%%.0f\"\nset xtics %g\n",
            last + 0.5, fmax(1, ceil(last / 10)));
}

static enum status draw_network(struct page *p, const struct curves *k, int network,
                                struct error *err)
{
    enum status status = STATUS_OK;
    struct chart c;
    char title[160];
    TRY(begin(&c, k, network, "loss", "loss (mean of the samples)", title, err));
    put_rows(k, network, false, c.script);
    put_rows(k, network, true, c.script);
    x_axis(k, network, c.script);
    fputs("plot $t using 1:2 with linespoints pt 6 ps 0.5 lw 2 dt 2 lc "
          "rgb " CHART_COLOUR(
              2) " title \"training\", $v using 1:2 with linespoints pt 7 "
                 "ps 0.5 lw 2 lc rgb " CHART_COLOUR(1) " title \"validation\"\n",
          c.script);
    TRY(page_draw(p, &c, err));
    html_put(&p->html, "</figure>\n");

    TRY(begin(&c, k, network, "validation", "share (0 to 1)", title, err));
    const bool has_auc = put_rows(k, network, true, c.script) > 0;
    x_axis(k, network, c.script);
    fprintf(c.script,
            "set yrange [0:1]\nplot "
            "$v using 1:5 "
            "with linespoints pt 7 ps 0.5 lw 2.5 lc rgb " CHART_COLOUR(
                1) " title \"F1\", "
                   "$v using 1:3 with linespoints pt 8 ps 0.5 lw 1.5 dt 2 lc "
                   "rgb " CHART_COLOUR(2) " title \"precision\", $v using 1:4 with "
                                          "linespoints pt 4 ps 0.5 lw 1.5 "
                                          "dt 4 lc rgb " CHART_COLOUR(
                                              3) " title \"recall\"%s\n",
            has_auc ? ", $v using 1:6 with linespoints pt 12 ps 0.6 lw 2 dt 3 lc "
                      "rgb " CHART_COLOUR(4) " title \"ROC area\""
                    : "");
    TRY(page_draw(p, &c, err));
    html_put(&p->html, "</figure>\n");
out:
    return status;
}

static void numbers(const struct page *p, const struct curves *c)
{
    const struct html *h = &p->html;
    html_put(h, "<details><summary>The numbers</summary><div class=wide><table "
                "class=\"numbers sort\"><thead><tr><th scope=col>network<th scope=col>set"
                "<th scope=col class=n>epoch<th scope=col class=n>loss<th scope=col "
                "class=n>precision<th scope=col class=n>recall<th scope=col class=n>F1"
                "<th scope=col class=n>AUC</thead><tbody>\n");
    for (size_t i = 0; i < c->count; i++) {
        const struct epoch *e = &c->rows[i];
        html_put(h, "<tr><th scope=row>");
        html_text(h, c->names[e->network]);
        html_format(h, "<td>%s", e->validation ? "validation" : "training");
        html_cell(h, "%.0f", e->values[EPOCH]);
        html_cell(h, "%.4f", e->values[LOSS]);
        for (int k = PRECISION; k < COLUMNS; k++)
            html_cell(h, "%.3f", e->values[k]);
        html_put(h, "\n");
    }
    html_put(h, "</tbody></table></div></details>\n");
}

enum status page_training(struct page *p, struct error *err)
{
    enum status status = STATUS_OK;
    char *path = NULL;
    struct curves *c = NULL;
    TRY(memory_new(1, sizeof *c, "learning curves", (void **)&c, err));
    TRY(page_file(p, "metrics.csv", &path, err));
    if (path)
        TRY(csv_read(path, columns, COLUMNS, take_row, c, err));
    page_part(p, "training", "Training");
    html_put(&p->html, "<div class=charts>\n");
    for (int i = 0; i < c->networks; i++)
        TRY(draw_network(p, c, i, err));
    html_put(&p->html, "</div>\n");
    numbers(p, c);
    page_part_end(p);
out:
    if (c)
        free(c->rows);
    free(c);
    free(path);
    return status;
}
