#include "run/phantom_folder.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file.h"
#include "ct/dataset.h"
#include "ct/volume.h"
#include "phantom/truth.h"

static const char MANIFEST[] = "phantom.json";
enum { FORMAT = 1 };

/* ---- the manifest ---- */

static json_t *pack_manifest(const struct phantom_options *o)
{
    if (o->implant)
        return json_pack("{s:i, s:s, s:I, s:I, s:f, s:f, s:f, s:b}", "format", FORMAT,
                         "implant", o->implant, "seed", (json_int_t)o->seed, "nodules",
                         (json_int_t)o->nodules, "diameter_low", o->diameter_mm[0],
                         "diameter_high", o->diameter_mm[1], "negatives", o->negatives,
                         "masks", o->masks);
    return json_pack("{s:i, s:s, s:I, s:I, s:f, s:b}", "format", FORMAT, "size",
                     o->size_text, "scans", (json_int_t)o->scans, "seed",
                     (json_int_t)o->seed, "negatives", o->negatives, "masks", o->masks);
}

/* The one thing in it that JSON may refuse is the name of a tree. */
static enum status manifest_of(const struct phantom_options *o, json_t **out,
                               struct error *err)
{
    *out = pack_manifest(o);
    if (*out)
        return STATUS_OK;
    return error_set(err, STATUS_JOB_CONFIG,
                     "'%s': a name that is not UTF-8 cannot stand in %s",
                     o->implant ? o->implant : o->size_text, MANIFEST);
}

/* What of two manifests differs, as "seed 1 instead of 2". */
static void describe_difference(const json_t *is, const json_t *wanted, char *text,
                                size_t bytes)
{
    const json_t *const sides[2] = {wanted, is};
    text[0] = '\0';
    for (int side = 0; side < 2; side++) {
        const char *key;
        json_t *value;
        json_object_foreach((json_t *)(uintptr_t)sides[side], key, value)
        {
            const json_t *other = json_object_get(sides[1 - side], key);
            if (json_equal(value, other) || (side == 1 && other))
                continue;
            const json_t *has = side == 1 ? value : other, *wants = side == 1 ? 0 : value;
            char *a = has ? json_dumps(has, JSON_ENCODE_ANY) : NULL;
            char *b = wants ? json_dumps(wants, JSON_ENCODE_ANY) : NULL;
            size_t used = strlen(text);
            snprintf(text + used, bytes - used, "%s%s is %s there, not %s",
                     used ? "; " : "", key, a ? a : "not given", b ? b : "given");
            free(a);
            free(b);
        }
    }
}

static enum status compare_manifest(const char *path, const char *folder,
                                    const json_t *wanted, struct error *err)
{
    json_error_t wrong;
    char text[512];
    json_t *is = json_load_file(path, 0, &wrong);
    enum status status = STATUS_OK;
    if (!is) {
        status = error_set(err, STATUS_JOB_CONFIG, "%s: %s", path, wrong.text);
    } else if (!json_equal(is, wanted)) {
        describe_difference(is, wanted, text, sizeof text);
        status = error_set(err, STATUS_JOB_CONFIG,
                           "%s: made with other options: %s; choose another folder",
                           folder, text);
    }
    json_decref(is);
    return status;
}

static enum status write_manifest(const char *path, const struct phantom_options *o,
                                  struct error *err)
{
    json_t *manifest;
    enum status status = manifest_of(o, &manifest, err);
    if (status != STATUS_OK)
        return status;
    /* 17 digits, which give the number back: it is held against later options. */
    char *text = json_dumps(manifest, JSON_INDENT(2) | JSON_SORT_KEYS);
    json_decref(manifest);
    if (!text)
        return error_set(err, STATUS_STAGE_MEMORY, "%s: no memory", path);
    size_t bytes = strlen(text);
    text[bytes++] = '\n'; /* in place of the NUL: written by its length */
    status = file_write(path, text, bytes, err);
    free(text);
    return status;
}

/* ---- the folder ---- */

/* A name that stands in the folder, "" when it is empty or not there. */
static enum status first_name(const char *folder, char *name, size_t bytes,
                              struct error *err)
{
    name[0] = '\0';
    DIR *d = opendir(folder);
    if (!d && errno == ENOENT)
        return STATUS_OK;
    if (!d)
        return error_set(err, STATUS_JOB_CONFIG, "%s: %s", folder, strerror(errno));
    for (const struct dirent *e; (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
            strcmp(e->d_name, "phantom.json.part") != 0)
            snprintf(name, bytes, "%s", e->d_name);
    closedir(d);
    return STATUS_OK;
}

enum status phantom_folder_check(const struct phantom_options *o, struct error *err)
{
    enum status status = STATUS_OK;
    char *manifest = NULL, name[256];
    json_t *wanted = NULL;
    TRY(manifest_of(o, &wanted, err));
    TRY(path_join(o->folder, MANIFEST, &manifest, err));
    if (file_exists(manifest)) {
        status = compare_manifest(manifest, o->folder, wanted, err);
    } else {
        status = first_name(o->folder, name, sizeof name, err);
        if (status == STATUS_OK && name[0])
            status = error_set(err, STATUS_JOB_CONFIG,
                               "%s: holds other things ('%s'): name an empty or new "
                               "folder",
                               o->folder, name);
    }
out:
    free(manifest);
    json_decref(wanted);
    return status;
}

enum status phantom_folder_claim(const struct phantom_options *o, struct error *err)
{
    enum status status = STATUS_OK;
    char *manifest = NULL;
    TRY(phantom_folder_check(o, err));
    TRY(folder_make(o->folder, err));
    TRY(path_join(o->folder, MANIFEST, &manifest, err));
    if (!file_exists(manifest))
        status = write_manifest(manifest, o, err);
    free(manifest);
out:
    return status;
}

static enum status make_below(const char *folder, const char *name, const bool *subsets,
                              struct error *err)
{
    enum status status = STATUS_OK;
    for (int i = 0; i < DATASET_SUBSETS && status == STATUS_OK; i++) {
        char *path;
        if (!subsets[i])
            continue;
        if (asprintf(&path, "%s/%ssubset%d", folder, name, i) < 0)
            return error_set(err, STATUS_STAGE_MEMORY, "%s: no memory", folder);
        status = folder_make(path, err);
        free(path);
    }
    return status;
}

enum status phantom_folder_make(const struct phantom_options *o, const bool *subsets,
                                struct error *err)
{
    enum status status = STATUS_OK;
    char *truth;
    TRY(path_join(o->folder, TRUTH_FOLDER, &truth, err));
    status = folder_make(truth, err);
    free(truth);
    if (status != STATUS_OK)
        goto out;
    TRY(make_below(o->folder, "", subsets, err));
    if (o->masks) {
        TRY(make_below(o->folder, "masks/", subsets, err));
        TRY(make_below(o->folder, "lungs/", subsets, err));
    }
out:
    return status;
}

int64_t phantom_folder_room(const struct phantom_options *o)
{
    struct statvfs s;
    char *folder;
    if (path_absolute(o->folder, &folder, NULL) != STATUS_OK)
        return -1;
    /* The folder itself, or the first one above it that is there. */
    while (statvfs(folder, &s) != 0) {
        char *slash = strrchr(folder, '/');
        if (errno != ENOENT || !slash || !folder[1]) {
            free(folder);
            return -1;
        }
        slash[slash == folder] = '\0';
    }
    free(folder);
    return (int64_t)s.f_bavail * (int64_t)s.f_frsize;
}

/* ---- files ---- */

static enum status name_file(char **out, const char *folder, const char *below,
                             int subset, const char *seriesuid, struct error *err)
{
    if (asprintf(out, "%s/%ssubset%d/%s.mhd", folder, below, subset, seriesuid) < 0) {
        *out = NULL;
        return error_set(err, STATUS_STAGE_MEMORY, "%s: no memory", seriesuid);
    }
    return STATUS_OK;
}

enum status phantom_files_init(struct phantom_files *f, const struct phantom_options *o,
                               int subset, const char *seriesuid, struct error *err)
{
    enum status status = STATUS_OK;
    *f = (struct phantom_files){0};
    if (asprintf(&f->truth, "%s/" TRUTH_FOLDER "/%s.csv", o->folder, seriesuid) < 0) {
        f->truth = NULL;
        return error_set(err, STATUS_STAGE_MEMORY, "%s: no memory", seriesuid);
    }
    TRY(name_file(&f->volume, o->folder, "", subset, seriesuid, err));
    if (o->masks) {
        TRY(name_file(&f->nodules, o->folder, "masks/", subset, seriesuid, err));
        TRY(name_file(&f->lungs, o->folder, "lungs/", subset, seriesuid, err));
    }
out:
    return status;
}

void phantom_files_release(struct phantom_files *f)
{
    free(f->truth);
    free(f->volume);
    free(f->nodules);
    free(f->lungs);
    *f = (struct phantom_files){0};
}

static bool is_whole(const char *path)
{
    const struct volume_options options = {.allow_outside = false};
    struct volume *v = NULL;
    struct error why;
    bool whole = file_exists(path) && volume_open(path, &options, &v, &why) == STATUS_OK;
    volume_close(v);
    return whole;
}

bool phantom_files_complete(const struct phantom_files *f)
{
    return is_whole(f->volume) && (!f->nodules || is_whole(f->nodules)) &&
           (!f->lungs || is_whole(f->lungs));
}

bool phantom_folder_has_lists(const struct phantom_options *o)
{
    for (int i = 0; TRUTH_LISTS[i]; i++) {
        char *path;
        if (path_join(o->folder, TRUTH_LISTS[i], &path, NULL) != STATUS_OK)
            return false;
        bool there = file_exists(path);
        free(path);
        if (!there)
            return false;
    }
    return true;
}

enum status phantom_folder_drop_lists(const struct phantom_options *o, struct error *err)
{
    for (int i = 0; TRUTH_LISTS[i]; i++) {
        char *path;
        enum status status = path_join(o->folder, TRUTH_LISTS[i], &path, err);
        if (status != STATUS_OK)
            return status;
        if (unlink(path) && errno != ENOENT)
            status = error_set(err, STATUS_STAGE_IO, "%s: %s", path, strerror(errno));
        free(path);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}
