/*
 * The folder of the cache that holds the files of scans, DIR/scans: their names, what
 * they take, when each was last used (its time of change), and which of them go when room
 * is wanted.
 */
#ifndef CACHE_SHELF_H
#define CACHE_SHELF_H

#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/status.h"

struct shelf_file {
    struct hash128 key;
    int64_t bytes;
    int64_t used_ns;
};

struct shelf {
    struct shelf_file *files; /* least recently used first */
    size_t count, capacity;
    int64_t bytes;
};

/* *out = DIR/scans/KEY.h5, to be freed. */
enum status shelf_path(const char *cache_folder, struct hash128 key, char **out,
                       struct error *err);

/* Looks at what is there; what killed jobs left half written a day ago or longer is
 * removed. A folder that is not there is empty. Errors: STATUS_STAGE_IO. */
enum status shelf_init(struct shelf *s, const char *cache_folder, struct error *err);
void shelf_release(struct shelf *s);

/* Marks a file as used now. A cache that may only be read stays as it is. */
void shelf_touch(const char *path);

struct shelf_pruned {
    size_t removed, held; /* held: would have gone, but somebody uses them */
    int64_t removed_bytes, left_bytes;
};

/* Removes the least recently used files until at most quota_bytes are left, but none
 * that a running job uses (lease.h). Errors: STATUS_STAGE_IO. */
enum status shelf_prune(const char *cache_folder, int64_t quota_bytes,
                        struct shelf_pruned *out, struct error *err);

#endif
