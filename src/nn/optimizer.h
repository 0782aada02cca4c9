/*
 * From gradients to weights: SGD with momentum, Adam, AdamW and LARS.
 *
 * The formulas and their order of rounding are PyTorch's (float32, one tensor at a time);
 * LARS, which PyTorch lacks, is You et al., "Large batch training of convolutional
 * networks" (2017), with tensors of rank 1 (biases, norms) left to plain SGD, as is
 * usual. Every rank does the same on the same gradients, so that nothing has to be sent:
 * sums of norms go in a fixed order.
 *
 * The state is flat: checkpoints hold `steps` and the moments, nothing else.
 */
#ifndef NN_OPTIMIZER_H
#define NN_OPTIMIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum optimizer_kind { OPTIMIZER_SGD, OPTIMIZER_ADAM, OPTIMIZER_ADAMW, OPTIMIZER_LARS };

struct optimizer_options {
    enum optimizer_kind kind;
    double momentum;          /* SGD, LARS */
    double weight_decay;      /* added to the gradient; AdamW: taken from the weights */
    double beta1, beta2, eps; /* Adam, AdamW */
    double trust;             /* LARS: its eta */
};

/* PyTorch's defaults of a kind; momentum 0.9 and trust 0.001 for LARS. */
struct optimizer_options optimizer_defaults(enum optimizer_kind kind);

/* "sgd", "adam", "adamw", "lars". Errors: STATUS_JOB_CONFIG for an unknown name. */
enum status optimizer_parse(const char *name, enum optimizer_kind *out,
                            struct error *err);
const char *optimizer_name(enum optimizer_kind k);

/* A tensor that is trained: borrowed. */
struct optimizer_tensor {
    float *values;
    const float *gradient;
    size_t count;
    int rank; /* number of dimensions */
};

enum { OPTIMIZER_MOMENTS = 2 };

struct optimizer {
    struct optimizer_options options;
    int64_t steps;                     /* done */
    float *moments[OPTIMIZER_MOMENTS]; /* of all tensors, one after the other; NULL where
                                          the kind has none */
    size_t count;                      /* floats of each */
};

/* Room for `count` trained values. optimizer_release frees, also after a failure. Errors:
 * STATUS_STAGE_MEMORY. */
enum status optimizer_init(struct optimizer *o, const struct optimizer_options *options,
                           size_t count, struct error *err);
void optimizer_release(struct optimizer *o);

/* One step. The tensors are the same, in the same order, at every step, and have
 * o->count values in all. Not collective; ranks with the same gradients stay the same. */
void optimizer_step(struct optimizer *o, const struct optimizer_tensor *tensors,
                    size_t tensor_count, double learning_rate);

/* The Euclidean norm of all gradients, in double. */
double gradient_norm(const float *const *gradients, const size_t *counts, size_t n);

/* Scales the gradients so that their norm is at most `most`, as
 * torch.nn.utils.clip_grad_norm_ does, and returns what it was. */
double gradient_clip(float *const *gradients, const size_t *counts, size_t n,
                     double most);

#endif
