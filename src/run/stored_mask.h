/*
 * The mask of a scan out of a run's store, in slabs of SLAB_SLICES whatever the format of
 * the store: before format 3 slabs had 8 slices. Not collective, no MPI calls.
 */
#ifndef RUN_STORED_MASK_H
#define RUN_STORED_MASK_H

#include <stdint.h>

#include "base/status.h"
#include "io/run_reader.h"

/* *out: scan->mask_bytes of them, which is set, to be read with mask_unpack and to be
 * freed. Errors: as of run_reader_mask and mask_unpack. */
enum status stored_mask_read(struct run_reader *r, struct run_store_scan *scan,
                             uint8_t **out, struct error *err);

/* Sets scan->mask_bytes alone. Errors: the same. */
enum status stored_mask_measure(struct run_reader *r, struct run_store_scan *scan,
                                struct error *err);

#endif
