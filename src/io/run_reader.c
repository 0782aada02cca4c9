#include "io/run_reader.h"

#include <math.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/size.h"
#include "io/h5.h"
#include "io/run_layout.h"

enum { TEXT_LIMIT = 4096, TEXT_DATASET_LIMIT = 64 << 20 };

struct run_reader {
    char *path;
    hid_t file;
    int64_t file_bytes;
    hid_t scan_columns[RUN_SCAN_COLUMNS];
    hid_t candidate_columns[RUN_CANDIDATE_COLUMNS];
    hid_t ensemble_columns[RUN_ENSEMBLE_COLUMNS];
    bool ensemble; /* has those */
    int32_t format;
    hid_t mask;
    int64_t scans, candidates, mask_bytes; /* rows */
    char *seriesuids; /* [scans][seriesuid_bytes], each with its NUL */
    int64_t seriesuid_bytes;
    char *texts[RUN_SCAN_COLUMNS]; /* of the scan last read */
};

/* ---- columns ---- */

/* Bytes of a text of a column in memory, with its NUL; the file's may have none. */
static size_t text_bytes(hid_t dataset)
{
    hid_t type = H5Dget_type(dataset);
    size_t bytes = H5Tget_size(type) + 1;
    h5_close(type);
    return bytes;
}

/* The type in memory of a column's elements; the caller closes it. */
static hid_t memory_type(hid_t dataset, const struct run_column *c)
{
    if (c->kind != RUN_TEXT)
        return run_column_type(c, 0);
    hid_t stored = H5Dget_type(dataset), type = H5Tcopy(stored);
    h5_close(stored);
    H5Tset_size(type, H5Tget_size(type) + 1);
    H5Tset_strpad(type, H5T_STR_NULLTERM);
    return type;
}

/* Rows [first, first + count) of a column, packed. The range was checked. */
static enum status column_read(const struct run_reader *r, hid_t dataset,
                               const struct run_column *c, int64_t first, int64_t count,
                               void *packed, struct error *err)
{
    const hsize_t start[2] = {(hsize_t)first, 0};
    const hsize_t extent[2] = {(hsize_t)count, (hsize_t)c->width};
    enum status status = STATUS_OK;

    if (count == 0)
        return STATUS_OK;
    hid_t type = memory_type(dataset, c), space = H5Dget_space(dataset);
    hid_t memory = H5Screate_simple(H5Sget_simple_extent_ndims(space), extent, NULL);
    if (H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, extent, NULL) < 0 ||
        H5Dread(dataset, type, memory, space, H5P_DEFAULT, packed) < 0)
        status = h5_error(err, STATUS_ITEM_IO, r->path, c->dataset);
    h5_close(memory);
    h5_close(space);
    h5_close(type);
    return status;
}

/* ---- opening ---- */

static enum status dataset_open(const struct run_reader *r, const char *name, hid_t *out,
                                struct error *err)
{
    *out = H5Dopen2(r->file, name, H5P_DEFAULT);
    return *out < 0 ? h5_error(err, STATUS_ITEM_IO, r->path, name) : STATUS_OK;
}

/* *rows = the first extent of a dataset that must have `rank` dimensions, the second (if
 * any) `width` long. What it claims to hold must fit into the file. */
static enum status dataset_rows(const struct run_reader *r, hid_t dataset,
                                const char *name, int rank, int width, int64_t *rows,
                                struct error *err)
{
    hsize_t extent[2] = {0, 1};
    size_t bytes = 0;

    hid_t space = H5Dget_space(dataset), type = H5Dget_type(dataset);
    bool fits = space >= 0 && type >= 0 && H5Sget_simple_extent_ndims(space) == rank;
    if (fits)
        H5Sget_simple_extent_dims(space, extent, NULL);
    fits = fits && (rank == 1 || extent[1] == (hsize_t)width) &&
           size_multiply(extent[0] * extent[1], H5Tget_size(type), &bytes) &&
           extent[0] <= (hsize_t)r->file_bytes && bytes <= (size_t)r->file_bytes;
    h5_close(type);
    h5_close(space);
    if (!fits)
        return error_set(err, STATUS_ITEM_FORMAT,
                         "%s: %s has not the shape of a run's store", r->path, name);
    *rows = (int64_t)extent[0];
    return STATUS_OK;
}

static bool type_matches(hid_t type, enum run_kind kind)
{
    switch (kind) {
    case RUN_TEXT:
        return H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0 &&
               H5Tget_size(type) <= TEXT_LIMIT;
    case RUN_UINT8:
    case RUN_INT8:
    case RUN_INT32:
    case RUN_INT64:
        return H5Tget_class(type) == H5T_INTEGER;
    case RUN_FLOAT32:
    case RUN_FLOAT64:
        return H5Tget_class(type) == H5T_FLOAT;
    }
    return false;
}

/* Opens a column and holds its type and shape against the table. *rows < 0: any length,
 * and its length on return; otherwise the length it must have. */
static enum status column_open(const struct run_reader *r, const struct run_column *c,
                               hid_t *out, int64_t *rows, struct error *err)
{
    const int rank = c->kind != RUN_TEXT && c->width > 1 ? 2 : 1;
    int64_t found = 0;
    enum status status = dataset_open(r, c->dataset, out, err);
    if (status != STATUS_OK)
        return status;
    hid_t type = H5Dget_type(*out);
    bool matches = type >= 0 && type_matches(type, c->kind);
    h5_close(type);
    if (!matches)
        return error_set(err, STATUS_ITEM_FORMAT,
                         "%s: %s has not the type of a run's store", r->path, c->dataset);
    status = dataset_rows(r, *out, c->dataset, rank, c->width, &found, err);
    if (status != STATUS_OK)
        return status;
    if (*rows >= 0 && found != *rows)
        return error_set(err, STATUS_ITEM_FORMAT,
                         "%s: %s has %lld rows, others have %lld", r->path, c->dataset,
                         (long long)found, (long long)*rows);
    *rows = found;
    return STATUS_OK;
}

static enum status format_check(struct run_reader *r, struct error *err)
{
    hid_t attribute = H5Aopen(r->file, "format", H5P_DEFAULT);
    bool read = attribute >= 0 && H5Aread(attribute, H5T_NATIVE_INT32, &r->format) >= 0;
    h5_close(attribute);
    if (!read)
        return error_set(err, STATUS_ITEM_FORMAT, "%s: not the store of a run", r->path);
    if (r->format < 1 || r->format > RUN_FORMAT)
        return error_set(err, STATUS_ITEM_FORMAT,
                         "%s: format %d, this program reads 1 to %d", r->path, r->format,
                         RUN_FORMAT);
    return STATUS_OK;
}

/* Format 1 said of candidates alone whether the models had seen their scan. */
static bool is_seen(const struct run_column *c)
{
    return c->offset == offsetof(struct run_store_scan, seen);
}

static bool has_seen(const struct run_reader *r)
{
    return H5Lexists(r->file, "/results/scans/seen", H5P_DEFAULT) > 0;
}

static enum status seriesuids_read(struct run_reader *r, struct error *err)
{
    void *all = NULL;
    r->seriesuid_bytes = (int64_t)text_bytes(r->scan_columns[0]);
    enum status status = memory_new((size_t)r->scans, (size_t)r->seriesuid_bytes,
                                    "seriesuids of a run", &all, err);
    r->seriesuids = all;
    if (status != STATUS_OK)
        return status;
    return column_read(r, r->scan_columns[0], &run_scan_columns[0], 0, r->scans, all,
                       err);
}

static enum status reader_init(struct run_reader *r, const char *path, struct error *err)
{
    enum status status = STATUS_OK;
    struct file_identity identity;

    r->scans = r->candidates = r->mask_bytes = -1; /* not known yet */
    TRY(file_identify(path, &identity, err));
    TRY(text_new(path, &r->path, err));
    r->file_bytes = identity.bytes;
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
    r->file = H5Fopen(path, H5F_ACC_RDONLY, access);
    if (r->file < 0)
        status = h5_error(err, STATUS_ITEM_IO, path, "open");
    h5_close(access);
    TRY(status);
    TRY(format_check(r, err));
    for (size_t i = 0; i < RUN_SCAN_COLUMNS; i++)
        if (!is_seen(&run_scan_columns[i]) || has_seen(r))
            TRY(column_open(r, &run_scan_columns[i], &r->scan_columns[i], &r->scans,
                            err));
    for (size_t i = 0; i < RUN_CANDIDATE_COLUMNS; i++)
        TRY(column_open(r, &run_candidate_columns[i], &r->candidate_columns[i],
                        &r->candidates, err));
    r->ensemble = H5Lexists(r->file, run_ensemble_columns[0].dataset, H5P_DEFAULT) > 0;
    for (size_t i = 0; i < RUN_ENSEMBLE_COLUMNS && r->ensemble; i++)
        TRY(column_open(r, &run_ensemble_columns[i], &r->ensemble_columns[i],
                        &r->candidates, err));
    TRY(column_open(r, &run_mask_column, &r->mask, &r->mask_bytes, err));
    TRY(seriesuids_read(r, err));
out:
    return status;
}

enum status run_reader_open(const char *path, struct run_reader **out, struct error *err)
{
    h5_quiet();
    struct run_reader *r = calloc(1, sizeof *r);
    if (!r)
        return error_set(err, STATUS_STAGE_MEMORY, "%s: no memory", path);
    enum status status = reader_init(r, path, err);
    if (status != STATUS_OK)
        run_reader_close(r);
    else
        *out = r;
    return status;
}

void run_reader_close(struct run_reader *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < RUN_SCAN_COLUMNS; i++) {
        h5_close(r->scan_columns[i]);
        free(r->texts[i]);
    }
    for (size_t i = 0; i < RUN_CANDIDATE_COLUMNS; i++)
        h5_close(r->candidate_columns[i]);
    for (size_t i = 0; i < RUN_ENSEMBLE_COLUMNS; i++)
        h5_close(r->ensemble_columns[i]);
    h5_close(r->mask);
    h5_close(r->file);
    free(r->seriesuids);
    free(r->path);
    free(r);
}

int32_t run_reader_format(const struct run_reader *r)
{
    return r->format;
}

int64_t run_reader_scan_count(const struct run_reader *r)
{
    return r->scans;
}

int64_t run_reader_candidate_count(const struct run_reader *r)
{
    return r->candidates;
}

bool run_reader_is_ensemble(const struct run_reader *r)
{
    return r->ensemble;
}

int64_t run_reader_find(const struct run_reader *r, const char *seriesuid)
{
    for (int64_t i = 0; i < r->scans; i++)
        if (strcmp(r->seriesuids + i * r->seriesuid_bytes, seriesuid) == 0)
            return i;
    return -1;
}

/* ---- asking ---- */

enum status run_reader_scan(struct run_reader *r, int64_t i, struct run_store_scan *out,
                            struct error *err)
{
    CHECK(i >= 0 && i < r->scans);
    *out = (struct run_store_scan){.seen = -1};
    for (size_t k = 0; k < RUN_SCAN_COLUMNS; k++) {
        const struct run_column *c = &run_scan_columns[k];
        if (r->scan_columns[k] <= 0)
            continue; /* an older format */
        char *field = (char *)out + c->offset;
        void *to = field;
        if (c->kind == RUN_TEXT) {
            free(r->texts[k]);
            r->texts[k] = NULL;
            enum status status =
                memory_new(text_bytes(r->scan_columns[k]), 1, "text of a scan", &to, err);
            if (status != STATUS_OK)
                return status;
            r->texts[k] = to;
            memcpy(field, &r->texts[k], sizeof r->texts[k]);
        }
        enum status status = column_read(r, r->scan_columns[k], c, i, 1, to, err);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

/* Rows [first, first + count) stand among `total` ones. */
static enum status range_check(const struct run_reader *r,
                               const struct run_store_scan *scan, const char *what,
                               int64_t first, int64_t count, int64_t total,
                               struct error *err)
{
    if (first >= 0 && count >= 0 && first <= total && count <= total - first)
        return STATUS_OK;
    return error_set(err, STATUS_ITEM_FORMAT, "%s: scan %s: %s [%lld, +%lld) of %lld",
                     r->path, scan->seriesuid, what, (long long)first, (long long)count,
                     (long long)total);
}

/* Reads one column of candidates [first, first + count) into their rows; `packed` is room
 * for it. */
static enum status candidate_column(const struct run_reader *r, hid_t dataset,
                                    const struct run_column *c, int64_t first,
                                    int64_t count, struct run_store_candidate *rows,
                                    void *packed, struct error *err)
{
    const size_t bytes = run_column_bytes(c, 0);
    const enum status status = column_read(r, dataset, c, first, count, packed, err);
    for (size_t i = 0; i < (size_t)count && status == STATUS_OK; i++)
        memcpy((char *)&rows[i] + c->offset, (char *)packed + i * bytes, bytes);
    return status;
}

enum status run_reader_candidates(struct run_reader *r, const struct run_store_scan *scan,
                                  struct run_store_candidate **out, struct error *err)
{
    enum status status = STATUS_OK;
    const int64_t first = scan->candidate_first, count = scan->candidate_count;
    const size_t widest = 3 * sizeof(double);
    struct run_store_candidate *candidates = NULL;
    void *packed = NULL;

    TRY(range_check(r, scan, "candidates", first, count, r->candidates, err));
    TRY(memory_new((size_t)count, sizeof *candidates, "candidates of a scan",
                   (void **)&candidates, err));
    TRY(memory_new((size_t)count, widest, "candidates of a scan", &packed, err));
    for (size_t k = 0; k < RUN_CANDIDATE_COLUMNS; k++)
        TRY(candidate_column(r, r->candidate_columns[k], &run_candidate_columns[k], first,
                             count, candidates, packed, err));
    for (int64_t i = 0; i < count; i++)
        candidates[i].disagreement = candidates[i].malignancy_disagreement = NAN;
    for (size_t k = 0; k < RUN_ENSEMBLE_COLUMNS && r->ensemble; k++)
        TRY(candidate_column(r, r->ensemble_columns[k], &run_ensemble_columns[k], first,
                             count, candidates, packed, err));
    *out = candidates;
    candidates = NULL;
out:
    free(packed);
    free(candidates);
    return status;
}

enum status run_reader_mask(struct run_reader *r, const struct run_store_scan *scan,
                            uint8_t **out, struct error *err)
{
    enum status status = STATUS_OK;
    void *data = NULL;

    TRY(range_check(r, scan, "mask bytes", scan->mask_first, scan->mask_bytes,
                    r->mask_bytes, err));
    TRY(memory_new((size_t)scan->mask_bytes, 1, "mask of a scan", &data, err));
    TRY(column_read(r, r->mask, &run_mask_column, scan->mask_first, scan->mask_bytes,
                    data, err));
    *out = data;
    data = NULL;
out:
    free(data);
    return status;
}

enum status run_reader_heatmap(struct run_reader *r, const char *seriesuid,
                               const int64_t first[3], const int64_t count[3], float *out,
                               struct error *err)
{
    enum status status = STATUS_OK;
    hid_t group = H5I_INVALID_HID, dataset = H5I_INVALID_HID, space = H5I_INVALID_HID;
    hid_t memory = H5I_INVALID_HID;
    hsize_t extent[3] = {0}, at[3], box[3];

    if (H5Lexists(r->file, RUN_HEATMAPS, H5P_DEFAULT) > 0)
        group = H5Gopen2(r->file, RUN_HEATMAPS, H5P_DEFAULT);
    if (group >= 0 && H5Lexists(group, seriesuid, H5P_DEFAULT) > 0)
        dataset = H5Dopen2(group, seriesuid, H5P_DEFAULT);
    if (dataset < 0) {
        status =
            error_set(err, STATUS_ITEM_IO, "%s: no heatmap of %s", r->path, seriesuid);
        goto out;
    }
    space = H5Dget_space(dataset);
    if (H5Sget_simple_extent_ndims(space) == 3)
        H5Sget_simple_extent_dims(space, extent, NULL);
    for (int k = 0; k < 3; k++) {
        at[k] = (hsize_t)first[k];
        box[k] = (hsize_t)count[k];
        if (first[k] < 0 || count[k] < 1 || at[k] >= extent[k] ||
            box[k] > extent[k] - at[k]) {
            status = error_set(err, STATUS_ITEM_FORMAT,
                               "%s: heatmap of %s: no voxels from %lld, %lld, %lld on",
                               r->path, seriesuid, (long long)first[0],
                               (long long)first[1], (long long)first[2]);
            goto out;
        }
    }
    memory = H5Screate_simple(3, box, NULL);
    if (H5Sselect_hyperslab(space, H5S_SELECT_SET, at, NULL, box, NULL) < 0 ||
        H5Dread(dataset, H5T_NATIVE_FLOAT, memory, space, H5P_DEFAULT, out) < 0)
        status = h5_error(err, STATUS_ITEM_IO, r->path, seriesuid);
out:
    h5_close(memory);
    h5_close(space);
    h5_close(dataset);
    h5_close(group);
    return status;
}

enum status run_reader_text(struct run_reader *r, const char *name, char **out,
                            struct error *err)
{
    enum status status = STATUS_OK;
    hid_t dataset = H5I_INVALID_HID, type = H5I_INVALID_HID, space = H5I_INVALID_HID;
    void *text = NULL;

    TRY(dataset_open(r, name, &dataset, err));
    type = H5Dget_type(dataset);
    space = H5Dget_space(dataset);
    size_t bytes = H5Tget_size(type);
    if (H5Tget_class(type) != H5T_STRING || H5Tis_variable_str(type) ||
        H5Sget_simple_extent_npoints(space) != 1 || bytes > TEXT_DATASET_LIMIT) {
        status =
            error_set(err, STATUS_ITEM_FORMAT, "%s: %s is not a text", r->path, name);
        goto out;
    }
    TRY(memory_new(bytes + 1, 1, name, &text, err));
    if (H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text) < 0) {
        status = h5_error(err, STATUS_ITEM_IO, r->path, name);
        goto out;
    }
    *out = text;
    text = NULL;
out:
    free(text);
    h5_close(space);
    h5_close(type);
    h5_close(dataset);
    return status;
}
