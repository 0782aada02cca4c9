/*
 * What the two halves of the detector share: detector.c makes it and says what it is,
 * detector_tasks.c does the tasks.
 */
#ifndef RUN_DETECTOR_INTERNAL_H
#define RUN_DETECTOR_INTERNAL_H

#include <stdbool.h>

#include "cache/cache.h"
#include "ct/lists.h"
#include "nn/model.h"
#include "run/detector.h"
#include "run/scan_reader.h"
#include "stage/classify.h"
#include "stage/segment.h"

struct detector {
    const struct settings *settings;
    struct model_plan_options plan;
    int threads;
    const char *heatmap_folder;
    detector_poll *poll;
    void *context;

    struct scan_reader *reader;
    struct cache *cache; /* NULL: nothing is prepared */
    struct model *segment_model, *classify_model, *malignancy_model; /* NULL: none */
    struct candidate_list listed;
    struct hash128 listed_content;
    struct classifier *classifier, *malignancy;
    struct segmenter *segmenter; /* for slices of segmenter_size */
    int64_t segmenter_size[2];
    double timings[TIMING_COUNT];
};

/* TASK_PREPARE, of the scan that the reader has open. */
enum status detector_prepare(struct detector *d, const struct order *o, void **payload,
                             size_t *bytes, struct error *err);

static inline bool detector_is_book(const struct settings *s)
{
    return !strcmp(s->mode, "book");
}

#endif
