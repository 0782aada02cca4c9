/*
 * From layers to operations, forward and backward, in phases.
 *
 * Forward: the layers in their order; ReLU goes into the store of the convolution before
 * it when nothing else reads that, and so does a max pooling behind it (OP_CONV_POOL):
 * neither the map nor its gradient is ever made, only the peaks. A norm with statistics
 * of the batch is two operations: the sums of a sample, which end the phase, and the
 * norm, which begins the next. Then the loss, which takes what stands before a last
 * sigmoid or softmax when that is exact.
 *
 * Backward: the same in reverse, for layers that have something to train or lead to one
 * that has (wanted). A value that several layers read gets its gradient from all of them:
 * the first writes it, the others write a part of their own, which is added. A norm is
 * again the sums (gradients by its weight and bias) and, when the gradient by its input
 * is wanted, in the next phase what needs the sums of the batch.
 */
#include "base/memory.h"
#include "nn/training_planner.h"

static enum status add_op(struct planner *b, struct op op)
{
    struct training *t = b->t;
    enum status status =
        memory_grow((void **)&t->ops, &t->op_capacity, (size_t)t->op_count + 1,
                    sizeof *t->ops, "training plan", b->err);
    if (status != STATUS_OK)
        return status;
    op.phase = t->phase_count - 1;
    t->ops[t->op_count++] = op;
    if (op.kind == OP_NORM_SUMS && (!op.backward || t->wanted[op.in]))
        t->phase_count++;
    return STATUS_OK;
}

static enum status add_room(struct planner *b, int value, int *room)
{
    struct training *t = b->t;
    enum status status =
        memory_grow((void **)&t->rooms, &t->room_capacity, (size_t)t->room_count + 1,
                    sizeof *t->rooms, "training plan", b->err);
    if (status != STATUS_OK)
        return status;
    *room = t->room_count++;
    t->rooms[*room] = (struct room){
        .shape = t->shapes[value], .whole = NONE, .item = {.born = ARENA_UNBORN}};
    return STATUS_OK;
}

static enum status add_rooms(struct planner *b)
{
    enum status status = STATUS_OK;
    const int values = b->network->layer_count + 1;
    int room;
    for (int i = 0; i < 2 * values; i++)
        TRY(add_room(b, i % values, &room));
out:
    return status;
}

static const enum op_kind kinds[] = {
    [LAYER_CONV] = OP_CONV,         [LAYER_CONV_TRANSPOSE] = OP_CONV_TRANSPOSE,
    [LAYER_BATCH_NORM] = OP_NORM,   [LAYER_RELU] = OP_RELU,
    [LAYER_MAX_POOL] = OP_MAX_POOL, [LAYER_AVG_POOL] = OP_AVG_POOL,
    [LAYER_CONCAT] = OP_COPY,       [LAYER_LINEAR] = OP_LINEAR,
    [LAYER_SOFTMAX] = OP_SOFTMAX,   [LAYER_SIGMOID] = OP_SIGMOID,
    [LAYER_FLATTEN] = OP_FLATTEN,
};

/* Room for the peaks of a convolution's windows: a byte for each, counted as floats. */
static enum status add_peaks(struct planner *b, int layer, struct op *op)
{
    struct layer_state *state = &b->t->layers[layer];
    const int value = planner_stored_value(b, layer);
    enum { FLOAT_BYTES = sizeof(float) };
    enum status status = add_room(b, value, &op->peaks);
    if (status != STATUS_OK)
        return status;
    struct room *r = &b->t->rooms[op->peaks];
    r->shape.channels = (r->shape.channels + FLOAT_BYTES - 1) / FLOAT_BYTES;
    op->kind = OP_CONV_POOL;
    state->peaks_room = op->peaks;
    state->pool_layer = planner_pool_of(b, layer);
    return STATUS_OK;
}

static enum status add_forward(struct planner *b, int layer)
{
    enum status status = STATUS_OK;
    const struct layer *l = &b->network->layers[layer];
    const struct layer_state *state = &b->t->layers[layer];
    struct op op = {.kind = kinds[l->type],
                    .layer = layer,
                    .in = l->inputs[0],
                    .out = planner_stored_value(b, layer),
                    .gradient = NONE,
                    .to = NONE,
                    .peaks = NONE};
    op.relu = planner_after_relu(b, layer) != layer + 1;

    if (planner_is_done_before(b, layer))
        return STATUS_OK;
    if (planner_pool_of(b, layer) != NONE)
        TRY(add_peaks(b, layer, &op));
    if (l->type == LAYER_BATCH_NORM && b->t->norms[state->norm].batch) {
        struct op sums = op;
        sums.kind = OP_NORM_SUMS;
        sums.out = NONE;
        TRY(add_op(b, sums));
    }
    const int parts = l->type == LAYER_CONCAT ? l->input_count : 1;
    for (int i = 0; i < parts; i++) {
        op.in = l->inputs[i];
        if (l->type != LAYER_CONCAT || b->t->rooms[op.in].whole == NONE)
            TRY(add_op(b, op));
        op.channel += b->t->shapes[op.in].channels;
    }
out:
    return status;
}

/* Adds a backward operation and says where it writes the gradient by `value`. */
static enum status add_backward_op(struct planner *b, struct op op, int value)
{
    enum status status = STATUS_OK;
    const int whole = gradient_room(b->t, value);
    if (!b->t->wanted[value]) {
        op.to = NONE;
        return add_op(b, op);
    }
    if (!b->written[value]) {
        b->written[value] = true;
        op.to = whole;
        return add_op(b, op);
    }
    if (op.kind == OP_AVG_POOL) {
        op.adds = true;
        op.to = whole;
        return add_op(b, op);
    }
    TRY(add_room(b, value, &op.to));
    TRY(add_op(b, op));
    status = add_op(b, (struct op){.kind = OP_ADD,
                                   .backward = true,
                                   .layer = op.layer,
                                   .in = NONE,
                                   .out = NONE,
                                   .gradient = op.to,
                                   .to = whole,
                                   .peaks = NONE});
out:
    return status;
}

/* A part of a concatenation has its gradient as soon as the concatenation has. */
static enum status add_copy_backward(struct planner *b, struct op op, int value)
{
    if (!b->t->wanted[value])
        return STATUS_OK;
    if (b->t->rooms[value].whole == NONE)
        return add_backward_op(b, op, value);
    b->written[value] = true;
    return STATUS_OK;
}

/* The norm in front of a convolution, once more. */
static enum status add_norm_again(struct planner *b, struct op *op)
{
    enum status status;
    const int value = op->in;
    TRY(add_room(b, value, &op->in));
    status = add_op(b, (struct op){.kind = OP_NORM,
                                   .layer = value - 1,
                                   .in = b->network->layers[value - 1].inputs[0],
                                   .out = op->in,
                                   .gradient = NONE,
                                   .to = NONE,
                                   .peaks = NONE,
                                   .normal = planner_sums_norm(b, op->layer)});
    if (planner_sums_norm(b, op->layer))
        b->t->layers[op->layer].norm_summed = value - 1;
out:
    return status;
}

static enum status add_norm_backward(struct planner *b, struct op op)
{
    enum status status;
    const int value = op.in, behind = op.layer + 1;
    struct op sums = op;
    sums.kind = OP_NORM_SUMS;
    sums.to = sums.sums_of = NONE;
    if (behind < b->network->layer_count &&
        b->t->layers[behind].norm_summed == op.layer) {
        sums.sums_of = behind;
        sums.gradient = gradient_room(b->t, planner_stored_value(b, behind));
    }
    TRY(add_op(b, sums));
    op.kind = OP_NORM;
    if (b->t->wanted[value])
        status = add_backward_op(b, op, value);
out:
    return status;
}

static enum status add_norm_conv_backward(struct planner *b, struct op op)
{
    enum status status;
    op.kind = OP_NORM_CONV;
    b->t->layers[op.layer].norm_before = op.in - 1;
    TRY(add_room(b, op.in, &op.to));
    op.in = b->network->layers[op.in - 1].inputs[0];
    op.out = NONE;
    status = add_op(b, op);
out:
    return status;
}

/* The ReLU of a convolution's store: in the norm that has just passed back to it, or in
 * place. */
static enum status add_relu_backward(struct planner *b, struct op *conv)
{
    struct op *last = &b->t->ops[b->t->op_count - 1], op = *conv;
    if (last->kind == OP_NORM && last->backward && last->in == op.out &&
        last->to == op.gradient) {
        last->relu = conv->bias_done = true;
        last->bias_of = conv->layer;
        return STATUS_OK;
    }
    op.kind = OP_RELU;
    op.in = NONE;
    op.to = op.gradient;
    return add_op(b, op);
}

static enum status add_backward(struct planner *b, int layer)
{
    enum status status = STATUS_OK;
    const struct layer *l = &b->network->layers[layer];
    const int value = planner_stored_value(b, layer);
    struct op op = {.kind = kinds[l->type],
                    .backward = true,
                    .layer = layer,
                    .in = l->inputs[0],
                    .out = value,
                    .gradient = gradient_room(b->t, value),
                    .to = NONE,
                    .peaks = b->t->layers[layer].peaks_room};

    if (planner_is_done_before(b, layer) || !b->written[value])
        return STATUS_OK;
    if (op.peaks != NONE)
        op.kind = OP_CONV_POOL;
    else if (value != layer + 1)
        TRY(add_relu_backward(b, &op));
    if (planner_norm_before(b, layer) != NONE)
        return add_norm_conv_backward(b, op);
    switch (l->type) {
    case LAYER_CONV:
    case LAYER_CONV_TRANSPOSE:
    case LAYER_LINEAR:
        op.out = NONE;
        if (op.kind != OP_CONV_POOL && planner_makes_again(b, layer))
            TRY(add_norm_again(b, &op));
        return add_backward_op(b, op, l->inputs[0]);
    case LAYER_BATCH_NORM:
        op.out = NONE;
        return add_norm_backward(b, op);
    case LAYER_MAX_POOL:
        return add_backward_op(b, op, l->inputs[0]);
    case LAYER_RELU:
    case LAYER_SOFTMAX:
    case LAYER_SIGMOID:
        op.in = NONE;
        return add_backward_op(b, op, l->inputs[0]);
    case LAYER_AVG_POOL:
    case LAYER_FLATTEN:
        op.in = op.out = NONE;
        return add_backward_op(b, op, l->inputs[0]);
    case LAYER_CONCAT:
        op.in = op.out = NONE;
        for (int i = 0; i < l->input_count; i++) {
            TRY(add_copy_backward(b, op, l->inputs[i]));
            op.channel += b->t->shapes[l->inputs[i]].channels;
        }
        break;
    }
out:
    return status;
}

/* Which values need a gradient: all that a trained layer stands before. */
static void find_wanted(struct training *t)
{
    for (int i = 0; i < t->network->layer_count; i++) {
        const struct layer *l = &t->network->layers[i];
        t->wanted[i + 1] = t->layers[i].trained;
        for (int k = 0; k < l->input_count; k++)
            t->wanted[i + 1] = t->wanted[i + 1] || t->wanted[l->inputs[k]];
    }
}

static enum status find_loss(struct planner *b)
{
    struct training *t = b->t;
    const struct loss *loss = &t->options.loss;
    const int last = b->network->layer_count - 1;
    const struct layer *l = &b->network->layers[last];
    const struct value_shape *shape = &t->shapes[last + 1];
    const bool softmax = l->type == LAYER_SOFTMAX, sigmoid = l->type == LAYER_SIGMOID;

    t->output_value = t->loss_value = last + 1;
    if (!loss_serves(loss->kind, shape->vector) ||
        (loss_takes_logits(loss->kind) && (shape->vector ? sigmoid : softmax)))
        return error_set(b->err, STATUS_JOB_CONFIG,
                         "%s: network %s ends in a %s (%s), for which there is no loss "
                         "\"%s\"",
                         b->network->path, b->network->name, layer_type_name(l->type),
                         shape->vector ? "vector" : "map", loss_name(loss->kind));
    if (loss_takes_logits(loss->kind) && (softmax || sigmoid))
        t->loss_value = l->inputs[0];
    if (!t->wanted[t->loss_value])
        return error_set(b->err, STATUS_JOB_CONFIG,
                         "%s: no layer of network %s from number %d on can be trained",
                         b->network->path, b->network->name, t->options.frozen_layers);
    return STATUS_OK;
}

static enum status add_ops(struct planner *b)
{
    enum status status;
    struct training *t = b->t;
    t->phase_count = 1;
    TRY(add_op(b, (struct op){.kind = OP_INPUT,
                              .layer = NONE,
                              .in = NONE,
                              .out = 0,
                              .gradient = NONE,
                              .to = NONE,
                              .peaks = NONE}));
    for (int i = 0; i < b->network->layer_count; i++)
        TRY(add_forward(b, i));
    b->written[t->loss_value] = true;
    TRY(add_op(b, (struct op){.kind = OP_LOSS,
                              .layer = NONE,
                              .in = t->loss_value,
                              .out = t->output_value,
                              .gradient = NONE,
                              .to = gradient_room(t, t->loss_value),
                              .peaks = NONE}));
    for (int i = b->network->layer_count - 1; i >= 0; i--)
        if (t->wanted[i + 1])
            TRY(add_backward(b, i));
out:
    return status;
}

enum status training_make_plan(struct training *t, struct error *err)
{
    enum status status;
    struct planner b = {.t = t, .network = t->network, .err = err};
    const size_t values = (size_t)t->network->layer_count + 1;

    TRY(memory_new(values, sizeof *t->wanted, "training plan", (void **)&t->wanted, err));
    TRY(memory_new(values, sizeof *b.written, "training plan", (void **)&b.written, err));
    TRY(memory_new(values, sizeof *b.readers, "training plan", (void **)&b.readers, err));
    TRY(memory_new(values, sizeof *b.last_reader, "training plan",
                   (void **)&b.last_reader, err));
    for (int i = 0; i < t->network->layer_count; i++)
        for (int k = 0; k < t->network->layers[i].input_count; k++) {
            b.readers[t->network->layers[i].inputs[k]]++;
            b.last_reader[t->network->layers[i].inputs[k]] = i;
        }
    find_wanted(t);
    TRY(find_loss(&b));
    TRY(add_rooms(&b));
    planner_find_parts(&b);
    status = add_ops(&b);
out:
    free(b.written);
    free(b.readers);
    free(b.last_reader);
    return status;
}
