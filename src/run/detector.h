/*
 * A worker's hands: does one task of a scan at a time, with the models of the job.
 *
 * What a task needs beyond the scan itself comes with the order (masks for grouping,
 * candidates for classification) and what it makes goes back as a record's payload, so
 * any worker can do any task of any scan. Local to a rank; reading is bounded by the
 * deadline, computing polls.
 */
#ifndef RUN_DETECTOR_H
#define RUN_DETECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/status.h"
#include "config/settings.h"
#include "run/schedule.h"
#include "tensor/isa.h"

/* A task with all that is needed to do it. Texts and payload are borrowed. */
struct order {
    struct task task;
    struct hash128
        identity; /* of OPEN: what the scan's files were when it was recorded */
    int subset;
    const char *seriesuid, *path;
    const void *payload; /* GROUP: masks slab after slab; CLASSIFY: struct candidate [] */
    size_t bytes;
};

/* Called between slices and candidates; a status other than OK ends the task with it. */
typedef enum status detector_poll(void *context);

/* Seconds by what they were spent on. */
enum timing {
    TIMING_INPUT,
    TIMING_SEGMENT,
    TIMING_GROUP,
    TIMING_CLASSIFY,
    TIMING_TRAIN, /* the job's, as those that follow */
    TIMING_TRAIN_WAIT,
    TIMING_TRAIN_INPUT,
    TIMING_ALLREDUCE,
    TIMING_VALIDATION,
    TIMING_CHECKPOINT,
    TIMING_COUNT
};
const char *timing_name(enum timing t);

struct detector;

/* What PREPARE leaves. */
struct prepare_result {
    int64_t file_bytes, voxel_bytes; /* in the cache; as int16 */
    int32_t written, repaired;
};

/* Opens the models, lists and the cache that the stages of the settings need. Errors:
 * STATUS_JOB_CONFIG, ... Not collective: the caller agrees. `threads` computing threads;
 * heatmaps go to `heatmap_folder`. */
enum status detector_new(const struct settings *s, enum isa isa, int threads,
                         const char *heatmap_folder, detector_poll *poll, void *context,
                         struct detector **out, struct error *err);
void detector_free(struct detector *d);

/* Gives back the last scan's voxels; no task is done after it. */
void detector_let_go(struct detector *d);

/* What the results depend on beside the scans and the binding settings: numerics
 * versions, content of models and lists, instruction set; one "name value" a line. To be
 * freed. */
enum status detector_identity(const struct detector *d, char **out, struct error *err);

/* Whether a stage has several models, so that candidates have disagreements. */
bool detector_is_ensemble(const struct detector *d);

/* The fold that all of its models were trained for; -1: none, or not the same. */
int detector_fold(const struct detector *d);

/* Does a task; *payload is the record's, to be freed. On failure `stage` names where. */
enum status detector_do(struct detector *d, const struct order *o, void **payload,
                        size_t *bytes, const char **stage, struct error *err);

/* Slices of a task of segmentation, as the model has it; 0: nothing is segmented. */
int64_t detector_segment_slices(const struct detector *d);

/* TIMING_COUNT seconds. */
const double *detector_timings(const struct detector *d);

/* Name of the file of one slab's heatmap, to be freed. */
enum status heatmap_slab_path(const char *folder, const char *seriesuid, int64_t slab,
                              char **out, struct error *err);

#endif
