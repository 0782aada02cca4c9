#include "score/assessment.h"

#include <limits.h>
#include <math.h>

#include "base/memory.h"

const char *const loss_names[LOSS_KINDS] = {
    "absent",   "quarantine", "outside", "heatmap",    "erosion",
    "grouping", "search",     "list",    "classifier", "found"};

const char *seen_name(int seen)
{
    return seen > 0 ? "seen" : seen == 0 ? "unseen" : "unknown";
}

/* Slices of LUNA16 are at most 2.5 mm apart; the sides are open. */
const double strata_thickness_edges[STRATA_THICKNESS_EDGES] = {0, 1,   1.5,
                                                               2, 2.5, INFINITY};

/* ---- parts ---- */

static bool belongs(const struct part *p, const struct assessed_scan *s)
{
    switch (p->kind) {
    case PART_ALL:
        return true;
    case PART_FOLD:
        return s->fold == p->label;
    case PART_SEEN:
        return s->done && s->seen == p->label;
    }
    return false;
}

static enum status score_part(struct part *p, const struct assessment_input *in,
                              struct error *err)
{
    enum status status = STATUS_OK;
    struct scored_scan *scans = NULL;
    size_t count = 0;
    TRY(memory_new(in->evaluation->scan_count, sizeof *scans, "scans of a part",
                   (void **)&scans, err));
    for (size_t i = 0; i < in->evaluation->scan_count; i++)
        if (belongs(p, &in->scans[i]))
            scans[count++] = in->evaluation->scans[i];
    TRY(froc_score(scans, count, &p->froc, err));
    p->scans = (int64_t)count;
    p->nodules = p->froc.counts.nodules;
out:
    free(scans);
    return status;
}

static enum status add_part(struct assessment *a, size_t *capacity,
                            const struct assessment_input *in, enum part_kind kind,
                            int label, struct error *err)
{
    enum status status = STATUS_OK;
    TRY(memory_grow((void **)&a->parts, capacity, a->part_count + 1, sizeof *a->parts,
                    "parts of a score", err));
    struct part *p = &a->parts[a->part_count++];
    *p = (struct part){.kind = kind, .label = label};
    TRY(score_part(p, in, err));
out:
    return status;
}

#define NO_LABEL INT_MAX

/* The lowest label of scans in the run that is above one, or NO_LABEL. */
static int next_label(const struct assessment_input *in, enum part_kind kind, int above)
{
    int label = NO_LABEL;
    for (size_t i = 0; i < in->evaluation->scan_count; i++) {
        const struct assessed_scan *s = &in->scans[i];
        int mine = kind == PART_FOLD ? s->fold : s->seen;
        if ((kind == PART_FOLD || s->done) && mine > above && mine < label)
            label = mine;
    }
    return label;
}

static enum status add_parts(struct assessment *a, const struct assessment_input *in,
                             struct error *err)
{
    enum { NO_FOLD = -1, BELOW_UNKNOWN = -2 };
    enum status status = STATUS_OK;
    size_t capacity = 0;
    TRY(add_part(a, &capacity, in, PART_ALL, 0, err));
    for (int label = next_label(in, PART_FOLD, NO_FOLD); label != NO_LABEL;
         label = next_label(in, PART_FOLD, label))
        TRY(add_part(a, &capacity, in, PART_FOLD, label, err));
    int first = next_label(in, PART_SEEN, BELOW_UNKNOWN);
    if (first == NO_LABEL || next_label(in, PART_SEEN, first) == NO_LABEL)
        return STATUS_OK;
    for (int label = first; label != NO_LABEL; label = next_label(in, PART_SEEN, label))
        TRY(add_part(a, &capacity, in, PART_SEEN, label, err));
out:
    return status;
}

/* ---- kinds of nodules ---- */

struct nodule_values {
    double *diameters, *thickness;
    bool *found;
};

static void take_values(const struct assessment_input *in, struct nodule_values *v)
{
    size_t at = 0;
    for (size_t s = 0; s < in->evaluation->scan_count; s++) {
        const struct scored_scan *scan = &in->evaluation->scans[s];
        for (size_t k = 0; k < scan->included_count; k++, at++) {
            v->diameters[at] = scan->included[k].diameter_mm;
            v->thickness[at] = in->scans[s].thickness_mm;
        }
    }
}

static void fill_strata(struct stratum *strata, const double *edges, size_t edge_count,
                        const double *values, const bool *found, size_t count,
                        size_t point)
{
    struct proportion bins[STRATA_DIAMETER_EDGES + STRATA_THICKNESS_EDGES];
    strata_by_value(values, found, count, edges, edge_count, bins);
    for (size_t b = 0; b + 1 < edge_count; b++) {
        strata[b].from = edges[b];
        strata[b].to = edges[b + 1];
        strata[b].found[point] = bins[b];
    }
}

static enum status stratify(struct assessment *a, const struct assessment_input *in,
                            struct error *err)
{
    enum status status = STATUS_OK;
    const struct froc_result *r = &a->parts[0].froc;
    size_t count = (size_t)r->counts.nodules;
    struct nodule_values v = {0};
    TRY(memory_new(count, sizeof *v.diameters, "diameters", (void **)&v.diameters, err));
    TRY(memory_new(count, sizeof *v.thickness, "thickness", (void **)&v.thickness, err));
    TRY(memory_new(count, sizeof *v.found, "nodules", (void **)&v.found, err));
    take_values(in, &v);
    for (size_t p = 0; p < BOOTSTRAP_POINTS; p++) {
        froc_found(r, froc_threshold(r, bootstrap_points[p]), v.found);
        fill_strata(a->by_diameter, strata_diameter_edges, STRATA_DIAMETER_EDGES,
                    v.diameters, v.found, count, p);
        fill_strata(a->by_thickness, strata_thickness_edges, STRATA_THICKNESS_EDGES,
                    v.thickness, v.found, count, p);
    }
    for (size_t i = 0; i < count; i++)
        a->losses[in->losses[i]]++;
out:
    free(v.diameters);
    free(v.thickness);
    free(v.found);
    return status;
}

/* ---- candidates ---- */

/* Cases of a ROC that grow one by one. */
struct cases {
    double *scores, *others;
    bool *positive;
    size_t count;
};

static enum status cases_init(struct cases *c, size_t room, struct error *err)
{
    enum status status = STATUS_OK;
    TRY(memory_new(room, sizeof *c->scores, "cases", (void **)&c->scores, err));
    TRY(memory_new(room, sizeof *c->others, "cases", (void **)&c->others, err));
    TRY(memory_new(room, sizeof *c->positive, "cases", (void **)&c->positive, err));
out:
    return status;
}

static void cases_release(struct cases *c)
{
    free(c->scores);
    free(c->others);
    free(c->positive);
}

static void cases_add(struct cases *c, double score, double other, bool positive)
{
    c->scores[c->count] = score;
    c->others[c->count] = other;
    c->positive[c->count++] = positive;
}

static bool lies_in_any(const double xyz[3], const struct nodule *findings, size_t count)
{
    for (size_t k = 0; k < count; k++)
        if (match_lies_in(xyz, &findings[k]))
            return true;
    return false;
}

static enum status judge_candidates(struct assessment *a,
                                    const struct assessment_input *in, struct error *err)
{
    enum status status = STATUS_OK;
    struct cases c = {0};
    size_t room = 0;
    for (size_t s = 0; s < in->evaluation->scan_count; s++)
        room += in->scans[s].candidate_count;
    TRY(cases_init(&c, room, err));
    for (size_t s = 0; s < in->evaluation->scan_count; s++) {
        const struct scored_scan *scan = &in->evaluation->scans[s];
        for (size_t i = 0; i < in->scans[s].candidate_count; i++) {
            const struct book_candidate *b = &in->scans[s].candidates[i];
            bool inside = lies_in_any(b->xyz, scan->included, scan->included_count);
            if (!inside && lies_in_any(b->xyz, scan->excluded, scan->excluded_count))
                a->candidates_excluded++;
            else
                cases_add(&c, b->probability, 0, inside);
        }
    }
    confusion_add(&a->confusion, c.scores, c.positive, c.count, in->thresholds.nodule);
    calibration_compute(&a->calibration, c.scores, c.positive, c.count);
    const struct roc_cases roc = {c.scores, c.positive, c.count};
    TRY(roc_area_compute(&roc, &a->candidates, err));
out:
    cases_release(&c);
    return status;
}

/* ---- malignancy ---- */

/* The book's table takes the list that knows malignancies; without one every nodule is
 * benign. */
static void fill_book(struct assessment *a, const struct assessment_input *in)
{
    const struct evaluation *e = in->evaluation;
    const struct nodule_list *list = in->malignancy ? in->malignancy : &e->included;
    for (size_t s = 0; s < e->scan_count; s++) {
        size_t first, count;
        nodule_list_find(list, e->seriesuids[s], &first, &count);
        book_table_add(&a->book, in->scans[s].candidates, in->scans[s].candidate_count,
                       list->rows + first, count, &in->thresholds);
    }
}

static enum status draw(struct roc_drawn *d, const double *scores, const struct cases *c,
                        struct error *err)
{
    enum status status = STATUS_OK;
    const struct roc_cases roc = {scores, c->positive, c->count};
    TRY(memory_new(c->count + 1, sizeof *d->points, "points of a ROC curve",
                   (void **)&d->points, err));
    TRY(roc_curve(&roc, d->points, &d->point_count, err));
out:
    return status;
}

static enum status judge_nodules(struct assessment *a, const struct assessment_input *in,
                                 struct error *err)
{
    enum status status = STATUS_OK;
    const struct evaluation *e = in->evaluation;
    struct cases c = {0};
    TRY(cases_init(&c, in->malignancy->row_count, err));
    for (size_t s = 0; s < e->scan_count; s++) {
        size_t first, count;
        nodule_list_find(in->malignancy, e->seriesuids[s], &first, &count);
        for (size_t i = first; i < first + count; i++) {
            const struct nodule *n = &in->malignancy->rows[i];
            if (n->malignant < 0)
                continue;
            const struct book_candidate *best =
                book_judged(in->scans[s].candidates, in->scans[s].candidate_count, n);
            if (best)
                cases_add(&c, best->malignancy, n->diameter_mm, n->malignant == 1);
            else
                a->malignancy_unjudged++;
        }
    }
    const struct roc_cases roc = {c.scores, c.positive, c.count};
    TRY(roc_compare(&roc, c.others, &a->malignancy, err));
    TRY(draw(&a->malignancy_curve, c.scores, &c, err));
    TRY(draw(&a->diameter_curve, c.others, &c, err));
out:
    cases_release(&c);
    return status;
}

static bool has_malignant(const struct nodule_list *l, const char *seriesuid)
{
    size_t first, count;
    nodule_list_find(l, seriesuid, &first, &count);
    for (size_t i = first; i < first + count; i++)
        if (l->rows[i].malignant == 1)
            return true;
    return false;
}

static enum status judge_patients(struct assessment *a, const struct assessment_input *in,
                                  struct error *err)
{
    enum status status = STATUS_OK;
    const struct evaluation *e = in->evaluation;
    struct cases c = {0};
    TRY(cases_init(&c, e->scan_count, err));
    for (size_t s = 0; s < e->scan_count; s++) {
        double score = in->scans[s].patient_score;
        if (isnan(score))
            a->patients_unscored++;
        else
            cases_add(&c, score, 0, has_malignant(in->malignancy, e->seriesuids[s]));
    }
    const struct roc_cases roc = {c.scores, c.positive, c.count};
    TRY(roc_area_compute(&roc, &a->patients, err));
    TRY(draw(&a->patient_curve, c.scores, &c, err));
out:
    cases_release(&c);
    return status;
}

/* ---- the whole ---- */

enum status assessment_init(struct assessment *a, const struct assessment_input *in,
                            struct error *err)
{
    enum status status = STATUS_OK;
    *a = (struct assessment){.has_malignancy = in->malignancy != NULL};
    TRY(add_parts(a, in, err));
    for (size_t s = 0; s < in->evaluation->scan_count; s++)
        if (in->scans[s].done)
            a->seen_scans[in->scans[s].seen + 1]++;
    TRY(stratify(a, in, err));
    TRY(judge_candidates(a, in, err));
    fill_book(a, in);
    if (in->malignancy) {
        TRY(judge_nodules(a, in, err));
        TRY(judge_patients(a, in, err));
    }
out:
    return status;
}

void assessment_release(struct assessment *a)
{
    for (size_t i = 0; i < a->part_count; i++)
        froc_result_release(&a->parts[i].froc);
    free(a->parts);
    free(a->malignancy_curve.points);
    free(a->diameter_curve.points);
    free(a->patient_curve.points);
    *a = (struct assessment){0};
}
