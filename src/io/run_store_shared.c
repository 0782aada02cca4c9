/*
 * Invariants
 *
 * 1. `file` is open on all ranks or on none.
 *
 * 2. Between two collective calls stands an agreement: whatever one rank could not do (an
 * allocation, a write) becomes the status of all, so nobody enters a call that others
 * skip.
 *
 * 3. One call writes at most PIECE_BYTES a rank; all ranks make as many calls as the rank
 * with most pieces, the others with nothing selected.
 *
 * 4. While the file is open to all, no metadata changes.
 *
 * The steps are collective, the write inside a step is each rank's own
 * (H5FD_MPIO_INDEPENDENT). Ranks hold whole contiguous blocks, so two-phase buffering
 * would only copy them once more, and with collective transfers invariant 2 cannot be
 * kept: of a write that fails at an aggregator, OMPIO (Open MPI 4.1.4, three ranks and
 * more) tells nobody, and ROMIO leaves the others waiting; with H5FD_MPIO_INDIVIDUAL_IO
 * the rank that failed skips the collective reset of HDF5's file view.
 */
#include "io/run_store_shared.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/h5.h"
#include "io/run_layout.h"

enum { PIECE_BYTES = 32 << 20, HOST_BYTES = 256 };

/* ---- agreement ---- */

enum status ranks_agree(MPI_Comm comm, enum status status, struct error *err)
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

int64_t shared_most_pieces(const struct shared_file *f, int64_t count, int64_t per_piece)
{
    int64_t mine = (count + per_piece - 1) / per_piece, most;
    MPI_Allreduce(&mine, &most, 1, MPI_INT64_T, MPI_MAX, f->comm);
    return most;
}

/* ---- the shared file ---- */

/* Whether this host sees the file that rank 0 made, as rank 0 left it. */
static enum status visible(const struct shared_file *f, int64_t bytes, struct error *err)
{
    char host[HOST_BYTES] = "";
    struct stat found;
    int fd = open(f->path, O_RDWR | O_CLOEXEC);
    int failure = fd < 0 || fstat(fd, &found) ? errno : 0;
    if (fd >= 0)
        close(fd);
    gethostname(host, sizeof host - 1);
    if (failure)
        return error_set(err, STATUS_STAGE_IO, "%s: on host %s: %s", f->path, host,
                         strerror(failure));
    if (found.st_size != bytes)
        return error_set(err, STATUS_STAGE_IO,
                         "%s: on host %s: %lld bytes where rank 0 sees %lld", f->path,
                         host, (long long)found.st_size, (long long)bytes);
    return STATUS_OK;
}

static hid_t shared_access(const struct shared_file *f)
{
    MPI_Info hints;
    MPI_Info_create(&hints);
    /* Ranks write whole blocks: reading around them to fill gaps only costs locks. */
    MPI_Info_set(hints, "romio_ds_write", "disable");
    hid_t access = run_layout_access();
    H5Pset_fapl_mpio(access, f->comm, hints);
    H5Pset_all_coll_metadata_ops(access, true); /* one rank reads metadata for all */
    MPI_Info_free(&hints);
    return access;
}

enum status shared_open(struct shared_file *f, struct error *err)
{
    enum status status = STATUS_OK;
    int64_t bytes = -1;
    struct stat found;

    if (f->file >= 0)
        return STATUS_OK;
    if (f->rank == 0 && stat(f->path, &found) == 0)
        bytes = found.st_size;
    MPI_Bcast(&bytes, 1, MPI_INT64_T, 0, f->comm);
    TRY(ranks_agree(f->comm, visible(f, bytes, err), err));

    hid_t access = shared_access(f);
    f->file = H5Fopen(f->path, H5F_ACC_RDWR, access);
    if (f->file < 0)
        status = h5_error(err, STATUS_STAGE_IO, f->path, "open");
    h5_close(access);
    status = ranks_agree(f->comm, status, err);
    /* To close what others could not open would wait for them. */
    if (status != STATUS_OK)
        f->file = H5I_INVALID_HID;
out:
    return status;
}

enum status shared_close(struct shared_file *f, struct error *err)
{
    enum status status = STATUS_OK;
    if (f->file >= 0 && H5Fclose(f->file) < 0)
        status = h5_error(err, STATUS_STAGE_IO, f->path, "close");
    f->file = H5I_INVALID_HID;
    return ranks_agree(f->comm, status, err);
}

/* ---- writing ---- */

/* What H5Dwrite wants to know, made locally. */
struct selection {
    hid_t dataset, memory, file;
};

static enum status block_select(const struct shared_file *f, const struct block *b,
                                struct selection *out, struct error *err)
{
    enum { MOST = 3 };
    hsize_t extent[MOST] = {0}, start[MOST] = {0};

    *out = (struct selection){H5I_INVALID_HID, H5I_INVALID_HID, H5I_INVALID_HID};
    out->dataset = H5Dopen2(f->file, b->dataset, H5P_DEFAULT);
    if (out->dataset < 0)
        return h5_error(err, STATUS_STAGE_IO, f->path, b->dataset);
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
        return h5_error(err, STATUS_STAGE_IO, f->path, b->dataset);
    return STATUS_OK;
}

enum status shared_write(const struct shared_file *f, const struct block *b,
                         struct error *err)
{
    enum status status = STATUS_OK;
    struct selection to;
    const char nothing = 0;
    hid_t transfer = H5Pcreate(H5P_DATASET_XFER);

    H5Pset_dxpl_mpio(transfer, H5FD_MPIO_INDEPENDENT); /* see above */
    TRY(ranks_agree(f->comm, block_select(f, b, &to, err), err));
    if (H5Dwrite(to.dataset, b->type, to.memory, to.file, transfer,
                 b->data ? b->data : &nothing) < 0)
        status = h5_error(err, STATUS_STAGE_IO, f->path, b->dataset);
    status = ranks_agree(f->comm, status, err);
out:
    h5_close(to.memory);
    h5_close(to.file);
    h5_close(to.dataset);
    h5_close(transfer);
    return status;
}

enum status shared_write_pieces(const struct shared_file *f, const struct block *whole,
                                size_t slice_bytes, struct error *err)
{
    CHECK(slice_bytes > 0);
    const int64_t per_piece =
        slice_bytes < PIECE_BYTES ? (int64_t)(PIECE_BYTES / slice_bytes) : 1;
    const int64_t pieces = shared_most_pieces(f, whole->count, per_piece);

    for (int64_t i = 0; i < pieces; i++) {
        struct block b = *whole;
        int64_t done = i * per_piece < whole->count ? i * per_piece : whole->count;
        int64_t left = whole->count - done;
        b.first += done;
        b.count = left < per_piece ? left : per_piece;
        if (b.count > 0)
            b.data = (const char *)whole->data + (size_t)done * slice_bytes;
        enum status status = shared_write(f, &b, err);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}
