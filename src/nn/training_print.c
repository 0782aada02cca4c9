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

/* Backward two gradients may go by two of them; the one by the weights is named. */
static const char *algorithm_of(const struct training *t, const struct op *op)
{
    const struct layer_state *s = &t->layers[op->layer];
    const bool conv = op->kind == OP_CONV || op->kind == OP_CONV_POOL;
    if (op->kind == OP_CONV_POOL && op->backward)
        return "peaks";
    if (op->backward && (conv || op->kind == OP_NORM_CONV))
        return conv_algorithm_name(s->gradient.algorithm);
    return conv ? conv_algorithm_name(conv_algorithm(s->conv)) : "";
}

/* Of one sample. */
struct cost {
    double flop, bytes;
};

static struct cost cost_of(const struct training *t, const struct op *op)
{
    const int64_t floats = floats_of(t, op->in) + floats_of(t, op->out) +
                           floats_of(t, op->gradient) + floats_of(t, op->to);
    return (struct cost){2 * (double)work_of(t, op), (double)floats * sizeof(float)};
}

/* Seconds that are too few to be measured tell no rate. */
static void print_rate(struct cost c, double seconds, FILE *out)
{
    const double least = 1e-7;
    if (seconds < least)
        fprintf(out, " %8s\n", "-");
    else if (c.flop > 0)
        fprintf(out, " %8.1f GFLOP/s\n", c.flop / seconds * 1e-9);
    else
        fprintf(out, " %8.1f GB/s\n", c.bytes / seconds * 1e-9);
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
                 names[op->kind],
                 op->relu   ? " + relu"
                 : op->adds ? " + add"
                            : "");
        const struct cost cost = cost_of(t, op);
        fprintf(out, "%3d %-36s %-24s %-18s %-9s %10.3f %9.1f", op->phase,
                op->layer >= 0 ? n->layers[op->layer].name : "", what, shape,
                op->layer >= 0 ? algorithm_of(t, op) : "", cost.flop * 1e-6,
                cost.bytes * 1e-3);
        if (t->op_seconds)
            print_rate(cost, t->op_seconds[i], out);
        else
            fputc('\n', out);
    }
}
