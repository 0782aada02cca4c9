/*
 * The folder of a chain of nights (night.h shows it): which runs are published, and
 * publishing one. Rank 0 only; not collective.
 */
#ifndef RUN_NIGHT_FOLDER_H
#define RUN_NIGHT_FOLDER_H

#include <stddef.h>
#include <time.h>

#include "base/status.h"
#include "config/settings.h"

struct night_folder {
    char *path, *next, *canaries;
    char **names; /* of published runs, oldest first */
    size_t count, capacity;
};

/* Names the parts of a chain at `path`; nothing is looked at. */
enum status night_folder_init(struct night_folder *f, const char *path,
                              struct error *err);
void night_folder_release(struct night_folder *f);

/* Makes what is lacking, removes what was being removed, finds the published runs.
 * Errors: STATUS_JOB_CONFIG when the folder is a run directory, STATUS_STAGE_IO. */
enum status night_folder_open(struct night_folder *f, struct error *err);

/* The newest run, NULL when there is none. */
const char *night_folder_last(const struct night_folder *f);

/* *out = the path of a file of a published run, to be freed. */
enum status night_folder_file(const struct night_folder *f, const char *run,
                              const char *file, char **out, struct error *err);

/* Makes `next` fit tonight's settings: a run that was begun with others is removed, one
 * that was finished but not published is opened again. */
enum status night_folder_resume(struct night_folder *f, const struct settings *s,
                                struct error *err);

/* Chooses the name of a run begun at `started`: its time in UTC, later than the last
 * one's whatever the clock says. *out is to be freed. */
enum status night_folder_name(const struct night_folder *f, time_t started, char **out,
                              struct error *err);

/* Gives `next` that name; from then on it is the last run. */
enum status night_folder_publish(struct night_folder *f, const char *name,
                                 struct error *err);

/* Writes store.h5, then `latest`, anew. There is a run. */
enum status night_folder_link(const struct night_folder *f, struct error *err);

/* The same when a night was killed before it came to that. */
enum status night_folder_mend(const struct night_folder *f, struct error *err);

/* Removes the oldest runs but `keep` (0: none), and from all but the last what only the
 * next night needs. */
enum status night_folder_retain(struct night_folder *f, int64_t keep, struct error *err);

#endif
