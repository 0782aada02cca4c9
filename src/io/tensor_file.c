/*
 * Reading a state_dict from HDF5, and writing one.
 *
 * The file is small (a network's weights) and read whole; what does not belong to a
 * state_dict (a group, a dataset of text or of records) is refused by name rather than
 * skipped, because a weight that silently stays behind changes results. HDF5 converts any
 * number type to float; its own error stack is silenced and each failure is told once,
 * with file and tensor.
 *
 * Invariant of a struct tensor_file at every point of reading: `count` tensors own their
 * name and, when it is not NULL, their values; so release is right after any failure.
 */
#include "io/tensor_file.h"

#include <errno.h>
#include <hdf5.h>
#include <math.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/size.h"
#include "io/h5.h"
#include "io/h5_image.h"

static const char *const seen_name = "seen_seriesuids";
static const char *const selected_name = "selected_seriesuids";

/* Attributes of the root: texts of the structure. */
static const struct {
    const char *name;
    size_t offset;
} attributes[] = {
    {"network", offsetof(struct tensor_file, network)},
    {"initial_weights", offsetof(struct tensor_file, initial)},
    {"origin", offsetof(struct tensor_file, origin)},
    {"fold", offsetof(struct tensor_file, fold)},
    {"hard_negatives", offsetof(struct tensor_file, hard_negatives)},
};
enum { ATTRIBUTES = sizeof attributes / sizeof *attributes };

static char **attribute_of(const struct tensor_file *f, int i)
{
    return (char **)(void *)((char *)(uintptr_t)f + attributes[i].offset);
}

/* What the callback of H5Literate needs. */
struct reading {
    struct tensor_file *file;
    const char *path;
    struct error *err;
    enum status status;
    size_t capacity;
};

/* Bytes of the longest text that a fixed-length string of a model file may have. */
enum { TEXT_BYTES_MAX = 4096 };

static int compare_tensors(const void *a, const void *b)
{
    const struct named_tensor *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Shape and number of values of a dataspace. */
static enum status read_shape(struct named_tensor *t, hid_t space, const char *path,
                              struct error *err)
{
    hsize_t shape[H5S_MAX_RANK];
    int rank = H5Sget_simple_extent_ndims(space);
    if (rank < 0 || H5Sget_simple_extent_type(space) == H5S_NULL)
        return error_set(err, STATUS_JOB_CONFIG, "%s: tensor %s has no shape", path,
                         t->name);
    if (rank > TENSOR_RANK_MAX)
        return error_set(err, STATUS_JOB_CONFIG,
                         "%s: tensor %s has %d dimensions, more than %d", path, t->name,
                         rank, TENSOR_RANK_MAX);
    H5Sget_simple_extent_dims(space, shape, NULL);
    t->rank = rank;
    t->count = 1;
    for (int i = 0; i < rank; i++) {
        t->shape[i] = (int64_t)shape[i];
        if (shape[i] > INT64_MAX || !size_multiply(t->count, (size_t)shape[i], &t->count))
            return error_set(err, STATUS_JOB_CONFIG, "%s: tensor %s is too large", path,
                             t->name);
    }
    return STATUS_OK;
}

/* A shape is only a claim: room is made for what the file can hold of it. Deflate packs
 * at most 1032 bytes into one; a dataset that was never written holds none. */
static enum status check_stored(const struct named_tensor *t, hid_t dataset,
                                const char *path, struct error *err)
{
    enum { RATIO = 1100 };
    hsize_t stored = H5Dget_storage_size(dataset);
    if (t->count / RATIO <= stored && (t->count == 0 || stored > 0))
        return STATUS_OK;
    return error_set(err, STATUS_JOB_CONFIG,
                     "%s: tensor %s has %zu values by its shape, but only %llu bytes are "
                     "stored",
                     path, t->name, t->count, (unsigned long long)stored);
}

static enum status read_values(struct named_tensor *t, hid_t dataset, const char *path,
                               struct error *err)
{
    enum status status;
    hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset);
    H5T_class_t class = H5Tget_class(type);

    if (class != H5T_FLOAT && class != H5T_INTEGER) {
        status = error_set(err, STATUS_JOB_CONFIG, "%s: tensor %s does not hold numbers",
                           path, t->name);
        goto out;
    }
    TRY(read_shape(t, space, path, err));
    TRY(check_stored(t, dataset, path, err));
    TRY(memory_new(t->count, sizeof *t->values, t->name, (void **)&t->values, err));
    if (t->count > 0 && H5Dread(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                                t->values) < 0) {
        status = error_set(err, STATUS_JOB_CONFIG, "%s: tensor %s cannot be read", path,
                           t->name);
        goto out;
    }
    for (size_t i = 0; i < t->count; i++)
        if (!isfinite(t->values[i])) {
            status = error_set(err, STATUS_JOB_CONFIG, "%s: tensor %s holds %g at %zu",
                               path, t->name, (double)t->values[i], i);
            goto out;
        }
out:
    H5Sclose(space);
    H5Tclose(type);
    return status;
}

/* Reads `count` texts of a dataset or attribute (`attribute` tells) into a new array. */
static enum status read_texts(hid_t object, bool attribute, size_t count,
                              const char *what, const char *path, char **texts,
                              struct error *err)
{
    enum status status = STATUS_OK;
    char *fixed = NULL;
    char **variable = NULL;
    hid_t type = attribute ? H5Aget_type(object) : H5Dget_type(object),
          memory = H5Tcopy(type);
    hid_t space = attribute ? H5Aget_space(object) : H5Dget_space(object);
    bool is_text = H5Tget_class(type) == H5T_STRING,
         is_variable = H5Tis_variable_str(type) > 0;
    size_t bytes = H5Tget_size(type);
    void *to;

    if (!is_text || (!is_variable && bytes > TEXT_BYTES_MAX)) {
        status =
            error_set(err, STATUS_JOB_CONFIG, "%s: %s does not hold text", path, what);
        goto out;
    }
    if (is_variable)
        TRY(memory_new(count, sizeof *variable, what, (void **)&variable, err));
    else
        TRY(memory_new(count, bytes, what, (void **)&fixed, err));
    to = is_variable ? (void *)variable : fixed;
    if (count > 0 &&
        (attribute ? H5Aread(object, memory, to)
                   : H5Dread(object, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, to)) < 0) {
        status = error_set(err, STATUS_JOB_CONFIG, "%s: %s cannot be read", path, what);
        goto out;
    }
    for (size_t i = 0; i < count; i++) {
        texts[i] = is_variable ? strdup(variable[i] ? variable[i] : "")
                               : strndup(fixed + i * bytes, bytes);
        if (!texts[i]) {
            status = error_set(err, STATUS_STAGE_MEMORY, "%s: no memory for text", path);
            goto out;
        }
        if (!is_variable && H5Tget_strpad(type) == H5T_STR_SPACEPAD)
            for (size_t n = strlen(texts[i]); n > 0 && texts[i][n - 1] == ' '; n--)
                texts[i][n - 1] = '\0';
    }
out:
    if (variable)
        H5Dvlen_reclaim(memory, space, H5P_DEFAULT, variable);
    free(variable);
    free(fixed);
    H5Sclose(space);
    H5Tclose(memory);
    H5Tclose(type);
    return status;
}

/* A list of scans: seen_seriesuids, selected_seriesuids. */
static enum status read_scans(hid_t dataset, const char *name, const char *path,
                              char ***scans, size_t *count, struct error *err)
{
    enum status status;
    hid_t space = H5Dget_space(dataset);
    hssize_t points = H5Sget_simple_extent_npoints(space);

    H5Sclose(space);
    if (points < 0)
        return error_set(err, STATUS_JOB_CONFIG, "%s: %s has no shape", path, name);
    TRY(memory_new((size_t)points, sizeof **scans, name, (void **)scans, err));
    *count = (size_t)points;
    TRY(read_texts(dataset, false, *count, name, path, *scans, err));
    qsort(*scans, *count, sizeof **scans, compare_texts);
out:
    return status;
}

static enum status read_tensor(struct reading *r, hid_t dataset, const char *name)
{
    enum status status;
    struct tensor_file *f = r->file;

    TRY(memory_grow((void **)&f->tensors, &r->capacity, f->count + 1, sizeof *f->tensors,
                    "tensors", r->err));
    struct named_tensor *t = &f->tensors[f->count];
    TRY(text_new(name, &t->name, r->err));
    f->count++;
    status = read_values(t, dataset, r->path, r->err);
out:
    return status;
}

/* One link of the root group; HDF5 stops iterating at a value other than 0. */
static herr_t read_link(hid_t root, const char *name, const H5L_info_t *info,
                        void *context)
{
    struct reading *r = context;
    (void)info;
    hid_t object = H5Oopen(root, name, H5P_DEFAULT);
    if (object < 0 || H5Iget_type(object) != H5I_DATASET)
        r->status =
            error_set(r->err, STATUS_JOB_CONFIG,
                      "%s: %s is no dataset; a tensor stands at the root, under its "
                      "state_dict name",
                      r->path, name);
    else if (strcmp(name, seen_name) == 0)
        r->status = read_scans(object, name, r->path, &r->file->seen,
                               &r->file->seen_count, r->err);
    else if (strcmp(name, selected_name) == 0)
        r->status = read_scans(object, name, r->path, &r->file->selected,
                               &r->file->selected_count, r->err);
    else
        r->status = read_tensor(r, object, name);
    if (object >= 0)
        H5Oclose(object);
    return r->status == STATUS_OK ? 0 : 1;
}

/* An attribute of the root, NULL when it is not there. */
static enum status read_attribute(hid_t file, const char *name, const char *path,
                                  char **text, struct error *err)
{
    if (H5Aexists(file, name) <= 0)
        return STATUS_OK;
    hid_t attribute = H5Aopen(file, name, H5P_DEFAULT);
    hid_t space = H5Aget_space(attribute);
    enum status status = STATUS_OK;
    if (H5Sget_simple_extent_npoints(space) != 1)
        status = error_set(err, STATUS_JOB_CONFIG, "%s: attribute %s is not one text",
                           path, name);
    else
        status = read_texts(attribute, true, 1, name, path, text, err);
    H5Sclose(space);
    H5Aclose(attribute);
    return status;
}

/* Names, shapes and values, in the order of the names: the same for files that h5py and
 * others wrote in another order or number type, as long as every value is the same. */
enum status tensor_file_identify(struct tensor_file *f, struct error *err)
{
    struct hash *h;
    enum status status = hash_new(&h, err);
    if (status != STATUS_OK)
        return status;
    if (f->count > 0)
        qsort(f->tensors, f->count, sizeof *f->tensors, compare_tensors);
    for (size_t i = 0; i < f->count; i++) {
        const struct named_tensor *t = &f->tensors[i];
        hash_update(h, t->name, strlen(t->name) + 1);
        hash_update(h, &t->rank, sizeof t->rank);
        hash_update(h, t->shape, (size_t)t->rank * sizeof *t->shape);
        hash_update(h, t->values, t->count * sizeof *t->values);
    }
    f->content = hash_digest(h);
    hash_free(h);
    return STATUS_OK;
}

static enum status read_all(struct tensor_file *f, const char *path, struct error *err)
{
    enum status status;
    struct reading r = {.file = f, .path = path, .err = err, .status = STATUS_OK};
    hid_t file = H5I_INVALID_HID;

    struct stat s;
    if (access(path, R_OK) != 0 || stat(path, &s) != 0)
        return error_set(err, STATUS_JOB_CONFIG, "%s: %s", path, strerror(errno));
    if (!S_ISREG(s.st_mode)) /* HDF5 would wait for the writer of a pipe */
        return error_set(err, STATUS_JOB_CONFIG, "%s: not a regular file", path);
    file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (file < 0)
        return error_set(err, STATUS_JOB_CONFIG, "%s: not an HDF5 file that can be read",
                         path);
    for (int i = 0; i < ATTRIBUTES; i++)
        TRY(read_attribute(file, attributes[i].name, path, attribute_of(f, i), err));
    if (H5Literate(file, H5_INDEX_NAME, H5_ITER_INC, NULL, read_link, &r) < 0) {
        status =
            error_set(err, STATUS_JOB_CONFIG, "%s: its datasets cannot be listed", path);
        goto out;
    }
    TRY(r.status);
    if (f->count == 0) {
        status = error_set(err, STATUS_JOB_CONFIG, "%s: holds no tensors", path);
        goto out;
    }
    status = tensor_file_identify(f, err);
out:
    H5Fclose(file);
    return status;
}

enum status tensor_file_init(struct tensor_file *f, const char *path, struct error *err)
{
    H5E_auto2_t handler;
    void *handler_data;

    *f = (struct tensor_file){.tensors = NULL};
    H5Eget_auto2(H5E_DEFAULT, &handler, &handler_data);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    enum status status = read_all(f, path, err);
    H5Eset_auto2(H5E_DEFAULT, handler, handler_data);
    return status;
}

void tensor_file_release(struct tensor_file *f)
{
    for (size_t i = 0; i < f->count; i++) {
        free(f->tensors[i].name);
        free(f->tensors[i].values);
    }
    for (size_t i = 0; i < f->seen_count; i++)
        free(f->seen[i]);
    for (size_t i = 0; i < f->selected_count; i++)
        free(f->selected[i]);
    free(f->tensors);
    free(f->seen);
    free(f->selected);
    for (int i = 0; i < ATTRIBUTES; i++)
        free(*attribute_of(f, i));
    *f = (struct tensor_file){.tensors = NULL};
}

const struct named_tensor *tensor_file_find(const struct tensor_file *f, const char *name)
{
    struct named_tensor key = {.name = (char *)name};
    if (f->count == 0)
        return NULL;
    return bsearch(&key, f->tensors, f->count, sizeof key, compare_tensors);
}

int tensor_file_has_seen(const struct tensor_file *f, const char *seriesuid)
{
    if (f->seen_count > 0 &&
        bsearch(&seriesuid, f->seen, f->seen_count, sizeof *f->seen, compare_texts))
        return 1;
    return tensor_file_is_isolated(f) ? 0 : -1;
}

int tensor_file_is_isolated(const struct tensor_file *f)
{
    return f->seen && !(f->origin && strcmp(f->origin, "unknown") == 0);
}

int tensor_file_fold(const struct tensor_file *f)
{
    const char *text = f->fold ? f->fold : "";
    return text[0] >= '0' && text[0] <= '9' && !text[1] ? text[0] - '0' : -1;
}

static enum status write_content(hid_t file, const struct tensor_file *f,
                                 struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < f->count; i++) {
        const struct named_tensor *t = &f->tensors[i];
        TRY(h5_image_dataset(file, t->name, H5T_IEEE_F32LE, t->rank, t->shape, t->values,
                             err));
    }
    for (int i = 0; i < ATTRIBUTES; i++)
        if (*attribute_of(f, i))
            TRY(h5_image_attribute(file, attributes[i].name, *attribute_of(f, i), err));
    if (f->seen)
        TRY(h5_image_texts(file, seen_name, (const char *const *)f->seen, f->seen_count,
                           err));
    if (f->selected)
        TRY(h5_image_texts(file, selected_name, (const char *const *)f->selected,
                           f->selected_count, err));
out:
    return status;
}

enum status tensor_file_write(const char *path, const struct tensor_file *f,
                              struct error *err)
{
    enum status status;
    void *image = NULL;
    size_t bytes = 0;
    hid_t file;
    h5_quiet();
    TRY(h5_image_new(path, &file, err));
    status = write_content(file, f, err);
    if (status != STATUS_OK)
        h5_close(file);
    else
        status = h5_image_take(file, path, &image, &bytes, err);
    TRY(status);
    status = file_write(path, image, bytes, err);
out:
    free(image);
    return status;
}
