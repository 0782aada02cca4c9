#include "run/night_folder.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "io/run_links.h"
#include "run/run_folder.h"

enum { NAME_BYTES = 32 };
static const char name_format[] = "%Y-%m-%dT%H%M%S", gone[] = ".gone-";

enum status night_folder_init(struct night_folder *f, const char *path, struct error *err)
{
    enum status status = STATUS_OK;
    *f = (struct night_folder){0};
    TRY(text_new(path, &f->path, err));
    TRY(path_join(path, "next", &f->next, err));
    TRY(path_join(path, "canaries", &f->canaries, err));
out:
    return status;
}

void night_folder_release(struct night_folder *f)
{
    for (size_t i = 0; i < f->count; i++)
        free(f->names[i]);
    free(f->names);
    free(f->path);
    free(f->next);
    free(f->canaries);
    *f = (struct night_folder){0};
}

const char *night_folder_last(const struct night_folder *f)
{
    return f->count > 0 ? f->names[f->count - 1] : NULL;
}

enum status night_folder_file(const struct night_folder *f, const char *run,
                              const char *file, char **out, struct error *err)
{
    if (asprintf(out, "%s/runs/%s%s%s", f->path, run, file[0] ? "/" : "", file) < 0) {
        *out = NULL;
        return error_set(err, STATUS_STAGE_MEMORY, "%s: no memory", f->path);
    }
    return STATUS_OK;
}

/* ---- what is there ---- */

/* "2026-11-23T020000" */
static bool is_name(const char *name)
{
    static const char pattern[] = "0000-00-00T000000";
    if (strlen(name) != sizeof pattern - 1)
        return false;
    for (size_t i = 0; pattern[i]; i++)
        if (pattern[i] == '0' ? !isdigit((unsigned char)name[i]) : name[i] != pattern[i])
            return false;
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum status add_run(struct night_folder *f, const char *name, struct error *err)
{
    enum status status = STATUS_OK;
    char *path = NULL;
    TRY(night_folder_file(f, name, "", &path, err));
    if (!strncmp(name, gone, sizeof gone - 1)) {
        status = folder_remove(path, err);
    } else if (is_name(name) && run_folder_exit_code(path) >= 0) {
        TRY(memory_grow((void **)&f->names, &f->capacity, f->count + 1, sizeof *f->names,
                        "runs", err));
        status = text_new(name, &f->names[f->count], err);
        f->count += status == STATUS_OK;
    } else if (is_name(name)) {
        log_warning("%s: no complete run: left alone", path);
    }
out:
    free(path);
    return status;
}

static enum status list_runs(struct night_folder *f, const char *runs, struct error *err)
{
    enum status status = STATUS_OK;
    DIR *d = opendir(runs);
    if (!d)
        return error_set(err, STATUS_STAGE_IO, "%s: %s", runs, strerror(errno));
    for (const struct dirent *e; status == STATUS_OK && (e = readdir(d));)
        status = add_run(f, e->d_name, err);
    closedir(d);
    if (f->count > 0)
        qsort(f->names, f->count, sizeof *f->names, by_name);
    return status;
}

enum status night_folder_open(struct night_folder *f, struct error *err)
{
    enum status status = STATUS_OK;
    char *runs = NULL, *job = NULL, *done = NULL;
    TRY(path_join(f->path, "job.cfg", &job, err));
    if (file_exists(job))
        TRY(error_set(
            err, STATUS_JOB_CONFIG,
            "output: %s is the directory of one run, no chain of nights: choose "
            "another",
            f->path));
    TRY(path_join(f->path, "runs", &runs, err));
    TRY(folder_make(runs, err));
    TRY(list_runs(f, runs, err));
    TRY(path_join(f->path, "DONE", &done, err));
    unlink(done);
out:
    free(runs);
    free(job);
    free(done);
    return status;
}

/* ---- the run being made ---- */

enum status night_folder_resume(struct night_folder *f, const struct settings *s,
                                struct error *err)
{
    enum status status = STATUS_OK;
    char *job = NULL, *done = NULL, *differences = NULL;
    struct settings old = {0};
    TRY(path_join(f->next, "job.cfg", &job, err));
    TRY(path_join(f->next, "DONE", &done, err));
    if (!file_exists(job)) {
        status = folder_remove(f->next, err);
        goto out;
    }
    const struct settings_sources sources = {.job = job};
    if (settings_init(&old, &sources, err) != STATUS_OK)
        status = text_new(err->message, &differences, err);
    else
        status = settings_compare(&old, s, &differences, err);
    TRY(status);
    if (differences) {
        log_info("%s: a night that was broken off is not gone on with, settings differ: "
                 "%s",
                 f->next, differences);
        status = folder_remove(f->next, err);
    } else {
        log_info("%s: goes on with a night that was broken off", f->next);
        if (unlink(done) && errno != ENOENT)
            status = error_set(err, STATUS_STAGE_IO, "%s: %s", done, strerror(errno));
    }
out:
    settings_release(&old);
    free(differences);
    free(job);
    free(done);
    return status;
}

/* ---- publishing ---- */

enum status night_folder_name(const struct night_folder *f, time_t started, char **out,
                              struct error *err)
{
    char name[NAME_BYTES] = "";
    const char *last = night_folder_last(f);
    struct tm parts = {0};
    if (!gmtime_r(&started, &parts) ||
        strftime(name, sizeof name, name_format, &parts) == 0)
        return error_set(err, STATUS_JOB_FAILED, "the clock says nothing");
    if (last && strcmp(last, name) >= 0) {
        log_warning("the clock says %s, and the last run is of %s: the clock went back, "
                    "the new run is called a second later than that",
                    name, last);
        parts = (struct tm){0};
        if (!strptime(last, name_format, &parts))
            return error_set(err, STATUS_JOB_FAILED, "%s/runs/%s: no time", f->path,
                             last);
        const time_t later = timegm(&parts) + 1;
        gmtime_r(&later, &parts);
        strftime(name, sizeof name, name_format, &parts);
    }
    return text_new(name, out, err);
}

enum status night_folder_publish(struct night_folder *f, const char *name,
                                 struct error *err)
{
    enum status status = STATUS_OK;
    char *path = NULL;
    TRY(night_folder_file(f, name, "", &path, err));
    TRY(memory_grow((void **)&f->names, &f->capacity, f->count + 1, sizeof *f->names,
                    "runs", err));
    TRY(text_new(name, &f->names[f->count], err));
    if (rename(f->next, path)) {
        status = error_set(err, STATUS_STAGE_IO, "%s: %s", path, strerror(errno));
        free(f->names[f->count]);
        goto out;
    }
    f->count++;
    file_sync_name(path);
out:
    free(path);
    return status;
}

static enum status link_latest(const struct night_folder *f, struct error *err)
{
    enum status status = STATUS_OK;
    char *link = NULL, *part = NULL, target[NAME_BYTES + 8];
    TRY(path_join(f->path, "latest", &link, err));
    TRY(path_join(f->path, "latest.part", &part, err));
    snprintf(target, sizeof target, "runs/%s", night_folder_last(f));
    unlink(part);
    if (symlink(target, part) || rename(part, link))
        status = error_set(err, STATUS_STAGE_IO, "%s: %s", link, strerror(errno));
    else
        file_sync_name(link);
out:
    free(link);
    free(part);
    return status;
}

enum status night_folder_link(const struct night_folder *f, struct error *err)
{
    enum status status = STATUS_OK;
    char *store = NULL;
    TRY(path_join(f->path, "store.h5", &store, err));
    TRY(run_links_write(store, (const char *const *)f->names, f->count, err));
    status = link_latest(f, err);
out:
    free(store);
    return status;
}

enum status night_folder_mend(const struct night_folder *f, struct error *err)
{
    char *link, target[2 * NAME_BYTES] = "";
    if (f->count == 0)
        return STATUS_OK;
    enum status status = path_join(f->path, "latest", &link, err);
    if (status != STATUS_OK)
        return status;
    const ssize_t length = readlink(link, target, sizeof target - 1);
    if (length < 0 || strcmp(path_name(target), night_folder_last(f)) != 0)
        status = night_folder_link(f, err);
    free(link);
    return status;
}

/* ---- how long runs are kept ---- */

/* Out of sight first: what a kill leaves of it is no run. */
static enum status remove_run(struct night_folder *f, const char *name, struct error *err)
{
    enum status status = STATUS_OK;
    char *path = NULL, *away = NULL, hidden[NAME_BYTES + 8];
    snprintf(hidden, sizeof hidden, "%s%s", gone, name);
    TRY(night_folder_file(f, name, "", &path, err));
    TRY(night_folder_file(f, hidden, "", &away, err));
    if (rename(path, away))
        TRY(error_set(err, STATUS_STAGE_IO, "%s: %s", path, strerror(errno)));
    TRY(folder_remove(away, err));
    log_info("%s: removed (nightly.keep)", path);
out:
    free(path);
    free(away);
    return status;
}

enum status night_folder_retain(struct night_folder *f, int64_t keep, struct error *err)
{
    enum status status = STATUS_OK;
    size_t surplus = keep > 0 && f->count > (size_t)keep ? f->count - (size_t)keep : 0;
    for (; surplus > 0; surplus--) {
        TRY(remove_run(f, f->names[0], err));
        free(f->names[0]);
        memmove(f->names, f->names + 1, --f->count * sizeof *f->names);
    }
    for (size_t i = 0; i + 1 < f->count; i++) {
        char *journal;
        TRY(night_folder_file(f, f->names[i], "journal", &journal, err));
        unlink(journal);
        free(journal);
    }
out:
    return status;
}
