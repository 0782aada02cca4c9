#include "inspect/run_status.h"

#include <jansson.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "config/settings.h"
#include "io/csv.h"
#include "run/run_folder.h"

enum { STATUS_JSON_LIMIT = 1 << 20 };

static int64_t integer_of(const json_t *root, const char *key, int64_t otherwise)
{
    const json_t *value = json_object_get(root, key);
    return json_is_integer(value) ? (int64_t)json_integer_value(value) : otherwise;
}

static double number_of(const json_t *root, const char *key, double otherwise)
{
    const json_t *value = json_object_get(root, key);
    return json_is_number(value) ? json_number_value(value) : otherwise;
}

static const char *text_of(const json_t *root, const char *key, const char *otherwise)
{
    const json_t *value = json_object_get(root, key);
    return json_is_string(value) ? json_string_value(value) : otherwise;
}

static enum status take_json(struct run_status *s, const char *path, struct error *err)
{
    json_error_t where;
    enum status status = STATUS_OK;
    json_t *root = json_loads(s->json, 0, &where);
    if (!json_is_object(root)) {
        status = error_set(err, STATUS_JOB_FAILED, "%s:%d: %s", path,
                           root ? 1 : where.line, root ? "no JSON object" : where.text);
        goto out;
    }
    snprintf(s->state, sizeof s->state, "%s", text_of(root, "state", "unknown"));
    snprintf(s->host, sizeof s->host, "%s", text_of(root, "host", "unknown"));
    s->scans = integer_of(root, "scans", 0);
    s->finished = integer_of(root, "finished", 0);
    s->quarantined = integer_of(root, "quarantined", 0);
    s->folds = integer_of(root, "folds", 0);
    s->folds_done = integer_of(root, "folds_done", 0);
    s->ranks = integer_of(root, "ranks", 0);
    s->pid = integer_of(root, "pid", 0);
    s->updated_unix = integer_of(root, "updated_unix", 0);
    s->exit_code = (int)integer_of(root, "exit_code", -1);
    s->share = number_of(root, "share", 0);
    s->elapsed_s = number_of(root, "elapsed_s", 0);
    s->scans_per_hour = number_of(root, "scans_per_hour", 0);
    s->remaining_s = number_of(root, "remaining_s", -1);
    const char *message = text_of(root, "message", NULL);
    if (message)
        TRY(text_new(message, &s->message, err));
    const char *training = text_of(root, "training", NULL);
    if (training)
        status = text_new(training, &s->training, err);
out:
    json_decref(root);
    return status;
}

static enum status count_row(void *context, const struct csv_row *row, struct error *err)
{
    int64_t *rows = context;
    (void)row;
    (void)err;
    ++*rows;
    return STATUS_OK;
}

static enum status count_quarantine(struct run_status *s, const char *folder,
                                    struct error *err)
{
    static const struct csv_column columns[] = {{"seriesuid", false}};
    char *path;
    enum status status = path_join(folder, "quarantine.csv", &path, err);
    if (status != STATUS_OK)
        return status;
    if (file_exists(path)) {
        s->quarantine_rows = 0;
        status = csv_read(path, columns, 1, count_row, &s->quarantine_rows, err);
    }
    free(path);
    return status;
}

/* What a chain of nights has instead: its newest run. */
static bool is_chain(const char *folder)
{
    char *latest;
    if (path_join(folder, "latest/job.cfg", &latest, NULL) != STATUS_OK)
        return false;
    const bool there = file_exists(latest);
    free(latest);
    return there;
}

/* Folds that jobs of their own work on are there before a job that merges them. */
static enum status require_job(const char *folder, struct error *err)
{
    char *job = NULL, *folds = NULL;
    enum status status = STATUS_OK;
    if (!file_is_folder(folder))
        return error_set(err, STATUS_JOB_FAILED, "%s: no such folder", folder);
    TRY(path_join(folder, "job.cfg", &job, err));
    TRY(path_join(folder, "folds", &folds, err));
    if (!file_exists(job) && !file_is_folder(folds))
        status = error_set(err, STATUS_JOB_FAILED,
                           "%s: no run directory: there is no job.cfg in it%s", folder,
                           is_chain(folder) ? "; it is a chain of nights, with the runs "
                                              "latest and, at night, next"
                                            : "");
out:
    free(job);
    free(folds);
    return status;
}

enum status run_status_init(struct run_status *s, const char *folder, struct error *err)
{
    enum status status = STATUS_OK;
    char *path = NULL;
    size_t bytes;
    *s = (struct run_status){
        .state = "started", .exit_code = -1, .remaining_s = -1, .quarantine_rows = -1};
    status = require_job(folder, err);
    if (status != STATUS_OK)
        return status;
    TRY(path_join(folder, "status.json", &path, err));
    if (file_exists(path)) {
        TRY(file_read(path, STATUS_JSON_LIMIT, &s->json, &bytes, err));
        TRY(take_json(s, path, err));
    }
    TRY(count_quarantine(s, folder, err));
    int done = run_folder_exit_code(folder);
    s->done = done >= 0;
    if (s->done) {
        /* DONE has the last word: a job that was killed between the two left an old
         * status. */
        s->exit_code = done;
        snprintf(s->state, sizeof s->state, "done");
    }
out:
    free(path);
    return status;
}

void run_status_release(struct run_status *s)
{
    free(s->json);
    free(s->message);
    free(s->training);
    s->json = s->message = s->training = NULL;
}

double run_status_silence(const struct run_status *s, double now_unix)
{
    if (s->exit_code >= 0 || !s->json)
        return 0;
    double silence = now_unix - (double)s->updated_unix;
    return silence > 0 ? silence : 0;
}

/* A line a fold of a cross-validation, from the fold's own folder. */
static void print_fold(const char *path, int fold, double now_unix, FILE *out)
{
    struct run_status s;
    struct error err;
    char age[32];
    fprintf(out, "fold %-6d ", fold);
    if (run_status_init(&s, path, &err) != STATUS_OK) {
        fprintf(out, "not begun\n");
    } else {
        fprintf(out, "%s", s.state);
        if (s.done)
            fprintf(out, ", exit code %d", s.exit_code);
        else if (s.training)
            fprintf(out, " %s", s.training);
        else if (!s.message && s.scans)
            fprintf(out, " %lld of %lld scans", (long long)s.finished,
                    (long long)s.scans);
        if (s.message)
            fprintf(out, ": %s", s.message);
        clock_describe(run_status_silence(&s, now_unix), age, sizeof age);
        if (run_status_silence(&s, now_unix) >= RUN_STATUS_STALE_S)
            fprintf(out, "; no news for %s", age);
        fputc('\n', out);
    }
    run_status_release(&s);
}

static void print_folds(const char *folder, double now_unix, FILE *out)
{
    for (int k = 0; k < SETTINGS_SUBSETS; k++) {
        char *path;
        if (asprintf(&path, "%s/folds/%d", folder, k) < 0)
            return;
        if (file_is_folder(path))
            print_fold(path, k, now_unix, out);
        free(path);
    }
}

static void print_pace(const struct run_status *s, FILE *out)
{
    char spent[32], left[32];
    clock_describe(s->elapsed_s, spent, sizeof spent);
    fprintf(out, "pace        %.1f scans/h, %s so far", s->scans_per_hour, spent);
    if (s->exit_code < 0 && s->remaining_s >= 0) {
        clock_describe(s->remaining_s, left, sizeof left);
        fprintf(out, ", about %s left", left);
    }
    fputc('\n', out);
}

static void print_training(const struct run_status *s, FILE *out)
{
    char left[32] = "?";
    if (s->remaining_s >= 0)
        clock_describe(s->remaining_s, left, sizeof left);
    fprintf(out, "training    %s, about %s left of it\n", s->training, left);
}

static void print_news(const struct run_status *s, double now_unix, FILE *out)
{
    char age[32];
    double seconds = now_unix - (double)s->updated_unix;
    double silence = run_status_silence(s, now_unix);
    clock_describe(seconds > 0 ? seconds : 0, age, sizeof age);
    fprintf(out, "updated     %s ago by process %lld on %s, %lld rank%s\n", age,
            (long long)s->pid, s->host, (long long)s->ranks, s->ranks == 1 ? "" : "s");
    if (silence >= RUN_STATUS_STALE_S)
        fprintf(
            out,
            "            no news for %s: the job may be dead; the same command goes on "
            "from what is done\n",
            age);
}

void run_status_print(const struct run_status *s, const char *folder, double now_unix,
                      FILE *out)
{
    fprintf(out, "run         %s\n", folder);
    fprintf(out, "state       %s", s->state);
    if (s->exit_code >= 0)
        fprintf(out, ", exit code %d", s->exit_code);
    fprintf(out, "%s\n", s->json || s->done ? "" : ", has told nothing yet");
    if (s->message)
        fprintf(out, "message     %s\n", s->message);
    print_folds(folder, now_unix, out);
    if (s->training) {
        print_training(s, out);
        print_news(s, now_unix, out);
    } else if (s->folds > 0) {
        fprintf(out, "folds       %lld of %lld done\n", (long long)s->folds_done,
                (long long)s->folds);
        print_news(s, now_unix, out);
    } else if (s->json) {
        fprintf(
            out,
            "scans       %lld of %lld finished, %lld quarantined, %.1f %% of the work\n",
            (long long)s->finished, (long long)s->scans, (long long)s->quarantined,
            s->share * 100);
        print_pace(s, out);
        print_news(s, now_unix, out);
    }
    if (s->quarantine_rows > 0)
        fprintf(out, "quarantine  %lld row%s in quarantine.csv\n",
                (long long)s->quarantine_rows, s->quarantine_rows == 1 ? "" : "s");
}
