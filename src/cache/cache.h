/*
 * The volume cache: every scan once read, clipped and compressed, ready to be read by
 * crops.
 *
 *     DIR/scans/KEY.h5     one file a scan (io/chunk_file.h), never changed once there
 *     DIR/subsetN/index    which source has which key (scan_index.h)
 *     DIR/jobs/            who is using the cache now (lease.h)
 *
 * The key is the hash of the source's content and of the cache's numerics, so equal keys
 * mean equal voxels whoever wrote the file. A file is written beside its name, read back,
 * synced and renamed. Two jobs that prepare the same scan at once both write it, and the
 * second rename replaces equal voxels by equal voxels: nothing is locked. A file that
 * turns out damaged is written anew from its source.
 *
 * A struct cache belongs to one thread. Scans it opened are read by any number of them
 * (cached_scan.h).
 */
#ifndef CACHE_CACHE_H
#define CACHE_CACHE_H

#include <stdbool.h>

#include "cache/cached_scan.h"
#include "ct/volume.h"

struct cache;

struct cache_options {
    const char *folder;  /* cache.dir; made when it is not there */
    const char *local;   /* cache.local: a folder of this node, copied to when a scan is
                            opened; NULL or "": none */
    int64_t quota_bytes; /* cache.quota_gb; 0: no bound */
    bool hold;           /* keep what is used from now on from being pruned by anybody */
};

/* *out is the caller's to close. Errors: STATUS_JOB_CONFIG naming the folder. */
enum status cache_open(const struct cache_options *o, struct cache **out,
                       struct error *err);
void cache_close(struct cache *c);

/* Where the voxels of a scan come from. */
struct cache_source {
    const char *seriesuid;
    int subset;
    const struct geometry *geometry;
    struct hash128 identity; /* volume_identity */
    void *context;
    enum status (*content)(void *context, struct hash128 *out,
                           struct error *err); /* volume_content */
    enum status (*slices)(void *context, int64_t first, int64_t count, float *hu,
                          struct error *err); /* volume_read; clipped or not */
};

/* The source that an open volume is; borrowed. */
enum status cache_source_of(struct volume *v, const char *seriesuid, int subset,
                            struct cache_source *out, struct error *err);

enum cache_trust {
    CACHE_TRUST,   /* a file whose table holds is taken as it is */
    CACHE_VERIFY,  /* every chunk of it is read, the source is hashed again, and the
                      node's copy goes */
    CACHE_REWRITE, /* it is written anew, and the node's copy goes */
};

struct cache_prepared {
    struct hash128 key;
    bool written;
    int64_t file_bytes;
    char repaired[ERROR_MESSAGE_BYTES]; /* why a file that was there was written anew; ""
                                         */
};

/* Makes sure that a scan is in the cache. Writes through HDF5: one thread of the process
 * at a time. When the quota is passed, least recently used scans are removed, but none
 * that is held. Errors: those of the source; STATUS_STAGE_IO. */
enum status cache_prepare(struct cache *c, const struct cache_source *s,
                          enum cache_trust trust, struct cache_prepared *out,
                          struct error *err);

/* What the index says of a scan, of that identity unless it is NULL; false when it knows
 * nothing. The source is not looked at, and the file may be gone. */
bool cache_find(struct cache *c, const char *seriesuid, int subset,
                const struct hash128 *identity, struct hash128 *key,
                struct geometry *geometry);

/* Opens a prepared scan, of the node's copy where cache.local is given (which is made
 * when it is not there), and marks it as used. *out is the caller's to close; it may
 * outlive the cache. Errors: cached_scan_open's. */
enum status cache_open_scan(struct cache *c, struct hash128 key, struct cached_scan **out,
                            struct error *err);

#endif
