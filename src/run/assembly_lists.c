/* The CSV files of a run, from its books: the other half of assembly.h. */
#include "run/assembly.h"

#include <math.h>

#include "base/memory.h"
#include "io/csv.h"
#include "run/record.h"
#include "score/assessment.h"

#define CANDIDATE_COLUMNS                                                                \
    "seriesuid,coordX,coordY,coordZ,probability,malignancy,voxels,diameter_mm,fold,seen"

struct lists {
    struct csv_writer candidates, submission, diagnosis;
    int64_t fold;  /* that the models were trained for; -1: none */
    bool ensemble; /* candidates have disagreements */
};

static enum status open_list(const struct run_folder *f, const char *name,
                             const char *header, struct csv_writer *out,
                             struct error *err)
{
    char *path;
    enum status status = run_folder_file(f, name, &path, err);
    if (status != STATUS_OK)
        return status;
    status = csv_writer_open(out, path, header, err);
    free(path);
    return status;
}

static void write_xyz(struct csv_writer *w, const double xyz[3])
{
    for (int k = 0; k < 3; k++)
        csv_write_number(w, "%.6f", xyz[k]);
}

static void write_candidate(struct lists *l, const char *seriesuid,
                            const struct candidate *c, const struct disagreement *d,
                            int seen)
{
    csv_write_text(&l->candidates, seriesuid);
    write_xyz(&l->candidates, c->xyz);
    csv_write_number(&l->candidates, "%.9g", (double)c->probability);
    csv_write_number(&l->candidates, "%.9g", (double)c->malignancy);
    csv_write_integer(&l->candidates, c->voxels);
    csv_write_number(&l->candidates, "%.6f", c->diameter_mm);
    csv_write_integer(&l->candidates, l->fold);
    csv_write_text(&l->candidates, seen_name(seen));
    if (l->ensemble) {
        csv_write_number(&l->candidates, "%.9g", (double)d->probability);
        csv_write_number(&l->candidates, "%.9g", (double)d->malignancy);
    }
    csv_write_end(&l->candidates);

    csv_write_text(&l->submission, seriesuid);
    write_xyz(&l->submission, c->xyz);
    csv_write_number(&l->submission, "%.9g", (double)c->probability);
    csv_write_end(&l->submission);
}

static void write_diagnosis(struct lists *l, const char *seriesuid,
                            const struct diagnosis *d)
{
    csv_write_text(&l->diagnosis, seriesuid);
    csv_write_number(&l->diagnosis, "%.9g", d->score);
    csv_write_integer(&l->diagnosis, d->nodules);
    csv_write_text(&l->diagnosis, diagnosis_status_name(d->status));
    csv_write_end(&l->diagnosis);
}

static enum status write_scan(const struct assembly *a, int64_t scan, struct lists *l,
                              struct error *err)
{
    const char *seriesuid = a->dataset->scans[scan].seriesuid;
    struct diagnosis none = {.score = NAN, .status = DIAGNOSIS_QUARANTINED};
    struct scan_result r;
    void *payload;
    if (ledger_is_quarantined(a->ledger, scan)) {
        write_diagnosis(l, seriesuid, &none);
        return STATUS_OK;
    }
    enum status status = ledger_result(a->ledger, scan, &r, &payload, err);
    if (status != STATUS_OK)
        return status;
    for (int64_t i = 0; i < r.head.candidate_count; i++) {
        const struct disagreement d = disagreement_of(&r, i);
        write_candidate(l, seriesuid, &r.candidates[i], &d, r.head.scan.seen);
    }
    write_diagnosis(l, seriesuid, &r.head.diagnosis);
    free(payload);
    return STATUS_OK;
}

enum status assembly_lists(const struct assembly *a, void (*alive)(void *), void *context,
                           struct error *err)
{
    enum status status = STATUS_OK;
    struct lists l = {.fold = a->fold, .ensemble = a->ensemble};
    TRY(open_list(a->folder, "candidates.csv",
                  a->ensemble ? CANDIDATE_COLUMNS ",disagreement,malignancy_disagreement"
                              : CANDIDATE_COLUMNS,
                  &l.candidates, err));
    TRY(open_list(a->folder, "submission.csv",
                  "seriesuid,coordX,coordY,coordZ,probability", &l.submission, err));
    TRY(open_list(a->folder, "diagnosis.csv", "seriesuid,score,nodules,status",
                  &l.diagnosis, err));
    for (size_t i = 0; i < a->dataset->count; i++) {
        TRY(write_scan(a, (int64_t)i, &l, err));
        alive(context);
    }
    TRY(csv_writer_commit(&l.candidates, err));
    TRY(csv_writer_commit(&l.submission, err));
    TRY(csv_writer_commit(&l.diagnosis, err));
out:
    csv_writer_abandon(&l.candidates);
    csv_writer_abandon(&l.submission);
    csv_writer_abandon(&l.diagnosis);
    return status;
}

static int by_seriesuid(const void *a, const void *b)
{
    const struct quarantined *const *x = a, *const *y = b;
    int order = strcmp((*x)->seriesuid, (*y)->seriesuid);
    if (order == 0)
        order = strcmp((*x)->stage, (*y)->stage);
    return order ? order : strcmp((*x)->reason, (*y)->reason);
}

enum status assembly_quarantine(const struct run_folder *f, const struct ledger *l,
                                struct error *err)
{
    enum status status = STATUS_OK;
    struct csv_writer w = {0};
    size_t count;
    const struct quarantined *q = ledger_quarantined(l, &count), **sorted = NULL;
    TRY(memory_new(count, sizeof *sorted, "quarantine", (void **)&sorted, err));
    for (size_t i = 0; i < count; i++)
        sorted[i] = &q[i];
    qsort(sorted, count, sizeof *sorted, by_seriesuid);
    TRY(open_list(f, "quarantine.csv", "seriesuid,stage,reason", &w, err));
    for (size_t i = 0; i < count; i++) {
        csv_write_text(&w, sorted[i]->seriesuid);
        csv_write_text(&w, sorted[i]->stage);
        csv_write_text(&w, sorted[i]->reason);
        csv_write_end(&w);
    }
    status = csv_writer_commit(&w, err);
out:
    csv_writer_abandon(&w);
    free(sorted);
    return status;
}
