/* The rows of a run's store (run.h5), as its writer takes them and its reader gives them.
 */
#ifndef IO_RUN_ROWS_H
#define IO_RUN_ROWS_H

#include <stdbool.h>
#include <stdint.h>

/* How much a store holds. */
struct run_store_extent {
    int64_t scans, candidates, mask_bytes;
    int64_t seriesuid_bytes; /* longest seriesuid + 1 */
    bool heatmaps;
    bool ensemble; /* candidates have disagreements */
};

struct run_store_scan {
    const char *seriesuid;
    int32_t subset;
    const char *status; /* "done", "quarantined" */
    const char *reason; /* "" when done; cut at 255 bytes */
    int64_t size[3];    /* z, y, x */
    double spacing[3], origin[3], direction[9];
    const char *content; /* 32 hex digits, or "" */
    int8_t seen;         /* by the models: 1, 0, -1 unknown */
    int64_t candidate_first, candidate_count;
    int64_t mask_first, mask_bytes;
    double score;
    int64_t nodules;
    const char *diagnosis;
};

struct run_store_candidate {
    int64_t scan;
    double index[3], xyz[3]; /* z, y, x in voxels; x, y, z in mm */
    int64_t voxels;
    double diameter_mm;
    float probability, malignancy;
    int8_t seen;                                 /* 1, 0, -1 */
    float disagreement, malignancy_disagreement; /* of the models of a stage; NaN: none */
};

/* What a model of a cross-validation has to do with a scan, as bits. */
enum { ROLE_TRAINED = 1, ROLE_SELECTED = 2, ROLE_TESTED = 4 };

/* The models of a cross-validation: the proof that none was tested on what it had seen.
 */
struct run_store_model {
    int32_t fold;
    const char *network;           /* "segment", "classify", "malignancy" */
    const char *initial, *content; /* of the weights that it began with, and its own: 32
                                      hex digits, or "" */
    int8_t isolated; /* 1: the scans named are all that it can have seen; 0: not so, or
                        not known */
};
struct run_store_models {
    struct run_store_model *rows;
    int64_t count;
    uint8_t *roles; /* [count][scans] */
};

#endif
