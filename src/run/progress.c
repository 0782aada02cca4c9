#include "run/progress.h"

#include <jansson.h>
#include <math.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"

static const double write_seconds = 2;

struct progress {
    char *path, *host;
    int ranks;
    double start, written;
    char training[32]; /* the network being trained, since when, from which sample on */
    double training_start;
    int64_t training_samples, training_steps;
    int folds, folds_done; /* of a cross-validation; 0 otherwise */
    void (*tell)(void *context, const char *line); /* NULL: lines go into the log */
    void *tell_context;
};

enum status progress_new(const char *path, const char *host, int ranks,
                         struct progress **out, struct error *err)
{
    enum status status = STATUS_OK;
    struct progress *p = NULL;
    TRY(memory_new(1, sizeof *p, "progress", (void **)&p, err));
    p->ranks = ranks;
    p->start = clock_seconds();
    p->written = p->start - write_seconds;
    TRY(text_new(path, &p->path, err));
    TRY(text_new(host, &p->host, err));
    *out = p;
    p = NULL;
out:
    progress_free(p);
    return status;
}

void progress_free(struct progress *p)
{
    if (!p)
        return;
    free(p->path);
    free(p->host);
    free(p);
}

void progress_listen(struct progress *p, void (*tell)(void *context, const char *line),
                     void *context)
{
    p->tell = tell;
    p->tell_context = context;
}

static void say(const struct progress *p, bool now, const char *line)
{
    if (p->tell)
        p->tell(p->tell_context, line);
    else
        log_progress(now, "%s", line);
}

struct pace {
    double elapsed, scans_per_hour, remaining; /* remaining < 0: not known yet */
};

/* Of this start: what an earlier one finished comes back at no cost, as its files are
 * looked at, and says nothing of how long the rest takes. */
static struct pace pace_of(const struct progress *p, const struct schedule_counts *c)
{
    struct pace pace = {.elapsed = clock_seconds() - p->start, .remaining = -1};
    double done = (double)(c->work_finished - c->work_restored);
    if (pace.elapsed > 0)
        pace.scans_per_hour = (double)(c->finished - c->restored) * 3600 / pace.elapsed;
    if (done > 0)
        pace.remaining = pace.elapsed * (double)(c->work - c->work_finished) / done;
    return pace;
}

/* A message as JSON; one that is not UTF-8 (file names may be anything) in ASCII. */
static json_t *message_json(const char *message)
{
    char ascii[ERROR_MESSAGE_BYTES];
    json_t *text = json_string(message);
    if (text)
        return text;
    snprintf(ascii, sizeof ascii, "%s", message);
    for (char *p = ascii; *p; p++)
        if (*p & 0x80)
            *p = '?';
    return json_string(ascii);
}

static void write_json(struct progress *p, json_t *root)
{
    struct error ignored;
    char *text = json_dumps(root, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
    json_decref(root);
    if (text && file_write(p->path, text, strlen(text), &ignored) != STATUS_OK)
        log_warning("%s", ignored.message);
    free(text);
}

static void write_status(struct progress *p, const struct schedule_counts *c,
                         const char *state, int exit_code, const char *message)
{
    struct pace pace = pace_of(p, c);
    json_t *root = json_pack(
        "{s:s, s:I, s:I, s:I, s:f, s:f, s:f, s:s, s:i, s:i, s:I}", "state", state,
        "scans", (json_int_t)c->scans, "finished", (json_int_t)c->finished, "quarantined",
        (json_int_t)c->quarantined, "share",
        c->work ? (double)c->work_finished / (double)c->work : 1.0, "elapsed_s",
        pace.elapsed, "scans_per_hour", pace.scans_per_hour, "host", p->host, "pid",
        (int)getpid(), "ranks", p->ranks, "updated_unix", (json_int_t)time(NULL));
    if (!root)
        return;
    if (pace.remaining >= 0)
        json_object_set_new(root, "remaining_s", json_real(pace.remaining));
    if (p->folds > 0) {
        json_object_set_new(root, "folds", json_integer(p->folds));
        json_object_set_new(root, "folds_done", json_integer(p->folds_done));
    }
    if (exit_code >= 0)
        json_object_set_new(root, "exit_code", json_integer(exit_code));
    if (message)
        json_object_set_new(root, "message", message_json(message));
    write_json(p, root);
}

void progress_show(struct progress *p, struct schedule_counts c, const char *state,
                   bool now)
{
    double time_now = clock_seconds();
    char left[32] = "?", spent[32], line[200];
    struct pace pace = pace_of(p, &c);
    if (pace.remaining >= 0)
        clock_describe(pace.remaining, left, sizeof left);
    clock_describe(pace.elapsed, spent, sizeof spent);
    snprintf(line, sizeof line,
             "%s: %lld of %lld scans, %lld quarantined, %.1f %% after %s, %.1f "
             "scans/h, %s left",
             state, (long long)(c.finished + c.quarantined), (long long)c.scans,
             (long long)c.quarantined,
             c.work ? 100.0 * (double)c.work_finished / (double)c.work : 100.0, spent,
             pace.scans_per_hour, left);
    say(p, now, line);
    if (now || time_now - p->written >= write_seconds) {
        p->written = time_now;
        write_status(p, &c, state, -1, NULL);
    }
}

/* ---- training ---- */

static void write_training(struct progress *p, const char *stage, const char *line,
                           double share, double left)
{
    json_t *root = json_pack(
        "{s:s, s:s, s:f, s:f, s:s, s:i, s:i, s:I}", "state", "train", "training", line,
        "share", share, "elapsed_s", clock_seconds() - p->start, "host", p->host, "pid",
        (int)getpid(), "ranks", p->ranks, "updated_unix", (json_int_t)time(NULL));
    if (!root)
        return;
    json_object_set_new(root, "stage", json_string(stage));
    if (left >= 0)
        json_object_set_new(root, "remaining_s", json_real(left));
    write_json(p, root);
}

void progress_train(struct progress *p, const struct trainer_progress *t, bool now)
{
    const double time_now = clock_seconds();
    const int64_t step = t->epoch * t->steps + t->step, all = t->epochs * t->steps;
    char line[200], shown[256], left_text[32] = "?";
    double left = -1, rate = 0;
    if (strcmp(p->training, t->name) != 0) {
        snprintf(p->training, sizeof p->training, "%s", t->name);
        p->training_start = time_now;
        p->training_samples = t->samples;
        p->training_steps = step;
    }
    const double spent = time_now - p->training_start;
    if (spent > 0)
        rate = (double)(t->samples - p->training_samples) / spent;
    if (step > p->training_steps) {
        left = spent * (double)(all - step) / (double)(step - p->training_steps);
        clock_describe(left, left_text, sizeof left_text);
    }
    snprintf(line, sizeof line,
             "%s, epoch %lld of %lld, %s %lld of %lld, loss %.4f, %.1f samples/s",
             t->name, (long long)t->epoch + 1, (long long)t->epochs,
             t->validating ? "validation after step" : "step", (long long)t->step,
             (long long)t->steps, isnan(t->loss) ? 0 : t->loss, rate);
    snprintf(shown, sizeof shown, "train %s, %s left", line, left_text);
    say(p, now, shown);
    if (now || time_now - p->written >= write_seconds) {
        p->written = time_now;
        write_training(p, t->name, line, all ? (double)step / (double)all : 1, left);
    }
}

void progress_masks(struct progress *p, int64_t done, int64_t all)
{
    const double time_now = clock_seconds();
    char line[100], shown[128];
    snprintf(line, sizeof line, "preparing masks, %lld of %lld scans", (long long)done,
             (long long)all);
    snprintf(shown, sizeof shown, "train %s", line);
    say(p, false, shown);
    if (time_now - p->written < write_seconds)
        return;
    p->written = time_now;
    write_training(p, "segment", line, all ? (double)done / (double)all : 1, -1);
}

/* ---- cross-validation ---- */

void progress_folds(struct progress *p, const struct progress_folds *f, bool now)
{
    const double time_now = clock_seconds(), spent = time_now - p->start;
    char left[32] = "?", line[400];
    double remaining = -1;
    p->folds = f->folds;
    p->folds_done = f->done;
    if (f->done_now > 0) {
        remaining = spent * (double)(f->folds - f->done) / f->done_now;
        clock_describe(remaining, left, sizeof left);
    }
    snprintf(line, sizeof line,
             "cross-validation: %d of %d folds done, %d failed, %s left%s%s", f->done,
             f->folds, f->failed, left, f->line[0] ? "; " : "", f->line);
    log_progress(now, "%s", line);
    if (!now && time_now - p->written < write_seconds)
        return;
    p->written = time_now;
    json_t *root = json_pack(
        "{s:s, s:i, s:i, s:i, s:i, s:f, s:f, s:s, s:i, s:i, s:I}", "state",
        "cross-validation", "folds", f->folds, "folds_done", f->done, "folds_failed",
        f->failed, "folds_running", f->running, "share",
        f->folds ? (double)f->done / f->folds : 1.0, "elapsed_s", spent, "host", p->host,
        "pid", (int)getpid(), "ranks", p->ranks, "updated_unix", (json_int_t)time(NULL));
    if (!root)
        return;
    if (remaining >= 0)
        json_object_set_new(root, "remaining_s", json_real(remaining));
    write_json(p, root);
}

void progress_end(struct progress *p, struct schedule_counts c, const char *state,
                  int exit_code, const char *message)
{
    write_status(p, &c, state, exit_code, message);
}
