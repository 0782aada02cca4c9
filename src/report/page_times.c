/* Where the time of each rank went: timings.csv. In a cross-validation each fold has
 * ranks of its own, counted from 0. */
#include <math.h>

#include "base/memory.h"
#include "io/csv.h"
#include "report/page.h"

enum { RANK, HOST, STAGE, SECONDS, FOLD, COLUMNS };

static const struct csv_column columns[COLUMNS] = {{"rank", false},
                                                   {"host", false},
                                                   {"stage", false},
                                                   {"seconds", false},
                                                   {"fold", true}};

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
    double fold, rank; /* fold: -1 without folds */
    char host[HOST_BYTES];
    double seconds[KINDS], all;
};

struct times {
    struct rank_time *ranks; /* as they stand in the file */
    size_t count, capacity;
    bool folds;
};

/* The entry of a rank. Its lines stand together; otherwise all are looked through. */
static enum status find_rank(struct times *t, double fold, double rank,
                             struct rank_time **out, struct error *err)
{
    for (size_t i = t->count; i > 0; i--)
        if (t->ranks[i - 1].fold == fold && t->ranks[i - 1].rank == rank) {
            *out = &t->ranks[i - 1];
            return STATUS_OK;
        }
    const enum status status = memory_grow((void **)&t->ranks, &t->capacity, t->count + 1,
                                           sizeof *t->ranks, "ranks", err);
    if (status != STATUS_OK)
        return status;
    *out = &t->ranks[t->count++];
    **out = (struct rank_time){.fold = fold, .rank = rank};
    return STATUS_OK;
}

/* It hands out the work and does none itself. */
static bool leads(const struct rank_time *r)
{
    return r->rank == 0 && !(r->seconds[COMPUTE] > 0);
}

static enum status take_row(void *context, const struct csv_row *row, struct error *err)
{
    struct times *t = context;
    enum status status = STATUS_OK;
    double rank, seconds, fold = -1;
    enum kind kind = OTHER;
    struct rank_time *r;
    TRY(csv_number(row, RANK, "rank", &rank, err));
    TRY(csv_number(row, SECONDS, "seconds", &seconds, err));
    if (!(rank >= 0 && rank < 1e6) || rank != floor(rank))
        return csv_refuse(row, RANK, "rank", "a rank", err);
    if (row->fields[FOLD] && row->fields[FOLD][0])
        TRY(csv_number(row, FOLD, "fold", &fold, err));
    t->folds |= fold >= 0;
    TRY(find_rank(t, fold, rank, &r, err));
    for (size_t k = 0; k < sizeof stages / sizeof *stages; k++)
        if (!strcmp(row->fields[STAGE], stages[k].stage))
            kind = stages[k].kind;
    snprintf(r->host, HOST_BYTES, "%s", row->fields[HOST]);
    r->seconds[kind] += seconds;
    r->all += seconds;
out:
    return status;
}

static void efficiency(const struct page *p, const struct times *t)
{
    const struct html *h = &p->html;
    struct rank_time sum = {0};
    double longest = 0;
    bool led = false;
    for (size_t i = 0; i < t->count; i++) {
        if (leads(&t->ranks[i])) {
            led = true;
            continue;
        }
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
    html_format(h, "%s took %.0f s. %s</p>\n",
                t->folds ? "The slowest fold" : "The last start", longest,
                led ? "Rank 0 leads: it sleeps while the others work." : "");
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

/* Of a cross-validation "3/1": fold 3, rank 1; no more names than can be read. */
static void put_names(const struct times *t, size_t ranks, FILE *out)
{
    const size_t step = 1 + ranks / 16;
    if (!t->folds) {
        fprintf(out, "set format x \"%%.0f\"\nset xtics %zu\n", step);
        return;
    }
    fputs("set xtics (", out);
    for (size_t i = 0; i < ranks; i += step)
        fprintf(out, "%s\"%.0f/%.0f\" %zu", i ? ", " : "", t->ranks[i].fold,
                t->ranks[i].rank, i);
    fputs(")\n", out);
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
    fprintf(out, "set xrange [-0.7:%g]\nset yrange [0:*]\n", (double)ranks - 0.3);
    put_names(t, ranks, out);
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
    const struct chart_axes axes = {"Where the time of each rank went",
                                    t->folds ? "fold/rank (numbers)" : "rank (number)",
                                    "wall clock (s)", 0};
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
    html_format(h,
                "<div class=wide><table class=\"numbers sort\"><caption>Seconds of each "
                "rank</caption><thead><tr>%s<th scope=col class=n>rank<th "
                "scope=col>host",
                t->folds ? "<th scope=col class=n>fold" : "");
    for (int k = 0; k < KINDS; k++)
        html_format(h, "<th scope=col class=n>%s", kind_names[k]);
    html_put(h, "<th scope=col class=n>computing (%)</thead><tbody>\n");
    for (size_t i = 0; i < t->count; i++) {
        const struct rank_time *r = &t->ranks[i];
        html_put(h, "<tr>");
        if (t->folds)
            html_cell(h, "%.0f", r->fold);
        html_cell(h, "%.0f", r->rank);
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
