/* Where the time of each rank went: timings.csv. */
#include <math.h>

#include "base/memory.h"
#include "io/csv.h"
#include "report/page.h"

enum { RANK, HOST, STAGE, SECONDS, COLUMNS };

static const struct csv_column columns[COLUMNS] = {
    {"rank", false}, {"host", false}, {"stage", false}, {"seconds", false}};

/* What the seconds of a stage are: work, or one of the ways of not working. */
enum kind { COMPUTE, INPUT, WAIT, ALLREDUCE, OTHER, KINDS };

static const struct {
    const char *stage;
    enum kind kind;
} stages[] = {
    {"segment", COMPUTE},     {"group", COMPUTE},      {"classify", COMPUTE},
    {"train", COMPUTE},       {"validation", COMPUTE}, {"input", INPUT},
    {"train input", INPUT},   {"wait", WAIT},          {"train wait", WAIT},
    {"allreduce", ALLREDUCE}, {"checkpoint", OTHER},
};

static const char *const kind_names[KINDS] = {"compute", "input", "wait", "allreduce",
                                              "other"};

enum { HOST_BYTES = 64, DRAWN = 64 };

struct rank_time {
    char host[HOST_BYTES];
    double seconds[KINDS], all;
};

struct times {
    struct rank_time *ranks;
    size_t count, capacity;
};

static enum status take_row(void *context, const struct csv_row *row, struct error *err)
{
    struct times *t = context;
    enum status status = STATUS_OK;
    double rank, seconds;
    enum kind kind = OTHER;
    TRY(csv_number(row, RANK, "rank", &rank, err));
    TRY(csv_number(row, SECONDS, "seconds", &seconds, err));
    if (!(rank >= 0 && rank < 1e6) || rank != floor(rank))
        return csv_refuse(row, RANK, "rank", "a rank", err);
    const size_t i = (size_t)rank;
    TRY(memory_grow((void **)&t->ranks, &t->capacity, i + 1, sizeof *t->ranks, "ranks",
                    err));
    t->count = i + 1 > t->count ? i + 1 : t->count;
    for (size_t k = 0; k < sizeof stages / sizeof *stages; k++)
        if (!strcmp(row->fields[STAGE], stages[k].stage))
            kind = stages[k].kind;
    snprintf(t->ranks[i].host, HOST_BYTES, "%s", row->fields[HOST]);
    t->ranks[i].seconds[kind] += seconds;
    t->ranks[i].all += seconds;
out:
    return status;
}

/* Rank 0 leads and does not work, unless it is alone. */
static void efficiency(const struct page *p, const struct times *t)
{
    const struct html *h = &p->html;
    struct rank_time sum = {0};
    double longest = 0;
    for (size_t i = t->count > 1; i < t->count; i++) {
        for (int k = 0; k < KINDS; k++)
            sum.seconds[k] += t->ranks[i].seconds[k];
        sum.all += t->ranks[i].all;
        longest = fmax(longest, t->ranks[i].all);
    }
    if (!(sum.all > 0))
        return;
    html_format(h, "<p>The workers computed <strong>%.0f %%</strong> of their time",
                100 * sum.seconds[COMPUTE] / sum.all);
    html_format(h, "; input took %.1f %%, waiting %.1f %%, adding up gradients %.1f %%. ",
                100 * sum.seconds[INPUT] / sum.all, 100 * sum.seconds[WAIT] / sum.all,
                100 * sum.seconds[ALLREDUCE] / sum.all);
    html_format(h, "The last start took %.0f s. %s</p>\n", longest,
                t->count > 1 ? "Rank 0 leads: it sleeps while the others work." : "");
}

/* The boxes of one kind: rank, from, to. Returns how many there are. */
static size_t put_boxes(const struct times *t, size_t ranks, int kind, FILE *out)
{
    size_t count = 0;
    fprintf(out, "$kind%d << EOD\n", kind);
    for (size_t i = 0; i < ranks; i++) {
        double below = 0;
        for (int k = 0; k < kind; k++)
            below += t->ranks[i].seconds[k];
        if (!(t->ranks[i].seconds[kind] > 0))
            continue;
        fprintf(out, "%zu %.3f %.3f\n", i, below, below + t->ranks[i].seconds[kind]);
        count++;
    }
    fputs("EOD\n", out);
    return count;
}

static void script(const struct times *t, size_t ranks, FILE *out)
{
    static const char *const looks[KINDS] = {
        "lc rgb " CHART_COLOUR(1) " fs solid 0.85 border",
        "lc rgb " CHART_COLOUR(2) " fs pattern 4 border",
        "lc rgb " CHART_COLOUR(3) " fs pattern 1 border",
        "lc rgb " CHART_COLOUR(4) " fs pattern 2 border",
        "lc rgb " CHART_COLOUR(5) " fs pattern 5 border"};
    size_t counts[KINDS];
    const char *comma = "plot ";
    for (int k = 0; k < KINDS; k++)
        counts[k] = put_boxes(t, ranks, k, out);
    fprintf(out,
            "set xrange [-0.7:%g]\nset yrange [0:*]\nset format x \"%%.0f\"\nset xtics "
            "%zu\n",
            (double)ranks - 0.3, 1 + ranks / 16);
    for (int k = 0; k < KINDS; k++) {
        if (counts[k] == 0)
            continue;
        fprintf(
            out,
            "%s$kind%d using 1:2:($1-0.35):($1+0.35):2:3 title \"%s\" with boxxyerror "
            "%s",
            comma, k, kind_names[k], looks[k]);
        comma = ", ";
    }
    fputc('\n', out);
}

static enum status draw(struct page *p, const struct times *t, struct error *err)
{
    static const struct chart_axes axes = {"Where the time of each rank went",
                                           "rank (number)", "wall clock (s)", 0};
    enum status status = STATUS_OK;
    struct chart c;
    const size_t shown = t->count < DRAWN ? t->count : DRAWN;
    TRY(chart_begin(&c, &axes, err));
    script(t, shown, c.script);
    TRY(page_draw(p, &c, err));
    if (shown < t->count)
        html_format(&p->html,
                    "<p class=note>The first %zu of %zu ranks; all are in the table.</p>",
                    shown, t->count);
    html_put(&p->html, "</figure>\n");
out:
    return status;
}

static void table(const struct page *p, const struct times *t)
{
    const struct html *h = &p->html;
    html_put(h, "<div class=wide><table class=\"numbers sort\"><caption>Seconds of each "
                "rank</caption><thead><tr><th scope=col class=n>rank<th scope=col>host");
    for (int k = 0; k < KINDS; k++)
        html_format(h, "<th scope=col class=n>%s", kind_names[k]);
    html_put(h, "<th scope=col class=n>computing (%)</thead><tbody>\n");
    for (size_t i = 0; i < t->count; i++) {
        const struct rank_time *r = &t->ranks[i];
        html_put(h, "<tr>");
        html_cell(h, "%.0f", (double)i);
        html_put(h, "<td>");
        html_text(h, h->hide ? "(host)" : r->host);
        for (int k = 0; k < KINDS; k++)
            html_cell(h, "%.1f", r->seconds[k]);
        html_cell(h, "%.0f",
                  r->all > 0 ? 100 * r->seconds[COMPUTE] / r->all : (double)NAN);
        html_put(h, "\n");
    }
    html_put(h, "</tbody></table></div>\n");
}

enum status page_times(struct page *p, struct error *err)
{
    enum status status = STATUS_OK;
    char *path = NULL;
    struct times t = {0};
    TRY(page_file(p, "timings.csv", &path, err));
    if (path)
        TRY(csv_read(path, columns, COLUMNS, take_row, &t, err));
    page_part(p, "times", "Time");
    if (t.count == 0) {
        html_put(&p->html, "<p>No timings were kept.</p>\n");
    } else {
        efficiency(p, &t);
        html_put(&p->html, "<div class=charts>\n");
        TRY(draw(p, &t, err));
        html_put(&p->html, "</div>\n");
        table(p, &t);
    }
    page_part_end(p);
out:
    free(t.ranks);
    free(path);
    return status;
}
