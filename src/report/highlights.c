#include "report/highlights.h"

#include <math.h>

#include "base/file.h"
#include "base/memory.h"
#include "io/csv.h"
#include "run/loss.h"

/* How far rows of two lists may lie apart and still be the same nodule, in mm. */
static const double same_mm = 0.01;

/* ---- what is known ---- */

enum { SERIESUID, X, Y, Z, DIAMETER, PROBABILITY, LOST_IN, COLUMNS };

static const struct csv_column columns[COLUMNS] = {
    {"seriesuid", false},   {"coordX", false},      {"coordY", false}, {"coordZ", false},
    {"diameter_mm", false}, {"probability", false}, {"lost_in", false}};

struct reading {
    struct highlights *findings;
    const struct stored_run *run;
    size_t capacity;
};

static enum status take_nodule(void *context, const struct csv_row *row,
                               struct error *err)
{
    struct reading *r = context;
    struct highlights *f = r->findings;
    enum status status = STATUS_OK;
    TRY(memory_grow((void **)&f->nodules, &r->capacity, f->nodule_count + 1,
                    sizeof *f->nodules, "nodules", err));
    struct known_nodule *n = &f->nodules[f->nodule_count++];
    *n = (struct known_nodule){
        .scan = SIZE_MAX, .probability = NAN, .place.malignant = -1};
    TRY(text_new(row->fields[SERIESUID], &n->seriesuid, err));
    for (size_t k = 0; k < 3; k++)
        TRY(csv_number(row, X + k, columns[X + k].name, &n->place.xyz[k], err));
    TRY(csv_number(row, DIAMETER, "diameter_mm", &n->place.diameter_mm, err));
    if (row->fields[PROBABILITY][0])
        TRY(csv_number(row, PROBABILITY, "probability", &n->probability, err));
    snprintf(n->lost_in, sizeof n->lost_in, "%s", row->fields[LOST_IN]);
    const struct stored_scan *scan = stored_run_find(r->run, n->seriesuid);
    if (scan)
        n->scan = (size_t)(scan - r->run->scans);
    f->missed_count += strcmp(n->lost_in, "found") != 0;
out:
    return status;
}

static void take_malignancy(struct highlights *f, const struct nodule_list *l)
{
    for (size_t i = 0; i < f->nodule_count; i++) {
        struct nodule *n = &f->nodules[i].place;
        size_t first, count;
        nodule_list_find(l, f->nodules[i].seriesuid, &first, &count);
        for (size_t k = first; k < first + count; k++)
            if (fabs(l->rows[k].xyz[0] - n->xyz[0]) < same_mm &&
                fabs(l->rows[k].xyz[1] - n->xyz[1]) < same_mm &&
                fabs(l->rows[k].xyz[2] - n->xyz[2]) < same_mm)
                n->malignant = l->rows[k].malignant;
    }
}

/* Lists that are gone since the run leave open what they would say. */
static enum status read_known(struct highlights *f, const struct stored_run *run,
                              struct error *err)
{
    enum status status = STATUS_OK;
    char *path = NULL;
    struct error ignored;
    struct nodule_list malignancy = {0};
    struct reading r = {f, run, 0};
    TRY(path_join(run->folder, "froc/nodules.csv", &path, err));
    if (!file_exists(path))
        goto out;
    TRY(csv_read(path, columns, COLUMNS, take_nodule, &r, err));
    f->scored = true;
    if (run->settings.dataset.malignancy[0] &&
        nodule_list_init(&malignancy, run->settings.dataset.malignancy, &ignored) ==
            STATUS_OK)
        take_malignancy(f, &malignancy);
    if (run->settings.dataset.excluded[0] &&
        nodule_list_init(&f->excluded, run->settings.dataset.excluded, &ignored) !=
            STATUS_OK)
        f->excluded = (struct nodule_list){0};
out:
    nodule_list_release(&malignancy);
    free(path);
    return status;
}

/* Both lists are sorted by the bytes of seriesuid. */
static enum status index_nodules(struct highlights *f, const struct stored_run *run,
                                 struct error *err)
{
    enum status status = memory_new(run->scan_count + 1, sizeof *f->first,
                                    "nodules by scan", (void **)&f->first, err);
    size_t at = 0;
    for (size_t i = 0; status == STATUS_OK && i <= run->scan_count; i++) {
        while (i < run->scan_count && at < f->nodule_count &&
               strcmp(f->nodules[at].seriesuid, run->seriesuids[i]) < 0)
            at++;
        f->first[i] = i < run->scan_count ? at : f->nodule_count;
    }
    return status;
}

/* ---- candidates ---- */

static void judge(const struct highlights *f, const struct stored_run *run,
                  struct finding *x)
{
    x->nodule = NULL;
    x->truth = f->scored ? TRUTH_NOTHING : TRUTH_OPEN;
    for (size_t i = f->first[x->scan]; i < f->nodule_count; i++) {
        if (f->nodules[i].scan != x->scan)
            break;
        if (match_lies_in(x->xyz, &f->nodules[i].place)) {
            x->truth = TRUTH_NODULE;
            x->nodule = &f->nodules[i];
            return;
        }
    }
    size_t first, count;
    nodule_list_find(&f->excluded, run->seriesuids[x->scan], &first, &count);
    for (size_t i = first; i < first + count; i++)
        if (match_lies_in(x->xyz, &f->excluded.rows[i]))
            x->truth = TRUTH_EXCLUDED;
}

/* Keeps the most probable in order; of equals those that come first. */
static void keep_best(struct finding *list, size_t *count, size_t limit,
                      const struct finding *x)
{
    if (limit == 0 || (*count == limit && list[limit - 1].probability >= x->probability))
        return;
    size_t at = *count < limit ? (*count)++ : limit - 1;
    for (; at > 0 && list[at - 1].probability < x->probability; at--)
        list[at] = list[at - 1];
    list[at] = *x;
}

static bool may_enter(const struct finding *list, size_t count, size_t limit,
                      double probability)
{
    return count < limit || (limit > 0 && list[limit - 1].probability < probability);
}

static void take_candidates(struct highlights *f, const struct stored_run *run,
                            size_t limit)
{
    for (size_t i = 0; i < run->scan_count; i++)
        for (size_t k = 0; k < run->scans[i].candidate_count; k++) {
            const size_t at = run->scans[i].candidate_first + k;
            const struct book_candidate *c = &run->candidates[at];
            struct finding x = {
                .scan = i, .candidate = at, .probability = c->probability};
            if (!may_enter(f->probable, f->probable_count, limit, c->probability) &&
                !may_enter(f->falses, f->false_count, limit, c->probability))
                continue;
            memcpy(x.xyz, c->xyz, sizeof x.xyz);
            judge(f, run, &x);
            keep_best(f->probable, &f->probable_count, limit, &x);
            if (x.truth == TRUTH_NOTHING)
                keep_best(f->falses, &f->false_count, limit, &x);
        }
}

/* The most that a candidate has which belongs to a nodule (run/loss.h); NaN: none does.
 */
static double best_near(const struct stored_run *run, const struct stored_scan *scan,
                        const struct nodule *n)
{
    const double reach = fmax(LOSS_RADIUS_MM, LOSS_DIAMETER_SHARE * n->diameter_mm);
    double best = NAN;
    for (size_t i = 0; i < scan->candidate_count; i++) {
        const struct book_candidate *c = &run->candidates[scan->candidate_first + i];
        double sum = 0;
        for (int k = 0; k < 3; k++)
            sum += (c->xyz[k] - n->xyz[k]) * (c->xyz[k] - n->xyz[k]);
        if (sqrt(sum) < reach)
            best = fmax(best, c->probability);
    }
    return best;
}

/* The largest first: what weighs most. */
static int by_diameter(const void *a, const void *b)
{
    const struct known_nodule *x = ((const struct finding *)a)->nodule;
    const struct known_nodule *y = ((const struct finding *)b)->nodule;
    if (x->place.diameter_mm != y->place.diameter_mm)
        return x->place.diameter_mm < y->place.diameter_mm ? 1 : -1;
    return (x > y) - (x < y);
}

static enum status take_missed(struct highlights *f, const struct stored_run *run,
                               size_t limit, struct error *err)
{
    enum status status = memory_new(f->missed_count, sizeof *f->missed, "missed nodules",
                                    (void **)&f->missed, err);
    size_t count = 0;
    for (size_t i = 0; status == STATUS_OK && i < f->nodule_count; i++) {
        const struct known_nodule *n = &f->nodules[i];
        if (!strcmp(n->lost_in, "found"))
            continue;
        struct finding *x = &f->missed[count++];
        *x = (struct finding){.scan = n->scan,
                              .candidate = SIZE_MAX,
                              .probability = NAN,
                              .truth = TRUTH_NODULE,
                              .nodule = n};
        memcpy(x->xyz, n->place.xyz, sizeof x->xyz);
        if (x->scan != SIZE_MAX)
            x->probability = best_near(run, &run->scans[x->scan], &n->place);
    }
    if (status == STATUS_OK)
        qsort(f->missed, count, sizeof *f->missed, by_diameter);
    f->missed_shown = count < limit ? count : limit;
    return status;
}

enum status highlights_init(struct highlights *f, const struct stored_run *run,
                            size_t limit, struct error *err)
{
    enum status status = STATUS_OK;
    *f = (struct highlights){0};
    TRY(read_known(f, run, err));
    TRY(index_nodules(f, run, err));
    TRY(memory_new(limit, sizeof *f->falses, "findings", (void **)&f->falses, err));
    TRY(memory_new(limit, sizeof *f->probable, "findings", (void **)&f->probable, err));
    take_candidates(f, run, limit);
    TRY(take_missed(f, run, limit, err));
out:
    return status;
}

void highlights_release(struct highlights *f)
{
    for (size_t i = 0; i < f->nodule_count; i++)
        free(f->nodules[i].seriesuid);
    free(f->nodules);
    nodule_list_release(&f->excluded);
    free(f->first);
    free(f->missed);
    free(f->falses);
    free(f->probable);
    *f = (struct highlights){0};
}
