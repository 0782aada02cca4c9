/* The operations of a training step, as people read them. */
#include "nn/training_internal.h"

static const char *const names[] = {
    [OP_INPUT] = "input",
    [OP_CONV] = "conv",
    [OP_CONV_POOL] = "conv + max_pool",
    [OP_CONV_TRANSPOSE] = "conv_transpose",
    [OP_NORM_SUMS] = "norm, sums",
    [OP_NORM] = "norm",
    [OP_NORM_CONV] = "norm + conv",
    [OP_RELU] = "relu",
    [OP_MAX_POOL] = "max_pool",
    [OP_AVG_POOL] = "avg_pool",
    [OP_COPY] = "copy",
    [OP_LINEAR] = "linear",
    [OP_SOFTMAX] = "softmax",
    [OP_SIGMOID] = "sigmoid",
    [OP_FLATTEN] = "flatten",
    [OP_LOSS] = "loss",
    [OP_ADD] = "add",
};

static int64_t floats_of(const struct training *t, int room)
{
    if (room == NONE)
        return 0;
    const struct value_shape *s = &t->rooms[room].shape;
    return s->size[0] * s->size[1] * s->size[2] * s->channels;
}

/* Counted directly: the gradient by the weights is as much as the layer forward, that by
 * the input too. */
static int64_t work_of(const struct training *t, const struct op *op)
{
    const bool counts = op->kind == OP_CONV || op->kind == OP_CONV_POOL ||
                        op->kind == OP_CONV_TRANSPOSE || op->kind == OP_NORM_CONV ||
                        op->kind == OP_LINEAR;
    if (!counts)
        return 0;
    const struct layer_state *s = &t->layers[op->layer];
    const bool onwards = op->to != NONE && op->kind != OP_NORM_CONV;
    return s->multiply_adds * (op->backward ? s->trained + onwards : 1);
}

/* Backward one name would have to stand for two gradients. */
static const char *algorithm_of(const struct training *t, const struct op *op)
{
    if (op->kind == OP_CONV_POOL && op->backward)
        return "peaks";
    if (op->backward || (op->kind != OP_CONV && op->kind != OP_CONV_POOL))
        return "";
    return conv_algorithm_name(conv_algorithm(t->layers[op->layer].conv));
}

void training_print(const struct training *t, FILE *out)
{
    const struct network *n = t->network;
    for (int i = 0; i < t->op_count; i++) {
        const struct op *op = &t->ops[i];
        char shape[SHAPE_TEXT_BYTES], what[64];
        const int room = op->out != NONE        ? op->out
                         : op->gradient != NONE ? op->gradient
                                                : op->in;
        value_shape_text(&t->rooms[room].shape, n->dimensions, shape);
        snprintf(what, sizeof what, "%s%s%s", op->backward ? "back: " : "",
                 names[op->kind], op->relu && !op->backward ? " + relu" : "");
        const int64_t floats = floats_of(t, op->in) + floats_of(t, op->out) +
                               floats_of(t, op->gradient) + floats_of(t, op->to);
        fprintf(out, "%3d %-36s %-24s %-18s %-9s %12lld %8.1f\n", op->phase,
                op->layer >= 0 ? n->layers[op->layer].name : "", what, shape,
                algorithm_of(t, op), (long long)work_of(t, op),
                (double)floats * sizeof(float) * 1e-3);
    }
}
