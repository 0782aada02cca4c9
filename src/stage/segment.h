/*
 * Stage 2, segmentation: clipped HU to a heatmap of voxels of interest, and its
 * thresholded mask.
 *
 * Slices are independent: each is run from itself and its neighbours (context on either
 * side, edge-clamped), so slabs may be done anywhere, in any order, by any number of
 * threads, and give the same bits. Rows and columns that the network cannot halve are
 * padded by replicating the high edge; the heatmap is cropped back. Local to a rank.
 */
#ifndef STAGE_SEGMENT_H
#define STAGE_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "nn/model.h"

/* Raised only when results may change, or the format of masks does (run/record.h): part
 * of the key of every stored result. */
enum { SEGMENT_NUMERICS = 3 };

struct segment_options {
    struct model_plan_options plan;
    double threshold; /* a voxel is of interest when its heatmap is greater, in float32 */
    int threads;
};

/* Called between slices by the thread that runs the segmenter, never by its helpers; a
 * status other than OK stops the work and is passed on. */
typedef enum status segment_poll(void *context);

struct segmenter;

/* *out = a segmenter for slices of height x width, the caller's to free; borrows the
 * models, of whose heatmaps the mean is taken (plan_group.h). Errors: STATUS_JOB_CONFIG
 * when the model is not 2D, takes an even number of slices or does not end in one map of
 * its input's size. */
enum status segmenter_new(struct model *const *models, size_t count, int64_t height,
                          int64_t width, const struct segment_options *o,
                          struct segmenter **out, struct error *err);
void segmenter_free(struct segmenter *s);

/* Slices on either side that a slice needs. */
int64_t segmenter_context(const struct segmenter *s);

/* Segments `count` slices. slices[i], i in [0, count + 2 * context), points to clipped HU
 * [height][width]; slices[context + k] is output slice k, and the caller clamps at the
 * ends of the volume. mask[count][height][width] receives 0 or 1; heatmap the same in
 * float, or NULL. poll may be NULL. Errors: STATUS_STAGE_NUMERIC when the heatmap is not
 * finite, naming the output slice (the first is 0); what poll returned. */
enum status segmenter_run(struct segmenter *s, const float *const *slices, int64_t count,
                          uint8_t *mask, float *heatmap, segment_poll *poll,
                          void *context, struct error *err);

#endif
