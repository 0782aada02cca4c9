/* A scan on its way into the cache: clipped, rounded, cut into chunks, encoded. */
#ifndef CACHE_SCAN_WRITER_H
#define CACHE_SCAN_WRITER_H

#include "cache/cache.h"

/* Writes the source's voxels as a file of the cache at `path`, which is published under
 * that name when it is whole. Memory: 32 slices of int16. HDF5: one thread of the process
 * at a time. Errors: the source's; STATUS_STAGE_IO. */
enum status scan_write(const char *path, struct hash128 key, const struct cache_source *s,
                       struct error *err);

#endif
