/*
 * Rank 0 knows which record holds which scan; the others know the journal's path. For
 * each batch rank 0 shares a table of rows, every rank takes its own few of them, reads
 * their records and writes the hyperslabs that follow from the table. So memory is a few
 * scans a rank, and nothing is sent that every rank can read.
 */
#include "run/assembly.h"

#include <math.h>

#include "base/file.h"
#include "base/memory.h"
#include "io/journal.h"
#include "io/run_store.h"
#include "run/detector.h"
#include "run/record.h"

enum { BATCH_SCANS = 4, REASON_BYTES = 256, STAGE_BYTES = 16 };

/* What everybody has to know before the first batch. */
struct plan {
    struct run_store_extent extent;
};

/* One scan of a batch, as rank 0 shares it; its seriesuid follows in a table of texts. */
struct row {
    struct ledger_entry entry;
    int64_t candidate_first, mask_first;
    int64_t size[3]; /* for heatmaps */
    int32_t subset;
    char reason[REASON_BYTES];
};

struct writing {
    const struct assembly *a;
    struct run_store *store;
    struct journal *journal;
    struct plan plan;
    struct row *rows;                    /* of the batch */
    char *seriesuids;                    /* of the batch, seriesuid_bytes each */
    int64_t candidate_first, mask_first; /* rank 0: where the next batch starts */
};

static bool is_master(const struct assembly *a)
{
    return a->comm->rank == 0;
}

static void arm(const struct assembly *a, const char *what, int64_t scan)
{
    watchdog_arm(a->watchdog, a->settings->limits.deadline_s * 2,
                 "writing run.h5: %s from scan %lld on", what, (long long)scan);
}

/* --- the table of a batch --- */

static const struct quarantined *find_quarantined(const struct ledger *l, int64_t scan)
{
    size_t count;
    const struct quarantined *q = ledger_quarantined(l, &count);
    for (size_t i = 0; i < count; i++)
        if (q[i].scan == scan)
            return &q[i];
    return NULL;
}

static void fill_row(struct writing *w, int64_t scan, struct row *row, char *seriesuid)
{
    const struct scan *s = &w->a->dataset->scans[scan];
    const struct quarantined *q = NULL;
    if (ledger_is_quarantined(w->a->ledger, scan))
        q = find_quarantined(w->a->ledger, scan);
    *row = (struct row){.subset = s->subset};
    snprintf(seriesuid, (size_t)w->plan.extent.seriesuid_bytes, "%s", s->seriesuid);
    if (q)
        snprintf(row->reason, sizeof row->reason, "%s: %s", q->stage, q->reason);
    else
        row->entry = ledger_entry(w->a->ledger, scan);
    row->candidate_first = w->candidate_first;
    row->mask_first = w->mask_first;
    w->candidate_first += row->entry.candidates;
    w->mask_first += row->entry.mask_bytes;
}

static void share_batch(struct writing *w, int64_t first, int64_t count)
{
    size_t uid_bytes = (size_t)w->plan.extent.seriesuid_bytes;
    if (is_master(w->a))
        for (int64_t i = 0; i < count; i++)
            fill_row(w, first + i, &w->rows[i], w->seriesuids + (size_t)i * uid_bytes);
    comm_share(w->a->comm, w->rows, (size_t)count * sizeof *w->rows);
    comm_share(w->a->comm, w->seriesuids, (size_t)count * uid_bytes);
}

/* --- one rank's share of a batch --- */

struct share {
    int64_t first, count; /* rows of the batch */
    void *payloads[BATCH_SCANS];
    struct scan_result results[BATCH_SCANS];
    struct run_store_scan scans[BATCH_SCANS];
    char contents[BATCH_SCANS][HASH_HEX_BYTES];
    struct run_store_candidate *candidates;
    int64_t candidate_count;
    uint8_t *mask;
    int64_t mask_bytes;
};

static void share_release(struct share *s)
{
    for (int i = 0; i < BATCH_SCANS; i++)
        free(s->payloads[i]);
    free(s->candidates);
    free(s->mask);
}

static void fill_scan(const struct row *row, const char *seriesuid,
                      const struct scan_result *r, char content[HASH_HEX_BYTES],
                      struct run_store_scan *out)
{
    const struct geometry *g = &r->head.scan.geometry;
    bool done = row->entry.bytes > 0;
    *out = (struct run_store_scan){
        .seriesuid = seriesuid,
        .subset = row->subset,
        .status = done ? "done" : "quarantined",
        .reason = row->reason,
        .content = done ? content : "",
        .seen = done ? (int8_t)r->head.scan.seen : -1,
        .candidate_first = row->candidate_first,
        .candidate_count = row->entry.candidates,
        .mask_first = row->mask_first,
        .mask_bytes = row->entry.mask_bytes,
        .score = done ? r->head.diagnosis.score : NAN,
        .nodules = done ? r->head.diagnosis.nodules : 0,
        .diagnosis = diagnosis_status_name(done ? r->head.diagnosis.status
                                                : DIAGNOSIS_QUARANTINED),
    };
    if (!done)
        return;
    hash_hex(r->head.scan.content, content);
    memcpy(out->size, g->size, sizeof out->size);
    memcpy(out->spacing, g->spacing, sizeof out->spacing);
    memcpy(out->origin, g->origin, sizeof out->origin);
    memcpy(out->direction, g->direction, sizeof out->direction);
}

static void fill_candidates(struct share *s, const struct scan_result *r, int64_t scan)
{
    for (int64_t i = 0; i < r->head.candidate_count; i++) {
        const struct candidate *c = &r->candidates[i];
        const struct disagreement d = disagreement_of(r, i);
        struct run_store_candidate *o = &s->candidates[s->candidate_count++];
        *o = (struct run_store_candidate){.scan = scan,
                                          .voxels = c->voxels,
                                          .diameter_mm = c->diameter_mm,
                                          .probability = c->probability,
                                          .malignancy = c->malignancy,
                                          .seen = (int8_t)r->head.scan.seen,
                                          .disagreement = d.probability,
                                          .malignancy_disagreement = d.malignancy};
        memcpy(o->index, c->index, sizeof o->index);
        memcpy(o->xyz, c->xyz, sizeof o->xyz);
    }
}

static enum status share_load(struct writing *w, int64_t batch_first, struct share *s,
                              struct error *err)
{
    enum status status = STATUS_OK;
    size_t uid_bytes = (size_t)w->plan.extent.seriesuid_bytes, candidates = 0, mask = 0;
    for (int64_t i = 0; i < s->count; i++) {
        const struct row *row = &w->rows[s->first + i];
        struct journal_record record = {
            .kind = RECORD_SCAN, .offset = row->entry.offset, .bytes = row->entry.bytes};
        if (row->entry.bytes > 0) {
            TRY(journal_read(w->journal, &record, &s->payloads[i], err));
            scan_result_unpack(s->payloads[i], row->entry.bytes, &s->results[i]);
        }
        fill_scan(row, w->seriesuids + (size_t)(s->first + i) * uid_bytes, &s->results[i],
                  s->contents[i], &s->scans[i]);
        candidates += (size_t)row->entry.candidates;
        mask += (size_t)row->entry.mask_bytes;
    }
    TRY(memory_new(candidates, sizeof *s->candidates, "candidates",
                   (void **)&s->candidates, err));
    TRY(memory_new(mask, 1, "masks", (void **)&s->mask, err));
    for (int64_t i = 0; i < s->count; i++) {
        const struct scan_result *r = &s->results[i];
        fill_candidates(s, r, batch_first + s->first + i);
        if (r->head.mask_bytes)
            memcpy(s->mask + s->mask_bytes, r->mask, (size_t)r->head.mask_bytes);
        s->mask_bytes += r->head.mask_bytes;
    }
out:
    return status;
}

static enum status write_batch(struct writing *w, int64_t first, int64_t count,
                               struct error *err)
{
    const struct comm *c = w->a->comm;
    enum status status = STATUS_OK;
    struct share s = {.first = (int64_t)c->rank * BATCH_SCANS};
    if (s.first > count)
        s.first = count;
    s.count = count - s.first < BATCH_SCANS ? count - s.first : BATCH_SCANS;

    arm(w->a, "scans and candidates", first);
    share_batch(w, first, count);
    status = share_load(w, first, &s, err);
    TRY(comm_agree(c, status, err));
    const struct row *row = &w->rows[s.first];
    int64_t candidate_first = s.count ? row->candidate_first : 0;
    int64_t mask_first = s.count ? row->mask_first : 0;
    TRY(run_store_write_scans(w->store, first + s.first, s.count, s.scans, err));
    TRY(run_store_write_candidates(w->store, candidate_first, s.candidate_count,
                                   s.candidates, err));
    TRY(run_store_write_mask(w->store, mask_first, s.mask_bytes, s.mask, err));
out:
    watchdog_disarm(w->a->watchdog);
    share_release(&s);
    return status;
}

/* --- heatmaps --- */

static enum status read_slab(const struct writing *w, const char *seriesuid, int64_t slab,
                             size_t floats, float **out, struct error *err)
{
    enum status status = STATUS_OK;
    char *folder = NULL, *path = NULL;
    size_t bytes;
    TRY(path_join(w->a->settings->output, "heatmaps", &folder, err));
    TRY(heatmap_slab_path(folder, seriesuid, slab, &path, err));
    TRY(file_read(path, floats * sizeof **out, (char **)out, &bytes, err));
    if (bytes != floats * sizeof **out) {
        free(*out);
        *out = NULL;
        status = error_set(err, STATUS_STAGE_IO, "%s: %zu bytes, %zu are expected", path,
                           bytes, floats * sizeof **out);
    }
out:
    free(folder);
    free(path);
    return status;
}

static enum status write_heatmap(struct writing *w, const char *seriesuid,
                                 const int64_t size[3], struct error *err)
{
    const struct comm *c = w->a->comm;
    enum status status = STATUS_OK;
    int64_t slabs = (size[0] + SLAB_SLICES - 1) / SLAB_SLICES;
    TRY(run_store_make_heatmap(w->store, seriesuid, size, err));
    for (int64_t round = 0; round < slabs; round += c->size) {
        int64_t slab = round + c->rank, first = slab * SLAB_SLICES, count = 0;
        float *values = NULL;
        if (slab < slabs) {
            count = size[0] - first < SLAB_SLICES ? size[0] - first : SLAB_SLICES;
            status = read_slab(w, seriesuid, slab, (size_t)(count * size[1] * size[2]),
                               &values, err);
        }
        status = comm_agree(c, status, err);
        if (status == STATUS_OK)
            status = run_store_write_heatmap(w->store, seriesuid, count ? first : 0,
                                             count, values, err);
        free(values);
        TRY(status);
        watchdog_touch(w->a->watchdog);
    }
out:
    return status;
}

static enum status write_heatmaps(struct writing *w, struct error *err)
{
    const struct assembly *a = w->a;
    enum status status = STATUS_OK;
    size_t uid_bytes = (size_t)w->plan.extent.seriesuid_bytes;
    for (int64_t i = 0; i < w->plan.extent.scans; i++) {
        struct row *row = &w->rows[0];
        void *payload = NULL;
        arm(a, "heatmaps", i);
        if (is_master(a)) {
            struct scan_result r;
            snprintf(w->seriesuids, uid_bytes, "%s", a->dataset->scans[i].seriesuid);
            *row = (struct row){.entry = ledger_entry(a->ledger, i)};
            if (row->entry.bytes > 0 && !ledger_is_quarantined(a->ledger, i)) {
                status = ledger_result(a->ledger, i, &r, &payload, err);
                if (status == STATUS_OK)
                    memcpy(row->size, r.head.scan.geometry.size, sizeof row->size);
                free(payload);
            }
        }
        TRY(comm_agree(a->comm, status, err));
        comm_share(a->comm, row, sizeof *row);
        comm_share(a->comm, w->seriesuids, uid_bytes);
        if (row->size[0] > 0)
            TRY(write_heatmap(w, w->seriesuids, row->size, err));
    }
out:
    watchdog_disarm(a->watchdog);
    return status;
}

/* --- provenance --- */

static enum status write_provenance(struct writing *w, struct error *err)
{
    const struct assembly *a = w->a;
    const char *names[TIMING_COUNT];
    char *job = NULL;
    size_t bytes;
    for (int t = 0; t < TIMING_COUNT; t++)
        names[t] = timing_name((enum timing)t);
    enum status status = settings_print(a->settings, &job, &bytes, err);
    TRY(comm_agree(a->comm, status, err));
    struct run_store_provenance p = {
        .job = job,
        .version = PULMO_VERSION,
        .isa = a->isa,
        .mpi_io = comm_io_driver(),
        .host = a->comm->host,
        .threads = a->threads,
        .started_unix = a->started_unix,
        .timing_names = names,
        .timings = a->timings,
        .timing_count = TIMING_COUNT,
        .peak_bytes = memory_peak_bytes(),
    };
    status = run_store_write_provenance(w->store, &p, err);
out:
    free(job);
    return status;
}

/* --- run.h5 --- */

static void plan_extent(const struct assembly *a, struct plan *p)
{
    *p = (struct plan){.extent = {.scans = (int64_t)a->dataset->count,
                                  .seriesuid_bytes = 1,
                                  .heatmaps = a->settings->store.heatmaps,
                                  .ensemble = a->ensemble}};
    for (int64_t i = 0; i < p->extent.scans; i++) {
        int64_t bytes = (int64_t)strlen(a->dataset->scans[i].seriesuid) + 1;
        if (bytes > p->extent.seriesuid_bytes)
            p->extent.seriesuid_bytes = bytes;
        if (ledger_is_quarantined(a->ledger, i))
            continue;
        struct ledger_entry e = ledger_entry(a->ledger, i);
        p->extent.candidates += e.candidates;
        p->extent.mask_bytes += e.mask_bytes;
    }
}

/* Opens what a rank needs for itself; agreed upon before the first collective write. */
static enum status writing_open(struct writing *w, char **configuration,
                                char **store_path, struct error *err)
{
    const struct assembly *a = w->a;
    enum status status = STATUS_OK;
    char *journal = NULL;
    size_t bytes, rows = (size_t)a->comm->size * BATCH_SCANS;
    TRY(path_join(a->settings->output, "run.h5", store_path, err));
    TRY(path_join(a->settings->output, "journal", &journal, err));
    TRY(journal_open_reader(journal, &w->journal, err));
    TRY(settings_print_binding(a->settings, configuration, &bytes, err));
    TRY(memory_new(rows, sizeof *w->rows, "rows", (void **)&w->rows, err));
    TRY(memory_new(rows, (size_t)w->plan.extent.seriesuid_bytes, "seriesuids",
                   (void **)&w->seriesuids, err));
out:
    free(journal);
    return status;
}

enum status assembly_store(const struct assembly *a, struct error *err)
{
    enum status status = STATUS_OK;
    struct writing w = {.a = a};
    char *configuration = NULL, *store_path = NULL;

    arm(a, "beginning", 0);
    if (is_master(a))
        plan_extent(a, &w.plan);
    comm_share(a->comm, &w.plan, sizeof w.plan);
    status = writing_open(&w, &configuration, &store_path, err);
    TRY(comm_agree(a->comm, status, err));
    TRY(run_store_create(store_path, &w.plan.extent, configuration, a->comm->mpi,
                         &w.store, err));
    int64_t batch = (int64_t)a->comm->size * BATCH_SCANS, scans = w.plan.extent.scans;
    for (int64_t first = 0; first < scans; first += batch)
        TRY(write_batch(&w, first, scans - first < batch ? scans - first : batch, err));
    if (w.plan.extent.heatmaps)
        TRY(write_heatmaps(&w, err));
    arm(a, "provenance", scans);
    TRY(write_provenance(&w, err));
    arm(a, "closing it", scans);
    status = run_store_commit(w.store, err);
    w.store = NULL;
out:
    if (w.store)
        run_store_abandon(w.store);
    watchdog_disarm(a->watchdog);
    journal_close(w.journal);
    free(w.rows);
    free(w.seriesuids);
    free(configuration);
    free(store_path);
    return status;
}
