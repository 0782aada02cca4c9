/*
 * Progress: the line on the terminal or in the log, and status.json, which `pulmo status`
 * reads. Master only.
 */
#ifndef RUN_PROGRESS_H
#define RUN_PROGRESS_H

#include <stdbool.h>

#include "base/status.h"
#include "run/schedule.h"
#include "train/trainer.h"

struct progress;

/* `path` of status.json. *out is the caller's to free. */
enum status progress_new(const char *path, const char *host, int ranks,
                         struct progress **out, struct error *err);
void progress_free(struct progress *p);

/* From now on lines of progress go to `tell`, at every call, and not into the log: those
 * of a job within another one. */
void progress_listen(struct progress *p, void (*tell)(void *context, const char *line),
                     void *context);

/* How the folds of a cross-validation stand. */
struct progress_folds {
    int folds, failed, running;
    int done, done_now; /* by all starts, by this one */
    const char *line;   /* what those that run are at */
};
void progress_folds(struct progress *p, const struct progress_folds *f, bool now);

/* Shows where the work stands; status.json is written at most every two seconds. `state`
 * is what the job does: "detect", "assemble". `now`: at once. A status.json that cannot
 * be written is no reason to stop. */
void progress_show(struct progress *p, struct schedule_counts c, const char *state,
                   bool now);

/* The same while a network is trained; `state` is "train". */
void progress_train(struct progress *p, const struct trainer_progress *t, bool now);

/* The same while masks to train on are prepared: `done` of `all` scans were looked at. */
void progress_masks(struct progress *p, int64_t done, int64_t all);

/* The last word: "done", "failed", "checkpointed", with the exit code. */
void progress_end(struct progress *p, struct schedule_counts c, const char *state,
                  int exit_code, const char *message);

#endif
