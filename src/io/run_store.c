/*
 * The parallel half of the store. Rank 0 lays the file out alone (run_layout.c); all
 * ranks open it together and write rows of existing datasets in collective calls; for
 * more layout they close it, rank 0 visits, and the next write opens it again.
 *
 *   closed --shared_open--> open --shared_close--> closed --visit of rank 0--> closed
 *
 * Invariants
 *   1. `file` is open on all ranks or on none.
 *   2. Between two collective calls stands an agreement: whatever one rank could not do
 * (an allocation, a write) becomes the status of all, so nobody enters a call that others
 * skip.
 *   3. One call writes at most PIECE_BYTES a rank; all ranks make as many calls as the
 * rank with most pieces, the others with nothing selected.
 *   4. While the file is open to all, no metadata changes.
 *
 * The steps are collective, the write inside a step is each rank's own
 * (H5FD_MPIO_INDEPENDENT). Ranks hold whole contiguous blocks, so two-phase buffering
 * would only copy them once more, and with collective transfers invariant 2 cannot be
 * kept: of a write that fails at an aggregator, OMPIO (Open MPI 4.1.4, three ranks and
 * more) tells nobody, and ROMIO leaves the others waiting; with H5FD_MPIO_INDIVIDUAL_IO
 * the rank that failed skips the collective reset of HDF5's file view.
 */
#include "io/run_store.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/size.h"
#include "io/h5.h"
#include "io/run_layout.h"

enum { PIECE_BYTES = 32 << 20, PIECE_ROWS = 16384 };
enum { HOST_BYTES = 256, START_BYTES = 32 };

struct run_store {
    MPI_Comm comm;
    int rank;
    char *path, *part;
    struct run_store_extent extent;
    hid_t file; /* shared; negative while closed */
};

/* ---- agreement ---- */

/* The worst status of all ranks, with the message of the lowest rank that has it.
 * Collective. */
static enum status agree(MPI_Comm comm, enum status status, struct error *err)
{
    struct {
        int status, rank;
    } mine = {status, 0}, worst;
    char message[ERROR_MESSAGE_BYTES] = "";

    MPI_Comm_rank(comm, &mine.rank);
    MPI_Allreduce(&mine, &worst, 1, MPI_2INT, MPI_MAXLOC, comm);
    if (worst.status == STATUS_OK)
        return STATUS_OK;
    if (mine.rank == worst.rank && err)
        memcpy(message, err->message, sizeof message);
    MPI_Bcast(message, sizeof message, MPI_CHAR, worst.rank, comm);
    return error_set(err, (enum status)worst.status, "%s", message);
}

/* The largest number of pieces any rank has. Collective. */
static int64_t most_pieces(const struct run_store *s, int64_t count, int64_t per_piece)
{
    int64_t mine = (count + per_piece - 1) / per_piece, most;
    MPI_Allreduce(&mine, &most, 1, MPI_INT64_T, MPI_MAX, s->comm);
    return most;
}

/* ---- the shared file ---- */

/* Whether this host sees the file that rank 0 made, as rank 0 left it. */
static enum status part_visible(const struct run_store *s, int64_t bytes,
                                struct error *err)
{
    char host[HOST_BYTES] = "";
    struct stat f;
    int fd = open(s->part, O_RDWR | O_CLOEXEC);
    int failure = fd < 0 || fstat(fd, &f) ? errno : 0;
    if (fd >= 0)
        close(fd);
    gethostname(host, sizeof host - 1);
    if (failure)
        return error_set(err, STATUS_STAGE_IO, "%s: on host %s: %s", s->part, host,
                         strerror(failure));
    if (f.st_size != bytes)
        return error_set(err, STATUS_STAGE_IO,
                         "%s: on host %s: %lld bytes where rank 0 sees %lld", s->part,
                         host, (long long)f.st_size, (long long)bytes);
    return STATUS_OK;
}

static hid_t shared_access(const struct run_store *s)
{
    MPI_Info hints;
    MPI_Info_create(&hints);
    /* Ranks write whole blocks: reading around them to fill gaps only costs locks. */
    MPI_Info_set(hints, "romio_ds_write", "disable");
    hid_t access = run_layout_access();
    H5Pset_fapl_mpio(access, s->comm, hints);
    H5Pset_all_coll_metadata_ops(access, true); /* one rank reads metadata for all */
    MPI_Info_free(&hints);
    return access;
}

/* Collective. */
static enum status shared_open(struct run_store *s, struct error *err)
{
    enum status status = STATUS_OK;
    int64_t bytes = -1;
    struct stat f;

    if (s->file >= 0)
        return STATUS_OK;
    if (s->rank == 0 && stat(s->part, &f) == 0)
        bytes = f.st_size;
    MPI_Bcast(&bytes, 1, MPI_INT64_T, 0, s->comm);
    TRY(agree(s->comm, part_visible(s, bytes, err), err));

    hid_t access = shared_access(s);
    s->file = H5Fopen(s->part, H5F_ACC_RDWR, access);
    if (s->file < 0)
        status = h5_error(err, STATUS_STAGE_IO, s->part, "open");
    h5_close(access);
    status = agree(s->comm, status, err);
    if (status != STATUS_OK)
        s->file =
            H5I_INVALID_HID; /* to close what others do not have would wait for them */
out:
    return status;
}

/* Collective. */
static enum status shared_close(struct run_store *s, struct error *err)
{
    enum status status = STATUS_OK;
    if (s->file >= 0 && H5Fclose(s->file) < 0)
        status = h5_error(err, STATUS_STAGE_IO, s->part, "close");
    s->file = H5I_INVALID_HID;
    return agree(s->comm, status, err);
}

/* ---- writing ---- */

/* A block of a dataset: slices [first, first + count) along its first dimension. */
struct block {
    const char *dataset;
    hid_t type;
    int64_t first, count;
    const void *data;
};

/* What H5Dwrite wants to know, made locally. */
struct selection {
    hid_t dataset, memory, file;
};

static enum status block_select(const struct run_store *s, const struct block *b,
                                struct selection *out, struct error *err)
{
    enum { MOST = 3 };
    hsize_t extent[MOST] = {0}, start[MOST] = {0};

    *out = (struct selection){H5I_INVALID_HID, H5I_INVALID_HID, H5I_INVALID_HID};
    out->dataset = H5Dopen2(s->file, b->dataset, H5P_DEFAULT);
    if (out->dataset < 0)
        return h5_error(err, STATUS_STAGE_IO, s->part, b->dataset);
    out->file = H5Dget_space(out->dataset);
    int rank = H5Sget_simple_extent_ndims(out->file);
    CHECK(rank >= 1 && rank <= MOST);
    H5Sget_simple_extent_dims(out->file, extent, NULL);
    CHECK(b->first >= 0 && b->count >= 0 &&
          (uint64_t)b->first + (uint64_t)b->count <= extent[0]);

    start[0] = (hsize_t)b->first;
    extent[0] = (hsize_t)b->count;
    out->memory = H5Screate_simple(rank, extent, NULL);
    herr_t failed =
        b->count == 0
            ? H5Sselect_none(out->memory) | H5Sselect_none(out->file)
            : H5Sselect_hyperslab(out->file, H5S_SELECT_SET, start, NULL, extent, NULL);
    if (out->memory < 0 || failed < 0)
        return h5_error(err, STATUS_STAGE_IO, s->part, b->dataset);
    return STATUS_OK;
}

/* Collective. */
static enum status block_write(const struct run_store *s, const struct block *b,
                               struct error *err)
{
    enum status status = STATUS_OK;
    struct selection to;
    const char nothing = 0;
    hid_t transfer = H5Pcreate(H5P_DATASET_XFER);

    H5Pset_dxpl_mpio(transfer, H5FD_MPIO_INDEPENDENT); /* see above */
    TRY(agree(s->comm, block_select(s, b, &to, err), err));
    if (H5Dwrite(to.dataset, b->type, to.memory, to.file, transfer,
                 b->data ? b->data : &nothing) < 0)
        status = h5_error(err, STATUS_STAGE_IO, s->part, b->dataset);
    status = agree(s->comm, status, err);
out:
    h5_close(to.memory);
    h5_close(to.file);
    h5_close(to.dataset);
    h5_close(transfer);
    return status;
}

/* Writes a block of any size, slice_bytes a slice, straight from the caller's memory.
 * Collective. */
static enum status block_write_pieces(const struct run_store *s,
                                      const struct block *whole, size_t slice_bytes,
                                      struct error *err)
{
    const int64_t per_piece =
        slice_bytes < PIECE_BYTES ? (int64_t)(PIECE_BYTES / slice_bytes) : 1;
    const int64_t pieces = most_pieces(s, whole->count, per_piece);

    for (int64_t i = 0; i < pieces; i++) {
        struct block b = *whole;
        int64_t done = i * per_piece < whole->count ? i * per_piece : whole->count;
        int64_t left = whole->count - done;
        b.first += done;
        b.count = left < per_piece ? left : per_piece;
        if (b.count > 0)
            b.data = (const char *)whole->data + (size_t)done * slice_bytes;
        enum status status = block_write(s, &b, err);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

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
    enum status status = block_write(s, &b, err);
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
    TRY(agree(s->comm, status, err));
    TRY(shared_open(s, err));
    pieces = most_pieces(s, batch->count, PIECE_ROWS);
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
    return rows_write(s, &batch, err);
}

enum status run_store_write_mask(struct run_store *s, int64_t first, int64_t count,
                                 const uint8_t *bytes, struct error *err)
{
    enum status status = shared_open(s, err);
    if (status != STATUS_OK)
        return status;
    struct block b = {run_mask_column.dataset, H5T_NATIVE_UINT8, first, count, bytes};
    return block_write_pieces(s, &b, 1, err);
}

enum status run_store_make_heatmap(struct run_store *s, const char *seriesuid,
                                   const int64_t size[3], struct error *err)
{
    CHECK(s->extent.heatmaps);
    enum status status = shared_close(s, err);
    if (status != STATUS_OK)
        return status;
    if (s->rank == 0)
        status = run_layout_add_heatmap(s->part, seriesuid, size, err);
    return agree(s->comm, status, err);
}

/* Bytes of a slice of a heatmap; every rank asks. */
static enum status slice_bytes(const struct run_store *s, const char *name, size_t *out,
                               struct error *err)
{
    hsize_t extent[3] = {0};
    hid_t dataset = H5Dopen2(s->file, name, H5P_DEFAULT);
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
    TRY(agree(s->comm, status, err));
    TRY(shared_open(s, err));
    TRY(agree(s->comm, slice_bytes(s, name, &bytes, err), err));
    struct block b = {name, H5T_NATIVE_FLOAT, first, count, values};
    TRY(block_write_pieces(s, &b, bytes, err));
out:
    free(name);
    return status;
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

    MPI_Comm_size(s->comm, &ranks);
    snprintf(host, sizeof host, "%s", p->host);
    if (s->rank == 0)
        status = gathered_init(&all, (size_t)ranks, p->timing_count, err);
    TRY(agree(s->comm, status, err));
    MPI_Gather(host, HOST_BYTES, MPI_CHAR, all.hosts, HOST_BYTES, MPI_CHAR, 0, s->comm);
    MPI_Gather(&p->threads, 1, MPI_INT32_T, all.threads, 1, MPI_INT32_T, 0, s->comm);
    MPI_Gather(&p->peak_bytes, 1, MPI_INT64_T, all.peak_bytes, 1, MPI_INT64_T, 0,
               s->comm);
    MPI_Gather(p->timings, timings, MPI_DOUBLE, all.timings, timings, MPI_DOUBLE, 0,
               s->comm);

    TRY(shared_close(s, err));
    if (s->rank == 0)
        status = provenance_add(s, &all, p, (size_t)ranks, err);
    status = agree(s->comm, status, err);
out:
    gathered_release(&all);
    return status;
}

/* ---- from nothing to a file, and its end ---- */

static void store_free(struct run_store *s)
{
    if (!s)
        return;
    if (s->comm != MPI_COMM_NULL)
        MPI_Comm_free(&s->comm);
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
    s->comm = MPI_COMM_NULL;
    s->extent = *extent;
    s->file = H5I_INVALID_HID;
    s->path = strdup(path);
    if (asprintf(&s->part, "%s.part", path) < 0)
        s->part = NULL;
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
    status = agree(comm, store_new(path, extent, &s, err), err);
    if (status != STATUS_OK) {
        store_free(s);
        return status;
    }
    MPI_Comm_dup(comm, &s->comm);
    MPI_Comm_rank(s->comm, &s->rank);
    if (s->rank == 0)
        status = run_layout_create(s->part, extent, configuration, err);
    TRY(agree(s->comm, status, err));
    TRY(shared_open(s, err));
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
    TRY(shared_close(s, err));
    TRY(agree(s->comm, part_flush(s, err), err));
    if (s->rank == 0)
        status = file_publish(s->part, s->path, err);
    TRY(agree(s->comm, status, err));
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
    shared_close(s, NULL); /* an agreement: nobody writes any more */
    if (s->rank == 0)
        unlink(s->part);
    store_free(s);
}
