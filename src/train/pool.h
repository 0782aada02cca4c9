/*
 * What there is to train on: the listed places of some scans, as voxels.
 *
 * Nodules come from the annotations (with malignancy where the list says), non-nodules
 * from the candidates of class 0. A place outside its volume is left out and counted, and
 * a listed scan that is not among those given is left out; both are the book's crashes.
 *
 * Hard negatives are what somebody found in these scans (a segmenter) and lies in no
 * listed finding: by LUNA16's rule not closer to its centre than half of its diameter.
 */
#ifndef TRAIN_POOL_H
#define TRAIN_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "ct/geometry.h"
#include "ct/lists.h"
#include "train/sampler.h"

/* A scan that places may be taken from. */
struct pool_scan {
    const char *seriesuid;           /* borrowed */
    const struct geometry *geometry; /* borrowed; NULL: the scan cannot be read */
};

struct pool_place {   /* 16 bytes */
    int32_t scan;     /* index into the scans given */
    int32_t voxel[3]; /* z y x: the centre, rounded half to even */
};

/* Lists as sampler.h names them: malignant and benign nodules stand in LIST_NODULE too.
 * Places in the order of the scans, then of the rows. */
struct pool {
    struct pool_place *places[SAMPLER_LISTS];
    uint64_t counts[SAMPLER_LISTS];
    size_t capacities[SAMPLER_LISTS];
    uint64_t outside; /* listed places beyond their volume */
    uint64_t found;   /* of `found` below, in these scans */
};

enum { POOL_FINDINGS = 2 };

/* All borrowed, any may be NULL. */
struct pool_lists {
    const struct nodule_list *nodules;
    const struct candidate_list *candidates;
    const struct candidate_list *found;
    /* What is in none of these, beside `nodules`, makes LIST_HARD. */
    const struct nodule_list *findings[POOL_FINDINGS];
};

/* `book`: places are found as the book does (geometry_to_index_book).
 * pool_release frees, also after a failure. Errors: STATUS_STAGE_MEMORY. Not collective:
 * a function of its arguments. */
enum status pool_init(struct pool *p, const struct pool_scan *scans, size_t scan_count,
                      const struct pool_lists *lists, bool book, struct error *err);
void pool_release(struct pool *p);

#endif
