/* A score for people. */
#include <inttypes.h>

#include "score/froc_files.h"

static void print_count(FILE *out, int64_t value, const char *what)
{
    fprintf(out, "%9" PRId64 "  %s\n", value, what);
}

static void print_counts(FILE *out, const struct evaluation *e,
                         const struct froc_result *r)
{
    const struct match_counts *c = &r->counts;
    print_count(out, (int64_t)r->scan_count, "scans");
    print_count(out, (int64_t)e->with_marks, "of them with marks");
    print_count(out, c->nodules, "nodules (included annotations of these scans)");
    print_count(out, c->true_positives, "true positives (nodules that were hit)");
    print_count(out, c->false_negatives, "false negatives (nodules that were missed)");
    print_count(out, c->candidates, "candidates (marks that count)");
    print_count(out, c->cut, "marks cut beyond the first hundred of their scan");
    print_count(out, c->false_positives, "false positives");
    print_count(out, c->excluded, "candidates on excluded findings alone: ignored");
    print_count(out, c->doubles, "double detections of a nodule: ignored");
    if (c->shared > 0)
        print_count(out, c->shared, "hits of candidates that lie in several nodules");
    if (e->foreign_marks > 0)
        print_count(out, (int64_t)e->foreign_marks,
                    "marks on scans that are not listed: ignored");
    if (e->repeated > 0)
        print_count(out, (int64_t)e->repeated,
                    "lines of the list that name a scan again: ignored");
}

void froc_print(FILE *out, const struct evaluation *e, const struct froc_result *r)
{
    const struct bootstrap_band *b = &r->band;
    fprintf(out, "CPM %.9f", r->cpm);
    if (b->resamples > 0)
        fprintf(out, "  (95 %%: %.4f to %.4f)", b->cpm.lower, b->cpm.upper);
    fprintf(out, "\n\nfalse positives   sensitivity");
    fprintf(out, b->resamples > 0 ? "   95 %% from       to\n" : "\n");
    fprintf(out, "        a scan\n");
    for (size_t i = 0; i < BOOTSTRAP_POINTS; i++) {
        fprintf(out, "%14.3f   %11.9f", bootstrap_points[i], r->sensitivity[i]);
        if (b->resamples > 0)
            fprintf(out, "  %9.4f %9.4f", b->points[i].lower, b->points[i].upper);
        fprintf(out, "\n");
    }
    fprintf(out, "\n");
    print_counts(out, e, r);
    fprintf(out, "\nSensitivities are %s between points of the curve.",
            froc_reading_names[FROC_INTERPOLATED]);
    for (size_t v = 0; v < FROC_READINGS; v++)
        if (v != FROC_INTERPOLATED)
            fprintf(out, " CPM read \"%s\": %.9f.", froc_reading_names[v],
                    r->reading_cpm[v]);
    fprintf(out, "\n");
    if (b->resamples > 0)
        fprintf(out, "Bounds: %zu resamples of scans, seed %" PRIu64 ".\n", b->resamples,
                b->seed);
}
