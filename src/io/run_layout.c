/*
 * All metadata of the store is written by one rank, serially, in short visits: the file
 * is opened, objects are made at their full extent, it is closed. The ranks then fill the
 * datasets through MPI-IO without changing any metadata. So a failure here is an ordinary
 * error of one process, and closing the shared file has nothing to flush that could fail
 * on some ranks only and leave the others waiting.
 *
 * For the same reason the room of a visit's datasets is reserved on the disk at its end:
 * a full disk shows before the ranks start to write together. File systems that cannot
 * reserve are left alone; there it shows in a write.
 *
 * Equal content gives equal bytes: object times are off, versions are pinned, and what is
 * not written reads as the zeros of a file that was extended.
 */
#include "io/run_layout.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/h5.h"

/* Large datasets start where stripes of parallel file systems do. */
enum { STRIPE_BYTES = 1 << 20 };

enum { STATUS_BYTES = 16, REASON_BYTES = 256, CONTENT_BYTES = 33, DIAGNOSIS_BYTES = 32 };

#define SCAN(group, name, kind, width, field)                                            \
    {                                                                                    \
        "/results/" group "/" name, kind, width, offsetof(struct run_store_scan, field)  \
    }
#define CANDIDATE(name, kind, width)                                                     \
    {                                                                                    \
        "/results/candidates/" #name, kind, width,                                       \
            offsetof(struct run_store_candidate, name)                                   \
    }

/* clang-format off */
const struct run_column run_scan_columns[RUN_SCAN_COLUMNS] = {
    SCAN("scans", "seriesuid", RUN_TEXT, 0, seriesuid),
    SCAN("scans", "subset", RUN_INT32, 1, subset),
    SCAN("scans", "status", RUN_TEXT, STATUS_BYTES, status),
    SCAN("scans", "reason", RUN_TEXT, REASON_BYTES, reason),
    SCAN("scans", "size", RUN_INT64, 3, size),
    SCAN("scans", "spacing", RUN_FLOAT64, 3, spacing),
    SCAN("scans", "origin", RUN_FLOAT64, 3, origin),
    SCAN("scans", "direction", RUN_FLOAT64, 9, direction),
    SCAN("scans", "content", RUN_TEXT, CONTENT_BYTES, content),
    SCAN("scans", "seen", RUN_INT8, 1, seen),
    SCAN("scans", "candidate_first", RUN_INT64, 1, candidate_first),
    SCAN("scans", "candidate_count", RUN_INT64, 1, candidate_count),
    SCAN("scans", "mask_first", RUN_INT64, 1, mask_first),
    SCAN("scans", "mask_bytes", RUN_INT64, 1, mask_bytes),
    SCAN("diagnosis", "score", RUN_FLOAT64, 1, score),
    SCAN("diagnosis", "nodules", RUN_INT64, 1, nodules),
    SCAN("diagnosis", "status", RUN_TEXT, DIAGNOSIS_BYTES, diagnosis),
};

const struct run_column run_candidate_columns[RUN_CANDIDATE_COLUMNS] = {
    CANDIDATE(scan, RUN_INT64, 1),
    CANDIDATE(index, RUN_FLOAT64, 3),
    CANDIDATE(xyz, RUN_FLOAT64, 3),
    CANDIDATE(voxels, RUN_INT64, 1),
    CANDIDATE(diameter_mm, RUN_FLOAT64, 1),
    CANDIDATE(probability, RUN_FLOAT32, 1),
    CANDIDATE(malignancy, RUN_FLOAT32, 1),
    CANDIDATE(seen, RUN_INT8, 1),
};

const struct run_column run_ensemble_columns[RUN_ENSEMBLE_COLUMNS] = {
    CANDIDATE(disagreement, RUN_FLOAT32, 1),
    CANDIDATE(malignancy_disagreement, RUN_FLOAT32, 1),
};
/* clang-format on */

const struct run_column run_mask_column = {"/results/mask/bytes", RUN_UINT8, 1, 0};

static const char *const groups[] = {
    "/results",      "/results/scans", "/results/candidates", "/results/diagnosis",
    "/results/mask", "/provenance",    "/provenance/ranks",
};

/* ---- columns ---- */

static size_t kind_bytes(enum run_kind kind)
{
    switch (kind) {
    case RUN_INT32:
    case RUN_FLOAT32:
        return 4;
    case RUN_INT64:
    case RUN_FLOAT64:
        return 8;
    case RUN_TEXT:
    case RUN_UINT8:
    case RUN_INT8:
        break;
    }
    return 1;
}

size_t run_column_bytes(const struct run_column *c, int64_t seriesuid_bytes)
{
    size_t width = c->width ? (size_t)c->width : (size_t)seriesuid_bytes;
    return width * kind_bytes(c->kind);
}

static hid_t text_type(size_t bytes)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, bytes);
    H5Tset_strpad(type, H5T_STR_NULLPAD);
    H5Tset_cset(type, H5T_CSET_UTF8);
    return type;
}

hid_t run_column_type(const struct run_column *c, int64_t seriesuid_bytes)
{
    switch (c->kind) {
    case RUN_TEXT:
        return text_type(run_column_bytes(c, seriesuid_bytes));
    case RUN_UINT8:
        return H5Tcopy(H5T_NATIVE_UINT8);
    case RUN_INT8:
        return H5Tcopy(H5T_NATIVE_INT8);
    case RUN_INT32:
        return H5Tcopy(H5T_NATIVE_INT32);
    case RUN_INT64:
        return H5Tcopy(H5T_NATIVE_INT64);
    case RUN_FLOAT32:
        return H5Tcopy(H5T_NATIVE_FLOAT);
    case RUN_FLOAT64:
        return H5Tcopy(H5T_NATIVE_DOUBLE);
    }
    return H5I_INVALID_HID;
}

/* Bytes of text that fit before a NUL, cut between characters of UTF-8. */
static size_t text_fit(const char *text, size_t bytes)
{
    size_t n = strnlen(text, bytes);
    if (n < bytes)
        return n;
    for (n = bytes - 1; n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80;)
        n--;
    return n;
}

void run_column_pack(const struct run_column *c, int64_t seriesuid_bytes,
                     const void *rows, size_t row_bytes, size_t count, void *packed)
{
    const size_t bytes = run_column_bytes(c, seriesuid_bytes);
    const char *row = (const char *)rows + c->offset;
    char *to = packed;

    if (c->kind == RUN_TEXT)
        memset(packed, 0, bytes * count);
    for (size_t i = 0; i < count; i++, row += row_bytes, to += bytes) {
        const char *text;
        if (c->kind != RUN_TEXT) {
            memcpy(to, row, bytes);
            continue;
        }
        memcpy(&text, row, sizeof text);
        memcpy(to, text, text_fit(text, bytes));
    }
}

/* ---- objects ---- */

hid_t run_layout_access(void)
{
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18);
    H5Pset_alignment(access, STRIPE_BYTES, STRIPE_BYTES);
    H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
    /* The part is this job's alone, and some cluster file systems refuse locks. */
    H5Pset_file_locking(access, false, true);
    return access;
}

enum status run_layout_group(const char *path, hid_t file, const char *name,
                             struct error *err)
{
    hid_t create = H5Pcreate(H5P_GROUP_CREATE);
    H5Pset_obj_track_times(create, false);
    hid_t group = H5Gcreate2(file, name, H5P_DEFAULT, create, H5P_DEFAULT);
    enum status status =
        group < 0 ? h5_error(err, STATUS_STAGE_IO, path, name) : STATUS_OK;
    h5_close(group);
    h5_close(create);
    return status;
}

/* Makes a dataset, contiguous, its room taken now, and writes `data` unless that is NULL.
 */
enum status run_layout_dataset(const char *path, hid_t file, const char *name, hid_t type,
                               int rank, const hsize_t *extent, const void *data,
                               struct error *err)
{
    enum status status = STATUS_OK;
    hid_t create = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_layout(create, H5D_CONTIGUOUS);
    H5Pset_alloc_time(create, H5D_ALLOC_TIME_EARLY);
    H5Pset_fill_time(create, H5D_FILL_TIME_NEVER);
    H5Pset_obj_track_times(create, false);

    hid_t space = H5Screate_simple(rank, extent, NULL); /* rank 0: a scalar */
    hid_t dataset = H5Dcreate2(file, name, type, space, H5P_DEFAULT, create, H5P_DEFAULT);
    if (dataset < 0 ||
        (data && H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0))
        status = h5_error(err, STATUS_STAGE_IO, path, name);
    h5_close(dataset);
    h5_close(space);
    h5_close(create);
    return status;
}

static enum status make_text(const char *path, hid_t file, const char *name,
                             const char *text, struct error *err)
{
    size_t bytes = strlen(text);
    hid_t type = text_type(bytes ? bytes : 1);
    enum status status = run_layout_dataset(path, file, name, type, 0, NULL, text, err);
    h5_close(type);
    return status;
}

static enum status make_columns(const char *path, hid_t file,
                                const struct run_column *columns, size_t count,
                                int64_t rows, int64_t seriesuid_bytes, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        const struct run_column *c = &columns[i];
        hsize_t extent[2] = {(hsize_t)rows, (hsize_t)c->width};
        int rank = c->kind != RUN_TEXT && c->width > 1 ? 2 : 1;
        hid_t type = run_column_type(c, seriesuid_bytes);
        enum status status =
            run_layout_dataset(path, file, c->dataset, type, rank, extent, NULL, err);
        h5_close(type);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

static enum status make_attribute(const char *path, hid_t object, const char *name,
                                  hid_t type, int rank, hsize_t count, const void *data,
                                  struct error *err)
{
    enum status status = STATUS_OK;
    hid_t space = H5Screate_simple(rank, &count, NULL);
    hid_t attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    if (attribute < 0 || H5Awrite(attribute, type, data) < 0)
        status = h5_error(err, STATUS_STAGE_IO, path, name);
    h5_close(attribute);
    h5_close(space);
    return status;
}

/* ---- visits ---- */

enum status run_layout_visit(const char *path, hid_t *file, struct error *err)
{
    h5_quiet();
    hid_t access = run_layout_access();
    *file = H5Fopen(path, H5F_ACC_RDWR, access);
    h5_close(access);
    return *file < 0 ? h5_error(err, STATUS_STAGE_IO, path, "open") : STATUS_OK;
}

static enum status reserve(const char *path, struct error *err)
{
    enum status status = STATUS_OK;
    struct stat s;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &s) ||
        (s.st_size > 0 && fallocate(fd, 0, 0, s.st_size) && errno != EOPNOTSUPP &&
         errno != ENOSYS && errno != EINVAL))
        status = error_set(err, STATUS_STAGE_IO, "%s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return status;
}

/* Ends a visit that went well up to `status`. */
enum status run_layout_leave(const char *path, hid_t file, enum status status,
                             struct error *err)
{
    if (file >= 0 && H5Fclose(file) < 0 && status == STATUS_OK)
        status = h5_error(err, STATUS_STAGE_IO, path, "close");
    if (status == STATUS_OK)
        status = reserve(path, err);
    return status;
}

enum status run_layout_create(const char *path, const struct run_store_extent *extent,
                              const char *configuration, struct error *err)
{
    enum status status = STATUS_OK;
    const int64_t bytes = extent->seriesuid_bytes;
    const int32_t format = RUN_FORMAT;

    h5_quiet();
    hid_t create = H5Pcreate(H5P_FILE_CREATE), access = run_layout_access();
    H5Pset_obj_track_times(create, false);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, create, access);
    if (file < 0)
        status = h5_error(err, STATUS_STAGE_IO, path, "create");
    h5_close(access);
    h5_close(create);
    if (status != STATUS_OK)
        return status;

    TRY(make_attribute(path, file, "format", H5T_NATIVE_INT32, 0, 0, &format, err));
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        TRY(run_layout_group(path, file, groups[i], err));
    if (extent->heatmaps)
        TRY(run_layout_group(path, file, RUN_HEATMAPS, err));
    TRY(make_text(path, file, "/results/configuration", configuration, err));
    TRY(make_columns(path, file, run_scan_columns, RUN_SCAN_COLUMNS, extent->scans, bytes,
                     err));
    TRY(make_columns(path, file, run_candidate_columns, RUN_CANDIDATE_COLUMNS,
                     extent->candidates, bytes, err));
    if (extent->ensemble)
        TRY(make_columns(path, file, run_ensemble_columns, RUN_ENSEMBLE_COLUMNS,
                         extent->candidates, bytes, err));
    TRY(make_columns(path, file, &run_mask_column, 1, extent->mask_bytes, bytes, err));
out:
    return run_layout_leave(path, file, status, err);
}

enum status run_layout_add_heatmap(const char *path, const char *seriesuid,
                                   const int64_t size[3], struct error *err)
{
    enum status status = STATUS_OK;
    hid_t file = H5I_INVALID_HID, group = H5I_INVALID_HID;
    const hsize_t extent[3] = {(hsize_t)size[0], (hsize_t)size[1], (hsize_t)size[2]};

    if (strchr(seriesuid, '/'))
        return error_set(err, STATUS_STAGE_IO,
                         "%s: heatmap of %s: the name holds a slash", path, seriesuid);
    TRY(run_layout_visit(path, &file, err));
    group = H5Gopen2(file, RUN_HEATMAPS, H5P_DEFAULT);
    if (group < 0) {
        status = h5_error(err, STATUS_STAGE_IO, path, RUN_HEATMAPS);
        goto out;
    }
    TRY(run_layout_dataset(path, group, seriesuid, H5T_NATIVE_FLOAT, 3, extent, NULL,
                           err));
out:
    h5_close(group);
    return run_layout_leave(path, file, status, err);
}

static enum status make_timing_names(const char *path, hid_t file,
                                     const struct run_layout_provenance *p,
                                     struct error *err)
{
    enum { NAME_BYTES = 64 };
    char *names = calloc(p->timing_count + 1, NAME_BYTES);
    if (!names)
        return error_set(err, STATUS_STAGE_MEMORY, "%s: no memory", path);
    for (size_t i = 0; i < p->timing_count; i++)
        snprintf(names + i * NAME_BYTES, NAME_BYTES, "%s", p->timing_names[i]);

    hid_t type = text_type(NAME_BYTES);
    hid_t dataset = H5Dopen2(file, "/provenance/ranks/timings", H5P_DEFAULT);
    enum status status = dataset < 0 ? h5_error(err, STATUS_STAGE_IO, path, "timings")
                                     : make_attribute(path, dataset, "names", type, 1,
                                                      p->timing_count, names, err);
    h5_close(dataset);
    h5_close(type);
    free(names);
    return status;
}

enum status run_layout_add_provenance(const char *path,
                                      const struct run_layout_provenance *p,
                                      struct error *err)
{
    enum status status = STATUS_OK;
    hid_t file = H5I_INVALID_HID, host = text_type(p->host_bytes);
    const hsize_t extent[2] = {p->ranks, p->timing_count};

    TRY(run_layout_visit(path, &file, err));
    for (size_t i = 0; i < p->text_count; i++) {
        char name[64];
        snprintf(name, sizeof name, "/provenance/%s", p->texts[i].name);
        TRY(make_text(path, file, name, p->texts[i].text, err));
    }
    TRY(run_layout_dataset(path, file, "/provenance/ranks/host", host, 1, extent,
                           p->hosts, err));
    TRY(run_layout_dataset(path, file, "/provenance/ranks/threads", H5T_NATIVE_INT32, 1,
                           extent, p->threads, err));
    TRY(run_layout_dataset(path, file, "/provenance/ranks/peak_bytes", H5T_NATIVE_INT64,
                           1, extent, p->peak_bytes, err));
    TRY(run_layout_dataset(path, file, "/provenance/ranks/timings", H5T_NATIVE_DOUBLE, 2,
                           extent, p->timings, err));
    TRY(make_timing_names(path, file, p, err));
out:
    h5_close(host);
    return run_layout_leave(path, file, status, err);
}
