/*
 * The tensors that a network needs, by PyTorch's names and shapes, and holding a weights
 * file against them. (Internal to nn.)
 */
#ifndef NN_PARAMETERS_H
#define NN_PARAMETERS_H

#include "io/tensor_file.h"
#include "nn/network.h"

enum parameter_role {
    PARAMETER_WEIGHT,
    PARAMETER_BIAS,
    PARAMETER_MEAN,     /* running_mean */
    PARAMETER_VARIANCE, /* running_var */
    PARAMETER_ROLES,
};

struct parameter {
    char *name;
    int layer;
    enum parameter_role role;
    int rank;
    int64_t shape[TENSOR_RANK_MAX];
};

struct parameters {
    struct parameter *items; /* in the order of the layers */
    size_t count;
};

/* parameters_release frees, also after a failure. Errors: STATUS_STAGE_MEMORY. */
enum status parameters_init(struct parameters *p, const struct network *n,
                            struct error *err);
void parameters_release(struct parameters *p);

/* Whether every parameter has its tensor and every tensor is wanted (or is
 * num_batches_tracked of a batch norm). Otherwise the first mismatch: layer, expected and
 * found. *fitting counts the parameters that fit, NULL for none. Errors:
 * STATUS_JOB_CONFIG. */
enum status parameters_match(const struct parameters *p, const struct network *n,
                             const struct tensor_file *weights, const char *weights_path,
                             size_t *fitting, struct error *err);

/* Number of trainable values: not the running statistics. */
int64_t parameters_trainable(const struct parameters *p);

#endif
