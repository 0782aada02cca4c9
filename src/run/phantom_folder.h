/*
 * The folder of a data set being made: whether it may be used, where its files stand, and
 * which of them are complete. Not collective.
 */
#ifndef RUN_PHANTOM_FOLDER_H
#define RUN_PHANTOM_FOLDER_H

#include "run/phantom_run.h"

/* Makes the folder that of these options, or finds that it is: an empty or new folder is
 * taken. Errors: STATUS_JOB_CONFIG when it holds other things or was made with other
 * options, naming them; STATUS_STAGE_IO. */
enum status phantom_folder_claim(const struct phantom_options *o, struct error *err);

/* Errors as above, but nothing is made. */
enum status phantom_folder_check(const struct phantom_options *o, struct error *err);

/* Makes the folders of a data set with these subsets. */
enum status phantom_folder_make(const struct phantom_options *o, const bool *subsets,
                                struct error *err);

/* Files of a scan, to be released. nodules and lungs are NULL without masks. */
struct phantom_files {
    char *truth, *volume, *nodules, *lungs;
};

enum status phantom_files_init(struct phantom_files *f, const struct phantom_options *o,
                               int subset, const char *seriesuid, struct error *err);
void phantom_files_release(struct phantom_files *f);

/* Whether all volumes are there and whole, by headers and sizes. */
bool phantom_files_complete(const struct phantom_files *f);

/* Whether all lists are there; removes them all. */
bool phantom_folder_has_lists(const struct phantom_options *o);
enum status phantom_folder_drop_lists(const struct phantom_options *o, struct error *err);

/* Bytes that are free where the folder is or will be; -1 when that is not known. */
int64_t phantom_folder_room(const struct phantom_options *o);

#endif
