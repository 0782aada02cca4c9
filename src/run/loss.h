/*
 * Where a nodule was lost, from what the run stored: its candidates and its masks. What
 * `pulmo why` says of one place, for all nodules of a scan at once and without looking at
 * more of the mask than the slabs around each. Not collective, no MPI calls.
 */
#ifndef RUN_LOSS_H
#define RUN_LOSS_H

#include "run/stored_run.h"
#include "score/assessment.h"

/* What lies this close to a point belongs to it, */
#define LOSS_RADIUS_MM 5.0
/* or this share of the diameter of the nodule: the book's measure of a hit. */
#define LOSS_DIAMETER_SHARE 0.7

/* losses[count]: enum loss of each nodule of a scan; scan NULL: it is not in the run.
 * Errors: a damaged store. Memory: the scan's compressed mask and 2 bytes a voxel of the
 * slabs around a nodule. */
enum status loss_find(struct stored_run *r, const struct stored_scan *scan,
                      const struct nodule *nodules, size_t count, uint8_t *losses,
                      struct error *err);

#endif
