/*
 * A network with its weights, and running it.
 *
 * A network is described by a file of conf/models (docs/weights.md): a list of layers,
 * each with the name of its tensors in PyTorch's state_dict and the names of its inputs.
 * A model binds it to a weights file; a model_plan is the model made ready for one input
 * size: shapes, memory places (liveness decides what may share), fused steps (convolution
 * + ReLU + batch norm), kernels.
 *
 * Everything here is local to a rank (not collective). Models and plans are read-only in
 * use: any number of threads may run one plan, each with a workspace of its own.
 */
#ifndef NN_MODEL_H
#define NN_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/status.h"
#include "tensor/conv.h"

struct model;
struct model_plan;

/* Opens a model. `network` is a file of the form conf/models/NAME.cfg, or NULL: then the
 * weights determine it, by their root attribute "network" or by names and shapes of their
 * tensors, among the *.cfg of the folder `networks`. Tensors that do not fit are refused
 * naming file, layer, expected and found shape (or that a tensor is missing or has no
 * layer). Errors: STATUS_JOB_CONFIG. *out is the caller's to free. */
enum status model_open(const char *network, const char *networks, const char *weights,
                       struct model **out, struct error *err);
void model_free(struct model *m);

struct network;
struct tensor_file;

/* A model of weights in memory, which it takes over also when it fails. `network` is the
 * file of its description. Errors: as model_open. */
enum status model_make(const char *network, struct tensor_file *weights,
                       struct model **out, struct error *err);

const char *model_name(const struct model *m); /* the network's */
const struct network *model_network(const struct model *m);
int model_dimensions(const struct model *m); /* 2 or 3 */
int model_input_channels(const struct model *m);
int model_divisor(const struct model *m); /* sizes must be multiples of it (pooling) */
struct hash128 model_content(const struct model *m); /* of network and weights */
/* The input size that the network is made for ("crop", z y x); zeros: it takes any. */
void model_crop(const struct model *m, int64_t crop[3]);
/* Number of trainable parameters. */
int64_t model_parameters(const struct model *m);
/* Whether the weights were trained or selected on a scan: 1 yes, 0 no, -1 unknown. */
int model_has_seen(const struct model *m, const char *seriesuid);
/* The fold that they were trained for, -1: none. */
int model_fold(const struct model *m);

struct model_plan_options {
    enum isa isa;
    enum conv_algorithm algorithm; /* CONV_AUTO, or one forced wherever it serves */
};

/* *out = the model made ready for inputs of depth x height x width voxels (2D: depth 1).
 * The plan borrows the model. Errors: STATUS_JOB_CONFIG (a size that the network cannot
 * take, named), STATUS_STAGE_MEMORY. */
enum status model_plan_new(const struct model *m, int64_t depth, int64_t height,
                           int64_t width, const struct model_plan_options *options,
                           struct model_plan **out, struct error *err);
void model_plan_free(struct model_plan *p);

/* Bytes of workspace a run needs. The workspace is zeroed by its owner before its first
 * use (memory_new does) and may be used again without clearing, also by another plan.
 * 64-byte aligned. */
size_t model_plan_workspace_bytes(const struct model_plan *p);

/* Floats of the output: out_channels * depth * height * width for a map, the length of
 * the vector for a classifier. */
int64_t model_plan_output_floats(const struct model_plan *p);

/* Multiply-adds of one run, counted directly. */
int64_t model_plan_multiply_adds(const struct model_plan *p);

/* One line a step: name, shape, algorithm, multiply-adds. */
void model_plan_print(const struct model_plan *p, FILE *out);

/* Runs one input. channels[c] points to dense [depth][height][width] floats. output is
 * dense, in PyTorch's order (channel first). No allocation; one thread. */
void model_run(const struct model_plan *p, const float *const *channels, float *output,
               void *workspace);

#endif
