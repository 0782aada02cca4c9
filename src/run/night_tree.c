/*
 * Which scans of the tree take part in a night.
 *
 * A tree that was taken away (a file system that is not mounted) must not look like scans
 * that vanished; a scan that is being copied in must not be taken for what it will be. Of
 * the latter there are two nets: files that are younger than nightly.settle_s let the
 * scan wait, and a scan whose files are others at the end of the work than when they were
 * opened is set aside.
 */
#include <dirent.h>
#include <math.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "cache/lease.h"
#include "ct/archive.h"
#include "ct/volume.h"
#include "run/night_canaries.h"
#include "run/night_internal.h"

/* ---- scans that are gone ---- */

static bool is_empty(const char *folder)
{
    DIR *d = opendir(folder);
    bool empty = true;
    if (!d)
        return true;
    for (const struct dirent *e; empty && (e = readdir(d));)
        empty = e->d_name[0] == '.';
    closedir(d);
    return empty;
}

enum status night_check_root(const struct night *n, struct error *err)
{
    const char *root = n->settings->dataset.root;
    if (n->last_count == 0 || !is_empty(root))
        return STATUS_OK;
    return error_set(
        err, STATUS_JOB_FAILED,
        "dataset.root: %s is %s, and the last run has %zu scans of it: is it "
        "mounted? Nothing was done",
        root, file_exists(root) ? "empty" : "not there", n->last_count);
}

static enum status hold_vanished(const struct night *n, const struct dataset *d,
                                 struct error *err)
{
    const double limit = n->settings->nightly.max_vanished;
    const char *first = NULL;
    size_t vanished = 0;
    for (size_t i = 0; i < n->last_count; i++) {
        if (dataset_find(d, n->last_seriesuids[i]) >= 0)
            continue;
        first = first ? first : n->last_seriesuids[i];
        vanished++;
    }
    if ((double)vanished <= (limit < 1 ? ceil(limit * (double)n->last_count) : limit))
        return STATUS_OK;
    return error_set(err, STATUS_JOB_FAILED,
                     "%zu of the %zu scans of the last run are not in dataset.root = %s "
                     "(the first: %s): is all of it mounted? Nothing was done. If they "
                     "were taken away on purpose: --set nightly.max_vanished=%zu",
                     vanished, n->last_count, n->settings->dataset.root, first, vanished);
}

/* ---- scans that are being written ---- */

static void take_newer(const char *path, int64_t *newest_ns)
{
    struct file_identity f;
    if (file_identify(path, &f, NULL) == STATUS_OK && f.mtime_ns > *newest_ns)
        *newest_ns = f.mtime_ns;
}

/* When a file of the scan was last written: of the archive that it is in, or of its
 * header and what is called like it. */
static enum status newest_file(const char *path, int64_t *newest_ns, struct error *err)
{
    static const char *const data[] = {".raw", ".zraw"};
    enum status status = STATUS_OK;
    char *copy = NULL;
    size_t archive;
    *newest_ns = 0;
    TRY(text_new(path, &copy, err));
    if (archive_path(path, &archive)) {
        copy[archive] = '\0';
        take_newer(copy, newest_ns);
        goto out;
    }
    take_newer(path, newest_ns);
    char *ending = strrchr(copy, '.');
    if (ending && ending > strrchr(copy, '/'))
        *ending = '\0';
    for (size_t i = 0; i < sizeof data / sizeof *data; i++) {
        char *file;
        if (asprintf(&file, "%s%s", copy, data[i]) < 0)
            TRY(error_set(err, STATUS_STAGE_MEMORY, "%s: no memory", path));
        take_newer(file, newest_ns);
        free(file);
    }
out:
    free(copy);
    return status;
}

/* What the files of a scan are now; false when that cannot be told. */
static bool identify(const char *path, bool allow_outside, struct hash128 *out)
{
    const struct volume_options options = {.allow_outside = allow_outside};
    struct volume *v;
    if (volume_open(path, &options, &v, NULL) != STATUS_OK)
        return false;
    const bool known = volume_identity(v, out, NULL) == STATUS_OK;
    volume_close(v);
    return known;
}

/* Whether the scan is what an earlier night has done already, however young. */
static bool is_known(const struct night *n, const struct night_records *r,
                     const struct scan *s)
{
    const struct hash128 item = hash128(s->seriesuid, strlen(s->seriesuid));
    struct hash128 identity;
    return identify(s->path, n->settings->dataset.allow_outside, &identity) &&
           night_records_have(r, item, identity);
}

static enum status let_wait(struct night *n, const struct scan *s, double age,
                            struct error *err)
{
    enum status status = STATUS_OK;
    struct night_waiting w = {0};
    TRY(memory_grow((void **)&n->waiting, &n->waiting_capacity, n->waiting_count + 1,
                    sizeof *n->waiting, "waiting scans", err));
    if (asprintf(&w.reason,
                 "its files were written %.0f s before the night (nightly.settle_s = "
                 "%g): it may not be whole yet",
                 age, n->settings->nightly.settle_s) < 0)
        TRY(error_set(err, STATUS_STAGE_MEMORY, "no memory for a waiting scan"));
    status = text_new(s->seriesuid, &w.seriesuid, err);
    if (status == STATUS_OK)
        n->waiting[n->waiting_count++] = w;
    else
        free(w.reason);
out:
    return status;
}

/* The time by the file system's clock. */
static enum status file_clock(const struct night *n, int64_t *now_ns, struct error *err)
{
    char *path;
    enum status status = path_join(n->folder.path, ".clock", &path, err);
    if (status != STATUS_OK)
        return status;
    status = lease_stamp(path, now_ns, err);
    remove(path);
    free(path);
    return status;
}

/* What was done before: by the run that was published, by one that was broken off. */
static enum status earlier(const struct night *n, struct night_records *r,
                           struct error *err)
{
    enum status status = STATUS_OK;
    char *journal = NULL;
    if (night_folder_last(&n->folder)) {
        TRY(night_folder_file(&n->folder, night_folder_last(&n->folder), "journal",
                              &journal, err));
        TRY(night_records_add(r, journal, err));
        free(journal);
        journal = NULL;
    }
    TRY(path_join(n->folder.next, "journal", &journal, err));
    TRY(night_records_add(r, journal, err));
out:
    free(journal);
    return status;
}

static enum status leave_unsettled(struct night *n, struct dataset *d, struct error *err)
{
    enum status status = STATUS_OK;
    const double settle = n->settings->nightly.settle_s;
    struct night_records done = {0};
    int64_t now_ns;
    bool *keep = NULL, read = false;
    TRY(memory_new(d->count, sizeof *keep, "scans", (void **)&keep, err));
    TRY(file_clock(n, &now_ns, err));
    for (size_t i = 0; i < d->count; i++) {
        int64_t newest_ns;
        TRY(newest_file(d->scans[i].path, &newest_ns, err));
        const double age = (double)(now_ns - newest_ns) * 1e-9;
        keep[i] = fabs(age) >= settle; /* of the future: the clocks differ */
        if (keep[i])
            continue;
        if (!read)
            TRY(earlier(n, &done, err));
        read = true;
        keep[i] = is_known(n, &done, &d->scans[i]);
        if (!keep[i])
            TRY(let_wait(n, &d->scans[i], age, err));
    }
    dataset_keep(d, keep);
out:
    free(done.items);
    free(keep);
    return status;
}

enum status night_choose(void *context, struct dataset *d, struct error *err)
{
    struct night *n = context;
    enum status status = STATUS_OK;
    TRY(hold_vanished(n, d, err));
    TRY(leave_unsettled(n, d, err));
    for (size_t i = 0; i < n->waiting_count; i++)
        log_info("scan %s waits for the next night: %s", n->waiting[i].seriesuid,
                 n->waiting[i].reason);
    if (d->count == 0)
        status = error_set(err, STATUS_JOB_FAILED,
                           "dataset.root: %s: all of its %zu scans are being written: "
                           "there is nothing to do before the next night",
                           n->settings->dataset.root, n->waiting_count);
out:
    return status;
}

/* ---- after the work ---- */

enum status night_inspect(void *context, const struct dataset *d, struct ledger *l,
                          struct error *err)
{
    static const char reason[] = "its files changed while they were read: it waits for "
                                 "the next night";
    struct night *n = context;
    enum status status = STATUS_OK;
    n->scans = d->count;
    n->carried = n->quarantined = 0;
    for (size_t i = 0; i < d->count; i++) {
        const struct scan *s = &d->scans[i];
        const int64_t scan = (int64_t)i;
        struct hash128 now;
        if (ledger_is_restored(l, scan)) {
            n->carried++;
        } else if (!ledger_is_quarantined(l, scan) &&
                   (!identify(s->path, n->settings->dataset.allow_outside, &now) ||
                    !hash_equal(now, ledger_identity(l, scan)))) {
            log_warning("scan %s is quarantined: %s", s->seriesuid, reason);
            TRY(ledger_withdraw(l, scan, s->seriesuid, "load", reason, err));
        }
        n->quarantined += ledger_is_quarantined(l, scan);
    }
    status = night_canaries_choose(n, d, l, err);
out:
    return status;
}
