/*
 * Stage 5b, diagnosis: from the candidates of a scan to one score for the patient.
 */
#ifndef STAGE_DIAGNOSE_H
#define STAGE_DIAGNOSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stage/candidate.h"

enum { DIAGNOSE_NUMERICS = 1 };

enum patient_rule { PATIENT_MAX, PATIENT_NOISY_OR };

struct diagnose_options {
    double nodule_threshold; /* classify.threshold: a candidate counts from this probability on */
    enum patient_rule rule;
    bool has_malignancy;
};

enum diagnosis_status {
    DIAGNOSIS_OK,
    DIAGNOSIS_NO_CANDIDATES,  /* score 0 */
    DIAGNOSIS_NO_NODULES,     /* candidates, none of them a nodule: score 0 */
    DIAGNOSIS_NO_MALIGNANCY,  /* no malignancy model: score NaN, written as empty */
    DIAGNOSIS_QUARANTINED,    /* the scan failed: score NaN */
};

struct diagnosis {
    double score; /* the highest malignancy over the nodules, or 1 - prod(1 - m) */
    int64_t nodules;
    enum diagnosis_status status;
};

/* "ok", "no candidates", "no nodules", "no malignancy model", "quarantined". */
const char *diagnosis_status_name(enum diagnosis_status s);

struct diagnosis diagnose(const struct candidate *candidates, size_t count,
                          const struct diagnose_options *o);

/* Descending probability, ties by x, y, z in mm: the order of all lists. */
void candidates_sort(struct candidate *candidates, size_t count);

#endif
