/* A score for people: a few lines of the log. */
#include <math.h>

#include "base/log.h"
#include "run/score_internal.h"

static void log_scope(const struct assessment_input *in, const struct assessment_notes *n)
{
    const struct evaluation *e = in->evaluation;
    size_t absent = 0;
    for (size_t s = 0; s < e->scan_count; s++)
        absent += !in->scans[s].done;
    if (e->left_out > 0)
        log_info("score: the run was of some subsets: %zu scans of the list are scored, "
                 "%zu that the run has not are left out",
                 e->scan_count, e->left_out);
    if (e->unlisted > 0)
        log_warning(
            "score: %zu of the %lld scans of the run are not in the list of scans "
            "and are not scored",
            e->unlisted, (long long)n->run_scans);
    if (absent > 0)
        log_warning("score: %zu of the %zu scored scans have no result; they count as "
                    "scans without a mark",
                    absent, e->scan_count);
    if (e->repeated > 0)
        log_warning("score: the list of scans names %zu scans again; they count once",
                    e->repeated);
}

static void log_seen(const struct assessment *a)
{
    int64_t unknown = a->seen_scans[0], unseen = a->seen_scans[1],
            seen = a->seen_scans[2];
    if (seen > 0)
        log_warning("score: %lld of %lld scans were seen by the models in training: a "
                    "score on them is no measure of what they find in others",
                    (long long)seen, (long long)(seen + unseen + unknown));
    else if (unknown > 0)
        log_info("score: whether the models have seen %lld of %lld scans is not known",
                 (long long)unknown, (long long)(unseen + unknown));
    else
        log_info("score: none of the %lld scans was seen by the models in training",
                 (long long)unseen);
}

static void log_froc(const struct froc_result *r)
{
    const double *s = r->sensitivity;
    if (r->counts.nodules == 0) {
        log_warning("score: no nodule on the %zu scans: there is no sensitivity",
                    r->scan_count);
        return;
    }
    log_info("score: CPM %.4f (95 %%: %.4f to %.4f), %lld of %lld nodules on %zu scans "
             "found, %.2f false positives a scan",
             r->cpm, r->band.cpm.lower, r->band.cpm.upper,
             (long long)r->counts.true_positives, (long long)r->counts.nodules,
             r->scan_count, (double)r->counts.false_positives / (double)r->scan_count);
    log_info(
        "score: sensitivity %.3f %.3f %.3f %.3f %.3f %.3f %.3f at 1/8 1/4 1/2 1 2 4 8 "
        "false positives a scan",
        s[0], s[1], s[2], s[3], s[4], s[5], s[6]);
}

static void log_parts(const struct assessment *a)
{
    for (size_t i = 1; i < a->part_count; i++) {
        const struct part *p = &a->parts[i];
        if (p->kind == PART_FOLD && p->nodules > 0)
            log_info("score: fold %d: CPM %.4f (95 %%: %.4f to %.4f), %lld scans, %lld "
                     "nodules",
                     p->label, p->froc.cpm, p->froc.band.cpm.lower,
                     p->froc.band.cpm.upper, (long long)p->scans, (long long)p->nodules);
    }
}

static void log_losses(const struct assessment *a)
{
    char text[256] = "";
    size_t used = 0;
    for (int k = 0; k < LOSS_NONE; k++)
        if (a->losses[k] > 0 && used < sizeof text)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%s %lld",
                                     used ? ", " : "", loss_names[k],
                                     (long long)a->losses[k]);
    if (used > 0)
        log_info("score: nodules were lost in: %s", text);
}

static void log_malignancy(const struct assessment *a)
{
    const struct roc_difference *d = &a->malignancy;
    if (!a->has_malignancy)
        return;
    if (!isnan(d->a.area))
        log_info(
            "score: malignancy AUC %.4f (95 %%: %.4f to %.4f), of the diameter alone "
            "%.4f, %lld malignant and %lld benign nodules",
            d->a.area, d->a.lower, d->a.upper, d->b.area, (long long)d->a.positives,
            (long long)d->a.negatives);
    if (!isnan(a->patients.area))
        log_info("score: patients AUC %.4f (95 %%: %.4f to %.4f), %lld of %lld with a "
                 "malignant nodule",
                 a->patients.area, a->patients.lower, a->patients.upper,
                 (long long)a->patients.positives,
                 (long long)(a->patients.positives + a->patients.negatives));
}

void score_log(const struct assessment_input *in, const struct assessment *a,
               const struct assessment_notes *n)
{
    for (size_t i = 0; i < n->missing_count; i++)
        log_info("score: %s", n->missing[i]);
    log_scope(in, n);
    log_froc(&a->parts[0].froc);
    log_parts(a);
    log_seen(a);
    log_losses(a);
    log_malignancy(a);
}
