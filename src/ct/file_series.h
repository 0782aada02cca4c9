/*
 * The files that hold a volume's voxels, as ElementDataFile names them: one, a list, or a
 * numbered pattern ("slice%03d.raw 1 99 1"). Paths are made when asked for, so that a
 * header which promises a billion files costs nothing.
 */
#ifndef CT_FILE_SERIES_H
#define CT_FILE_SERIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct file_series {
    char *folder;  /* before every name */
    int64_t count; /* files */

    char **names; /* one or a list; NULL for a pattern */
    size_t name_count, name_capacity;

    char *before, *after; /* of a pattern: around the number */
    int digits;
    bool zeros; /* padded with zeros, else with blanks */
    int64_t first, step;
};

/* A zeroed struct file_series is an empty one. */
void file_series_release(struct file_series *s);

/* Appends one name. */
enum status file_series_add(struct file_series *s, const char *name, struct error *err);

/* Whether text holds the one number conversion of a pattern: %d, %3d, %03d (or i, u). */
bool file_series_is_pattern(const char *text);

/* Makes the series of a pattern: numbers first, first + step, ... up to last.
 * Errors: STATUS_ITEM_FORMAT when no number lies between them. */
enum status file_series_set_pattern(struct file_series *s, const char *text,
                                    int64_t first, int64_t last, int64_t step,
                                    struct error *err);

/* Errors: STATUS_ITEM_FORMAT for a name that is absolute or leaves the folder by its
 * text. */
enum status file_series_check_inside(const struct file_series *s, struct error *err);

/* *out = path of file `index`, to be freed. */
enum status file_series_path(const struct file_series *s, int64_t index, char **out,
                             struct error *err);

#endif
