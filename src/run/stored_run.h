/*
 * A finished run as it stands in its directory, for whoever judges it: its settings, what
 * each scan came to, all candidates, and its marks. Memory: 48 bytes a candidate, 32 a
 * mark. Not collective, no MPI calls.
 */
#ifndef RUN_STORED_RUN_H
#define RUN_STORED_RUN_H

#include <stdbool.h>

#include "base/hash.h"
#include "config/settings.h"
#include "io/run_reader.h"
#include "score/confusion.h"
#include "score/submission.h"

struct stored_scan {
    char *seriesuid;
    int64_t row; /* of run.h5 */
    int subset;
    int fold;                     /* column fold of candidates.csv; -1: none */
    int seen;                     /* by the models: 1, 0, -1 unknown */
    char content[HASH_HEX_BYTES]; /* hash of what was read, "" when it failed */
    bool done;
    double thickness_mm;  /* spacing of its slices; NaN when it failed */
    double patient_score; /* NaN: none, also where there is no malignancy model */
    size_t candidate_first, candidate_count;
};

struct stored_run {
    char *folder;
    struct settings settings; /* its job.cfg */
    struct run_reader *store;
    struct stored_scan *scans; /* sorted by bytes of seriesuid */
    char **seriesuids;         /* the same names, borrowed */
    size_t scan_count;
    struct book_candidate *candidates;
    size_t candidate_count;
    struct submission submission;
    bool has_malignancy; /* some candidate was judged by a malignancy model */
    bool whole;          /* it has scans of all ten subsets */
};

/* Opens a run directory. stored_run_release may be called in any case. Errors:
 * STATUS_JOB_FAILED when it holds no finished run, or damaged lists; what reading gave.
 */
enum status stored_run_open(struct stored_run *r, const char *folder, struct error *err);
void stored_run_release(struct stored_run *r);

/* NULL: there is no such scan. */
const struct stored_scan *stored_run_find(const struct stored_run *r,
                                          const char *seriesuid);

#endif
