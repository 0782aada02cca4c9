/*
 * The shared half of the store: one HDF5 file that all ranks have open, and blocks of its
 * datasets written in steps that they take together. Private to run_store.c.
 */
#ifndef IO_RUN_STORE_SHARED_H
#define IO_RUN_STORE_SHARED_H

#include <hdf5.h>
#include <mpi.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct shared_file {
    MPI_Comm comm;
    int rank;
    const char *path;
    hid_t file; /* negative while closed */
};

/* A block of a dataset: slices [first, first + count) along its first dimension. */
struct block {
    const char *dataset;
    hid_t type; /* of `data` */
    int64_t first, count;
    const void *data;
};

/* The worst status of all ranks, with the message of the lowest rank that has it.
 * Collective. */
enum status ranks_agree(MPI_Comm comm, enum status status, struct error *err);

/* Pieces of the rank that has most, when each cuts its own `count` by `per_piece`.
 * Collective. */
int64_t shared_most_pieces(const struct shared_file *f, int64_t count, int64_t per_piece);

/* Opens unless it is open; closes unless it is closed. Collective. Errors:
 * STATUS_STAGE_IO. */
enum status shared_open(struct shared_file *f, struct error *err);
enum status shared_close(struct shared_file *f, struct error *err);

/* Writes a block as one piece, count 0 for none. The file is open. Collective. */
enum status shared_write(const struct shared_file *f, const struct block *b,
                         struct error *err);

/* Writes a block of any size in bounded pieces, slice_bytes a slice, straight from the
 * caller's memory. Collective. */
enum status shared_write_pieces(const struct shared_file *f, const struct block *whole,
                                size_t slice_bytes, struct error *err);

#endif
