/*
 * What a training is made of, for training*.c.
 *
 * Making one goes in stages:
 *   state    training_state.c  tensors, kernels and norms of the layers
 *   plan     training_plan.c   operations, forward and backward, and the phases they fall
 *                              into
 *   memory   training_place.c  where every tensor of a sample lies
 * and a batch goes through
 *   training_pass.c            the operations of one phase on one sample
 *   training_ahead.c           what they ask for beforehand
 *   training.c                 phases, sums between them, the gradient
 */
#ifndef NN_TRAINING_INTERNAL_H
#define NN_TRAINING_INTERNAL_H

#include "nn/arena.h"
#include "nn/parameters.h"
#include "nn/training.h"
#include "tensor/conv_norm_gradient.h"
#include "tensor/conv_peaks.h"
#include "tensor/exact_sum.h"
#include "tensor/norm_lanes.h"

enum { NONE = -1, OP_ROOMS = 4, LINE_FLOATS = 16 };

/* A tensor of one sample: the activation of a value, the gradient by it, or a part of a
 * gradient that is added to it. */
struct room {
    struct value_shape shape;
    int whole, channel; /* channels of another room, from `channel` on; NONE: its own */
    int halo_d, halo;
    struct arena_item item; /* moments are operations; of parts never used */
    bool a_sample; /* it lives across phases: one for each sample, else one a thread */
    bool clears;   /* its halo is zeroed at its birth, since others use the same bytes */
};

enum op_kind {
    OP_INPUT,
    OP_CONV,
    OP_CONV_POOL, /* and the max pooling behind it (conv_pool.h, conv_peaks.h) */
    OP_CONV_TRANSPOSE,
    OP_NORM_SUMS, /* ends its phase */
    OP_NORM,
    OP_NORM_CONV, /* backward: a convolution and the norm of the input before it, at once
                   */
    OP_RELU,
    OP_MAX_POOL,
    OP_AVG_POOL,
    OP_COPY, /* to or from channels of a concatenation */
    OP_LINEAR,
    OP_SOFTMAX,
    OP_SIGMOID,
    OP_FLATTEN,
    OP_LOSS,
    OP_ADD, /* a further part of a gradient */
};

/* One layer forward or backward. Rooms that it does not touch are NONE. */
struct op {
    enum op_kind kind;
    bool backward;
    int layer;
    int in, out;      /* activations; backward: those that are read */
    int gradient, to; /* by the output, by the input; they may be the same */
    int peaks;        /* OP_CONV_POOL: a byte for each value of the output */
    int channel;      /* OP_COPY: the first one in the concatenation */
    bool relu; /* convolutions, forward: in the store; norms, backward: of what they took
                */
    int bias_of; /* norms with relu: the convolution before, whose bias is summed too */
    bool bias_done; /* convolutions, backward: it is */
    bool adds;      /* mean pooling, backward: to what others have passed back */
    bool normal;    /* norms made again: without weight and bias */
    int sums_of; /* OP_NORM_SUMS, backward: the convolution that gives them, or NONE; then
                  * gradient is that by its output */
    int phase;
    int cold[OP_ROOMS], cold_count; /* whole rooms of samples that it is the first of its
                                     * phase to touch */
};

struct norm {
    int layer, channels;
    int64_t voxels; /* of a sample */
    bool batch;     /* statistics of the batch, else the running ones */
    struct exact_sum *sums;
    struct batch_statistics *statistics;
    float *mean, *inverse, *scale, *shift; /* forward */
    float *normal_shift;                   /* of normalised values: -mean * inverse */
    float *first, *second;                 /* backward: batch_norm_backward */
    double *mean_sum, *product_sum;        /* backward: sums of the batch */
};

/* Where the gradients of samples by a trained tensor lie. */
struct slot {
    size_t offset, floats;               /* in those of a sample */
    const struct conv_gradient *packing; /* their order; NULL: PyTorch's */
};

/* What belongs to a layer of the network. */
struct layer_state {
    int tensors[PARAMETER_ROLES]; /* NONE: it has no such tensor */
    int slots[PARAMETER_ROLES];   /* of those that are trained, or NONE */
    bool trained;
    /* Forward the one, backward to the input the other (NULL: it is not wanted). */
    struct conv *conv;
    struct conv_transpose *transpose;
    struct conv_gradient gradient;
    /* Of a convolution that is pooled in its op: the pooling, whose peaks take the place
     * of conv_transpose and conv_gradient. */
    struct conv_peaks *peaks;
    struct pool_shape pool;
    int pool_layer, peaks_room; /* NONE: it is not */
    int norm_before; /* layer that OP_NORM_CONV passes back to with this one, or NONE */
    /* Norm whose sums going back come from this convolution's gradients
     * (conv_norm_gradient.h), or NONE. */
    int norm_summed;
    float *packed;         /* the weights for these two, or NULL */
    int norm;              /* index, or NONE */
    int64_t multiply_adds; /* forward, counted directly */
};

struct training {
    const struct network *network;
    struct training_options options;
    struct value_shape *shapes; /* of all values */

    struct parameters parameters;
    struct training_tensor *tensors; /* one each */
    float *values;
    struct optimizer_tensor *trained; /* those that are trained */
    int *trained_layers;
    size_t trained_count, trained_values;
    float *gradients;
    struct layer_state *layers;
    struct norm *norms;
    int norm_count, norm_channels; /* channels: of the widest */

    bool *wanted; /* of each value: whether the gradient by it is needed */
    struct op *ops;
    int op_count, phase_count;
    struct room *rooms; /* activations of all values, gradients by them, parts */
    int room_count;
    size_t op_capacity, room_capacity;
    int loss_value, output_value; /* what the loss takes, what the network gives */
    int64_t multiply_adds;

    int64_t sample_floats, thread_floats, scratch_offset;
    float *sample_memory, *thread_memory;
    struct slot *slots;   /* of the trained tensors */
    size_t slot_floats;   /* of all of them */
    float *slot_memory;   /* [sample][slot_floats] gradients */
    int64_t *packed_sums; /* [slot_floats], over samples */
    float *outputs;       /* [sample][output_floats] */
    double *norm_sums;    /* [sample][2][norm_channels] */
    double *losses;       /* [sample] */
    int *magnitudes;      /* [sample][trained_count] */
    int64_t *sums;        /* gradients, in PyTorch's order, and loss over samples */
    int64_t *limits;      /* largest magnitudes, and whether the loss is finite */
    size_t output_floats;
    double *op_seconds; /* of each operation, the least; NULL: not measured */
};

/* The room that holds a room's memory. */
static inline int whole_room(const struct training *t, int room)
{
    return t->rooms[room].whole == NONE ? room : t->rooms[room].whole;
}

/* Room of the gradient by a value. */
static inline int gradient_room(const struct training *t, int value)
{
    return t->network->layer_count + 1 + value;
}

/* Each releases nothing: training_free does. Errors: as training_new. */
enum status training_make_state(struct training *t, struct error *err);
enum status training_make_plan(struct training *t, struct error *err);
enum status training_make_kernels(struct training *t, struct error *err);
enum status training_make_memory(struct training *t, struct error *err);
void training_release_state(struct training *t);

/* Gives the kernels the weights of now. */
void training_set_weights(struct training *t);

/* The operations of one phase on one sample of this rank; `next`: the one that the thread
 * takes then, or NONE. `total`: samples of the batch. */
void training_run_phase(struct training *t, int phase, int sample, int next,
                        const struct training_sample *given, int64_t total, int thread);

/* Once, when the lives of the rooms are known. */
void training_find_cold(struct training *t);

/* Before each operation on a sample: lets it ask for what comes next. */
void training_ask_ahead(const struct training *t, int op, int sample, int next);

/* Takes the time since an operation began on a sample. */
void training_time_op(struct training *t, int op, double begun);

/* The operation that ended a phase with sums over the batch, or NULL. */
const struct op *training_phase_sums(const struct training *t, int phase);

#endif
