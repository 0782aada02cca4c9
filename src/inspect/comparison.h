/*
 * Two runs against the same truth: what `pulmo compare` prints. They are compared on the
 * scans that both have (and that the list of scans names, where there is one); a scan
 * that failed in one of them is one without marks there. Differences are B less A.
 *
 * Memory: both runs (run/stored_run.h) and their curves. Not collective, no MPI calls.
 */
#ifndef INSPECT_COMPARISON_H
#define INSPECT_COMPARISON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "score/assessment.h"
#include "score/paired.h"

/* What is asked; lists are NULL where those of the runs serve. Borrowed. */
struct comparison_request {
    const char *folders[2];
    const char *annotations, *excluded, *seriesuids, *malignancy;
    size_t resamples;
    uint64_t seed;
};

/* Some of the scans, or some of the nodules: of the others marks are neither right nor
 * wrong. */
struct comparison_stratum {
    double from, to; /* of the value; `from` is inside */
    int64_t scans, nodules;
    struct paired_result paired;
};

struct comparison {
    int64_t run_scans[2], only[2]; /* of each run; in it alone */
    int64_t shared;                /* in both */
    int64_t scans;                 /* of those, compared: the list names them */
    int64_t nodules;
    int64_t failed[2];  /* compared scans without a result */
    int64_t seen[2][3]; /* compared scans with one: unknown, unseen, seen by the models */
    int64_t changed;    /* compared scans whose content was another one */
    bool excluded_is_given, list_is_given;
    size_t resamples;
    uint64_t seed;
    struct paired_result all;
    struct comparison_stratum by_diameter[STRATA_DIAMETER_EDGES - 1];
    struct comparison_stratum by_thickness[STRATA_THICKNESS_EDGES - 1];

    /* Nodules of known malignancy that both runs judged; scans that both scored. a of
     * these is run B, so that differences are B less A too. */
    bool has_malignancy;
    struct roc_difference malignancy, patients;
};

/* Errors: STATUS_JOB_FAILED when a folder holds no finished run or the runs share no
 * scan; STATUS_JOB_CONFIG when their lists differ (naming the key), or none is given, or
 * one cannot be read; what reading gave. */
enum status comparison_init(struct comparison *c, const struct comparison_request *r,
                            struct error *err);

/* A table for people. */
void comparison_print(const struct comparison *c, const struct comparison_request *r,
                      FILE *out);

/* *out = the same for programs, the caller's to free. Errors: STATUS_STAGE_MEMORY. */
enum status comparison_json(const struct comparison *c,
                            const struct comparison_request *r, char **out,
                            struct error *err);

#endif
