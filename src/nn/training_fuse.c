/*
 * What the operations of a training step do together, and which tensors are never copied.
 *
 * A value that a concatenation reads last, and beside it only poolings, is made as a part
 * of the concatenation, and its gradient is a part of the concatenation's: neither is
 * copied. It has to be read last there, since going back a concatenation then writes the
 * gradient before others add to it.
 */
#include "nn/training_planner.h"

/* Whether a layer is a ReLU that the convolution before it does. */
static bool is_fused(const struct planner *b, int layer)
{
    const struct layer *l = &b->network->layers[layer];
    const int before = l->inputs[0] - 1;
    return l->type == LAYER_RELU && before >= 0 &&
           (b->network->layers[before].type == LAYER_CONV ||
            b->network->layers[before].type == LAYER_CONV_TRANSPOSE) &&
           b->readers[l->inputs[0]] == 1 && l->inputs[0] != b->t->loss_value;
}

int planner_after_relu(const struct planner *b, int layer)
{
    const int value = layer + 1;
    return b->readers[value] == 1 && is_fused(b, b->last_reader[value])
               ? b->last_reader[value] + 1
               : value;
}

int planner_pool_of(const struct planner *b, int layer)
{
    const struct layer *l = &b->network->layers[layer];
    const enum conv_algorithm algorithm = b->t->options.algorithm;
    const int value = planner_after_relu(b, layer), reader = b->last_reader[value];
    if (l->type != LAYER_CONV || algorithm == CONV_REFERENCE || algorithm == CONV_BLIS ||
        b->readers[value] != 1 || value == b->t->loss_value)
        return NONE;
    const struct layer *pool = &b->network->layers[reader];
    const struct pool_shape shape = layer_pool_shape(pool);
    return pool->type == LAYER_MAX_POOL && conv_pool_serves(&shape) ? reader : NONE;
}

int planner_stored_value(const struct planner *b, int layer)
{
    const int pool = planner_pool_of(b, layer);
    return pool == NONE ? planner_after_relu(b, layer) : pool + 1;
}

/* Whether a layer is a pooling that the convolution before it does. */
static bool is_pooled(const struct planner *b, int layer)
{
    const struct layer *l = &b->network->layers[layer];
    const int value = l->inputs[0];
    for (int i = 0; i < layer && l->type == LAYER_MAX_POOL; i++)
        if (planner_pool_of(b, i) == layer && planner_after_relu(b, i) == value)
            return true;
    return false;
}

bool planner_is_done_before(const struct planner *b, int layer)
{
    return is_fused(b, layer) || is_pooled(b, layer);
}

int planner_norm_before(const struct planner *b, int layer)
{
    const struct layer *l = &b->network->layers[layer];
    const int value = l->inputs[0];
    const enum conv_algorithm algorithm = b->t->options.algorithm;
    if (l->type != LAYER_CONV || b->t->layers[layer].peaks_room != NONE || value == 0 ||
        algorithm == CONV_REFERENCE || algorithm == CONV_BLIS)
        return NONE;
    const struct layer *norm = &b->network->layers[value - 1];
    return norm->type == LAYER_BATCH_NORM && b->t->layers[layer].trained &&
                   b->t->layers[value - 1].trained && b->readers[value] == 1 &&
                   !b->t->wanted[norm->inputs[0]]
               ? value - 1
               : NONE;
}

bool planner_makes_again(const struct planner *b, int layer)
{
    const int value = b->network->layers[layer].inputs[0];
    return value > 0 && b->network->layers[value - 1].type == LAYER_BATCH_NORM &&
           b->t->layers[layer].trained && b->readers[value] == 1 &&
           b->t->rooms[value].whole == NONE;
}

bool planner_sums_norm(const struct planner *b, int layer)
{
    const struct layer *l = &b->network->layers[layer];
    const enum conv_algorithm algorithm = b->t->options.algorithm;
    if (l->type != LAYER_CONV || l->inputs[0] != layer || algorithm == CONV_REFERENCE ||
        algorithm == CONV_BLIS || b->t->layers[layer].peaks_room != NONE ||
        !planner_makes_again(b, layer) || !b->t->layers[layer - 1].trained)
        return false;
    /* Three passes over the weights, or two over the voxels. */
    const struct value_shape *in = &b->t->shapes[layer];
    const int64_t taps = (int64_t)l->kernel[0] * l->kernel[1] * l->kernel[2];
    return 2 * in->size[0] * in->size[1] * in->size[2] > 3 * taps * l->channels;
}

/* Whether anything but poolings reads a value before its last reader. */
static bool is_read_by_others(const struct planner *b, int value)
{
    for (int i = 0; i < b->last_reader[value]; i++) {
        const struct layer *l = &b->network->layers[i];
        for (int k = 0; k < l->input_count; k++)
            if (l->inputs[k] == value && l->type != LAYER_AVG_POOL &&
                l->type != LAYER_MAX_POOL)
                return true;
    }
    return false;
}

static bool is_part(const struct planner *b, int value, int concatenation)
{
    const struct layer *layers = b->network->layers;
    int times = 0;
    for (int k = 0; k < layers[concatenation].input_count; k++)
        times += layers[concatenation].inputs[k] == value;
    if (value == 0 || times != 1 || b->last_reader[value] != concatenation ||
        value == b->t->loss_value || value == b->t->output_value)
        return false;
    const enum layer_type type = layers[value - 1].type;
    return (type == LAYER_BATCH_NORM || type == LAYER_CONV ||
            type == LAYER_CONV_TRANSPOSE || type == LAYER_RELU) &&
           !is_read_by_others(b, value);
}

void planner_find_parts(struct planner *b)
{
    struct training *t = b->t;
    for (int i = 0; i < b->network->layer_count; i++) {
        const struct layer *l = &b->network->layers[i];
        int channel = 0;
        for (int k = 0; k < l->input_count && l->type == LAYER_CONCAT; k++) {
            const int value = l->inputs[k];
            if (is_part(b, value, i)) {
                struct room *rooms[] = {&t->rooms[value],
                                        &t->rooms[gradient_room(t, value)]};
                rooms[0]->whole = i + 1;
                rooms[1]->whole = gradient_room(t, i + 1);
                rooms[0]->channel = rooms[1]->channel = channel;
            }
            channel += t->shapes[value].channels;
        }
    }
}
