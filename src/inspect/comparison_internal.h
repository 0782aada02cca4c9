/* What a comparison is made from: comparison.c reads it, comparison_strata.c scores it.
 */
#ifndef INSPECT_COMPARISON_INTERNAL_H
#define INSPECT_COMPARISON_INTERNAL_H

#include "inspect/comparison.h"
#include "run/stored_run.h"

/* Lists; borrowed, "": none. */
struct comparison_truth {
    const char *annotations, *excluded, *seriesuids, *malignancy;
};

struct comparison_sources {
    struct stored_run runs[2];
    struct comparison_truth truth;
    char **shared; /* names in both, borrowed from run A */
    size_t shared_count;
    struct evaluation evaluations[2]; /* the same scans and findings, marks of each run */
    const struct stored_scan **scans[2]; /* those of the evaluations, in either run */
    struct nodule_list malignancy;
};

/* Fills the whole and the strata. Errors: STATUS_STAGE_MEMORY. */
enum status comparison_stratify(struct comparison *c, const struct comparison_sources *s,
                                struct error *err);

#endif
