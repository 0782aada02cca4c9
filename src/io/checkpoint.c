#include "io/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/memory.h"
#include "io/h5.h"
#include "io/h5_image.h"

enum { STEP_DIGITS = 12, HASH_DIGITS = 16 };
static const size_t largest_bytes = (size_t)8 << 30;

struct array {
    char *name;
    enum checkpoint_type type;
    size_t count;
    void *values;
};

struct checkpoint {
    char *path;
    uint64_t step;
    struct array *arrays;
    size_t count, capacity;
};

static hid_t type_of(enum checkpoint_type type)
{
    switch (type) {
    case CHECKPOINT_FLOAT:
        return H5T_IEEE_F32LE;
    case CHECKPOINT_INT64:
        return H5T_STD_I64LE;
    case CHECKPOINT_DOUBLE:
        return H5T_IEEE_F64LE;
    case CHECKPOINT_BYTES:
        return H5T_STD_U8LE;
    }
    return H5I_INVALID_HID;
}

/* The checkpoints of a training in a folder, oldest first. */
struct listing {
    char **names;
    size_t count, capacity;
};

static void listing_release(struct listing *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->names[i]);
    free(l->names);
}

static bool is_digits(const char *text, size_t count, const char *digits)
{
    return strspn(text, digits) >= count;
}

static const char *const suffix = ".h5", *const part_suffix = ".h5.part";

/* TRAINING-STEP-HASH.h5 */
static bool is_checkpoint(const char *name, const char *training, const char *ending)
{
    size_t length = strlen(training);
    const char *rest = name + length;
    return !strncmp(name, training, length) && rest[0] == '-' &&
           is_digits(rest + 1, STEP_DIGITS, "0123456789") &&
           rest[1 + STEP_DIGITS] == '-' &&
           is_digits(rest + 2 + STEP_DIGITS, HASH_DIGITS, "0123456789abcdef") &&
           !strcmp(rest + 2 + STEP_DIGITS + HASH_DIGITS, ending);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum status listing_init(struct listing *l, const char *folder,
                                const char *training, const char *ending,
                                struct error *err)
{
    enum status status = STATUS_OK;
    *l = (struct listing){.count = 0};
    DIR *d = opendir(folder);
    if (!d && errno == ENOENT)
        return STATUS_OK;
    if (!d)
        return error_set(err, STATUS_STAGE_IO, "%s: %s", folder, strerror(errno));
    for (struct dirent *e; (e = readdir(d));) {
        if (!is_checkpoint(e->d_name, training, ending))
            continue;
        TRY(memory_grow((void **)&l->names, &l->capacity, l->count + 1, sizeof *l->names,
                        "checkpoints", err));
        TRY(text_new(e->d_name, &l->names[l->count], err));
        l->count++;
    }
    if (l->count > 1)
        qsort(l->names, l->count, sizeof *l->names, compare_names);
out:
    closedir(d);
    return status;
}

static enum status image_of(const struct checkpoint_array *arrays, size_t count,
                            void **image, size_t *bytes, struct error *err)
{
    enum status status = STATUS_OK;
    hid_t file;
    h5_quiet();
    TRY(h5_image_new("checkpoint", &file, err));
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        status = h5_image_dataset(file, arrays[i].name, type_of(arrays[i].type), 1,
                                  (int64_t[]){(int64_t)arrays[i].count}, arrays[i].values,
                                  err);
    if (status != STATUS_OK)
        h5_close(file);
    else
        status = h5_image_take(file, "checkpoint", image, bytes, err);
out:
    return status;
}

/* Removes all but the newest `keep`. A file that cannot be removed is no reason to stop a
 * training. */
static void remove_older(const char *folder, const char *training, const char *ending,
                         int keep)
{
    struct listing l;
    struct error ignored;
    if (listing_init(&l, folder, training, ending, &ignored) == STATUS_OK)
        for (size_t i = 0; i + (size_t)keep < l.count; i++) {
            char *path;
            if (path_join(folder, l.names[i], &path, &ignored) != STATUS_OK)
                break;
            if (unlink(path) != 0)
                log_warning("%s: %s", path, strerror(errno));
            free(path);
        }
    listing_release(&l);
}

enum status checkpoint_write(const char *folder, const char *training, uint64_t step,
                             const struct checkpoint_array *arrays, size_t count,
                             int keep, struct error *err)
{
    enum status status;
    void *image = NULL;
    char *path = NULL, name[256];
    size_t bytes = 0;
    CHECK(keep >= 1);
    TRY(image_of(arrays, count, &image, &bytes, err));
    snprintf(name, sizeof name, "%s-%0*" PRIu64 "-%0*" PRIx64 ".h5", training,
             STEP_DIGITS, step, HASH_DIGITS, hash64(image, bytes));
    TRY(folder_make(folder, err));
    TRY(path_join(folder, name, &path, err));
    TRY(file_write(path, image, bytes, err));
    remove_older(folder, training, suffix, keep);
out:
    free(path);
    free(image);
    return status;
}

/* One dataset; HDF5 stops iterating at a value other than 0. */
struct reading {
    struct checkpoint *checkpoint;
    enum status status;
    struct error *err;
};

static enum status read_array(struct array *a, hid_t dataset, struct error *err)
{
    enum status status;
    hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset);
    hssize_t count = H5Sget_simple_extent_npoints(space);
    int known = CHECKPOINT_BYTES + 1;
    for (int t = 0; t <= CHECKPOINT_BYTES; t++)
        if (H5Tequal(type, type_of(t)) > 0)
            known = t;
    if (count < 0 || known > CHECKPOINT_BYTES) {
        status =
            error_set(err, STATUS_JOB_FAILED, "array %s is of no known type", a->name);
        goto out;
    }
    a->type = known;
    a->count = (size_t)count;
    TRY(memory_new(a->count, H5Tget_size(type), a->name, &a->values, err));
    if (a->count && H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, a->values) < 0)
        status = error_set(err, STATUS_JOB_FAILED, "array %s cannot be read", a->name);
out:
    h5_close(space);
    h5_close(type);
    return status;
}

static herr_t read_link(hid_t root, const char *name, const H5L_info_t *info,
                        void *context)
{
    struct reading *r = context;
    struct checkpoint *c = r->checkpoint;
    (void)info;
    r->status = memory_grow((void **)&c->arrays, &c->capacity, c->count + 1,
                            sizeof *c->arrays, "checkpoint", r->err);
    if (r->status == STATUS_OK)
        r->status = text_new(name, &c->arrays[c->count].name, r->err);
    if (r->status != STATUS_OK)
        return 1;
    c->count++;
    hid_t dataset = H5Dopen2(root, name, H5P_DEFAULT);
    if (dataset < 0)
        r->status = error_set(r->err, STATUS_JOB_FAILED, "%s is no array", name);
    else
        r->status = read_array(&c->arrays[c->count - 1], dataset, r->err);
    h5_close(dataset);
    return r->status == STATUS_OK ? 0 : 1;
}

/* The file's bytes were held against its name: what is wrong now is memory, or a file
 * that some other program wrote. */
static enum status read_image(struct checkpoint *c, void *image, size_t bytes,
                              struct error *err)
{
    struct reading r = {.checkpoint = c, .status = STATUS_OK, .err = err};
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_fapl_core(access, 1 << 20, 0);
    H5Pset_file_image(access, image, bytes);
    h5_quiet();
    hid_t file = H5Fopen("checkpoint", H5F_ACC_RDONLY, access);
    h5_close(access);
    if (file < 0)
        return error_set(err, STATUS_JOB_FAILED, "is not HDF5");
    if (H5Literate(file, H5_INDEX_NAME, H5_ITER_INC, NULL, read_link, &r) < 0 &&
        r.status == STATUS_OK)
        r.status = error_set(err, STATUS_JOB_FAILED, "its arrays cannot be listed");
    h5_close(file);
    return r.status;
}

static uint64_t number_after(const char *name, size_t offset, int base)
{
    return strtoull(name + offset, NULL, base);
}

/* *whole = false when the file does not bear its own hash, or is none of ours. */
static enum status read_one(const char *folder, const char *training, const char *name,
                            bool *whole, struct checkpoint **out, struct error *err)
{
    enum status status;
    char *image = NULL;
    size_t bytes, step_at = strlen(training) + 1, hash_at = step_at + STEP_DIGITS + 1;
    struct checkpoint *c = NULL;
    struct error reason;
    *whole = false;
    TRY(memory_new(1, sizeof *c, "checkpoint", (void **)&c, err));
    TRY(path_join(folder, name, &c->path, err));
    c->step = number_after(name, step_at, 10);
    status = file_read(c->path, largest_bytes, &image, &bytes, &reason);
    if (status == STATUS_OK) {
        if (hash64(image, bytes) != number_after(name, hash_at, 16))
            goto out;
        status = read_image(c, image, bytes, &reason);
    }
    if (status == STATUS_STAGE_MEMORY) /* says nothing of the file */
        *err = reason;
    else if (status == STATUS_OK)
        *whole = true;
    else
        status = STATUS_OK;
out:
    free(image);
    if (status != STATUS_OK || !*whole) {
        checkpoint_free(c);
        c = NULL;
    }
    *out = c;
    return status;
}

static void mark_damaged(const char *folder, const char *name)
{
    char *path = NULL, *damaged = NULL;
    struct error ignored;
    if (path_join(folder, name, &path, &ignored) != STATUS_OK)
        return;
    if (asprintf(&damaged, "%s.damaged", path) < 0)
        damaged = NULL;
    const bool kept = damaged && rename(path, damaged) == 0;
    log_warning("%s: the checkpoint is damaged, the one before it is taken; it %s%s",
                path, kept ? "is kept as " : "stays where it is", kept ? damaged : "");
    free(damaged);
    free(path);
}

enum status checkpoint_open(const char *folder, const char *training,
                            struct checkpoint **out, struct error *err)
{
    enum status status;
    struct listing l = {.count = 0};
    *out = NULL;
    remove_older(folder, training, part_suffix, 0); /* of a writer that was killed */
    TRY(listing_init(&l, folder, training, suffix, err));
    for (size_t i = l.count; i-- > 0 && !*out;) {
        bool whole;
        TRY(read_one(folder, training, l.names[i], &whole, out, err));
        if (!whole)
            mark_damaged(folder, l.names[i]);
    }
out:
    listing_release(&l);
    return status;
}

void checkpoint_free(struct checkpoint *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->count; i++) {
        free(c->arrays[i].name);
        free(c->arrays[i].values);
    }
    free(c->arrays);
    free(c->path);
    free(c);
}

uint64_t checkpoint_step(const struct checkpoint *c)
{
    return c->step;
}

const char *checkpoint_path(const struct checkpoint *c)
{
    return c->path;
}

static const struct array *find(const struct checkpoint *c, const char *name)
{
    for (size_t i = 0; i < c->count; i++)
        if (!strcmp(c->arrays[i].name, name))
            return &c->arrays[i];
    return NULL;
}

size_t checkpoint_count(const struct checkpoint *c, const char *name)
{
    const struct array *a = find(c, name);
    return a ? a->count : 0;
}

enum status checkpoint_get(const struct checkpoint *c, const char *name,
                           enum checkpoint_type type, size_t count, const void **values,
                           struct error *err)
{
    const struct array *a = find(c, name);
    if (!a)
        return error_set(err, STATUS_JOB_FAILED, "%s: holds no array %s", c->path, name);
    if (a->type != type || a->count != count)
        return error_set(err, STATUS_JOB_FAILED,
                         "%s: array %s has %zu values where this training has %zu, or "
                         "another type",
                         c->path, name, a->count, count);
    *values = a->values;
    return STATUS_OK;
}
