/*
 * What the parts of the detector share: detector.c makes it and says what it is,
 * detector_tasks.c does the tasks, of which detector_segment.c segments and
 * detector_prepare.c fills the cache.
 */
#ifndef RUN_DETECTOR_INTERNAL_H
#define RUN_DETECTOR_INTERNAL_H

#include <stdbool.h>

#include "cache/cache.h"
#include "ct/lists.h"
#include "nn/model.h"
#include "run/detector.h"
#include "run/scan_reader.h"
#include "run/stage_setup.h"
#include "stage/classify.h"
#include "stage/segment_blocks.h"

/* Slices that were segmented: of one task, or of several at once. */
struct stretch {
    int64_t first, count;
    size_t plane; /* voxels of a slice */
    uint8_t *mask;
    float *heatmap; /* NULL: not kept */
};
void stretch_release(struct stretch *s);

/* Slabs of slices that were done together, since one has too few slices for all threads:
 * a worker goes through a scan in order. */
struct slabs_ahead {
    int64_t scan, part; /* what was asked for last */
    struct stretch slices;
};

struct detector {
    const struct settings *settings;
    struct model_plan_options plan;
    int threads;
    const char *heatmap_folder;
    detector_poll *poll;
    void *context;

    struct scan_reader *reader;
    struct cache *cache; /* NULL: nothing is prepared */
    struct stage_models segment_models, classify_models, malignancy_models;
    struct candidate_list listed;
    struct hash128 listed_content;
    struct classifier *classifier, *malignancy;
    struct segmenter *segmenter; /* 2D, for slices of segmenter_size[1], [2] */
    struct block_segmenter *block_segmenter; /* 3D, for volumes of segmenter_size */
    int64_t segmenter_size[3];
    struct slabs_ahead ahead;
    int64_t segmenter_scan; /* of the dataset: what block_segmenter did last */
    double timings[TIMING_COUNT];
};

/* All of its models, one after the other; NULL behind the last. */
const struct model *detector_model(const struct detector *d, size_t i);

/* TASK_PREPARE, of the scan that the reader has open. */
enum status detector_prepare(struct detector *d, const struct order *o, void **payload,
                             size_t *bytes, struct error *err);

/* TASK_SEGMENT, of the scan that the reader has open. */
enum status detector_segment(struct detector *d, const struct order *o, void **payload,
                             size_t *bytes, struct error *err);

/* Slices that do not fit the memory that was allowed are refused before reading:
 * STATUS_ITEM_LIMIT. */
enum status detector_check_memory(const struct detector *d, const char *path,
                                  const struct geometry *g, int64_t slices,
                                  struct error *err);

static inline int64_t detector_clamp(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

static inline bool detector_is_book(const struct settings *s)
{
    return !strcmp(s->mode, "book");
}

#endif
