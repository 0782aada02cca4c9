#include "run/run_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"

enum { DONE_LIMIT = 64 };

enum status run_folder_file(const struct run_folder *f, const char *name, char **out,
                            struct error *err)
{
    return path_join(f->path, name, out, err);
}

int run_folder_exit_code(const char *path)
{
    char *file, *text, *end;
    size_t bytes;
    struct error ignored;
    if (path_join(path, "DONE", &file, &ignored) != STATUS_OK)
        return -1;
    enum status status = file_read(file, DONE_LIMIT, &text, &bytes, &ignored);
    free(file);
    if (status != STATUS_OK)
        return -1;
    long code = strtol(text, &end, 10);
    bool good = end != text && (code == 0 || code == 3);
    free(text);
    return good ? (int)code : -1;
}

static enum status take_lock(struct run_folder *f, struct error *err)
{
    char *path;
    enum status status = run_folder_file(f, ".lock", &path, err);
    if (status != STATUS_OK)
        return status;
    f->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (f->lock < 0) {
        status = error_set(err, STATUS_STAGE_IO, "%s: %s", path, strerror(errno));
    } else if (flock(f->lock, LOCK_EX | LOCK_NB)) {
        if (errno == EWOULDBLOCK)
            status = error_set(err, STATUS_JOB_FAILED,
                               "%s: another process is at work in this run directory",
                               f->path);
        else
            log_warning("%s: %s: start no second job in this run directory", path,
                        strerror(errno));
    }
    free(path);
    return status;
}

/* Results without a job.cfg were not made here, or by nobody we know: left alone. */
static enum status refuse_foreign(const struct run_folder *f, struct error *err)
{
    static const char *const ours[] = {
        "run.h5", "journal", "DONE", "candidates.csv", "submission.csv", "diagnosis.csv"};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        char *path;
        enum status status = run_folder_file(f, ours[i], &path, err);
        if (status != STATUS_OK)
            return status;
        bool there = file_exists(path);
        free(path);
        if (there)
            return error_set(
                err, STATUS_JOB_CONFIG,
                "output: %s holds %s but no job.cfg: it is no run directory that "
                "could be gone on with",
                f->path, ours[i]);
    }
    return STATUS_OK;
}

bool run_folder_looks_back(const struct settings *s)
{
    return (s->stages.score || s->stages.report) && !s->stages.prepare &&
           !s->stages.train && !s->stages.detect && !settings_cross_validates(s);
}

/* Which scans a run is of may be left unsaid by a job that only scores it, not be others.
 */
static enum status hold_place(const struct run_folder *f, const char *key,
                              const char *old, const char *given, struct error *err)
{
    if (!given[0] || !strcmp(old, given))
        return STATUS_OK;
    return error_set(err, STATUS_JOB_CONFIG, "output: %s is a run of %s = \"%s\", not %s",
                     f->path, key, old, given);
}

static enum status hold_against_job(const struct run_folder *f, const char *file,
                                    const struct settings *s, struct error *err)
{
    struct settings old = {0};
    char *differences = NULL;
    struct settings_sources sources = {.job = file};
    enum status status = STATUS_OK;
    TRY(settings_init(&old, &sources, err));
    if (run_folder_looks_back(s)) {
        TRY(hold_place(f, "dataset.root", old.dataset.root, s->dataset.root, err));
        TRY(hold_place(f, "dataset.scan", old.dataset.scan, s->dataset.scan, err));
        goto out;
    }
    TRY(settings_compare(&old, s, &differences, err));
    if (differences)
        status = error_set(err, STATUS_JOB_CONFIG,
                           "output: %s belongs to a job with other settings: %s; choose "
                           "another output",
                           f->path, differences);
out:
    free(differences);
    settings_release(&old);
    return status;
}

/* Results that are there and whole need no second run. */
static enum status open_job(struct run_folder *f, const struct settings *s,
                            struct error *err)
{
    enum status status = STATUS_OK;
    char *file = NULL;
    TRY(run_folder_file(f, "job.cfg", &file, err));
    if (file_exists(file)) {
        TRY(hold_against_job(f, file, s, err));
        f->done_exit_code = run_folder_exit_code(f->path);
        f->done = f->done_exit_code >= 0;
    } else {
        TRY(refuse_foreign(f, err));
    }
out:
    free(file);
    return status;
}

enum status run_folder_open(struct run_folder *f, const struct settings *s,
                            struct error *err)
{
    enum status status = STATUS_OK;
    *f = (struct run_folder){.lock = -1};
    if (!s->output[0])
        return error_set(
            err, STATUS_JOB_CONFIG,
            "output is not given: name the run directory with --set output=DIR");
    TRY(text_new(s->output, &f->path, err));
    TRY(folder_make(f->path, err));
    TRY(run_folder_file(f, "journal", &f->journal, err));
    TRY(run_folder_file(f, "heatmaps", &f->heatmaps, err));
    TRY(take_lock(f, err));
    TRY(open_job(f, s, err));
out:
    return status;
}

enum status run_folder_claim(struct run_folder *f, const struct settings *s,
                             struct error *err)
{
    enum status status = STATUS_OK;
    char *file = NULL, *text = NULL;
    size_t bytes;
    TRY(run_folder_file(f, "job.cfg", &file, err));
    TRY(settings_print(s, &text, &bytes, err));
    TRY(file_write(file, text, bytes, err));
    if (s->store.heatmaps)
        TRY(folder_make(f->heatmaps, err));
out:
    free(file);
    free(text);
    return status;
}

static void remove_folder(const char *path)
{
    DIR *folder = opendir(path);
    if (!folder)
        return;
    for (struct dirent *e = readdir(folder); e; e = readdir(folder))
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
            unlinkat(dirfd(folder), e->d_name, 0);
    closedir(folder);
    rmdir(path);
}

enum status run_folder_finish(struct run_folder *f, int exit_code, struct error *err)
{
    static const char *const journals[] = {"journal", "journal-prepare", "journal-hard"};
    char text[16], *file = NULL;
    enum status status = STATUS_OK;
    int n = snprintf(text, sizeof text, "%d\n", exit_code);
    TRY(run_folder_file(f, "DONE", &file, err));
    TRY(file_write(file, text, (size_t)n, err));
    free(file);
    file = NULL;
    for (size_t i = 0; i < sizeof journals / sizeof *journals; i++) {
        TRY(run_folder_file(f, journals[i], &file, err));
        if (i > 0 || !f->keeps_journal)
            unlink(file);
        free(file);
        file = NULL;
    }
    remove_folder(f->heatmaps);
out:
    free(file);
    return status;
}

void run_folder_release(struct run_folder *f)
{
    if (!f->path)
        return;
    if (f->lock >= 0)
        close(f->lock);
    free(f->path);
    free(f->journal);
    free(f->heatmaps);
    *f = (struct run_folder){.lock = -1};
}
