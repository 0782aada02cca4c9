/*
 * What the cache knows of the scans of a subset, in the file subsetN/index: which source
 * (seriesuid; sizes, times and inodes as one identity) was found to have which key, and
 * its geometry. It saves reading a source to hash it again, and opening a file to learn
 * its size.
 *
 * One line a scan, appended with a single write and checksummed by itself: two jobs that
 * prepare the same tree need no lock. Where a file system does not append atomically
 * (NFS), a line may be lost or torn. It is passed over, and its scan is hashed once more:
 * the index is a memory, the truth stands in the files of the scans. Of lines for the
 * same source the last counts.
 *
 *     CHECKSUM IDENTITY KEY size_z size_y size_x spacing[3] origin[3] direction[9]
 *     SERIESUID
 */
#ifndef CACHE_SCAN_INDEX_H
#define CACHE_SCAN_INDEX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/hash.h"
#include "ct/geometry.h"

struct scan_index_entry {
    struct hash128 identity, key;
    struct geometry geometry;
    char *seriesuid;
};

struct scan_index {
    char *path;
    int64_t bytes;                    /* of the file, when it was read */
    struct scan_index_entry *entries; /* in the order of the file */
    size_t count, capacity;
    bool read;
};

/* An empty index of the file at path. A file that is not there is an empty index. */
enum status scan_index_init(struct scan_index *x, const char *path, struct error *err);
void scan_index_release(struct scan_index *x);

/* The newest entry of a seriesuid, of that identity unless it is NULL; or NULL. Reads the
 * file again when it grew. Borrowed until the next call. */
const struct scan_index_entry *scan_index_find(struct scan_index *x,
                                               const char *seriesuid,
                                               const struct hash128 *identity);

/* Appends a line. The folder is there. Errors: STATUS_STAGE_IO. */
enum status scan_index_add(struct scan_index *x, const struct scan_index_entry *e,
                           struct error *err);

/* Reads the file now; what cannot be read counts as empty. */
void scan_index_refresh(struct scan_index *x);

#endif
