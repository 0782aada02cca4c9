/*
 * The parallel writer of the store. Rank 0 lays the file out alone (run_layout.c); all
 * ranks open it together and write rows of existing datasets (run_store_shared.c); for
 * more layout they close it, rank 0 visits, and the next write opens it again.
 *
 *   closed --shared_open--> open --shared_close--> closed --visit of rank 0--> closed
 */
#include "io/run_store.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/size.h"
#include "io/h5.h"
#include "io/run_layout.h"
#include "io/run_store_shared.h"

enum { PIECE_ROWS = 16384, HOST_BYTES = 256, START_BYTES = 32 };

struct run_store {
    struct shared_file shared;
    char *path, *part;
    struct run_store_extent extent;
};

void run_store_prepare(void)
{
    H5dont_atexit();
    H5open();
}

/* ---- rows, masks, heatmaps ---- */

/* Rows of a table, as the caller holds them. */
struct row_batch {
    const struct run_column *columns;
    size_t column_count;
    int64_t first, count;
    const void *rows;
    size_t row_bytes;
};

/* Writes one column of `count` rows from `done` on. Collective. */
static enum status column_write(const struct run_store *s, const struct row_batch *batch,
                                const struct run_column *c, int64_t done, int64_t count,
                                void *packed, struct error *err)
{
    const int64_t seriesuid_bytes = s->extent.seriesuid_bytes;
    if (count > 0)
        run_column_pack(c, seriesuid_bytes,
                        (const char *)batch->rows + (size_t)done * batch->row_bytes,
                        batch->row_bytes, (size_t)count, packed);
    hid_t type = run_column_type(c, seriesuid_bytes);
    struct block b = {c->dataset, type, batch->first + done, count, packed};
    enum status status = shared_write(&s->shared, &b, err);
    h5_close(type);
    return status;
}

/* Collective. */
static enum status rows_write(struct run_store *s, const struct row_batch *batch,
                              struct error *err)
{
    enum status status = STATUS_OK;
    void *packed = NULL;
    size_t widest = 1;
    int64_t pieces, most = batch->count < PIECE_ROWS ? batch->count : PIECE_ROWS;

    for (size_t i = 0; i < batch->column_count; i++) {
        size_t bytes = run_column_bytes(&batch->columns[i], s->extent.seriesuid_bytes);
        widest = bytes > widest ? bytes : widest;
    }
    status = memory_new((size_t)most, widest, "rows of the store", &packed, err);
    TRY(ranks_agree(s->shared.comm, status, err));
    TRY(shared_open(&s->shared, err));
    pieces = shared_most_pieces(&s->shared, batch->count, PIECE_ROWS);
    for (int64_t i = 0; i < pieces; i++) {
        int64_t done = i * PIECE_ROWS < batch->count ? i * PIECE_ROWS : batch->count;
        int64_t left = batch->count - done;
        for (size_t k = 0; k < batch->column_count; k++)
            TRY(column_write(s, batch, &batch->columns[k], done,
                             left < PIECE_ROWS ? left : PIECE_ROWS, packed, err));
    }
out:
    free(packed);
    return status;
}

enum status run_store_write_scans(struct run_store *s, int64_t first, int64_t count,
                                  const struct run_store_scan *rows, struct error *err)
{
    for (int64_t i = 0; i < count; i++)
        CHECK((int64_t)strlen(rows[i].seriesuid) < s->extent.seriesuid_bytes);
    struct row_batch batch = {run_scan_columns, RUN_SCAN_COLUMNS, first, count, rows,
                              sizeof *rows};
    return rows_write(s, &batch, err);
}

enum status run_store_write_candidates(struct run_store *s, int64_t first, int64_t count,
                                       const struct run_store_candidate *rows,
                                       struct error *err)
{
    struct row_batch batch = {
        run_candidate_columns, RUN_CANDIDATE_COLUMNS, first, count, rows, sizeof *rows};
    const enum status status = rows_write(s, &batch, err);
    if (status != STATUS_OK || !s->extent.ensemble)
        return status;
    batch.columns = run_ensemble_columns;
    batch.column_count = RUN_ENSEMBLE_COLUMNS;
    return rows_write(s, &batch, err);
}

enum status run_store_write_mask(struct run_store *s, int64_t first, int64_t count,
                                 const uint8_t *bytes, struct error *err)
{
    enum status status = shared_open(&s->shared, err);
    if (status != STATUS_OK)
        return status;
    struct block b = {run_mask_column.dataset, H5T_NATIVE_UINT8, first, count, bytes};
    return shared_write_pieces(&s->shared, &b, 1, err);
}

enum status run_store_make_heatmap(struct run_store *s, const char *seriesuid,
                                   const int64_t size[3], struct error *err)
{
    CHECK(s->extent.heatmaps);
    enum status status = shared_close(&s->shared, err);
    if (status != STATUS_OK)
        return status;
    if (s->shared.rank == 0)
        status = run_layout_add_heatmap(s->part, seriesuid, size, err);
    return ranks_agree(s->shared.comm, status, err);
}

/* Bytes of a slice of a heatmap; every rank asks. */
static enum status slice_bytes(const struct run_store *s, const char *name, size_t *out,
                               struct error *err)
{
    hsize_t extent[3] = {0};
    hid_t dataset = H5Dopen2(s->shared.file, name, H5P_DEFAULT);
    if (dataset < 0)
        return h5_error(err, STATUS_STAGE_IO, s->part, name);
    hid_t space = H5Dget_space(dataset);
    H5Sget_simple_extent_dims(space, extent, NULL);
    h5_close(space);
    h5_close(dataset);
    *out = (size_t)(extent[1] * extent[2]) * sizeof(float);
    return STATUS_OK;
}

enum status run_store_write_heatmap(struct run_store *s, const char *seriesuid,
                                    int64_t first, int64_t count, const float *values,
                                    struct error *err)
{
    enum status status = STATUS_OK;
    size_t bytes = 0;
    char *name = NULL;

    status = path_join(RUN_HEATMAPS, seriesuid, &name, err);
    TRY(ranks_agree(s->shared.comm, status, err));
    TRY(shared_open(&s->shared, err));
    TRY(ranks_agree(s->shared.comm, slice_bytes(s, name, &bytes, err), err));
    struct block b = {name, H5T_NATIVE_FLOAT, first, count, values};
    TRY(shared_write_pieces(&s->shared, &b, bytes, err));
out:
    free(name);
    return status;
}

/* ---- models of a cross-validation ---- */

enum status run_store_write_models(struct run_store *s, const struct run_store_models *m,
                                   struct error *err)
{
    enum status status = shared_close(&s->shared, err);
    if (status != STATUS_OK)
        return status;
    if (s->shared.rank == 0)
        status = run_layout_add_models(s->part, s->extent.scans, m, err);
    return ranks_agree(s->shared.comm, status, err);
}

/* ---- provenance ---- */

/* The figures of all ranks, on rank 0. */
struct gathered {
    char *hosts;
    int32_t *threads;
    int64_t *peak_bytes;
    double *timings;
};

static enum status gathered_init(struct gathered *g, size_t ranks, size_t timings,
                                 struct error *err)
{
    enum status status = STATUS_OK;
    void *hosts = NULL, *threads = NULL, *peaks = NULL, *times = NULL;
    status = memory_new(ranks, HOST_BYTES, "provenance", &hosts, err);
    if (status == STATUS_OK)
        status = memory_new(ranks, sizeof(int32_t), "provenance", &threads, err);
    if (status == STATUS_OK)
        status = memory_new(ranks, sizeof(int64_t), "provenance", &peaks, err);
    if (status == STATUS_OK)
        status = memory_new(ranks * timings, sizeof(double), "provenance", &times, err);
    *g = (struct gathered){hosts, threads, peaks, times};
    return status;
}

static void gathered_release(struct gathered *g)
{
    free(g->hosts);
    free(g->threads);
    free(g->peak_bytes);
    free(g->timings);
}

static void describe_start(double unix_seconds, char text[START_BYTES])
{
    time_t seconds = (time_t)unix_seconds;
    struct tm utc = {0};
    gmtime_r(&seconds, &utc);
    strftime(text, START_BYTES, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

/* On rank 0 alone. */
static enum status provenance_add(const struct run_store *s, const struct gathered *g,
                                  const struct run_store_provenance *p, size_t ranks,
                                  struct error *err)
{
    unsigned major, minor, release;
    char start[START_BYTES], hdf5[32], mpi[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int length = 0;

    describe_start(p->started_unix, start);
    H5get_libversion(&major, &minor, &release);
    snprintf(hdf5, sizeof hdf5, "%u.%u.%u", major, minor, release);
    MPI_Get_library_version(mpi, &length);

    const struct run_layout_text texts[] = {
        {"job", p->job},       {"version", p->version}, {"isa", p->isa},
        {"mpi_io", p->mpi_io}, {"started", start},      {"hdf5", hdf5},
        {"mpi", mpi},
    };
    const struct run_layout_provenance all = {
        .texts = texts,
        .text_count = sizeof texts / sizeof *texts,
        .ranks = ranks,
        .hosts = g->hosts,
        .host_bytes = HOST_BYTES,
        .threads = g->threads,
        .peak_bytes = g->peak_bytes,
        .timings = g->timings,
        .timing_names = p->timing_names,
        .timing_count = p->timing_count,
    };
    return run_layout_add_provenance(s->part, &all, err);
}

enum status run_store_write_provenance(struct run_store *s,
                                       const struct run_store_provenance *p,
                                       struct error *err)
{
    enum status status = STATUS_OK;
    struct gathered all = {0};
    char host[HOST_BYTES] = "";
    const int timings = count_cast(p->timing_count);
    int ranks;

    MPI_Comm_size(s->shared.comm, &ranks);
    snprintf(host, sizeof host, "%s", p->host);
    if (s->shared.rank == 0)
        status = gathered_init(&all, (size_t)ranks, p->timing_count, err);
    TRY(ranks_agree(s->shared.comm, status, err));
    MPI_Gather(host, HOST_BYTES, MPI_CHAR, all.hosts, HOST_BYTES, MPI_CHAR, 0,
               s->shared.comm);
    MPI_Gather(&p->threads, 1, MPI_INT32_T, all.threads, 1, MPI_INT32_T, 0,
               s->shared.comm);
    MPI_Gather(&p->peak_bytes, 1, MPI_INT64_T, all.peak_bytes, 1, MPI_INT64_T, 0,
               s->shared.comm);
    MPI_Gather(p->timings, timings, MPI_DOUBLE, all.timings, timings, MPI_DOUBLE, 0,
               s->shared.comm);

    TRY(shared_close(&s->shared, err));
    if (s->shared.rank == 0)
        status = provenance_add(s, &all, p, (size_t)ranks, err);
    status = ranks_agree(s->shared.comm, status, err);
out:
    gathered_release(&all);
    return status;
}

/* ---- from nothing to a file, and its end ---- */

static void store_free(struct run_store *s)
{
    if (!s)
        return;
    if (s->shared.comm != MPI_COMM_NULL)
        MPI_Comm_free(&s->shared.comm);
    free(s->path);
    free(s->part);
    free(s);
}

static enum status store_new(const char *path, const struct run_store_extent *extent,
                             struct run_store **out, struct error *err)
{
    struct run_store *s = calloc(1, sizeof *s);
    if (!s)
        return error_set(err, STATUS_STAGE_MEMORY, "%s: no memory", path);
    s->shared.comm = MPI_COMM_NULL;
    s->extent = *extent;
    s->shared.file = H5I_INVALID_HID;
    s->path = strdup(path);
    if (asprintf(&s->part, "%s.part", path) < 0)
        s->part = NULL;
    s->shared.path = s->part;
    *out = s;
    if (!s->path || !s->part)
        return error_set(err, STATUS_STAGE_MEMORY, "%s: no memory", path);
    return STATUS_OK;
}

enum status run_store_create(const char *path, const struct run_store_extent *extent,
                             const char *configuration, MPI_Comm comm,
                             struct run_store **out, struct error *err)
{
    enum status status = STATUS_OK;
    struct run_store *s = NULL;

    CHECK(extent->scans >= 0 && extent->candidates >= 0 && extent->mask_bytes >= 0 &&
          extent->seriesuid_bytes > 0);
    h5_quiet();
    status = ranks_agree(comm, store_new(path, extent, &s, err), err);
    if (status != STATUS_OK) {
        store_free(s);
        return status;
    }
    MPI_Comm_dup(comm, &s->shared.comm);
    MPI_Comm_rank(s->shared.comm, &s->shared.rank);
    if (s->shared.rank == 0)
        status = run_layout_create(s->part, extent, configuration, err);
    TRY(ranks_agree(s->shared.comm, status, err));
    TRY(shared_open(&s->shared, err));
    *out = s;
    return STATUS_OK;
out:
    run_store_abandon(s);
    return status;
}

/* What this host still holds in memory, to the disk. */
static enum status part_flush(const struct run_store *s, struct error *err)
{
    enum status status = STATUS_OK;
    int fd = open(s->part, O_RDWR | O_CLOEXEC);
    if (fd < 0 || fsync(fd))
        status = error_set(err, STATUS_STAGE_IO, "%s: %s", s->part, strerror(errno));
    if (fd >= 0)
        close(fd);
    return status;
}

enum status run_store_commit(struct run_store *s, struct error *err)
{
    enum status status = STATUS_OK;
    TRY(shared_close(&s->shared, err));
    TRY(ranks_agree(s->shared.comm, part_flush(s, err), err));
    if (s->shared.rank == 0)
        status = file_publish(s->part, s->path, err);
    TRY(ranks_agree(s->shared.comm, status, err));
    store_free(s);
    return STATUS_OK;
out:
    run_store_abandon(s);
    return status;
}

void run_store_abandon(struct run_store *s)
{
    if (!s)
        return;
    shared_close(&s->shared, NULL); /* an agreement: nobody writes any more */
    if (s->shared.rank == 0)
        unlink(s->part);
    store_free(s);
}
