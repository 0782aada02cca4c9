/*
 * A scan of the volume cache, read by crops.
 *
 * An open scan does not change and may be read by any number of threads at once, each
 * with a crop_reader of its own. A crop reads and decodes only what it touches, and what
 * it reads is held against its checksum: a damaged chunk is an error, never wrong voxels.
 */
#ifndef CACHE_CACHED_SCAN_H
#define CACHE_CACHED_SCAN_H

#include <stdint.h>

#include "base/hash.h"
#include "base/status.h"
#include "ct/geometry.h"

/* Raised when cached voxels may differ from those of the version before: part of keys. */
enum { CACHE_NUMERICS = 1 };

/* Voxels are HU, clipped to this range and rounded to whole numbers, ties to even. */
enum { CACHE_LEAST_HU = -1000, CACHE_MOST_HU = 1000 };

struct cached_scan;

/* Opens the file of a key. *out is the caller's to close. Errors: STATUS_ITEM_IO (not
 * there), STATUS_ITEM_FORMAT (torn, of another kind or key). */
enum status cached_scan_open(const char *path, struct hash128 key,
                             struct cached_scan **out, struct error *err);
void cached_scan_close(struct cached_scan *s);

const struct geometry *cached_scan_geometry(const struct cached_scan *s);
int64_t cached_scan_file_bytes(const struct cached_scan *s);
int64_t
cached_scan_used_ns(const struct cached_scan *s); /* marked before it was opened */
const char *cached_scan_path(const struct cached_scan *s);

/* Reads all of the file and holds every chunk against its checksum.
 * Errors: STATUS_ITEM_IO, STATUS_ITEM_FORMAT naming file and chunk. */
enum status cached_scan_verify(const struct cached_scan *s, struct error *err);

/* The buffers of one thread. */
struct crop_reader;

enum status crop_reader_new(struct crop_reader **out, struct error *err);
void crop_reader_free(struct crop_reader *r);

/* Voxels [start, start + size), zyx, which lie inside the scan, into out[z][y][x], dense.
 * Errors: STATUS_ITEM_IO, STATUS_ITEM_FORMAT naming file and chunk: the file has to be
 * made again (cache_prepare with CACHE_REWRITE) and opened again. */
enum status crop_reader_read(struct crop_reader *r, const struct cached_scan *s,
                             const int64_t start[3], const int64_t size[3], int16_t *out,
                             struct error *err);
enum status crop_reader_read_float(struct crop_reader *r, const struct cached_scan *s,
                                   const int64_t start[3], const int64_t size[3],
                                   float *out, struct error *err);

#endif
