/*
 * The state of making a training's plan, and what of the network its operations do
 * together. (training_plan.c, training_fuse.c)
 */
#ifndef NN_TRAINING_PLANNER_H
#define NN_TRAINING_PLANNER_H

#include "nn/training_internal.h"

struct planner {
    struct training *t;
    const struct network *network;
    bool *written; /* of each value: its gradient has a first writer */
    int *readers, *last_reader;
    struct error *err;
};

/* The value that holds what a layer gives, after a ReLU in its store. */
int planner_after_relu(const struct planner *b, int layer);

/* The max pooling that a convolution does, or NONE. The algorithms that others are held
 * against do without. */
int planner_pool_of(const struct planner *b, int layer);

/* The value that holds what a layer gives, after all that it does in its store. */
int planner_stored_value(const struct planner *b, int layer);

/* Whether a layer is a ReLU or a pooling that the convolution before it does. */
bool planner_is_done_before(const struct planner *b, int layer);

/* The norm in front of a convolution that needs a gradient of its own but passes none on,
 * or NONE: then neither the gradient between the two nor its sums are made. The
 * algorithms that others are held against make them. */
int planner_norm_before(const struct planner *b, int layer);

/* Whether the input of a convolution is a norm's output that nothing else reads: it is
 * made again where the gradient by the weights needs it, in the cache, instead of being
 * kept for each sample. */
bool planner_makes_again(const struct planner *b, int layer);

/* Whether what a norm receives is summed by the convolution behind it, which makes it
 * again: where that has fewer weights than the norm has values. The algorithms that
 * others are held against sum over voxels. */
bool planner_sums_norm(const struct planner *b, int layer);

/* Lets values, and gradients by them, be parts of the concatenation that reads them. */
void planner_find_parts(struct planner *b);

#endif
