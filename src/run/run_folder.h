/*
 * The run directory: who may use it, what it was made for, whether it is done.
 *
 *   job.cfg   the resolved job, written before any result: a start with other binding
 * settings is refused .lock     held (flock) by the master while it works journal   what
 * is done (io/journal.h); heatmaps/: slabs of heatmaps. Both go when DONE is there DONE
 * last: the exit code
 *
 * Master only; not collective.
 */
#ifndef RUN_RUN_FOLDER_H
#define RUN_RUN_FOLDER_H

#include <stdbool.h>

#include "base/status.h"
#include "config/settings.h"

struct run_folder {
    char *path, *journal, *heatmaps;
    int lock;
    bool done;          /* finished by an earlier start with the same settings */
    int done_exit_code; /* what DONE says */
    bool keeps_journal; /* also when it is done */
};

/* Makes or opens the directory for a job. Errors: STATUS_STAGE_IO (cannot be written),
 * STATUS_JOB_CONFIG (it holds another job: names the keys; it holds something else;
 * output is not given), STATUS_JOB_FAILED (another process is at work in it). */
enum status run_folder_open(struct run_folder *f, const struct settings *s,
                            struct error *err);

/* Makes the directory that of this job: writes job.cfg. Once scans, models and lists have
 * turned out usable, so that a mistake in a path can be put right with the same output.
 */
enum status run_folder_claim(struct run_folder *f, const struct settings *s,
                             struct error *err);

/* Whether a job does nothing but score and show what another one has found: it takes the
 * settings that bind from the run, so its own need not be the same. */
bool run_folder_looks_back(const struct settings *s);

/* Writes DONE, then removes what only a restart would need. */
enum status run_folder_finish(struct run_folder *f, int exit_code, struct error *err);

/* Gives the lock back. Safe on a zeroed structure. */
void run_folder_release(struct run_folder *f);

/* *out = a file in the directory, to be freed. */
enum status run_folder_file(const struct run_folder *f, const char *name, char **out,
                            struct error *err);

/* What DONE holds, -1 when there is none. */
int run_folder_exit_code(const char *path);

#endif
