/*
 * Checkpoints: named arrays of a training at one moment, in a folder that keeps the
 * newest few.
 *
 * A checkpoint is an HDF5 file named TRAINING-STEP-HASH.h5, where HASH is that of the
 * file's bytes: a torn or damaged one does not bear its own name. It is written beside
 * its name, flushed and renamed, and only then are older ones removed; so at any instant
 * the newest whole one is there. One that turns out damaged is renamed to NAME.damaged,
 * said in the log, and the one before is taken.
 *
 * One process writes and one reads: the caller sees to it. Nothing here is collective.
 */
#ifndef IO_CHECKPOINT_H
#define IO_CHECKPOINT_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum checkpoint_type {
    CHECKPOINT_FLOAT,
    CHECKPOINT_INT64,
    CHECKPOINT_DOUBLE,
    CHECKPOINT_BYTES
};

struct checkpoint_array {
    const char *name; /* no slash; unique in the checkpoint */
    enum checkpoint_type type;
    size_t count;
    const void *values;
};

/* Writes a checkpoint and removes all but the newest `keep` (at least 1) of this
 * training. Errors: STATUS_STAGE_IO (disk full), STATUS_STAGE_MEMORY; those before are
 * then still there. */
enum status checkpoint_write(const char *folder, const char *training, uint64_t step,
                             const struct checkpoint_array *arrays, size_t count,
                             int keep, struct error *err);

struct checkpoint;

/* *out = the newest whole checkpoint of a training, to be freed; NULL when there is none.
 * Errors: STATUS_STAGE_IO when the folder cannot be read, STATUS_STAGE_MEMORY. */
enum status checkpoint_open(const char *folder, const char *training,
                            struct checkpoint **out, struct error *err);
void checkpoint_free(struct checkpoint *c);

uint64_t checkpoint_step(const struct checkpoint *c);
const char *checkpoint_path(const struct checkpoint *c);

/* *values = the array of a name, borrowed from the checkpoint. Errors: STATUS_JOB_FAILED
 * naming file, array and what is wrong: absent, of another type or count. */
enum status checkpoint_get(const struct checkpoint *c, const char *name,
                           enum checkpoint_type type, size_t count, const void **values,
                           struct error *err);

/* The count of an array; 0 when it is absent. */
size_t checkpoint_count(const struct checkpoint *c, const char *name);

#endif
