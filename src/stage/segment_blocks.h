/*
 * Stage 2 with a network in 3D: clipped HU to a heatmap of voxels of interest, and its
 * thresholded mask, in overlapping blocks with blended borders (stage/blocks.h).
 *
 * A run does some whole slices. Blocks that reach into the slices of the next run are
 * computed once when the runs of a volume follow one another: their share of the coming
 * slices is carried along. A run that does not follow the last one computes them again,
 * with the same bits, since a voxel's blocks are added up in one order (slice, row,
 * column) either way. So runs may be done anywhere, in any order, by any number of
 * threads.
 *
 * A block without a voxel above -700 HU (air around the patient) is not run: its heatmap
 * is 0. No voxel of it could be part of a nodule as the labels have it (train/label.h).
 * Local to a rank.
 */
#ifndef STAGE_SEGMENT_BLOCKS_H
#define STAGE_SEGMENT_BLOCKS_H

#include "stage/crop.h"
#include "stage/segment.h"

/* Voxels that a segmenter in 3D is trained on at once, and the least that it is shown: a
 * smaller volume is continued by reflection, in training and here. */
enum { BLOCK_LEAST_DEPTH = 24, BLOCK_LEAST_SIDE = 48 };

/* HU that a block must exceed somewhere to be run. */
#define BLOCK_EMPTY_HU (-700.0f)

struct block_segmenter;

/* *out = a segmenter for volumes of size z y x, the caller's to free; borrows the models,
 * of whose heatmaps the mean is taken, block by block (plan_group.h).
 * `most_slices`: of one run. Errors: STATUS_JOB_CONFIG when the model is not 3D of one
 * channel or does not end in one map of its input's size; STATUS_STAGE_MEMORY. */
enum status block_segmenter_new(struct model *const *models, size_t count,
                                const int64_t size[3], int64_t most_slices,
                                const struct segment_options *o,
                                struct block_segmenter **out, struct error *err);
void block_segmenter_free(struct block_segmenter *s);

/* What it takes for volumes of a size, without making it. */
struct block_segmenter_needs {
    int64_t bytes, thread_bytes; /* that it holds: once, and for each thread */
    int64_t slices;              /* of the volume that a run reads, at most */
};
/* Errors: block_segmenter_new's. */
enum status block_segmenter_measure(struct model *const *models, size_t count,
                                    const int64_t size[3], int64_t most_slices,
                                    const struct model_plan_options *plan,
                                    struct block_segmenter_needs *out, struct error *err);

/* Slices [*low, *low + *slices) of the volume that a run of [first, first + count) reads,
 * whatever was run before. */
void block_segmenter_range(const struct block_segmenter *s, int64_t first, int64_t count,
                           int64_t *low, int64_t *slices);

/* What follows is another volume of the same size: nothing is carried along. */
void block_segmenter_turn(struct block_segmenter *s);

/* Segments slices [first, first + count) of a volume, of which `window` holds those of
 * block_segmenter_range. mask[count][height][width] receives 0 or 1; heatmap the same in
 * float, or NULL. poll (may be NULL) is called between blocks. Errors:
 * STATUS_STAGE_NUMERIC when the heatmap is not finite, naming the block; what poll
 * returned. */
enum status block_segmenter_run(struct block_segmenter *s, const struct slices *window,
                                int64_t first, int64_t count, uint8_t *mask,
                                float *heatmap, segment_poll *poll, void *context,
                                struct error *err);

#endif
