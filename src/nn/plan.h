/*
 * A model made ready for one input size. (Internal to nn; model.h has what others use.)
 *
 * Making one goes in stages, each a function of the one before:
 *   steps    plan.c   which layers run as one, in which order
 *   bands    bands.c  which steps go through together, a band of rows at a time
 *   memory   place.c  which values share a tensor (concatenation), how wide halos are,
 * which bytes of the workspace each tensor has, and where they are shared over time run
 * run.c    the steps over a workspace
 */
#ifndef NN_PLAN_H
#define NN_PLAN_H

#include "nn/arena.h"
#include "nn/model_internal.h"
#include "tensor/conv_pool.h"
#include "tensor/conv_transpose.h"
#include "tensor/layers.h"

enum step_kind {
    STEP_INPUT, /* the caller's planes to a tensor, with the input's batch norm */
    STEP_CONV,
    STEP_CONV_TRANSPOSE,
    STEP_BATCH_NORM,
    STEP_RELU,
    STEP_MAX_POOL,
    STEP_AVG_POOL,
    STEP_COPY, /* a part of a concatenation that could not be written in place */
    STEP_LINEAR,
    STEP_SOFTMAX,
    STEP_SIGMOID,
    STEP_FLATTEN,
    STEP_OUTPUT, /* a tensor to the caller's planes */
};

enum { NO_VALUE = -1 };

/* A view that does not know its workspace yet: data is NULL, voxel (0, 0, 0) is `offset`
 * floats from the start. */
struct place {
    struct view view;
    int64_t offset;
};

struct step {
    enum step_kind kind;
    int layer, last_layer; /* that it does: the first, and the last one fused into it */
    int from, to, to_channel; /* values, and the first channel written (copies) */
    int64_t multiply_adds;

    struct conv *conv;
    struct conv_transpose *transpose;
    struct pool_shape pool;
    bool pooled; /* a convolution that pools what it gives (conv_pool.h) */
    float *bias, *scale, *shift; /* owned; NULL for none */
    bool relu;
    const float *weights; /* linear: borrowed from the model */

    struct place in, out;
    int first, last; /* steps that go in bands with it, itself among them */

    bool clears;         /* zeroes the halo of `tensor` first */
    struct place tensor; /* the whole tensor that out is part of */
};

/* Where a value lives. Only values that a step writes or reads have a tensor. */
struct slot {
    struct value_shape shape;
    int parent;         /* value whose tensor holds this one's channels, or NO_VALUE */
    int parent_channel; /* from here on */
    int halo_d, halo;
    int writer;             /* the first step that writes to its tensor */
    int64_t window;         /* rows that it has room for, in bands; 0: all */
    struct arena_item item; /* moments are steps */
};

struct model_plan {
    const struct model *model;
    struct slot *slots; /* of each value */
    int slot_count;
    struct step *steps;
    int step_count;
    int64_t scratch_offset, workspace_floats;
};

/* Fills in which steps go together and what room that takes, once they are known. */
void bands_plan(struct model_plan *p);

/* Rows [from, to) of a step's output, and which rows lie first in its tensors. */
struct band {
    int64_t from, to, in_shift, out_shift;
};

typedef void bands_function(void *context, const struct step *s, const struct band *b);

/* Runs the steps that go together from `first` on. */
void bands_run(const struct model_plan *p, int first, float *workspace,
               bands_function *step, void *context);

/* Cuts the views of a step to a band. */
void band_cut(const struct model_plan *p, const struct step *s, const struct band *b,
              struct view *in, struct view *out);

/* Fills in where everything lies, once the steps are known. Errors: STATUS_STAGE_MEMORY.
 */
enum status plan_place(struct model_plan *p, struct error *err);

/* The tensor that holds a value, and the channel at which it begins there. */
int plan_root(const struct model_plan *p, int value, int *channel);

#endif
