/* A comparison for people. */
#include <inttypes.h>
#include <math.h>

#include "inspect/comparison.h"

/* Whether bounds leave out that there is no difference. */
static bool differs(double lower, double upper)
{
    return lower > 0 || upper < 0;
}

static void print_value(FILE *out, const char *what, const struct paired_value *v)
{
    fprintf(out, "  %-24s %8.4f %8.4f  %+8.4f", what, v->a, v->b, v->difference);
    if (!isnan(v->lower))
        fprintf(out, "   %+8.4f %+8.4f%s", v->lower, v->upper,
                differs(v->lower, v->upper) ? " *" : "");
    fprintf(out, "\n");
}

static void print_scans(FILE *out, const struct comparison *c,
                        const struct comparison_request *r)
{
    static const char names[2] = {'A', 'B'};
    for (int k = 0; k < 2; k++)
        fprintf(out, "%c  %s: %" PRId64 " scans, %" PRId64 " of them not in %c\n",
                names[k], r->folders[k], c->run_scans[k], c->only[k], names[1 - k]);
    fprintf(out,
            "%" PRId64 " scans that both have%s are compared, with %" PRId64
            " nodules.\n",
            c->scans, c->list_is_given ? " and that are listed" : "", c->nodules);
    for (int k = 0; k < 2; k++)
        if (c->failed[k] > 0)
            fprintf(out,
                    "%" PRId64 " of them failed in %c: scans without a mark there.\n",
                    c->failed[k], names[k]);
    if (c->changed > 0)
        fprintf(out, "%" PRId64 " of them are not the same files in A and B.\n",
                c->changed);
    for (int k = 0; k < 2; k++)
        if (c->seen[k][2] > 0)
            fprintf(out,
                    "%" PRId64 " of them were seen by the models of %c in training: its "
                    "score is better than it would be on others.\n",
                    c->seen[k][2], names[k]);
    if (!c->excluded_is_given)
        fprintf(out,
                "No list of excluded findings: marks on them are false positives.\n");
}

static void print_all(FILE *out, const struct comparison *c)
{
    fprintf(out, "\n  %-24s %8s %8s  %8s   %8s %8s\n", "", "A", "B", "B - A",
            c->resamples ? "95 % from" : "", c->resamples ? "to" : "");
    print_value(out, "CPM", &c->all.cpm);
    for (size_t i = 0; i < BOOTSTRAP_POINTS; i++) {
        char what[32];
        snprintf(what, sizeof what, "sensitivity at %g", bootstrap_points[i]);
        print_value(out, what, &c->all.points[i]);
    }
}

static void print_strata(FILE *out, const char *title, const struct comparison_stratum *s,
                         size_t count)
{
    fprintf(out, "\nCPM by %s\n", title);
    for (size_t b = 0; b < count; b++) {
        char what[64];
        if (s[b].nodules == 0)
            continue;
        if (isinf(s[b].to))
            snprintf(what, sizeof what, "%g or more (%" PRId64 ")", s[b].from,
                     s[b].nodules);
        else
            snprintf(what, sizeof what, "%g to %g (%" PRId64 ")", s[b].from, s[b].to,
                     s[b].nodules);
        print_value(out, what, &s[b].paired.cpm);
    }
}

static void print_area(FILE *out, const char *what, const struct roc_difference *d)
{
    /* b is run A (comparison.h). */
    if (isnan(d->a.area))
        return;
    const struct paired_value v = {d->b.area, d->a.area, d->difference, d->lower,
                                   d->upper};
    print_value(out, what, &v);
    fprintf(out, "    %" PRId64 " malignant, %" PRId64 " others, p = %.4f (DeLong)\n",
            d->a.positives, d->a.negatives, d->p);
}

void comparison_print(const struct comparison *c, const struct comparison_request *r,
                      FILE *out)
{
    print_scans(out, c, r);
    if (c->nodules == 0) {
        fprintf(out, "There is no nodule on them, so no sensitivity.\n");
    } else {
        print_all(out, c);
        print_strata(out, "diameter in mm (nodules)", c->by_diameter,
                     STRATA_DIAMETER_EDGES - 1);
        print_strata(out, "slice thickness in mm (nodules)", c->by_thickness,
                     STRATA_THICKNESS_EDGES - 1);
    }
    if (c->has_malignancy) {
        fprintf(out, "\nArea under the ROC curve\n");
        print_area(out, "malignancy of nodules", &c->malignancy);
        print_area(out, "patients", &c->patients);
    }
    if (c->resamples > 0)
        fprintf(out,
                "\nSensitivities at false positives a scan. Bounds: %zu resamples of "
                "scans that both runs share, seed %" PRIu64 ".\n"
                "* the bounds leave out that there is no difference.\n",
                c->resamples, c->seed);
}
