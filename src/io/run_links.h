/*
 * store.h5 of a chain of nights: all published runs as one HDF5 file, by external links.
 * /runs/NAME is the root of that run's run.h5, /latest the newest of them. Serial HDF5.
 * Not collective.
 */
#ifndef IO_RUN_LINKS_H
#define IO_RUN_LINKS_H

#include <stddef.h>

#include "base/status.h"

/* Writes `path` anew, atomically: a link NAME to the file runs/NAME/run.h5 beside it for
 * each name, oldest first. Errors: STATUS_STAGE_IO; what stood there before stays. */
enum status run_links_write(const char *path, const char *const *names, size_t count,
                            struct error *err);

/* Names of the runs of a store.h5, oldest first. run_links_release frees them, also after
 * a failure. Errors: STATUS_ITEM_IO, STATUS_ITEM_FORMAT when it is none. */
struct run_links {
    char **names;
    size_t count, capacity;
};

enum status run_links_init(struct run_links *l, const char *path, struct error *err);
void run_links_release(struct run_links *l);

#endif
