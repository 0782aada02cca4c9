/*
 * Who uses a cache now, so that pruning spares what they use.
 *
 * A job keeps files DIR/jobs/HOST-PID-....START, and looks in on it at least every minute
 * while it opens scans (its time of change is the sign of life). START is the time at
 * which it began: whatever is marked as used since then is its own. A file without a
 * sign of life for a quarter of an hour belongs to a job that was killed. All times are
 * those of the file system that holds the cache: clocks of nodes differ.
 */
#ifndef CACHE_LEASE_H
#define CACHE_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

struct lease {
    char *path;       /* NULL: none is kept */
    int64_t start_ns; /* by the file system's clock */
    double looked_in;
};

/* Begins a lease in a cache folder. Errors: STATUS_STAGE_IO, STATUS_STAGE_MEMORY. */
enum status lease_begin(struct lease *l, const char *cache_folder, struct error *err);

/* A sign of life, at most once a minute. */
void lease_look_in(struct lease *l);
void lease_end(struct lease *l);

/* Makes an empty file, or empties one, and tells when, by the file system's clock.
 * Errors: STATUS_STAGE_IO. */
enum status lease_stamp(const char *path, int64_t *now_ns, struct error *err);

/* Whether a file that gave its last sign of life then belongs to a job that was killed.
 */
bool lease_is_dead(int64_t changed_ns, int64_t now_ns);

/* *since_ns = the earliest start of all that hold leases: what was used since is not to
 * be removed. INT64_MAX: nobody holds one. Removes leases of the dead. Errors:
 * STATUS_STAGE_IO. */
enum status lease_earliest(const char *cache_folder, int64_t *since_ns,
                           struct error *err);

#endif
