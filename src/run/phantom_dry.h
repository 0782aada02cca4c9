/* What a data set will cost, before it is made. Not collective. */
#ifndef RUN_PHANTOM_DRY_H
#define RUN_PHANTOM_DRY_H

#include "run/phantom_items.h"

struct phantom_estimate {
    double voxels, bytes; /* of all scans */
    double seconds;       /* of one core, voxels aside: patients, findings, lists */
    size_t sampled;       /* scans that were looked at, of all */
};

/* From the grids of a few scans, evenly spread. Errors: STATUS_STAGE_MEMORY;
 * STATUS_ITEM_* for a copy's source. */
enum status phantom_estimate(const struct phantom_items *l,
                             const struct phantom_options *o, struct phantom_estimate *e,
                             struct error *err);

/* Prints the plan on stdout, with the time that a few slices took. Makes no file. Errors
 * as above, and STATUS_JOB_CONFIG when the folder could not be used. */
enum status phantom_dry(const struct phantom_items *l, const struct phantom_options *o,
                        int ranks, struct error *err);

#endif
