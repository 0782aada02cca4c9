/* What a data set will cost, before it is made. Not collective. */
#ifndef RUN_PHANTOM_DRY_H
#define RUN_PHANTOM_DRY_H

#include "run/phantom_items.h"

struct phantom_estimate {
    double voxels, bytes; /* of all scans */
    size_t sampled;       /* scans that were looked at */
};

/* From the grids of some scans, evenly spread, as many as can be looked at in so many
 * seconds. Errors: STATUS_STAGE_MEMORY. */
enum status phantom_estimate(const struct phantom_items *l,
                             const struct phantom_options *o, double seconds,
                             struct phantom_estimate *e, struct error *err);

/* Prints the plan on stdout, with the time that a few slices took. Makes no file. Errors
 * as above, and STATUS_JOB_CONFIG when the folder could not be used. */
enum status phantom_dry(const struct phantom_items *l, const struct phantom_options *o,
                        int ranks, struct error *err);

#endif
