/*
 * A network as its description file says (conf/models/NAME.cfg, docs/weights.md): layers,
 * what each reads, and the shapes that follow from an input size. No weights, no memory
 * for voxels.
 *
 * A value is what a layer gives: value 0 is the input of the network, value i + 1 that of
 * layers[i]. A layer reads values of layers before it, so the order of the file is an
 * order of execution. The last layer's value is the output.
 */
#ifndef NN_NETWORK_H
#define NN_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/status.h"
#include "tensor/conv_transpose.h"
#include "tensor/layers.h"

enum layer_type {
    LAYER_CONV,
    LAYER_CONV_TRANSPOSE,
    LAYER_BATCH_NORM,
    LAYER_RELU,
    LAYER_MAX_POOL,
    LAYER_AVG_POOL,
    LAYER_CONCAT,
    LAYER_LINEAR,
    LAYER_SOFTMAX,
    LAYER_SIGMOID,
    LAYER_FLATTEN,
};

enum { LAYER_INPUTS_MAX = 16, LAYER_CHANNELS_MAX = 1 << 16, LAYER_KERNEL_MAX = 64 };

struct layer {
    enum layer_type type;
    char *name; /* of its tensors; layers without weights get "TYPE at line N" if the file
                   gives none */
    int line;   /* in the description */
    int inputs[LAYER_INPUTS_MAX]; /* values */
    int input_count;
    int channels;    /* that it is said to give (conv, conv_transpose, linear), else 0 */
    int in_channels; /* that it is said to take; 0: whatever comes */
    int kernel[3], stride[3], pad[3], output_pad[3]; /* d, h, w */
    bool bias;
    double eps;
};

struct network {
    char *path, *name;
    int dimensions; /* 2 or 3 */
    int input_channels;
    int64_t crop[3]; /* zeros: any size */
    int divisor;
    struct layer *layers;
    int layer_count;
    int *channels;          /* of each value */
    struct hash128 content; /* of the file's bytes */
};

/* What a value looks like. A vector (after flatten) has size 1 x 1 x 1. */
struct value_shape {
    int64_t size[3]; /* z, y, x */
    int channels;
    bool vector;
};

/* Reads a description. network_release frees, also after a failure. Errors:
 * STATUS_JOB_CONFIG with file and line. */
enum status network_init(struct network *n, const char *path, struct error *err);
void network_release(struct network *n);

/* "conv", "max_pool", ... */
const char *layer_type_name(enum layer_type t);

/* Shapes of all values (layer_count + 1 of them) for an input size. Errors:
 * STATUS_JOB_CONFIG with file and line of the layer that cannot take what comes. */
enum status network_shapes(const struct network *n, const int64_t size[3],
                           struct value_shape *shapes, struct error *err);

/* The same where the size is not known yet: sizes are 0, channels are right. */
enum status network_channels(const struct network *n, struct value_shape *shapes,
                             struct error *err);

/* The shape of a conv_transpose layer. */
struct conv_transpose_shape layer_transpose_shape(const struct layer *l, int in_channels);

/* The windows of a pooling layer. */
struct pool_shape layer_pool_shape(const struct layer *l);

/* "16 x 64x64", or "1152" for a vector. */
enum { SHAPE_TEXT_BYTES = 96 };
void value_shape_text(const struct value_shape *s, int dimensions,
                      char text[SHAPE_TEXT_BYTES]);

#endif
