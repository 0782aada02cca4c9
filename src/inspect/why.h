/*
 * Where a finding was won or lost: one point of one scan, followed through the stages of
 * a finished run. Everything is taken from the run directory (run.h5, the resolved
 * job.cfg); the heatmap, when the run did not keep it, is computed again from the scan
 * and the weights if those are still what they were.
 *
 * Memory: two bytes a voxel of the scan; ten where blobs are looked for again. Not
 * collective, no MPI calls.
 */
#ifndef INSPECT_WHY_H
#define INSPECT_WHY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "ct/geometry.h"
#include "io/run_rows.h"
#include "run/loss.h"

/* What belongs to a point: the measures of the stage score. */
#define WHY_RADIUS_MM LOSS_RADIUS_MM
#define WHY_DIAMETER_SHARE LOSS_DIAMETER_SHARE

/* Where a point left the pipeline. */
enum why_verdict {
    WHY_QUARANTINED,
    WHY_OUTSIDE,    /* of the volume */
    WHY_SEGMENT,    /* nothing near it is above the threshold of the heatmap */
    WHY_EROSION,    /* nothing near it is left */
    WHY_GROUP,      /* its component is too small, or has its centre elsewhere */
    WHY_NOT_LISTED, /* segment.method "candidates": none near it */
    WHY_LUNG,       /* segment.method "threshold": no lung near it */
    WHY_BLOB,       /* no blob near it */
    WHY_SCORE,      /* a blob, that scores too little or is not among the best */
    WHY_CLASSIFY,   /* a candidate, below the threshold */
    WHY_FOUND,
};

/* A mask near the point. */
struct why_mask {
    bool here;         /* at the voxel of the point */
    int64_t near;      /* voxels within the radius */
    double nearest_mm; /* below 0: none within the radius */
    int64_t nearest[3];
};

/* The best blob near the point, whatever it scores. */
struct why_blob {
    bool found;
    double distance_mm, score, diameter_mm;
};

struct why_match {
    int64_t rank;       /* in the scan's list, from 0; -1: none */
    double distance_mm; /* from the point */
    struct run_store_candidate candidate;
};

struct why {
    char *reason, *seriesuid; /* of a quarantined scan; of the scan */
    struct geometry geometry;
    double xyz[3], index[3];
    int64_t voxel[3];
    bool inside;

    double nodule_mm,
        nodule_distance_mm; /* annotated at the point; nodule_mm below 0: none */
    int nodule_malignant;   /* 1, 0, -1 not said */

    bool has_heatmap, heatmap_is_stored;
    char heatmap_note[512]; /* why there is none */
    double heat_here, heat_highest, heat_highest_mm;
    int64_t heat_voxel[3];
    double heat_threshold;

    bool has_mask;
    const char *erosion;
    struct why_mask mask, eroded;
    int64_t component_voxels, min_voxels;     /* 0: the point has no component */
    double component_centre[3], component_mm; /* in mm; its distance from the point */

    bool uses_blobs, has_search; /* the search for blobs, done again */
    char search_note[512];       /* why there is none */
    struct why_mask lung;
    struct why_blob blob;
    double blob_min_score;
    int64_t blob_max_candidates;

    int64_t candidate_count, in_reach;
    /* The most probable within reach; the nearest of all; what the component became. */
    struct why_match best, nearest, own;
    double classify_threshold, malignancy_threshold;
    enum why_verdict verdict;
};

/* Follows a point (x, y, z in mm) of a scan. why_release frees, also after a failure.
 * Errors: STATUS_JOB_FAILED when the folder holds no finished run, or the run no such
 * scan (naming those with similar names); what reading gave. */
enum status why_init(struct why *w, const char *folder, const char *seriesuid,
                     const double xyz[3], struct error *err);
void why_release(struct why *w);

/* A line a stage, the verdict last. */
void why_print(const struct why *w, FILE *out);

#endif
