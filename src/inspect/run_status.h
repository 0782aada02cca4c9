/*
 * How a run stands, read from its directory by anybody at any time: status.json
 * (run/progress.h), DONE and quarantine.csv. Not collective.
 */
#ifndef INSPECT_RUN_STATUS_H
#define INSPECT_RUN_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* A job that works writes status.json every few seconds; after this long it is suspect.
 */
enum { RUN_STATUS_STALE_S = 300 };

struct run_status {
    char *json; /* status.json as it stands, NULL when the job has not written one yet */
    char state[32]; /* "detect", "assemble", "done", "failed", "checkpointed"; "started"
                       without a status.json */
    char host[64];
    char *message;  /* why it failed or stopped, NULL */
    char *training; /* what is trained and how far it is, NULL */
    int64_t scans, finished, quarantined;
    int64_t folds, folds_done; /* of a cross-validation; 0 otherwise */
    double share;              /* of the work, 0 to 1 */
    double elapsed_s, scans_per_hour;
    double remaining_s; /* below 0: not known */
    int64_t updated_unix, ranks, pid;
    int exit_code;           /* -1: it has not ended */
    bool done;               /* DONE is there: the results are whole */
    int64_t quarantine_rows; /* of quarantine.csv; -1: there is none */
};

/* Reads the directory. run_status_release frees, also after a failure. Errors:
 * STATUS_JOB_FAILED when the directory is no run's, or its status.json is damaged. */
enum status run_status_init(struct run_status *s, const char *folder, struct error *err);
void run_status_release(struct run_status *s);

/* Seconds since the last news, seen at `now_unix`; 0 when it has ended or told nothing.
 */
double run_status_silence(const struct run_status *s, double now_unix);

/* Writes it for people, with `now_unix` for "how long ago". */
void run_status_print(const struct run_status *s, const char *folder, double now_unix,
                      FILE *out);

#endif
