/* One sample through the operations of one phase. */
#include "base/clock.h"
#include "nn/training_internal.h"
#include "tensor/ahead.h"

/* Where an operation runs. */
struct place {
    struct training *t;
    float *sample_memory, *thread_memory;
    float *slots;      /* gradients of this sample */
    double *norm_sums; /* [2][norm_channels] */
    int sample;
};

static struct view view_of_whole(const struct place *p, int room)
{
    const struct room *r = &p->t->rooms[room];
    float *memory = r->a_sample ? p->sample_memory : p->thread_memory;
    return view_make(memory + r->item.offset, r->shape.size[0], r->shape.size[1],
                     r->shape.size[2], r->shape.channels, r->halo_d, r->halo);
}

static struct view view_of(const struct place *p, int room)
{
    const struct room *r = &p->t->rooms[room];
    const struct view whole = view_of_whole(p, whole_room(p->t, room));
    return r->whole == NONE ? whole : view_channels(whole, r->channel, r->shape.channels);
}

/* Zeros around a tensor that lies where others have been, at its birth. */
static void clear_halo(const struct place *p, int room, int op)
{
    const int whole = whole_room(p->t, room);
    const struct room *r = &p->t->rooms[whole];
    if (r->clears && r->item.born == op) {
        const struct view v = view_of_whole(p, whole);
        view_clear_halo(&v);
    }
}

static const float *values_of(const struct training *t, int layer,
                              enum parameter_role role)
{
    const int tensor = t->layers[layer].tensors[role];
    return tensor == NONE ? NULL : t->tensors[tensor].values;
}

/* Where this sample's gradient by a tensor goes; NULL: it is not trained. */
static float *slot_of(const struct place *p, int layer, enum parameter_role role)
{
    const struct training *t = p->t;
    const int slot = t->layers[layer].slots[role];
    return slot == NONE ? NULL : p->slots + t->slots[slot].offset;
}

/* The views of an operation; those that it does not have are left alone. */
struct views {
    struct view in, out, gradient, to;
    uint8_t *peaks;
};

static void run_conv(const struct place *p, const struct op *op, const struct views *v)
{
    const struct layer_state *s = &p->t->layers[op->layer];
    const struct conv_epilogue e = {.bias = values_of(p->t, op->layer, PARAMETER_BIAS),
                                    .relu = op->relu};
    void *scratch = p->thread_memory + p->t->scratch_offset;
    if (op->kind == OP_CONV_POOL)
        conv_pool_forward(s->conv, &s->pool, &v->in, &v->out, v->peaks, &e, scratch);
    else if (op->kind == OP_CONV)
        conv_forward(s->conv, &v->in, &v->out, &e, scratch);
    else
        conv_transpose_forward(s->transpose, &v->in, &v->out, &e, scratch);
}

static void run_conv_backward(const struct place *p, const struct op *op,
                              const struct views *v)
{
    const struct layer_state *s = &p->t->layers[op->layer];
    const bool transposed = op->kind == OP_CONV_TRANSPOSE;
    const struct conv_epilogue none = {0};
    void *scratch = p->thread_memory + p->t->scratch_offset;
    float *weights = slot_of(p, op->layer, PARAMETER_WEIGHT);
    float *bias = slot_of(p, op->layer, PARAMETER_BIAS);
    if (weights)
        conv_gradient_packed(&s->gradient, transposed ? &v->gradient : &v->in,
                             transposed ? &v->in : &v->gradient, weights, scratch);
    if (bias && !op->bias_done)
        conv_gradient_bias(p->t->options.isa, &v->gradient, bias);
    if (op->to == NONE)
        return;
    if (transposed)
        conv_forward(s->conv, &v->gradient, &v->to, &none, scratch);
    else
        conv_transpose_forward(s->transpose, &v->gradient, &v->to, &none, scratch);
}

static void run_peaks_backward(const struct place *p, const struct op *op,
                               const struct views *v)
{
    conv_peaks_backward(
        p->t->layers[op->layer].peaks, &v->in, &v->gradient, v->peaks,
        slot_of(p, op->layer, PARAMETER_WEIGHT), slot_of(p, op->layer, PARAMETER_BIAS),
        op->to == NONE ? NULL : &v->to, p->thread_memory + p->t->scratch_offset);
}

/* The sums of the norm in front of a convolution, whose gradient by the weights is that
 * with normalised inputs yet, and becomes what it should be. */
static void sum_norm_before(const struct place *p, int conv, int norm,
                            const struct view *in, const struct view *gradient)
{
    const struct training *t = p->t;
    const struct layer_state *s = &t->layers[conv];
    const struct conv_norm n = {.weights = s->packed,
                                .scale = values_of(t, norm, PARAMETER_WEIGHT),
                                .shift = values_of(t, norm, PARAMETER_BIAS),
                                .in = in,
                                .gradient = gradient,
                                .totals = slot_of(p, conv, PARAMETER_BIAS)};
    conv_norm_gradient(&s->gradient, &n, slot_of(p, conv, PARAMETER_WEIGHT),
                       p->norm_sums + t->norm_channels, p->norm_sums,
                       p->thread_memory + t->scratch_offset);
}

/* The gradients by a norm's weight and bias are its sums. */
static void set_norm_slots(const struct place *p, int layer)
{
    const struct norm *n = &p->t->norms[p->t->layers[layer].norm];
    const double *sums = p->norm_sums, *products = sums + p->t->norm_channels;
    float *weight = slot_of(p, layer, PARAMETER_WEIGHT),
          *bias = slot_of(p, layer, PARAMETER_BIAS);
    for (int c = 0; c < n->channels && weight; c++) {
        weight[c] = (float)products[c];
        bias[c] = (float)sums[c];
    }
}

/* `to` holds the normalised input meanwhile. */
static void run_norm_conv_backward(const struct place *p, const struct op *op,
                                   const struct views *v)
{
    const struct training *t = p->t;
    const struct layer_state *s = &t->layers[op->layer];
    const struct norm *n = &t->norms[t->layers[s->norm_before].norm];
    float *bias = slot_of(p, op->layer, PARAMETER_BIAS);
    norm_lanes_forward(t->options.isa, n->inverse, n->normal_shift, &v->in, &v->to);
    conv_gradient_packed(&s->gradient, &v->to, &v->gradient,
                         slot_of(p, op->layer, PARAMETER_WEIGHT),
                         p->thread_memory + t->scratch_offset);
    if (bias && !op->bias_done)
        conv_gradient_bias(t->options.isa, &v->gradient, bias);
    sum_norm_before(p, op->layer, s->norm_before, &v->in, &v->gradient);
    set_norm_slots(p, s->norm_before);
}

/* What goes on to the input needs the sums of the batch (training.c). */
static void run_norm_sums_backward(const struct place *p, const struct op *op,
                                   const struct views *v)
{
    const struct norm *n = &p->t->norms[p->t->layers[op->layer].norm];
    if (op->sums_of != NONE)
        sum_norm_before(p, op->sums_of, op->layer, &v->in, &v->gradient);
    else
        norm_lanes_backward_sums(p->t->options.isa, &v->in, &v->gradient, n->mean,
                                 n->inverse, p->norm_sums,
                                 p->norm_sums + p->t->norm_channels);
    set_norm_slots(p, op->layer);
}

/* With the ReLU before it, and the gradient by the bias before that. */
static void run_norm_backward(const struct place *p, const struct op *op,
                              const struct views *v)
{
    const struct norm *n = &p->t->norms[p->t->layers[op->layer].norm];
    double *sums = p->norm_sums; /* free until those of the batch are made */
    float *bias = op->relu ? slot_of(p, op->bias_of, PARAMETER_BIAS) : NULL;
    norm_lanes_backward(p->t->options.isa, &v->in, &v->gradient, n->mean, n->first,
                        n->second, n->scale, &v->to, op->relu ? sums : NULL);
    for (int c = 0; c < n->channels && bias; c++)
        bias[c] = (float)sums[c];
}

static void run_loss(const struct place *p, const struct training_sample *given,
                     int64_t total, const struct views *v)
{
    struct training *t = p->t;
    const struct loss *loss = &t->options.loss;
    const double factor = 1 / (double)total;
    t->losses[p->sample] = t->shapes[t->loss_value].vector
                               ? loss_of_class(loss, &v->in, given->label, factor, &v->to)
                               : loss_of_map(loss, &v->in, given->target, factor, &v->to);
    view_to_planes(&v->out, t->outputs + (size_t)p->sample * t->output_floats);
}

static void run_forward(const struct place *p, const struct op *op, const struct views *v)
{
    const struct training *t = p->t;
    const struct layer_state *s = &t->layers[op->layer];
    struct view part;
    switch (op->kind) {
    case OP_CONV:
    case OP_CONV_POOL:
    case OP_CONV_TRANSPOSE:
        run_conv(p, op, v);
        break;
    case OP_NORM_SUMS:
        norm_lanes_sums(t->options.isa, &v->in, p->norm_sums,
                        p->norm_sums + t->norm_channels);
        break;
    case OP_NORM:
        norm_lanes_forward(
            t->options.isa,
            op->normal ? t->norms[s->norm].inverse : t->norms[s->norm].scale,
            op->normal ? t->norms[s->norm].normal_shift : t->norms[s->norm].shift, &v->in,
            &v->out);
        break;
    case OP_RELU:
        relu_forward(&v->in, &v->out);
        break;
    case OP_MAX_POOL:
        max_pool_forward(&s->pool, &v->in, &v->out);
        break;
    case OP_AVG_POOL:
        average_pool_forward(&s->pool, &v->in, &v->out);
        break;
    case OP_COPY:
        part = view_channels(v->out, op->channel, v->in.channels);
        view_copy(&v->in, &part);
        break;
    case OP_LINEAR:
        linear_forward(values_of(t, op->layer, PARAMETER_WEIGHT),
                       values_of(t, op->layer, PARAMETER_BIAS), &v->in, &v->out);
        break;
    case OP_SOFTMAX:
        softmax_forward(&v->in, &v->out);
        break;
    case OP_SIGMOID:
        sigmoid_forward(&v->in, &v->out);
        break;
    case OP_FLATTEN:
        view_to_planes(&v->in, v->out.data);
        break;
    case OP_NORM_CONV:
    case OP_INPUT:
    case OP_LOSS:
    case OP_ADD:
        break;
    }
}

static void run_linear_backward(const struct place *p, const struct op *op,
                                const struct views *v)
{
    linear_backward(values_of(p->t, op->layer, PARAMETER_WEIGHT), &v->in, &v->gradient,
                    slot_of(p, op->layer, PARAMETER_WEIGHT),
                    slot_of(p, op->layer, PARAMETER_BIAS),
                    op->to == NONE ? NULL : &v->to);
}

static void run_backward(const struct place *p, const struct op *op,
                         const struct views *v)
{
    const struct training *t = p->t;
    const struct layer_state *s = &t->layers[op->layer];
    struct view part;
    switch (op->kind) {
    case OP_CONV:
    case OP_CONV_TRANSPOSE:
        run_conv_backward(p, op, v);
        break;
    case OP_CONV_POOL:
        run_peaks_backward(p, op, v);
        break;
    case OP_NORM_CONV:
        run_norm_conv_backward(p, op, v);
        break;
    case OP_NORM_SUMS:
        run_norm_sums_backward(p, op, v);
        break;
    case OP_NORM:
        run_norm_backward(p, op, v);
        break;
    case OP_RELU:
        relu_backward(&v->out, &v->gradient, &v->to);
        break;
    case OP_MAX_POOL:
        max_pool_backward(&s->pool, &v->in, &v->out, &v->gradient, &v->to);
        break;
    case OP_AVG_POOL:
        if (op->adds)
            average_pool_backward_add(&s->pool, &v->gradient, &v->to);
        else
            average_pool_backward(&s->pool, &v->gradient, &v->to);
        break;
    case OP_COPY:
        part = view_channels(v->gradient, op->channel, v->to.channels);
        view_copy(&part, &v->to);
        break;
    case OP_LINEAR:
        run_linear_backward(p, op, v);
        break;
    case OP_SOFTMAX:
        softmax_backward(&v->out, &v->gradient, &v->to);
        break;
    case OP_SIGMOID:
        sigmoid_backward(&v->out, &v->gradient, &v->to);
        break;
    case OP_FLATTEN:
        view_from_dense(v->gradient.data, &v->to);
        break;
    case OP_ADD:
        view_add(&v->gradient, &v->to);
        break;
    case OP_INPUT:
    case OP_LOSS:
        break;
    }
}

static void run_op(const struct place *p, int index, const struct training_sample *given,
                   int64_t total)
{
    const struct training *t = p->t;
    const struct op *op = &t->ops[index];
    const int rooms[] = {op->in, op->out, op->gradient, op->to};
    struct views v = {.in = {.data = NULL}};
    struct view *const views[] = {&v.in, &v.out, &v.gradient, &v.to};
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) {
        if (rooms[i] == NONE)
            continue;
        *views[i] = view_of(p, rooms[i]);
        clear_halo(p, rooms[i], index);
    }
    if (op->peaks != NONE)
        v.peaks = (uint8_t *)view_of(p, op->peaks).data;
    if (op->kind == OP_INPUT)
        view_from_dense(given->input, &v.out);
    else if (op->kind == OP_LOSS)
        run_loss(p, given, total, &v);
    else if (op->backward)
        run_backward(p, op, &v);
    else
        run_forward(p, op, &v);
}

void training_run_phase(struct training *t, int phase, int sample, int next,
                        const struct training_sample *given, int64_t total, int thread)
{
    const struct place p = {
        .t = t,
        .sample_memory = t->sample_memory + sample * t->sample_floats,
        .thread_memory = t->thread_memory + thread * t->thread_floats,
        .slots = t->slot_memory + (size_t)sample * t->slot_floats,
        .norm_sums = t->norm_sums + (size_t)sample * 2 * (size_t)t->norm_channels,
        .sample = sample,
    };
    for (int i = 0; i < t->op_count && t->ops[i].phase <= phase; i++)
        if (t->ops[i].phase == phase) {
            const double begun = t->op_seconds ? clock_seconds() : 0;
            training_ask_ahead(t, i, sample, next);
            run_op(&p, i, given, total);
            if (t->op_seconds)
                training_time_op(t, i, begun);
        }
    ahead_clear();
}

const struct op *training_phase_sums(const struct training *t, int phase)
{
    for (int i = 0; i + 1 < t->op_count; i++)
        if (t->ops[i].phase == phase && t->ops[i + 1].phase > phase)
            return &t->ops[i];
    return NULL;
}
