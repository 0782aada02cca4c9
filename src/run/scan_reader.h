/*
 * The voxels of one scan, read by a thread that can be left behind.
 *
 * File systems hang. A rank that waits in read() could not join the others' collective
 * calls, so reading is done by a thread; the rank waits for it with a deadline, calling
 * `poll` meanwhile. When the deadline passes the thread is abandoned with all it holds
 * (it frees that itself if it ever comes back), the scan fails with STATUS_ITEM_DEADLINE,
 * and the next scan gets a new thread.
 *
 * Slices are kept as clipped HU, in float. A volume that fits into `memory_bytes` is kept
 * whole, each slice read once when it is first needed; of a larger one, a window of
 * slices moves with the requests. Memory is bounded by memory_bytes, or by the slices of
 * one request where those take more. One user thread.
 */
#ifndef RUN_SCAN_READER_H
#define RUN_SCAN_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/status.h"
#include "ct/geometry.h"
#include "stage/classify.h"

/* Called about every 20 ms while waiting; a status other than OK ends the wait. */
typedef enum status scan_reader_poll(void *context);

struct scan_reader_options {
    bool allow_outside;
    int64_t memory_bytes;
    double deadline_s;
    scan_reader_poll *poll;
    void *context;
};

struct scan_reader;

enum status scan_reader_new(const struct scan_reader_options *o, struct scan_reader **out,
                            struct error *err);
void scan_reader_free(struct scan_reader *r);

/* Opens a scan and closes the one before; nothing happens when it is the one that is
 * open. Errors: volume_open's, STATUS_ITEM_DEADLINE, what poll returned. */
enum status scan_reader_open(struct scan_reader *r, const char *path, struct error *err);

/* The open scan's. */
const struct geometry *scan_reader_geometry(const struct scan_reader *r);
int64_t scan_reader_file_bytes(const struct scan_reader *r);
enum status scan_reader_identity(struct scan_reader *r, struct hash128 *out,
                                 struct error *err);
enum status scan_reader_content(struct scan_reader *r, struct hash128 *out,
                                struct error *err);

/* *out = slices [first, first + count) at least, borrowed until the next call. */
enum status scan_reader_slices(struct scan_reader *r, int64_t first, int64_t count,
                               struct slices *out, struct error *err);

/* Seconds spent waiting for input so far. */
double scan_reader_waited(const struct scan_reader *r);

#endif
