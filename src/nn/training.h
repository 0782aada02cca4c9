/*
 * Training a network: from a batch of samples to the gradient of its mean loss.
 *
 * A training owns the state of a network: weights, running statistics, and the gradient
 * of the last batch. The caller divides each batch over ranks as it likes; every rank
 * hands its share to training_gradients, and all of them end with the same bits, those
 * that one rank alone would have. An optimizer (optimizer.h) then does the same step
 * everywhere.
 *
 * How a batch goes (training_plan.c): samples run through phases, each sample on its own
 * and on one thread; between phases stand the sums over the batch that batch norm needs.
 * A network whose only norm is that of its input has two phases, the second of which does
 * forward, loss and backward of one sample while its activations are in the cache. Sums
 * over samples are exact (exact_sum.h) or in fixed point (fixed_sum.h), so neither their
 * order nor the division of the batch shows.
 *
 * Results depend on the instruction set and on the algorithm of the convolutions.
 */
#ifndef NN_TRAINING_H
#define NN_TRAINING_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "io/tensor_file.h"
#include "nn/losses.h"
#include "nn/network.h"
#include "nn/optimizer.h"
#include "tensor/conv.h"

struct training;

struct training_options {
    enum isa isa;
    enum conv_algorithm algorithm; /* CONV_AUTO, or one forced wherever it serves */
    int threads;
    int samples; /* most of one batch that this rank takes */
    struct loss loss;
    /* Fine-tuning: layers before this index of the description keep their weights. */
    int frozen_layers;
    /* Whether frozen norms go on taking the statistics of the batch and updating the
     * running ones, as the book's do; otherwise they use the running ones. */
    bool frozen_norms_adapt;
};

/* Plans and allocates all that steps need; the network is borrowed. Weights are zeros:
 * training_load or the tensors below set them. Errors: STATUS_JOB_CONFIG (a size that the
 * network cannot take, a loss that does not fit what it gives, nothing left to train),
 * STATUS_STAGE_MEMORY. */
enum status training_new(const struct network *n, const int64_t size[3],
                         const struct training_options *options, struct training **out,
                         struct error *err);
void training_free(struct training *t);

/* A tensor of the network's state, by PyTorch's name and in its layout. */
struct training_tensor {
    const char *name;
    int layer;
    int rank;
    int64_t shape[TENSOR_RANK_MAX];
    size_t count;
    float *values;
    float *gradient; /* of the mean loss of the last batch; NULL: not trained */
};

/* All of them, in the order of the layers. Values may be written between batches. */
const struct training_tensor *training_tensors(const struct training *t, size_t *count);

/* Takes the weights of a file. Errors: STATUS_JOB_CONFIG when they do not fit, naming the
 * tensor. */
enum status training_load(struct training *t, const struct tensor_file *weights,
                          const char *path, struct error *err);

/* The tensors that are trained, for optimizer_step and gradient_clip, and their values.
 */
const struct optimizer_tensor *training_trained(const struct training *t, size_t *count);
size_t training_trained_values(const struct training *t);

struct training_sample {
    const float *input;  /* dense [channels][depth][height][width] */
    int label;           /* of losses of a class */
    const float *target; /* of losses of a map: dense, as the output */
};

/* How ranks add up and compare. Both work in place, are collective, and are called by the
 * thread that called training_gradients, in the same order with the same counts on all
 * ranks. */
struct training_reducer {
    enum status (*sum)(int64_t *values, size_t count, void *context, struct error *err);
    enum status (*max)(int64_t *values, size_t count, void *context, struct error *err);
    void *context;
};

/* The gradient of the mean loss over a batch of `total` samples, of which this rank has
 * `count` (also 0), into the tensors; total is at most FIXED_SUM_TERMS (fixed_sum.h);
 * *loss = the mean. Updates running statistics. `reducer` NULL: alone. Collective over
 * the ranks that share the reducer. Errors, the same on all ranks and with all state but
 * the gradients as it was: STATUS_STAGE_NUMERIC naming what is not finite (statistics of
 * a layer, the loss, a gradient), and what the reducer returns. */
enum status training_gradients(struct training *t, const struct training_sample *samples,
                               int count, int64_t total,
                               const struct training_reducer *reducer, double *loss,
                               struct error *err);

/* What the network gave for a sample of the last batch (probabilities), in PyTorch's
 * order, and its loss. */
const float *training_output(const struct training *t, int sample, size_t *count);
double training_loss(const struct training *t, int sample);

/* Bytes allocated, for limits.memory_gb: all, and those that each sample of a share adds.
 */
size_t training_bytes(const struct training *t, size_t *a_sample);

/* Multiply-adds of one sample, forward and backward, counted directly. */
int64_t training_multiply_adds(const struct training *t);

/* Measures what training_print shows as rates, in a few steps on noise with weights of
 * its own making; `samples` and `threads` are best 1. Once. Errors: STATUS_STAGE_MEMORY,
 * and those of training_gradients. */
enum status training_measure(struct training *t, struct error *err);

/* One line an operation of a step: phase (the batch meets between phases), layer, what,
 * shape, algorithm, million floating point operations (counted directly) and kilobytes
 * read and written, of one sample; once measured, GFLOP/s or, where there are none, GB/s.
 */
void training_print(const struct training *t, FILE *out);

#endif
