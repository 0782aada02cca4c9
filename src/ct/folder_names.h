/* Names in a folder, in an order that does not depend on the file system. */
#ifndef CT_FOLDER_NAMES_H
#define CT_FOLDER_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

/* A zeroed one is empty. */
struct folder_names {
    char **items; /* sorted by bytes */
    size_t count, capacity;
};

/* Those that `wanted` chooses. Errors: STATUS_JOB_CONFIG naming the folder. */
enum status folder_names_read(const char *path, bool (*wanted)(const char *),
                              struct folder_names *out, struct error *err);
void folder_names_release(struct folder_names *n);

#endif
