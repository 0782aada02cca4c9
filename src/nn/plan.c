/*
 * From layers to steps.
 *
 * What runs as one step, and why it is the same result:
 *
 *   input + batch norm              the planes are copied into channels-last order anyway
 *   convolution + ReLU + norm       one scale and shift a channel in the store
 *   convolution + norm [+ ReLU]     the norm goes into weights and bias
 *   any of these + max pooling      the map is pooled while it is in the cache
 *
 * A layer is absorbed only when nothing else reads what stands before it. A norm in front
 * of a convolution is never folded into it: the zeros of the padding stand behind the
 * norm.
 *
 * A concatenation is no step: its inputs are written to where it wants them (struct
 * slot.parent). An input that already belongs to another concatenation, or comes twice,
 * is copied.
 */
#include "nn/plan.h"

#include "base/memory.h"
#include "base/size.h"

/* State of making one plan. */
struct planner {
    struct model_plan *plan;
    const struct network *network;
    const struct model_plan_options *options;
    int *readers;     /* of each value: how many */
    int *last_reader; /* of each value: a layer that reads it */
    bool *absorbed;   /* of each layer */
    size_t step_capacity;
    struct error *err;
};

static enum status add_step(struct planner *b, enum step_kind kind, int layer, int from,
                            int to, struct step **out)
{
    struct model_plan *p = b->plan;
    enum status status =
        memory_grow((void **)&p->steps, &b->step_capacity, (size_t)p->step_count + 1,
                    sizeof *p->steps, "plan", b->err);
    if (status != STATUS_OK)
        return status;
    *out = &p->steps[p->step_count++];
    **out = (struct step){
        .kind = kind, .layer = layer, .last_layer = layer, .from = from, .to = to};
    return STATUS_OK;
}

/* The layer that alone reads a value, or -1. */
static int only_reader(const struct planner *b, int value)
{
    return b->readers[value] == 1 && value != b->network->layer_count
               ? b->last_reader[value]
               : -1;
}

static void count_readers(struct planner *b)
{
    for (int i = 0; i < b->network->layer_count; i++)
        for (int k = 0; k < b->network->layers[i].input_count; k++) {
            b->readers[b->network->layers[i].inputs[k]]++;
            b->last_reader[b->network->layers[i].inputs[k]] = i;
        }
}

static enum status new_floats(size_t count, float **out, struct error *err)
{
    return memory_new(count, sizeof **out, "layer", (void **)out, err);
}

static enum status copy_floats(const float *from, size_t count, float **out,
                               struct error *err)
{
    enum status status = new_floats(count, out, err);
    if (status == STATUS_OK && from)
        memcpy(*out, from, count * sizeof *from);
    return status;
}

/* Scale and shift of a batch norm layer, to be freed. */
static enum status norm_fold(const struct planner *b, int layer, float **scale,
                             float **shift)
{
    enum status status;
    const struct model *m = b->plan->model;
    const int channels = b->network->channels[layer + 1];

    TRY(new_floats((size_t)channels, scale, b->err));
    TRY(new_floats((size_t)channels, shift, b->err));
    batch_norm_fold(model_tensor(m, layer, PARAMETER_WEIGHT),
                    model_tensor(m, layer, PARAMETER_BIAS),
                    model_tensor(m, layer, PARAMETER_MEAN),
                    model_tensor(m, layer, PARAMETER_VARIANCE),
                    b->network->layers[layer].eps, channels, *scale, *shift);
out:
    return status;
}

/* Weights of a convolution while norms are folded into them. */
struct kernel_weights {
    float *values;
    size_t count, taps;
    int in, out;
    bool transposed; /* [in][out][taps] instead of [out][in][taps] */
};

/* Puts a norm behind a convolution into its weights and bias. */
static enum status fold_into_weights(const struct planner *b, int layer,
                                     struct kernel_weights *w, float **bias)
{
    enum status status;
    float *scale = NULL, *shift = NULL;

    TRY(norm_fold(b, layer, &scale, &shift));
    if (!*bias)
        TRY(new_floats((size_t)w->out, bias, b->err));
    for (size_t i = 0; i < w->count; i++) {
        size_t pair = i / w->taps;
        w->values[i] *=
            scale[w->transposed ? pair % (size_t)w->out : pair / (size_t)w->in];
    }
    for (int o = 0; o < w->out; o++)
        (*bias)[o] = (*bias)[o] * scale[o] + shift[o];
out:
    free(scale);
    free(shift);
    return status;
}

/* Whether a convolution's step can pool what it gives, with the same bits as a step of
 * its own. The algorithms that others are held against do without. */
static bool can_pool(const struct planner *b, const struct step *s, int layer)
{
    const struct layer *conv = &b->network->layers[s->layer];
    const struct pool_shape pool = layer_pool_shape(&b->network->layers[layer]);
    bool can = s->kind == STEP_CONV && conv_pool_serves(&pool) &&
               b->options->algorithm != CONV_REFERENCE &&
               b->options->algorithm != CONV_BLIS;
    for (int i = 0; i < 3; i++)
        can = can && (pool.kernel[i] % 2 == 0 || conv->kernel[i] == 1);
    return can;
}

/* Takes into a convolution's step the layers behind it that it can do in its store. */
static enum status absorb(struct planner *b, struct step *s, struct kernel_weights *w)
{
    enum status status = STATUS_OK;
    for (int next; (next = only_reader(b, s->to)) >= 0;) {
        const enum layer_type type = b->network->layers[next].type;
        if (type == LAYER_RELU && !s->relu && !s->scale)
            s->relu = true;
        else if (type == LAYER_BATCH_NORM && !s->relu)
            TRY(fold_into_weights(b, next, w, &s->bias));
        else if (type == LAYER_BATCH_NORM && !s->scale)
            TRY(norm_fold(b, next, &s->scale, &s->shift));
        else if (type == LAYER_MAX_POOL && can_pool(b, s, next))
            s->pooled = true;
        else
            break;
        b->absorbed[next] = true;
        s->last_layer = next;
        s->to = next + 1;
        if (s->pooled) {
            s->pool = layer_pool_shape(&b->network->layers[next]);
            break;
        }
    }
out:
    return status;
}

static int64_t voxels(const struct value_shape *s)
{
    return s->size[0] * s->size[1] * s->size[2];
}

/* Makes the kernels of a convolution's step. */
static enum status make_conv(const struct planner *b, struct step *s,
                             const struct kernel_weights *w)
{
    const struct layer *l = &b->network->layers[s->layer];
    const enum conv_algorithm wanted = b->options->algorithm;
    const enum isa isa = b->options->isa;

    if (w->transposed) {
        struct conv_transpose_shape shape = layer_transpose_shape(l, w->in);
        return conv_transpose_new(&shape, wanted, isa, w->values, &s->transpose, b->err);
    }
    struct conv_shape shape = {.in_channels = w->in, .out_channels = w->out};
    memcpy(shape.kernel, l->kernel, sizeof shape.kernel);
    memcpy(shape.stride, l->stride, sizeof shape.stride);
    memcpy(shape.pad, l->pad, sizeof shape.pad);
    const int64_t *size = b->plan->slots[s->layer + 1].shape.size;
    enum conv_algorithm a = conv_algorithm_serves(wanted, &shape) ? wanted : CONV_AUTO;
    if (a == CONV_AUTO)
        a = conv_inference_algorithm(&shape, isa, size[1], size[2]);
    return conv_new(&shape, a, isa, w->values, &s->conv, b->err);
}

static enum status add_conv(struct planner *b, int layer)
{
    enum status status;
    const struct model *m = b->plan->model;
    const struct layer *l = &b->network->layers[layer];
    const struct slot *slots = b->plan->slots;
    const bool transposed = l->type == LAYER_CONV_TRANSPOSE;
    struct kernel_weights w = {
        .taps = (size_t)l->kernel[0] * (size_t)l->kernel[1] * (size_t)l->kernel[2],
        .in = b->network->channels[l->inputs[0]],
        .out = l->channels,
        .transposed = transposed,
    };
    struct step *s;

    w.count = (size_t)w.in * (size_t)w.out * w.taps;
    TRY(add_step(b, transposed ? STEP_CONV_TRANSPOSE : STEP_CONV, layer, l->inputs[0],
                 layer + 1, &s));
    TRY(copy_floats(model_tensor(m, layer, PARAMETER_WEIGHT), w.count, &w.values,
                    b->err));
    if (l->bias)
        TRY(copy_floats(model_tensor(m, layer, PARAMETER_BIAS), (size_t)w.out, &s->bias,
                        b->err));
    TRY(absorb(b, s, &w));
    TRY(make_conv(b, s, &w));
    s->multiply_adds =
        (int64_t)w.count * voxels(&slots[transposed ? l->inputs[0] : layer + 1].shape);
out:
    free(w.values);
    return status;
}

static enum status add_concat(struct planner *b, int layer)
{
    enum status status = STATUS_OK;
    const struct layer *l = &b->network->layers[layer];
    struct step *s;
    int channel = 0;

    for (int i = 0; i < l->input_count; i++) {
        struct slot *part = &b->plan->slots[l->inputs[i]];
        if (part->parent == NO_VALUE) {
            part->parent = layer + 1;
            part->parent_channel = channel;
        } else {
            TRY(add_step(b, STEP_COPY, layer, l->inputs[i], layer + 1, &s));
            s->to_channel = channel;
        }
        channel += part->shape.channels;
    }
out:
    return status;
}

static enum status add_pool(struct planner *b, int layer)
{
    const struct layer *l = &b->network->layers[layer];
    struct step *s;
    enum status status =
        add_step(b, l->type == LAYER_MAX_POOL ? STEP_MAX_POOL : STEP_AVG_POOL, layer,
                 l->inputs[0], layer + 1, &s);
    if (status != STATUS_OK)
        return status;
    s->pool = layer_pool_shape(l);
    return STATUS_OK;
}

static enum status add_linear(struct planner *b, int layer)
{
    enum status status;
    const struct model *m = b->plan->model;
    const struct layer *l = &b->network->layers[layer];
    struct step *s;

    TRY(add_step(b, STEP_LINEAR, layer, l->inputs[0], layer + 1, &s));
    s->weights = model_tensor(m, layer, PARAMETER_WEIGHT);
    if (l->bias)
        TRY(copy_floats(model_tensor(m, layer, PARAMETER_BIAS), (size_t)l->channels,
                        &s->bias, b->err));
    s->multiply_adds = (int64_t)l->channels * b->network->channels[l->inputs[0]];
out:
    return status;
}

static enum status add_layer(struct planner *b, int layer)
{
    const struct layer *l = &b->network->layers[layer];
    struct step *s;
    enum status status;

    switch (l->type) {
    case LAYER_CONV:
    case LAYER_CONV_TRANSPOSE:
        return add_conv(b, layer);
    case LAYER_MAX_POOL:
    case LAYER_AVG_POOL:
        return add_pool(b, layer);
    case LAYER_CONCAT:
        return add_concat(b, layer);
    case LAYER_LINEAR:
        return add_linear(b, layer);
    case LAYER_BATCH_NORM:
        status = add_step(b, STEP_BATCH_NORM, layer, l->inputs[0], layer + 1, &s);
        return status == STATUS_OK ? norm_fold(b, layer, &s->scale, &s->shift) : status;
    case LAYER_RELU:
        return add_step(b, STEP_RELU, layer, l->inputs[0], layer + 1, &s);
    case LAYER_SOFTMAX:
        return add_step(b, STEP_SOFTMAX, layer, l->inputs[0], layer + 1, &s);
    case LAYER_SIGMOID:
        return add_step(b, STEP_SIGMOID, layer, l->inputs[0], layer + 1, &s);
    case LAYER_FLATTEN:
        return add_step(b, STEP_FLATTEN, layer, l->inputs[0], layer + 1, &s);
    }
    return STATUS_OK;
}

static enum status add_input(struct planner *b)
{
    enum status status;
    struct step *s;
    int first = only_reader(b, 0);

    TRY(add_step(b, STEP_INPUT, NO_VALUE, NO_VALUE, 0, &s));
    if (first >= 0 && b->network->layers[first].type == LAYER_BATCH_NORM) {
        TRY(norm_fold(b, first, &s->scale, &s->shift));
        b->absorbed[first] = true;
        s->last_layer = first;
        s->to = first + 1;
    }
out:
    return status;
}

static enum status add_steps(struct planner *b)
{
    enum status status;
    struct step *s;

    TRY(add_input(b));
    for (int i = 0; i < b->network->layer_count; i++)
        if (!b->absorbed[i])
            TRY(add_layer(b, i));
    status = add_step(b, STEP_OUTPUT, NO_VALUE, b->network->layer_count, NO_VALUE, &s);
out:
    return status;
}

static enum status find_slots(struct planner *b, const int64_t size[3])
{
    enum status status;
    struct model_plan *p = b->plan;
    struct value_shape *shapes = NULL;
    const size_t count = (size_t)b->network->layer_count + 1;

    TRY(memory_new(count, sizeof *shapes, "shapes", (void **)&shapes, b->err));
    TRY(network_shapes(b->network, size, shapes, b->err));
    TRY(memory_new(count, sizeof *p->slots, "plan", (void **)&p->slots, b->err));
    p->slot_count = (int)count;
    for (size_t i = 0; i < count; i++)
        p->slots[i] = (struct slot){.shape = shapes[i],
                                    .parent = NO_VALUE,
                                    .writer = -1,
                                    .item = {.born = ARENA_UNBORN}};
out:
    free(shapes);
    return status;
}

enum status model_plan_new(const struct model *m, int64_t depth, int64_t height,
                           int64_t width, const struct model_plan_options *options,
                           struct model_plan **out, struct error *err)
{
    enum status status;
    struct planner b = {.network = &m->network, .options = options, .err = err};
    const int64_t size[3] = {depth, height, width};
    const size_t values = (size_t)m->network.layer_count + 1;
    void *memory;

    TRY(memory_new(1, sizeof *b.plan, "plan", &memory, err));
    b.plan = memory;
    b.plan->model = m;
    TRY(memory_new(values, sizeof *b.readers, "plan", (void **)&b.readers, err));
    TRY(memory_new(values, sizeof *b.last_reader, "plan", (void **)&b.last_reader, err));
    TRY(memory_new(values, sizeof *b.absorbed, "plan", (void **)&b.absorbed, err));
    TRY(find_slots(&b, size));
    count_readers(&b);
    TRY(add_steps(&b));
    bands_plan(b.plan);
    TRY(plan_place(b.plan, err));
    *out = b.plan;
    b.plan = NULL;
out:
    model_plan_free(b.plan);
    free(b.readers);
    free(b.last_reader);
    free(b.absorbed);
    return status;
}

void model_plan_free(struct model_plan *p)
{
    if (!p)
        return;
    for (int i = 0; i < p->step_count; i++) {
        conv_free(p->steps[i].conv);
        conv_transpose_free(p->steps[i].transpose);
        free(p->steps[i].bias);
        free(p->steps[i].scale);
        free(p->steps[i].shift);
    }
    free(p->steps);
    free(p->slots);
    free(p);
}
