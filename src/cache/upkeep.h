/* What a person does with a cache: look at it, check it, make room in it. */
#ifndef CACHE_UPKEEP_H
#define CACHE_UPKEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/* One line a scan: last use, size, voxels, key, and the sources that the index knows of
 * it. Errors of all: STATUS_JOB_CONFIG (not a cache), STATUS_STAGE_*. */
enum status cache_list(const char *folder, FILE *out, struct error *err);

/* Reads every file and names those that are damaged or cannot be read; with `remove` the
 * damaged are removed, and the next job that prepares their scans writes them anew.
 * Errors: STATUS_JOB_FAILED when there are any of either. */
enum status cache_verify(const char *folder, bool remove, FILE *out, struct error *err);

/* Removes least recently used scans beyond a quota, and spares those of running jobs. */
enum status cache_prune(const char *folder, int64_t quota_bytes, FILE *out,
                        struct error *err);

#endif
