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
};

struct run_store_scan {
    const char *seriesuid;
    int32_t subset;
    const char *status; /* "done", "quarantined" */
    const char *reason; /* "" when done; cut at 255 bytes */
    int64_t size[3];    /* z, y, x */
    double spacing[3], origin[3], direction[9];
    const char *content; /* 32 hex digits, or "" */
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
    int8_t seen; /* 1, 0, -1 */
};

#endif
