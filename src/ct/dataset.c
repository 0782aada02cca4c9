/*
 * The order in which a file system names its files means nothing and differs between
 * nodes. So everything is sorted before anything is decided: which of two volumes of one
 * name is kept, and the order of the problems, are the same wherever the tree is read.
 *
 * A volume whose file cannot be looked at (a dangling link, a server that is away) is
 * listed all the same: opening it fails later, and the scan is quarantined with its
 * reason. Only what would be left out without a trace otherwise becomes a problem.
 */
#include "ct/dataset.h"

#include <errno.h>
#include <stdarg.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/memory.h"
#include "ct/archive.h"
#include "ct/data_file.h"
#include "ct/folder_names.h"
#include "ct/volume.h"

#define VOLUME_ENDINGS ".mhd, .mha, .nii, .nii.gz"

struct builder {
    struct dataset *dataset;
    size_t scan_capacity, problem_capacity;
    bool has_folder[DATASET_SUBSETS], has_archive[DATASET_SUBSETS];
};

static enum status add_problem(struct builder *b, struct error *err,
                               const char *seriesuid, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static enum status add_problem(struct builder *b, struct error *err,
                               const char *seriesuid, const char *format, ...)
{
    struct dataset *d = b->dataset;
    enum status status =
        memory_grow((void **)&d->problems, &b->problem_capacity, d->problem_count + 1,
                    sizeof *d->problems, "problems of a dataset", err);
    if (status != STATUS_OK)
        return status;
    struct dataset_problem problem;
    status = text_new(seriesuid, &problem.seriesuid, err);
    if (status != STATUS_OK)
        return status;
    va_list arguments;
    va_start(arguments, format);
    int n = vasprintf(&problem.sentence, format, arguments);
    va_end(arguments);
    if (n < 0) {
        free(problem.seriesuid);
        return error_set(err, STATUS_STAGE_MEMORY, "no memory for a message");
    }
    d->problems[d->problem_count++] = problem;
    return STATUS_OK;
}

/* ---- one volume ---- */

/* A file: by its path, or by its name inside an archive. */
struct place {
    const struct archive_list *archive; /* NULL: in a folder */
    const char *name;
};

static int64_t bytes_of(struct place p)
{
    struct stat s;
    if (p.archive) {
        int64_t bytes = archive_list_find(p.archive, p.name);
        return bytes < 0 ? 0 : bytes;
    }
    return stat(p.name, &s) == 0 && S_ISREG(s.st_mode) ? (int64_t)s.st_size : 0;
}

/* The data of a .mhd stands in a file of its own, nearly always of the same stem. What
 * the header really names is read with it; this is an estimate. */
static enum status estimate_bytes(struct place p, int64_t *bytes, struct error *err)
{
    static const char header_ending[] = ".mhd";
    static const char *const data_endings[] = {"raw", "zraw"};
    const size_t ending = sizeof header_ending - 1, length = strlen(p.name);
    *bytes = bytes_of(p);
    if (length < ending || strcasecmp(p.name + length - ending, header_ending) != 0)
        return STATUS_OK;
    for (size_t i = 0; i < sizeof data_endings / sizeof *data_endings; i++) {
        char *data;
        if (asprintf(&data, "%.*s.%s", (int)(length - ending), p.name, data_endings[i]) <
            0)
            return error_set(err, STATUS_STAGE_MEMORY, "%s: no memory", p.name);
        *bytes += bytes_of((struct place){p.archive, data});
        free(data);
    }
    return STATUS_OK;
}

/* Adds a volume that lies at `place`. `path` is taken over. */
static enum status add_scan(struct builder *b, char *path, struct place place, int subset,
                            struct error *err)
{
    struct dataset *d = b->dataset;
    enum status status = STATUS_OK;
    struct scan scan = {.path = path, .subset = subset};
    TRY(estimate_bytes(place, &scan.bytes, err));
    TRY(volume_seriesuid(path, &scan.seriesuid, err));
    TRY(memory_grow((void **)&d->scans, &b->scan_capacity, d->count + 1, sizeof *d->scans,
                    "scans of a dataset", err));
    d->scans[d->count++] = scan;
    return STATUS_OK;
out:
    free(scan.seriesuid);
    free(scan.path);
    return status;
}

/* ---- one folder ---- */

/* Hidden files are passed over: "._NAME.mhd" beside NAME.mhd is what a Mac leaves behind.
 */
static bool is_volume(const char *name)
{
    return name[0] != '.' && volume_is_name(name);
}

/* subsetN or subsetN.zip */
static bool is_subset(const char *name)
{
    static const char prefix[] = "subset";
    const size_t n = sizeof prefix - 1;
    return strncmp(name, prefix, n) == 0 && name[n] >= '0' && name[n] <= '9' &&
           (name[n + 1] == '\0' || strcmp(name + n + 1, ".zip") == 0);
}

/* A folder, a pipe or a device with the name of a volume. */
static enum status note_no_file(struct builder *b, const char *path, struct error *err)
{
    char *seriesuid;
    enum status status = volume_seriesuid(path, &seriesuid, err);
    if (status != STATUS_OK)
        return status;
    status =
        add_problem(b, err, seriesuid, "%s: called like a volume, but no file", path);
    free(seriesuid);
    return status;
}

static enum status scan_folder(struct builder *b, const char *folder, int subset,
                               struct error *err)
{
    enum status status = STATUS_OK;
    struct folder_names names = {0};
    TRY(folder_names_read(folder, is_volume, &names, err));
    for (size_t i = 0; i < names.count; i++) {
        char *path;
        struct stat s;
        TRY(path_join(folder, names.items[i], &path, err));
        if (stat(path, &s) || S_ISREG(s.st_mode)) {
            TRY(add_scan(b, path, (struct place){NULL, path}, subset, err));
            continue;
        }
        status = note_no_file(b, path, err);
        free(path);
        TRY(status);
    }
out:
    folder_names_release(&names);
    return status;
}

/* The volumes of an archive, in whatever folder of it they stand. */
static enum status scan_archive(struct builder *b, const char *archive, int subset,
                                struct error *err)
{
    enum status status = STATUS_OK;
    struct archive_list list;
    TRY(archive_list_init(&list, archive, err));
    for (size_t i = 0; i < list.count; i++) {
        const char *name = list.entries[i].name;
        char *path;
        if (!is_volume(path_name(name)))
            continue;
        /* not path_join: a name that begins with a slash is no file of this machine */
        if (asprintf(&path, "%s/%s", archive, name) < 0)
            TRY(error_set(err, STATUS_STAGE_MEMORY, "%s: no memory", archive));
        TRY(add_scan(b, path, (struct place){&list, name}, subset, err));
    }
out:
    archive_list_release(&list);
    return status;
}

/* ---- a tree ---- */

/* Notes the subset folders and archives that are there. Files called like a folder are
 * none, nor the other way round. */
static enum status find_subsets(struct builder *b, const char *root, struct error *err)
{
    enum status status = STATUS_OK;
    struct folder_names names = {0};
    struct dataset *d = b->dataset;
    TRY(folder_names_read(root, is_subset, &names, err));
    for (size_t i = 0; i < names.count; i++) {
        const int subset = names.items[i][sizeof "subset" - 1] - '0';
        const bool archive = names.items[i][sizeof "subset"] != '\0';
        char *path;
        struct stat s;
        TRY(path_join(root, names.items[i], &path, err));
        if (stat(path, &s))
            status = error_set(err, STATUS_JOB_CONFIG, "%s: %s", path, strerror(errno));
        else if (archive ? S_ISREG(s.st_mode) : S_ISDIR(s.st_mode)) {
            d->has_subsets = d->subset_present[subset] = true;
            (archive ? b->has_archive : b->has_folder)[subset] = true;
        }
        free(path);
        TRY(status);
    }
out:
    folder_names_release(&names);
    return status;
}

/* Volumes beside subset folders belong to no fold: they are not used, and that is said.
 */
static enum status note_strays(struct builder *b, const char *root, struct error *err)
{
    enum status status = STATUS_OK;
    struct folder_names names = {0};
    TRY(folder_names_read(root, is_volume, &names, err));
    if (names.count > 0)
        TRY(add_problem(
            b, err, "",
            "%s: %zu volumes beside the subset folders are in no subset and are "
            "not used, the first is %s",
            root, names.count, names.items[0]));
out:
    folder_names_release(&names);
    return status;
}

/* The archive of a subset is what its folder was unpacked from: where there are both, the
 * folder counts, unless it is still empty. */
static enum status scan_subset(struct builder *b, const char *root, int i,
                               struct error *err)
{
    enum status status = STATUS_OK;
    const size_t before = b->dataset->count;
    char folder_name[sizeof "subset0"], archive_name[sizeof "subset0.zip"];
    char *folder = NULL, *archive = NULL;
    snprintf(folder_name, sizeof folder_name, "subset%d", i);
    snprintf(archive_name, sizeof archive_name, "subset%d.zip", i);
    TRY(path_join(root, folder_name, &folder, err));
    TRY(path_join(root, archive_name, &archive, err));
    if (b->has_folder[i])
        TRY(scan_folder(b, folder, i, err));
    if (!b->has_archive[i])
        goto out;
    if (b->dataset->count == before)
        TRY(scan_archive(b, archive, i, err));
    else
        TRY(add_problem(b, err, "",
                        "%s: not used, since %s stands beside it and holds %zu volumes",
                        archive, folder_name, b->dataset->count - before));
out:
    free(folder);
    free(archive);
    return status;
}

static enum status scan_subsets(struct builder *b, const char *root, const bool *subsets,
                                struct error *err)
{
    for (int i = 0; i < DATASET_SUBSETS; i++) {
        if (!b->dataset->subset_present[i] || (subsets && !subsets[i]))
            continue;
        enum status status = scan_subset(b, root, i, err);
        if (status != STATUS_OK)
            return status;
    }
    return note_strays(b, root, err);
}

/* By seriesuid; of the same seriesuid by subset, then by name. */
static int scan_order(const void *left, const void *right)
{
    const struct scan *a = left, *b = right;
    int order = strcmp(a->seriesuid, b->seriesuid);
    if (order == 0)
        order = a->subset - b->subset;
    return order ? order : strcmp(a->path, b->path);
}

static enum status keep_each_once(struct builder *b, struct error *err)
{
    struct dataset *d = b->dataset;
    enum status status = STATUS_OK;
    size_t kept = 0;
    for (size_t i = 0; i < d->count; i++) {
        struct scan scan = d->scans[i];
        if (kept == 0 || strcmp(d->scans[kept - 1].seriesuid, scan.seriesuid) != 0) {
            d->scans[kept++] = scan;
            continue;
        }
        if (status == STATUS_OK)
            status = add_problem(b, err, scan.seriesuid,
                                 "%s: the seriesuid of %s again, not used", scan.path,
                                 d->scans[kept - 1].path);
        free(scan.seriesuid);
        free(scan.path);
    }
    d->count = kept;
    return status;
}

static enum status nothing_found(const struct dataset *d, const char *root,
                                 const bool *subsets, struct error *err)
{
    if (!d->has_subsets && subsets && !subsets[0])
        return error_set(
            err, STATUS_JOB_CONFIG,
            "%s: no folders subset0 .. subset%d, so all of it is subset 0, which is "
            "not among the subsets asked for",
            root, DATASET_SUBSETS - 1);
    if (!d->has_subsets)
        return error_set(
            err, STATUS_JOB_CONFIG,
            "%s: no volume (%s) in this folder, and no folders subset0 .. subset%d", root,
            VOLUME_ENDINGS, DATASET_SUBSETS - 1);
    char chosen[DATASET_SUBSETS * 2 + 1] = "", present[DATASET_SUBSETS * 2 + 1] = "";
    size_t c = 0, p = 0;
    for (int i = 0; i < DATASET_SUBSETS; i++) {
        if (!subsets || subsets[i])
            c += (size_t)snprintf(chosen + c, sizeof chosen - c, " %d", i);
        if (d->subset_present[i])
            p += (size_t)snprintf(present + p, sizeof present - p, " %d", i);
    }
    return error_set(
        err, STATUS_JOB_CONFIG,
        "%s: no volume (%s) in the subsets asked for (%s); there are folders for "
        "subsets%s",
        root, VOLUME_ENDINGS, c ? chosen + 1 : "none", present);
}

enum status dataset_init(struct dataset *d, const char *root, const bool *subsets,
                         struct error *err)
{
    enum status status = STATUS_OK;
    struct builder b = {.dataset = d};
    *d = (struct dataset){0};
    TRY(find_subsets(&b, root, err));
    if (d->has_subsets) {
        TRY(scan_subsets(&b, root, subsets, err));
    } else if (!subsets || subsets[0]) {
        d->subset_present[0] = true;
        TRY(scan_folder(&b, root, 0, err));
    }
    if (d->count == 0)
        TRY(nothing_found(d, root, subsets, err));
    qsort(d->scans, d->count, sizeof *d->scans, scan_order);
    TRY(keep_each_once(&b, err));
out:
    return status;
}

enum status dataset_init_scan(struct dataset *d, const char *path, struct error *err)
{
    struct builder b = {.dataset = d};
    int64_t bytes;
    char *copy;
    *d = (struct dataset){0};
    if (!volume_is_name(path_name(path)))
        return error_set(err, STATUS_JOB_CONFIG, "%s: not a volume (a file %s)", path,
                         VOLUME_ENDINGS);
    enum status status = data_file_measure(path, &bytes, err);
    if (status_is_item(status) && err)
        err->code = STATUS_JOB_CONFIG;
    if (status != STATUS_OK)
        return status_is_item(status) ? STATUS_JOB_CONFIG : status;
    d->subset_present[0] = true;
    status = text_new(path, &copy, err);
    return status == STATUS_OK ? add_scan(&b, copy, (struct place){NULL, path}, 0, err)
                               : status;
}

static void dataset_problem_release(struct dataset_problem *p)
{
    free(p->seriesuid);
    free(p->sentence);
}

static void scan_release(struct scan *s)
{
    free(s->seriesuid);
    free(s->path);
}

void dataset_keep_subset(struct dataset *d, int subset)
{
    size_t kept = 0;
    for (size_t i = 0; i < d->count; i++) {
        if (d->scans[i].subset == subset)
            d->scans[kept++] = d->scans[i];
        else
            scan_release(&d->scans[i]);
    }
    d->count = kept;
}

void dataset_keep(struct dataset *d, const bool *keep)
{
    size_t kept = 0;
    for (size_t i = 0; i < d->count; i++) {
        if (keep[i])
            d->scans[kept++] = d->scans[i];
        else
            scan_release(&d->scans[i]);
    }
    d->count = kept;
}

void dataset_release(struct dataset *d)
{
    for (size_t i = 0; i < d->count; i++)
        scan_release(&d->scans[i]);
    for (size_t i = 0; i < d->problem_count; i++)
        dataset_problem_release(&d->problems[i]);
    free(d->scans);
    free(d->problems);
    *d = (struct dataset){0};
}

static int by_seriesuid(const void *key, const void *item)
{
    return strcmp(key, ((const struct scan *)item)->seriesuid);
}

int64_t dataset_find(const struct dataset *d, const char *seriesuid)
{
    if (d->count == 0)
        return -1;
    const struct scan *found =
        bsearch(seriesuid, d->scans, d->count, sizeof *d->scans, by_seriesuid);
    return found ? found - d->scans : -1;
}
