/*
 * Stage 5b, diagnosis: from the candidates of a scan to one score for the patient.
 */
#ifndef STAGE_DIAGNOSE_H
#define STAGE_DIAGNOSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stage/candidate.h"

enum { DIAGNOSE_NUMERICS = 2 };

enum patient_rule { PATIENT_MAX, PATIENT_NOISY_OR };

struct diagnose_options {
    /* classify.threshold: a candidate counts as nodule from this probability on, compared
     * in float32 like the probability itself. */
    double nodule_threshold;
    enum patient_rule rule;
    bool has_malignancy;
};

enum diagnosis_status {
    DIAGNOSIS_OK,
    DIAGNOSIS_NO_CANDIDATES, /* score 0, with a malignancy model or without */
    DIAGNOSIS_NO_NODULES,    /* candidates, none of them a nodule: score 0 */
    DIAGNOSIS_NO_MALIGNANCY, /* candidates, but no malignancy model: score NaN, written as
                                empty */
    DIAGNOSIS_QUARANTINED,   /* the scan failed: score NaN */
};

struct diagnosis {
    double score; /* the highest malignancy over the nodules, or 1 - prod(1 - m) */
    int64_t nodules;
    enum diagnosis_status status;
};

/* "ok", "no candidates", "no nodules", "no malignancy model", "quarantined". */
const char *diagnosis_status_name(enum diagnosis_status s);

/* The candidates stand in the order of candidates_sort (a CHECK): the product of noisy-or
 * is rounded, and so the same only in one order. */
struct diagnosis diagnose(const struct candidate *candidates, size_t count,
                          const struct diagnose_options *o);

#endif
