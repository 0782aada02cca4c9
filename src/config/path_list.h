/*
 * The value of a key that takes a path or a list of them: one text, absolute paths each
 * on a line of its own, so that one path is that path and none is "". What users of the
 * key need to take it apart. Not collective.
 */
#ifndef CONFIG_PATH_LIST_H
#define CONFIG_PATH_LIST_H

#include <stddef.h>

#include "base/status.h"

size_t path_list_count(const char *list);

/* Without copying: a list that is not empty is its first path; how long a path is, and
 * the next one (NULL: it is the last). */
size_t path_list_length(const char *path);
const char *path_list_next(const char *path);

/* *out = path i in [0, count), to be freed. Errors: STATUS_STAGE_MEMORY. */
enum status path_list_item(const char *list, size_t i, char **out, struct error *err);

/* Adds a path to *list (NULL or to be freed), or, where no file has that name and it
 * holds
 * *, ? or [, the files that it describes as in a shell, by the order of their bytes; when
 * there are none, the text as it stands. Errors: STATUS_STAGE_MEMORY. */
enum status path_list_add(char **list, const char *path, struct error *err);

#endif
