#include "score/assessment_files.h"

#include <math.h>

#include "io/csv.h"

struct target {
    const char *folder;
    const struct assessment_input *in;
    const struct assessment *a;
};

static enum status open_list(const struct target *t, const char *name, const char *header,
                             struct csv_writer *w, struct error *err)
{
    char *path;
    enum status status = path_join(t->folder, name, &path, err);
    if (status != STATUS_OK)
        return status;
    status = csv_writer_open(w, path, header, err);
    free(path);
    return status;
}

/* A label of which -1 says that there is none. */
static void write_label(struct csv_writer *w, int label)
{
    if (label < 0)
        csv_write_text(w, "");
    else
        csv_write_integer(w, label);
}

static void write_seen(struct csv_writer *w, const struct assessed_scan *s)
{
    csv_write_text(w, s->done ? seen_name(s->seen) : "");
}

/* ---- nodules ---- */

static void write_nodule(struct csv_writer *w, const struct target *t, size_t scan,
                         const struct nodule *n, const struct froc_nodule *f,
                         enum loss loss)
{
    const struct assessed_scan *s = &t->in->scans[scan];
    csv_write_text(w, t->in->evaluation->seriesuids[scan]);
    for (int k = 0; k < 3; k++)
        csv_write_number(w, "%.6f", n->xyz[k]);
    csv_write_number(w, "%.6f", n->diameter_mm);
    csv_write_number(w, "%.9g", f->probability);
    csv_write_text(w, loss_names[loss]);
    csv_write_number(w, "%.6g", s->thickness_mm);
    write_label(w, s->fold);
    write_seen(w, s);
    csv_write_end(w);
}

static enum status write_nodules(const struct target *t, struct error *err)
{
    enum status status = STATUS_OK;
    struct csv_writer w = {0};
    size_t at = 0;
    TRY(open_list(t, "nodules.csv",
                  "seriesuid,coordX,coordY,coordZ,diameter_mm,probability,lost_in,"
                  "slice_thickness_mm,fold,seen",
                  &w, err));
    for (size_t s = 0; s < t->in->evaluation->scan_count; s++) {
        const struct scored_scan *scan = &t->in->evaluation->scans[s];
        for (size_t k = 0; k < scan->included_count; k++, at++)
            write_nodule(&w, t, s, &scan->included[k], &t->a->parts[0].froc.nodules[at],
                         t->in->losses[at]);
    }
    status = csv_writer_commit(&w, err);
out:
    csv_writer_abandon(&w);
    return status;
}

/* ---- scans ---- */

static enum status write_scans(const struct target *t, struct error *err)
{
    enum status status = STATUS_OK;
    const struct froc_result *r = &t->a->parts[0].froc;
    struct csv_writer w = {0};
    TRY(open_list(t, "scans.csv",
                  "seriesuid,status,fold,seen,slice_thickness_mm,nodules,hits,"
                  "false_positives,marks,patient_score",
                  &w, err));
    for (size_t s = 0; s < r->scan_count; s++) {
        const struct assessed_scan *scan = &t->in->scans[s];
        csv_write_text(&w, t->in->evaluation->seriesuids[s]);
        csv_write_text(&w, scan->done ? "done" : "no result");
        write_label(&w, scan->fold);
        write_seen(&w, scan);
        csv_write_number(&w, "%.6g", scan->thickness_mm);
        csv_write_integer(&w, r->totals[s].nodules);
        csv_write_integer(&w, r->totals[s].hits);
        csv_write_integer(&w, r->totals[s].falses);
        csv_write_integer(&w, (int64_t)t->in->evaluation->scans[s].mark_count);
        csv_write_number(&w, "%.9g", scan->patient_score);
        csv_write_end(&w);
    }
    status = csv_writer_commit(&w, err);
out:
    csv_writer_abandon(&w);
    return status;
}

/* ---- strata ---- */

static void write_bins(struct csv_writer *w, const char *value, const struct stratum *s,
                       size_t count)
{
    for (size_t b = 0; b < count; b++)
        for (size_t p = 0; p < BOOTSTRAP_POINTS; p++) {
            const struct proportion *found = &s[b].found[p];
            csv_write_text(w, value);
            csv_write_number(w, "%g", s[b].from);
            csv_write_number(w, "%g", isinf(s[b].to) ? NAN : s[b].to);
            csv_write_number(w, "%g", bootstrap_points[p]);
            csv_write_integer(w, found->of);
            csv_write_integer(w, found->count);
            csv_write_number(w, "%.9f", found->share);
            csv_write_number(w, "%.9f", found->lower);
            csv_write_number(w, "%.9f", found->upper);
            csv_write_end(w);
        }
}

static enum status write_strata(const struct target *t, struct error *err)
{
    enum status status = STATUS_OK;
    struct csv_writer w = {0};
    TRY(open_list(t, "strata.csv",
                  "value,from,to,false_positives_per_scan,nodules,found,sensitivity,"
                  "lower,upper",
                  &w, err));
    write_bins(&w, "diameter_mm", t->a->by_diameter, STRATA_DIAMETER_EDGES - 1);
    write_bins(&w, "slice_thickness_mm", t->a->by_thickness, STRATA_THICKNESS_EDGES - 1);
    status = csv_writer_commit(&w, err);
out:
    csv_writer_abandon(&w);
    return status;
}

/* ---- ROC curves ---- */

static void write_curve(struct csv_writer *w, const char *name, const struct roc_drawn *d)
{
    if (d->point_count < 2) /* no case: (0, 0) alone */
        return;
    for (size_t i = 0; i < d->point_count; i++) {
        const struct roc_point *p = &d->points[i];
        csv_write_text(w, name);
        csv_write_number(w, "%.9g", isinf(p->threshold) ? NAN : p->threshold);
        csv_write_number(w, "%.9f", p->false_positive_rate);
        csv_write_number(w, "%.9f", p->true_positive_rate);
        csv_write_end(w);
    }
}

static enum status write_roc(const struct target *t, struct error *err)
{
    enum status status = STATUS_OK;
    struct csv_writer w = {0};
    TRY(open_list(t, "roc.csv", "score,threshold,false_positive_rate,true_positive_rate",
                  &w, err));
    write_curve(&w, "malignancy", &t->a->malignancy_curve);
    write_curve(&w, "diameter", &t->a->diameter_curve);
    write_curve(&w, "patient", &t->a->patient_curve);
    status = csv_writer_commit(&w, err);
out:
    csv_writer_abandon(&w);
    return status;
}

/* ---- the whole ---- */

static enum status write_json(const char *folder, const struct assessment_input *in,
                              const struct assessment *a,
                              const struct assessment_notes *n, struct error *err)
{
    enum status status = STATUS_OK;
    char *text = NULL, *path = NULL;
    TRY(assessment_json(in, a, n, &text, err));
    TRY(path_join(folder, "score.json", &path, err));
    TRY(file_write(path, text, strlen(text), err));
out:
    free(text);
    free(path);
    return status;
}

enum status assessment_write(const char *folder, const struct assessment_input *in,
                             const struct assessment *a, const struct assessment_notes *n,
                             struct error *err)
{
    enum status status = STATUS_OK;
    const struct target t = {folder, in, a};
    TRY(write_nodules(&t, err));
    TRY(write_scans(&t, err));
    TRY(write_strata(&t, err));
    TRY(write_roc(&t, err));
    TRY(write_json(folder, in, a, n, err));
out:
    return status;
}

enum status assessment_write_none(const char *folder, const struct assessment_notes *n,
                                  struct error *err)
{
    return write_json(folder, NULL, NULL, n, err);
}
