/*
 * Everything that is said about a run beside its FROC curve: how sure its probabilities
 * are, what became of benign and malignant nodules, patients, folds, and kinds of
 * nodules.
 *
 * Takes an evaluation (score/evaluation.h: scans, findings, marks) and what the run knows
 * of the same scans. Bootstraps are the caller's: every part has the input of one
 * (froc_curve_input), and its band is empty until somebody fills it, so ranks may share
 * them out. Pure functions of arrays, not collective. Memory: what the evaluation has,
 * about three times.
 */
#ifndef SCORE_ASSESSMENT_H
#define SCORE_ASSESSMENT_H

#include "score/calibration.h"
#include "score/confusion.h"
#include "score/evaluation.h"
#include "score/froc.h"
#include "score/roc.h"
#include "score/strata.h"

/* Where a nodule was lost, in the order of the pipeline; LOSS_NONE: a candidate at or
 * above the classifier's threshold is near it. */
enum loss {
    LOSS_ABSENT,     /* its scan is not in the run */
    LOSS_QUARANTINE, /* its scan failed */
    LOSS_OUTSIDE,    /* it lies outside the volume */
    LOSS_HEATMAP,    /* nothing near it is above the threshold of the heatmap */
    LOSS_EROSION,    /* nothing near it is left */
    LOSS_GROUPING,   /* its component is too small, or has its centre elsewhere */
    LOSS_SEARCH,     /* segment.method "threshold": no blob near it */
    LOSS_LIST,       /* segment.method "candidates": none near it */
    LOSS_CLASSIFIER, /* a candidate below the threshold */
    LOSS_NONE,
    LOSS_KINDS,
};

/* "absent", "quarantine", "outside", "heatmap", "erosion", "grouping", "search", "list",
 * "classifier", "found". */
extern const char *const loss_names[LOSS_KINDS];

/* "seen", "unseen", "unknown" for 1, 0, -1. */
const char *seen_name(int seen);

/* What a run knows of a scan. */
struct assessed_scan {
    const struct book_candidate *candidates; /* borrowed, all of them */
    size_t candidate_count;
    bool done;            /* false: quarantined, or not in the run */
    int fold;             /* that tested it; -1: none */
    int seen;             /* by the models: 1, 0, -1 unknown */
    double thickness_mm;  /* spacing of its slices; NaN: not known */
    double patient_score; /* NaN: none */
};

/* What is assessed; all borrowed. */
struct assessment_input {
    const struct evaluation *evaluation; /* its marks are set */
    const struct assessed_scan *scans;   /* [evaluation->scan_count] */
    const uint8_t *losses; /* enum loss of each included nodule, scan by scan */
    const struct nodule_list *malignancy; /* NULL: not known */
    struct book_thresholds thresholds;
};

/* The score of some of the scans. */
enum part_kind { PART_ALL, PART_FOLD, PART_SEEN };
struct part {
    enum part_kind kind;
    int label; /* the fold; 1, 0, -1: seen, unseen, unknown */
    int64_t scans, nodules;
    struct froc_result froc;
};

enum { STRATA_THICKNESS_EDGES = 6 };
extern const double strata_thickness_edges[STRATA_THICKNESS_EDGES]; /* mm */

/* Nodules found at each of the seven points, by bins of a value. */
struct stratum {
    double from, to;
    struct proportion found[BOOTSTRAP_POINTS];
};

/* A ROC curve: points[point_count], owned. */
struct roc_drawn {
    struct roc_point *points;
    size_t point_count;
};

struct assessment {
    /* The first is the whole; then each fold and each kind of seen, where there is more
     * than one. Without nodules their points are NaN. */
    struct part *parts;
    size_t part_count;

    int64_t seen_scans[3]; /* of scans in the run: unknown, unseen, seen */
    int64_t losses[LOSS_KINDS];
    struct stratum by_diameter[STRATA_DIAMETER_EDGES - 1];
    struct stratum by_thickness[STRATA_THICKNESS_EDGES - 1];

    /* Candidates (all, not the hundred alone) by whether they lie in a nodule; those on
     * excluded findings alone are left out. */
    struct confusion confusion;
    struct calibration calibration;
    struct roc_area candidates;
    int64_t candidates_excluded;

    struct book_table book; /* truth_known: with malignancies */

    bool has_malignancy; /* a list of it */
    /* Nodules of known malignancy with a candidate that the model judged: the model (a)
     * against the diameter in the list (b). */
    struct roc_difference malignancy;
    int64_t malignancy_unjudged; /* further ones, without such a candidate */
    struct roc_drawn malignancy_curve, diameter_curve;

    struct roc_area patients; /* scans: whether one of their nodules is malignant */
    int64_t patients_unscored;
    struct roc_drawn patient_curve;
};

/* Errors: STATUS_STAGE_MEMORY, STATUS_JOB_CONFIG as froc_score. assessment_release may be
 * called in any case. */
enum status assessment_init(struct assessment *a, const struct assessment_input *in,
                            struct error *err);
void assessment_release(struct assessment *a);

#endif
