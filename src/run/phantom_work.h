/* The scans of a data set being made, shared out among the ranks. */
#ifndef RUN_PHANTOM_WORK_H
#define RUN_PHANTOM_WORK_H

#include "run/phantom_items.h"

struct phantom_work_counts {
    int64_t scans, bad;     /* made by this start; left out, since they cannot be read */
    double voxels, seconds; /* of making: of all ranks, added up */
    double elapsed;         /* by the clock */
};

/* Makes what is lacking; on return states are those of all ranks. `counts` are the same
 * on all ranks. A signal stops it between scans: STATUS_JOB_INTERRUPTED. Errors:
 * STATUS_STAGE_*. Collective. */
enum status phantom_work(struct phantom_items *l, const struct phantom_options *o,
                         const struct comm *c, struct phantom_work_counts *counts,
                         struct error *err);

#endif
