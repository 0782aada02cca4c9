/* What a model is made of, for model.c and the plan. (Internal to nn.) */
#ifndef NN_MODEL_INTERNAL_H
#define NN_MODEL_INTERNAL_H

#include "nn/model.h"
#include "nn/parameters.h"

struct model {
    struct network network;
    struct parameters parameters;
    struct tensor_file weights;
};

/* The values of a layer's tensor, in PyTorch's layout; NULL when it has none. */
const float *model_tensor(const struct model *m, int layer, enum parameter_role role);

#endif
