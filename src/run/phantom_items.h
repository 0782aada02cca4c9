/* The scans of a data set being made, and what is there of each. */
#ifndef RUN_PHANTOM_ITEMS_H
#define RUN_PHANTOM_ITEMS_H

#include <stddef.h>

#include "ct/dataset.h"
#include "run/phantom_run.h"

/* What is there of a scan, or why it never will be. */
enum { ITEM_TRUTH = 1, ITEM_VOLUMES = 2, ITEM_BAD = 4 };

struct phantom_item {
    char *seriesuid;
    const char *source; /* implants: the volume to copy */
    uint64_t index;     /* phantoms: in the roster */
    int subset;
    uint8_t state;
};

struct phantom_items {
    struct phantom_item *items;
    size_t count;
    struct dataset tree; /* of implants */
    bool subsets[DATASET_SUBSETS];
};

/* Phantoms in the order of the roster, implants in that of their tree; states 0. Errors:
 * STATUS_JOB_CONFIG (the tree), STATUS_STAGE_MEMORY. phantom_items_release frees, also
 * after a failure. Not collective, the same on all ranks. */
enum status phantom_items_init(struct phantom_items *l, const struct phantom_options *o,
                               struct error *err);
void phantom_items_release(struct phantom_items *l);

/* Looks which files are there, on rank 0, and tells all. Collective. */
enum status phantom_items_look(struct phantom_items *l, const struct phantom_options *o,
                               const struct comm *c, struct error *err);

/* The seriesuids of scans that have a truth, sorted; the array is to be freed, the names
 * are borrowed. */
enum status phantom_items_listed(const struct phantom_items *l, const char ***out,
                                 size_t *count, struct error *err);

/* Scans that lack a part of `state`. */
size_t phantom_items_lacking(const struct phantom_items *l, uint8_t state);

#endif
