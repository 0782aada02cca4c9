#include "cache/upkeep.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "cache/cached_scan.h"
#include "cache/scan_index.h"
#include "cache/shelf.h"
#include "ct/dataset.h"

static enum status check_is_cache(const char *folder, struct error *err)
{
    char *scans;
    enum status status = path_join(folder, "scans", &scans, err);
    if (status != STATUS_OK)
        return status;
    if (!file_is_folder(scans))
        status = error_set(err, STATUS_JOB_CONFIG,
                           "%s: not a volume cache (it has no scans/)", folder);
    free(scans);
    return status;
}

/* ---- the indexes ---- */

struct indexes {
    struct scan_index of[DATASET_SUBSETS];
};

static void indexes_release(struct indexes *x)
{
    for (int i = 0; i < DATASET_SUBSETS; i++)
        scan_index_release(&x->of[i]);
}

static enum status indexes_init(struct indexes *x, const char *folder, struct error *err)
{
    enum status status = STATUS_OK;
    memset(x, 0, sizeof *x);
    for (int i = 0; i < DATASET_SUBSETS; i++) {
        char name[sizeof "subset0/index"], *path;
        snprintf(name, sizeof name, "subset%d/index", i);
        TRY(path_join(folder, name, &path, err));
        status = scan_index_init(&x->of[i], path, err);
        free(path);
        TRY(status);
        scan_index_refresh(&x->of[i]);
    }
out:
    return status;
}

/* The sources of a key: the same scan may stand in several trees. */
static void print_sources(const struct indexes *x, struct hash128 key, FILE *out)
{
    for (int i = 0; i < DATASET_SUBSETS; i++) {
        const char *last = NULL;
        for (size_t k = 0; k < x->of[i].count; k++) {
            const struct scan_index_entry *e = &x->of[i].entries[k];
            if (!hash_equal(e->key, key) || (last && !strcmp(last, e->seriesuid)))
                continue;
            fprintf(out, " subset%d/%s", i, e->seriesuid);
            last = e->seriesuid;
        }
    }
}

/* ---- list, verify ---- */

static void print_scan(const struct shelf_file *f, const struct cached_scan *s,
                       const struct indexes *x, FILE *out)
{
    char used[32], key[HASH_HEX_BYTES];
    struct tm local;
    const time_t seconds = (time_t)(f->used_ns / 1000000000);
    const int64_t *size = cached_scan_geometry(s)->size;
    strftime(used, sizeof used, "%Y-%m-%d %H:%M", localtime_r(&seconds, &local));
    hash_hex(f->key, key);
    fprintf(out, "%s %8.1f MB  %4" PRId64 " x %4" PRId64 " x %4" PRId64 "  %s ", used,
            (double)f->bytes * 1e-6, size[2], size[1], size[0], key);
    print_sources(x, f->key, out);
    fputc('\n', out);
}

/* Opens a scan and prints it, or reads all of it. */
static enum status look_at(const char *path, const struct shelf_file *f, bool all,
                           const struct indexes *x, FILE *out, struct error *err)
{
    struct cached_scan *s;
    enum status status = cached_scan_open(path, f->key, &s, err);
    if (status != STATUS_OK)
        return status;
    if (all)
        status = cached_scan_verify(s, err);
    else
        print_scan(f, s, x, out);
    cached_scan_close(s);
    return status;
}

struct look {
    const char *folder;
    bool all, remove;
    FILE *out;
    struct shelf shelf;
    struct indexes indexes;
    size_t damaged, unreadable;
};

/* A file that is damaged, or that this user or this disk cannot read: the second may be
 * sound, and stays. Somebody may be pruning: what has gone is nothing to report. */
static enum status report(struct look *l, const char *path, const struct shelf_file *f,
                          enum status found, struct error *err)
{
    const bool damaged = found == STATUS_ITEM_FORMAT;
    if (!damaged && !file_exists(path))
        return STATUS_OK;
    fprintf(l->out, "%s: %s;", damaged ? "damaged" : "cannot be read", err->message);
    print_sources(&l->indexes, f->key, l->out);
    fputc('\n', l->out);
    l->damaged += damaged;
    l->unreadable += !damaged;
    if (damaged && l->remove && unlink(path) && errno != ENOENT)
        return error_set(err, STATUS_STAGE_IO, "%s: %s", path, strerror(errno));
    return STATUS_OK;
}

static enum status look_at_file(struct look *l, const struct shelf_file *f,
                                struct error *err)
{
    char *path;
    enum status status = shelf_path(l->folder, f->key, &path, err);
    if (status != STATUS_OK)
        return status;
    status = look_at(path, f, l->all, &l->indexes, l->out, err);
    if (status_is_item(status))
        status = report(l, path, f, status, err);
    free(path);
    return status;
}

static enum status look_at_all(struct look *l, struct error *err)
{
    enum status status = STATUS_OK;
    TRY(check_is_cache(l->folder, err));
    TRY(shelf_init(&l->shelf, l->folder, err));
    TRY(indexes_init(&l->indexes, l->folder, err));
    for (size_t i = 0; i < l->shelf.count; i++)
        TRY(look_at_file(l, &l->shelf.files[i], err));
    fprintf(l->out, "%zu scans, %.2f GB%s\n", l->shelf.count,
            (double)l->shelf.bytes * 1e-9,
            l->all && !l->damaged && !l->unreadable ? ", all sound" : "");
    if (l->damaged > 0)
        status = error_set(
            err, STATUS_JOB_FAILED, "%s: %zu of %zu scans are damaged%s", l->folder,
            l->damaged, l->shelf.count,
            l->remove
                ? " and were removed: the next job that prepares them writes them anew"
                : "; `pulmo cache verify --remove` removes them");
    else if (l->unreadable > 0)
        status = error_set(err, STATUS_JOB_FAILED, "%s: %zu of %zu scans cannot be read",
                           l->folder, l->unreadable, l->shelf.count);
out:
    indexes_release(&l->indexes);
    shelf_release(&l->shelf);
    return status;
}

enum status cache_list(const char *folder, FILE *out, struct error *err)
{
    struct look l = {.folder = folder, .out = out};
    return look_at_all(&l, err);
}

enum status cache_verify(const char *folder, bool remove, FILE *out, struct error *err)
{
    struct look l = {.folder = folder, .all = true, .remove = remove, .out = out};
    return look_at_all(&l, err);
}

/* ---- prune ---- */

enum status cache_prune(const char *folder, int64_t quota_bytes, FILE *out,
                        struct error *err)
{
    enum status status = STATUS_OK;
    struct shelf_pruned p;
    TRY(check_is_cache(folder, err));
    TRY(shelf_prune(folder, quota_bytes, &p, err));
    fprintf(out, "%zu scans removed, %.2f GB; %.2f GB are left\n", p.removed,
            (double)p.removed_bytes * 1e-9, (double)p.left_bytes * 1e-9);
    if (p.left_bytes > quota_bytes)
        fprintf(out,
                "%zu scans are in use by running jobs: nothing of theirs is removed\n",
                p.held);
out:
    return status;
}
