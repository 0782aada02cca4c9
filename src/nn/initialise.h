/*
 * Weights before the first step.
 *
 * Kaiming's normal initialisation by fan_out for ReLU (He et al., "Delving deep into
 * rectifiers", 2015); biases are normal with mean -1/sqrt(fan_out) and deviation
 * 1/sqrt(fan_out), as those of Deep Learning with PyTorch. Norms begin as the identity.
 * Numbers are a function of the seed and the tensor's name alone.
 */
#ifndef NN_INITIALISE_H
#define NN_INITIALISE_H

#include <stddef.h>
#include <stdint.h>

#include "nn/network.h"
#include "nn/training.h"

/* Fills the tensors of layers from `first_layer` on; others stay as they are. */
void initialise_tensors(const struct network *n, const struct training_tensor *tensors,
                        size_t count, int first_layer, uint64_t seed);

/* Fine-tuning: the layer at which the last `depth` parts of a network begin. Layers with
 * weights whose names are the same up to the first dot are one part: of LunaModel the
 * input norm, four blocks and the head. 0 when there are not more parts than that. */
int fine_tuning_layer(const struct network *n, int depth);

#endif
