/*
 * What a training has learned, as named tensors: for a model file, or for a model made of
 * them in memory.
 */
#ifndef NN_TRAINING_FILE_H
#define NN_TRAINING_FILE_H

#include "io/tensor_file.h"
#include "nn/training.h"

/* Floats of all tensors. */
size_t training_value_count(const struct training *t);

/* All values, one tensor after the other in the order of training_tensors; and back. */
void training_values_copy(const struct training *t, float *values);
void training_values_set(struct training *t, const float *values);

/* *out = a copy of `values` (as training_values_copy gives them) under their names, with
 * the network's name and their content; to be released by tensor_file_release, also after
 * a failure. Errors: STATUS_STAGE_MEMORY. */
enum status training_file_init(const struct training *t, const char *network,
                               const float *values, struct tensor_file *out,
                               struct error *err);

#endif
