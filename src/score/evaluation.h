/*
 * What a score is made from, brought together by scan: the list of scans, included and
 * excluded findings, and marks.
 *
 * The list decides. A scan that it names twice counts once; marks on scans that it does
 * not name are passed over, since a fold's list is often held against a whole submission;
 * findings on such scans are not used. All three are counted, for whoever asked to know.
 */
#ifndef SCORE_EVALUATION_H
#define SCORE_EVALUATION_H

#include "score/match.h"
#include "score/submission.h"

struct evaluation_paths {
    const char *annotations, *excluded, *seriesuids;
};

struct evaluation {
    struct nodule_list included, excluded;
    struct series_list list;

    char **seriesuids;         /* borrowed from list: each once, sorted by bytes */
    struct scored_scan *scans; /* [scan_count], borrowing from the lists and the marks */
    size_t scan_count;

    size_t repeated;      /* lines of the list that name a scan again */
    size_t foreign_scans; /* of the submission, not in the list */
    size_t foreign_marks;
    const char *first_foreign; /* NULL: none */
    size_t with_marks;         /* listed scans that the submission has marks on */
    size_t unused_findings;    /* included annotations of scans that are not listed */
    size_t left_out;           /* listed scans that are outside the scope */
    size_t unlisted;           /* scans of the scope that are not listed */
};

/* Reads the three lists; scans have no marks yet. Errors as ct/lists.h; STATUS_JOB_CONFIG
 * for a list without a scan. evaluation_release may be called in any case. */
enum status evaluation_init(struct evaluation *e, const struct evaluation_paths *paths,
                            struct error *err);

/* Lays marks, grouped by scan as in struct submission, on the scans; borrowed. May be
 * called again with other marks. */
void evaluation_set_marks(struct evaluation *e, const struct submission *marks);

void evaluation_release(struct evaluation *e);

/* What a run covered. */
struct evaluation_scope {
    char *const *seriesuids; /* its scans, sorted by bytes, each once; borrowed */
    size_t count;
    bool whole; /* the list decides; otherwise only those of its scans that the run has */
};

/* The same for a run: lists that are not given (NULL or "") are empty, a list of scans
 * that is not given is the scope's. Errors as above; STATUS_JOB_CONFIG too when no scan
 * is left to score. */
enum status evaluation_init_run(struct evaluation *e,
                                const struct evaluation_paths *paths,
                                const struct evaluation_scope *scope, struct error *err);

#endif
