/*
 * How the lists and the scans on disk go together.
 *
 * A list covers the whole data set, a job perhaps only some of its subsets: a listed scan
 * that is not here is looked for in the subsets that the job leaves out, and is called
 * missing only when all of those could be looked at.
 */
#include <math.h>

#include "base/memory.h"
#include "inspect/survey.h"

/* Two lists describe the same nodule when their centres are this close on each axis: they
 * were written with different numbers of digits. */
static const double same_nodule_mm = 0.01;

enum whereabouts { HERE, ELSEWHERE, ABSENT };

struct finder {
    struct survey *v;
    struct dataset all; /* of every subset; empty when the job takes all there are */
};

static enum status finder_init(struct finder *f, struct survey *v,
                               const struct settings *s, struct error *err)
{
    bool left_out = false;
    *f = (struct finder){.v = v};
    v->complete = s->dataset.root[0] != '\0';
    for (int k = 0; k < DATASET_SUBSETS && v->dataset.has_subsets; k++) {
        if (v->subsets[k].asked)
            continue;
        left_out |= v->subsets[k].present;
        v->complete &= v->subsets[k].present;
    }
    return left_out ? dataset_init(&f->all, s->dataset.root, NULL, err) : STATUS_OK;
}

static enum whereabouts finder_ask(const struct finder *f, const char *seriesuid,
                                   int64_t *scan)
{
    *scan = dataset_find(&f->v->dataset, seriesuid);
    if (*scan >= 0)
        return HERE;
    if (dataset_find(&f->all, seriesuid) >= 0)
        return ELSEWHERE;
    return f->v->complete ? ABSENT : ELSEWHERE;
}

/* Enters one scan of a list with its rows; gives back where it is. */
static enum whereabouts enter_scan(const struct finder *f, struct survey_list *l,
                                   const char *seriesuid, size_t rows, int64_t *scan)
{
    enum whereabouts where = finder_ask(f, seriesuid, scan);
    l->scans++;
    l->rows += (int64_t)rows;
    if (where == HERE) {
        l->scans_here++;
        l->rows_here += (int64_t)rows;
        f->v->listed[*scan] = 1;
    } else if (where == ABSENT) {
        l->scans_absent++;
        l->rows_absent += (int64_t)rows;
    }
    return where;
}

static bool is_outside(const struct survey *v, int64_t scan, const double xyz[3])
{
    double index[3];
    int64_t voxel[3];
    if (v->reasons[scan])
        return false; /* nobody knows */
    const struct geometry *g = &v->facts[scan].geometry;
    geometry_to_index(g, xyz, index);
    for (int k = 0; k < 3; k++) /* too far to be an integer is outside too */
        if (!(index[k] >= -1 && index[k] <= (double)g->size[k]))
            return true;
    geometry_round(index, voxel);
    for (int k = 0; k < 3; k++)
        if (voxel[k] < 0 || voxel[k] >= g->size[k])
            return true;
    return false;
}

/* A list that is wrong is a finding of the survey; no memory is a failure. */
static enum status record_error(struct survey_list *l, const struct error *bad,
                                struct error *err)
{
    if (bad->code == STATUS_STAGE_MEMORY) {
        *err = *bad;
        return bad->code;
    }
    return text_new(bad->message, &l->error, err);
}

/* --- seriesuids --- */

static enum status read_series(struct finder *f, struct error *err)
{
    struct survey *v = f->v;
    struct survey_list *l = &v->lists[LIST_SERIES];
    struct error bad;
    if (!l->path[0])
        return STATUS_OK;
    if (series_list_init(&v->series, l->path, &bad) != STATUS_OK)
        return record_error(l, &bad, err);
    enum status status = memory_new(v->series.count, sizeof *v->missing, "missing scans",
                                    (void **)&v->missing, err);
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < v->series.count; i++) {
        const char *seriesuid = v->series.seriesuids[i];
        int64_t scan;
        if (i > 0 && !strcmp(seriesuid, v->series.seriesuids[i - 1]))
            l->rows++; /* again: a row, but no further scan */
        else if (enter_scan(f, l, seriesuid, 1, &scan) == ABSENT)
            v->missing[v->missing_count++] = seriesuid;
    }
    return STATUS_OK;
}

/* --- nodules --- */

static int malignancy_kind(int8_t malignant)
{
    return malignant < 0 ? MALIGNANCY_UNSAID : malignant ? MALIGNANCY_YES : MALIGNANCY_NO;
}

static bool same_centre(const struct nodule *a, const struct nodule *b)
{
    for (int k = 0; k < 3; k++)
        if (fabs(a->xyz[k] - b->xyz[k]) > same_nodule_mm)
            return false;
    return true;
}

/* What the malignancy list says of a nodule of the annotations. Its row is marked as
 * used. */
static int look_up_malignancy(const struct nodule_list *m, uint8_t *used,
                              const char *seriesuid, const struct nodule *nodule)
{
    size_t first, count;
    nodule_list_find(m, seriesuid, &first, &count);
    for (size_t i = first; i < first + count; i++)
        if (same_centre(&m->rows[i], nodule)) {
            used[i] = 1;
            return malignancy_kind(m->rows[i].malignant);
        }
    return malignancy_kind(nodule->malignant);
}

/* Counts the nodules of `n`, with what `m` says of them; the two may be one list. */
static void count_nodules(struct finder *f, struct survey_list *l,
                          const struct nodule_list *n, const struct nodule_list *m,
                          uint8_t *used)
{
    for (size_t i = 0; i < n->series_count; i++) {
        int64_t scan;
        size_t first = n->starts[i], end = n->starts[i + 1];
        if (enter_scan(f, l, n->seriesuids[i], end - first, &scan) != HERE)
            continue;
        for (size_t k = first; k < end; k++) {
            int kind = look_up_malignancy(m, used, n->seriesuids[i], &n->rows[k]);
            f->v->nodules[diameter_bin(n->rows[k].diameter_mm)][kind]++;
            l->rows_outside += is_outside(f->v, scan, n->rows[k].xyz);
        }
    }
}

/* Rows of the malignancy list, of scans that are here, that no annotation matched. */
static void count_malignancies(struct finder *f, struct survey_list *l,
                               const struct nodule_list *m, const uint8_t *used)
{
    for (size_t i = 0; i < m->series_count; i++) {
        int64_t scan;
        size_t first = m->starts[i], end = m->starts[i + 1];
        if (enter_scan(f, l, m->seriesuids[i], end - first, &scan) != HERE)
            continue;
        for (size_t k = first; k < end; k++) {
            f->v->unmatched_malignancies += !used[k];
            l->rows_outside += is_outside(f->v, scan, m->rows[k].xyz);
        }
    }
}

static enum status read_nodule_list(struct survey_list *l, struct nodule_list *out,
                                    bool *good, struct error *err)
{
    struct error bad;
    *good = false;
    if (!l->path[0])
        return STATUS_OK;
    if (nodule_list_init(out, l->path, &bad) != STATUS_OK)
        return record_error(l, &bad, err);
    *good = true;
    return STATUS_OK;
}

static enum status read_nodules(struct finder *f, struct error *err)
{
    enum status status = STATUS_OK;
    struct nodule_list nodules = {0}, malignancies = {0};
    struct survey_list *lists = f->v->lists;
    uint8_t *used = NULL;
    bool has_nodules, has_malignancies;
    TRY(read_nodule_list(&lists[LIST_NODULES], &nodules, &has_nodules, err));
    TRY(read_nodule_list(&lists[LIST_MALIGNANCY], &malignancies, &has_malignancies, err));
    TRY(memory_new(malignancies.row_count, 1, "nodules", (void **)&used, err));
    if (has_nodules)
        count_nodules(f, &lists[LIST_NODULES], &nodules, &malignancies, used);
    else if (has_malignancies && !lists[LIST_NODULES].path[0])
        count_nodules(f, &lists[LIST_MALIGNANCY], &malignancies, &malignancies, used);
    if (has_nodules && has_malignancies)
        count_malignancies(f, &lists[LIST_MALIGNANCY], &malignancies, used);
out:
    nodule_list_release(&nodules);
    nodule_list_release(&malignancies);
    free(used);
    return status;
}

static enum status read_excluded(struct finder *f, struct error *err)
{
    struct survey_list *l = &f->v->lists[LIST_EXCLUDED];
    struct nodule_list excluded = {0};
    bool good;
    enum status status = read_nodule_list(l, &excluded, &good, err);
    for (size_t i = 0; good && i < excluded.series_count; i++) {
        int64_t scan;
        size_t first = excluded.starts[i], end = excluded.starts[i + 1];
        if (enter_scan(f, l, excluded.seriesuids[i], end - first, &scan) == HERE)
            for (size_t k = first; k < end; k++)
                l->rows_outside += is_outside(f->v, scan, excluded.rows[k].xyz);
    }
    nodule_list_release(&excluded);
    return status;
}

/* --- candidates --- */

static void count_candidates(struct finder *f, struct survey_list *l,
                             const struct candidate_list *list)
{
    for (size_t i = 0; i < list->series_count; i++) {
        int64_t scan;
        size_t first = list->starts[i], end = list->starts[i + 1];
        if (enter_scan(f, l, list->seriesuids[i], end - first, &scan) != HERE)
            continue;
        for (size_t k = first; k < end; k++) {
            const struct listed_candidate *c = &list->rows[k];
            const double xyz[3] = {(double)c->xyz[0], (double)c->xyz[1],
                                   (double)c->xyz[2]};
            f->v->candidates[c->nodule]++;
            l->rows_outside += is_outside(f->v, scan, xyz);
        }
    }
}

static enum status read_candidates(struct finder *f, struct error *err)
{
    struct survey_list *l = &f->v->lists[LIST_CANDIDATES];
    struct candidate_list list = {0};
    struct error bad;
    if (!l->path[0])
        return STATUS_OK;
    if (candidate_list_init(&list, l->path, &bad) != STATUS_OK)
        return record_error(l, &bad, err);
    count_candidates(f, l, &list);
    candidate_list_release(&list);
    return STATUS_OK;
}

/* --- all --- */

static void count_unlisted(struct survey *v)
{
    bool any = false;
    for (int i = 0; i < LIST_KINDS; i++)
        any |= v->lists[i].path[0] && !v->lists[i].error;
    for (size_t i = 0; any && i < v->dataset.count; i++)
        if (!v->listed[i]) {
            v->unlisted++;
            v->subsets[v->dataset.scans[i].subset].unlisted++;
        }
}

enum status survey_read_lists(struct survey *v, const struct settings *s,
                              struct error *err)
{
    enum status status = STATUS_OK;
    struct finder f;
    v->lists[LIST_SERIES].path = s->dataset.seriesuids;
    v->lists[LIST_NODULES].path = s->dataset.annotations;
    v->lists[LIST_MALIGNANCY].path = s->dataset.malignancy;
    v->lists[LIST_CANDIDATES].path = s->dataset.candidates;
    v->lists[LIST_EXCLUDED].path = s->dataset.excluded;
    TRY(finder_init(&f, v, s, err));
    TRY(memory_new(v->dataset.count, sizeof *v->listed, "listed scans",
                   (void **)&v->listed, err));
    TRY(read_series(&f, err));
    TRY(read_nodules(&f, err));
    TRY(read_excluded(&f, err));
    TRY(read_candidates(&f, err));
    count_unlisted(v);
out:
    dataset_release(&f.all);
    return status;
}
