/*
 * What the page shows of places in scans: which nodules were missed and where, what is
 * called a nodule and is none, and what a run holds to be most probable; each with what
 * is known of it.
 *
 * Nodules come from froc/nodules.csv, which the stage score writes; whether a candidate
 * lies in one, or in a finding that does not count, is judged as the score judges
 * (score/match.h). Without a score nothing is called right or wrong.
 */
#ifndef REPORT_HIGHLIGHTS_H
#define REPORT_HIGHLIGHTS_H

#include "run/stored_run.h"

/* An annotated nodule and what became of it. */
struct known_nodule {
    char *seriesuid;
    size_t scan; /* of the run; SIZE_MAX: not in it */
    struct nodule place;
    double probability; /* of the mark that found it; NaN: none */
    char lost_in[16];   /* "found", or the stage that lost it */
};

enum finding_truth { TRUTH_OPEN, TRUTH_NODULE, TRUTH_EXCLUDED, TRUTH_NOTHING };

struct finding {
    size_t scan;        /* of the run; SIZE_MAX: not in it */
    size_t candidate;   /* of the run's candidates; SIZE_MAX: a nodule without one */
    double xyz[3];      /* mm */
    double probability; /* of a missed nodule: that of the best candidate near it */
    enum finding_truth truth;
    const struct known_nodule *nodule; /* that it lies in; NULL: none */
};

struct highlights {
    bool scored; /* nodules are known */
    struct known_nodule *nodules;
    size_t nodule_count, missed_count;
    struct nodule_list excluded;
    size_t *first; /* [scans + 1]: nodules of each scan of the run */

    /* The lists of the page, each at most `limit` long. */
    struct finding *missed, *falses, *probable;
    size_t missed_shown, false_count, probable_count;
};

/* highlights_release frees, also after a failure. Errors: STATUS_JOB_CONFIG for a damaged
 * froc/nodules.csv, STATUS_STAGE_MEMORY. */
enum status highlights_init(struct highlights *f, const struct stored_run *run,
                            size_t limit, struct error *err);
void highlights_release(struct highlights *f);

#endif
