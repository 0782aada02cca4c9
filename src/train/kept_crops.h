/*
 * Crops that stay in memory: places that come again many times an epoch, as nodules do,
 * are read from the cache once. What comes first stays; nothing is ever replaced, so the
 * memory is that of the start. Kept voxels are those of the cache, whose files have their
 * content's name: a file that is made anew holds the same.
 */
#ifndef TRAIN_KEPT_CROPS_H
#define TRAIN_KEPT_CROPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "train/pool.h"

struct kept_crops; /* of one thread */

/* Room for `count` crops (0: it keeps none) of at most `voxels`. *out is the caller's to
 * free. Errors: STATUS_STAGE_MEMORY. */
enum status kept_crops_new(size_t count, size_t voxels, struct kept_crops **out,
                           struct error *err);
void kept_crops_free(struct kept_crops *k);

/* The voxels of a place's crop. Not *found: room to write them to, and kept_crops_add is
 * to follow when they are whole; NULL when all is full. */
int16_t *kept_crops_find(struct kept_crops *k, const struct pool_place *place,
                         bool *found);
void kept_crops_add(struct kept_crops *k, const struct pool_place *place);

#endif
