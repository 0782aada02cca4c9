/*
 * The hard negatives of a training job: what its segmenter, or the classical detector,
 * finds in the scans that the classifier is trained and validated on.
 *
 * It is a sweep as that of a detection (tasks, journal, quarantine), over these scans
 * alone: those left alone for a test are not opened. All that was found is written to
 * RUN/candidates-training.csv; what of it is near no finding is decided where the places
 * are taken up (train/pool.h), for this list as for one of an earlier run.
 *
 * The sweep has books of its own beside those of the sweep that filled the cache: struct
 * job stands twice for a while, and what both point to is the first one's.
 */
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "io/csv.h"
#include "run/job_internal.h"
#include "run/stage_setup.h"

static enum status write_scan(const struct job *j, size_t scan, struct csv_writer *w,
                              struct error *err)
{
    struct scan_result r;
    void *payload;
    if (ledger_is_quarantined(j->ledger, (int64_t)scan))
        return STATUS_OK;
    enum status status = ledger_result(j->ledger, (int64_t)scan, &r, &payload, err);
    if (status != STATUS_OK)
        return status;
    for (int64_t i = 0; i < r.head.candidate_count; i++) {
        const struct candidate *c = &r.candidates[i];
        csv_write_text(w, j->dataset.scans[scan].seriesuid);
        for (int k = 0; k < 3; k++)
            csv_write_number(w, "%.6f", c->xyz[k]);
        csv_write_number(w, "%.9g", (double)c->probability);
        csv_write_end(w);
    }
    free(payload);
    return STATUS_OK;
}

static enum status write_list(const struct job *j, const char *path, struct error *err)
{
    enum status status;
    struct csv_writer w = {0};
    TRY(csv_writer_open(&w, path, "seriesuid,coordX,coordY,coordZ,probability", err));
    for (size_t i = 0; i < j->dataset.count; i++)
        TRY(write_scan(j, i, &w, err));
    TRY(csv_writer_commit(&w, err));
out:
    csv_writer_abandon(&w);
    return status;
}

/* The scans of `all` that take part; they are borrowed, the array is to be freed. */
static enum status choose_scans(const struct dataset *all, const struct train_work *w,
                                struct dataset *out, struct error *err)
{
    enum status status;
    *out = *all;
    out->count = out->problem_count = 0;
    TRY(memory_new(all->count, sizeof *out->scans, "scans", (void **)&out->scans, err));
    for (size_t i = 0; i < all->count; i++)
        if (train_stage_uses(w, all->scans[i].seriesuid))
            out->scans[out->count++] = all->scans[i];
out:
    return status;
}

/* What differs from a detection: the segmenter, and nothing after it. */
static void set_stages(struct job *m, char *segmenter)
{
    static char none[] = "";
    struct settings *s = &m->now;
    s->segment.weights = segmenter;
    s->classify.weights = none;
    s->malignancy.weights = none;
    s->store.heatmaps = false;
}

/* *out = the weights to find them with, "": none are needed; to be freed. */
static enum status find_segmenter(const struct settings *s, char **out, struct error *err)
{
    if (!stage_uses_network(s))
        return text_new("", out, err);
    if (s->segment.weights[0])
        return text_new(s->segment.weights, out, err);
    return train_stage_model(s, TRAIN_SEGMENT, out, err);
}

/* The sweep, and the list of what it found. */
static int look(struct job *m, const char *list)
{
    struct error err;
    enum status status = STATUS_OK;
    int exit_code = job_sweep(m, false, true, false);
    if (exit_code != JOB_GO_ON)
        return exit_code;
    if (job_is_master(m))
        status = write_list(m, list, &err);
    status = comm_agree(m->comm, status, &err);
    if (status == STATUS_OK)
        status =
            comm_agree(m->comm, job_wait_to_see(m, "output", list, list, &err), &err);
    return status == STATUS_OK ? JOB_GO_ON : job_give_up(m, status, &err);
}

/* Scans that failed in the search are failures of the job: they stand in its list, and in
 * its exit code. */
static enum status keep_quarantined(struct job *j, const struct job *m, struct error *err)
{
    enum status status = STATUS_OK;
    size_t count;
    const struct quarantined *q = ledger_quarantined(m->ledger, &count);
    for (size_t i = 0; i < count; i++)
        TRY(ledger_quarantine(j->ledger, -1, q[i].seriesuid, q[i].stage, q[i].reason,
                              err));
out:
    return status;
}

int job_find_hard(struct job *j, struct train_work *w)
{
    struct error err;
    enum status status;
    char *segmenter = NULL;
    struct job m = *j;
    int exit_code;
    m.settings = &m.now;
    m.journal = "journal-hard";
    m.detector = NULL;
    m.ledger = NULL;
    m.schedule = NULL;
    m.dataset = (struct dataset){.count = 0};
    status = find_segmenter(j->asked, &segmenter, &err);
    if (status == STATUS_OK)
        status =
            path_join(j->asked->output, "candidates-training.csv", &j->hard_list, &err);
    if (status == STATUS_OK)
        status = train_stage_take_hard(w, j->hard_list, segmenter, &err);
    if (status == STATUS_OK && job_is_master(j))
        status = choose_scans(&j->dataset, w, &m.dataset, &err);
    status = comm_agree(j->comm, status, &err);
    if (status == STATUS_OK) {
        if (job_is_master(j))
            log_info("looking for hard negatives in %zu scans with %s", m.dataset.count,
                     segmenter[0] ? segmenter : "the classical detector");
        set_stages(&m, segmenter);
        exit_code = look(&m, j->hard_list);
        if (exit_code == JOB_GO_ON) {
            if (job_is_master(j))
                status = keep_quarantined(j, &m, &err);
            status = comm_agree(j->comm, status, &err);
            exit_code = status == STATUS_OK ? JOB_GO_ON : job_give_up(j, status, &err);
        }
    } else {
        exit_code = job_give_up(j, status, &err);
    }
    job_close_sweep(&m);
    memcpy(j->timings, m.timings, sizeof j->timings);
    free(m.dataset.scans);
    free(segmenter);
    return exit_code;
}
