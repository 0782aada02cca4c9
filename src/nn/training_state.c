/* The state of a network in training: its tensors, and what its layers keep. */
#include "base/memory.h"
#include "nn/training_internal.h"

static enum status new_floats(size_t count, float **out, struct error *err)
{
    return memory_new(count, sizeof **out, "training", (void **)out, err);
}

/* Whether a parameter is for an optimizer to change. */
static bool is_trained(const struct training *t, const struct parameter *p)
{
    return (p->role == PARAMETER_WEIGHT || p->role == PARAMETER_BIAS) &&
           p->layer >= t->options.frozen_layers;
}

static size_t parameter_count(const struct parameter *p)
{
    size_t count = 1;
    for (int i = 0; i < p->rank; i++)
        count *= (size_t)p->shape[i];
    return count;
}

static enum status make_tensors(struct training *t, struct error *err)
{
    enum status status;
    const size_t count = t->parameters.count;
    size_t values = 0, value = 0, gradient = 0;

    TRY(memory_new(count, sizeof *t->tensors, "training", (void **)&t->tensors, err));
    TRY(memory_new(count, sizeof *t->trained, "training", (void **)&t->trained, err));
    TRY(memory_new(count, sizeof *t->trained_layers, "training",
                   (void **)&t->trained_layers, err));
    for (size_t i = 0; i < count; i++) {
        const size_t floats = parameter_count(&t->parameters.items[i]);
        values += floats;
        if (is_trained(t, &t->parameters.items[i]))
            t->trained_values += floats;
    }
    TRY(new_floats(values, &t->values, err));
    TRY(new_floats(t->trained_values, &t->gradients, err));
    for (size_t i = 0; i < count; i++) {
        const struct parameter *p = &t->parameters.items[i];
        struct training_tensor *tensor = &t->tensors[i];
        *tensor = (struct training_tensor){.name = p->name,
                                           .layer = p->layer,
                                           .rank = p->rank,
                                           .count = parameter_count(p),
                                           .values = t->values + value};
        memcpy(tensor->shape, p->shape, sizeof tensor->shape);
        t->layers[p->layer].tensors[p->role] = (int)i;
        value += tensor->count;
        if (!is_trained(t, p))
            continue;
        tensor->gradient = t->gradients + gradient;
        gradient += tensor->count;
        t->layers[p->layer].trained = true;
        t->layers[p->layer].slots[p->role] = (int)t->trained_count;
        t->trained_layers[t->trained_count] = p->layer;
        t->trained[t->trained_count++] = (struct optimizer_tensor){
            tensor->values, tensor->gradient, tensor->count, tensor->rank};
    }
out:
    return status;
}

static enum status make_norm(struct training *t, int layer, struct error *err)
{
    enum status status;
    const struct value_shape *shape = &t->shapes[layer + 1];
    struct norm *n = &t->norms[t->norm_count];
    const size_t channels = (size_t)shape->channels;

    *n = (struct norm){.layer = layer,
                       .channels = shape->channels,
                       .voxels = shape->size[0] * shape->size[1] * shape->size[2]};
    n->batch = layer >= t->options.frozen_layers || t->options.frozen_norms_adapt;
    t->layers[layer].norm = t->norm_count++;
    t->norm_channels = n->channels > t->norm_channels ? n->channels : t->norm_channels;
    TRY(memory_new(2 * channels, sizeof *n->sums, "training", (void **)&n->sums, err));
    TRY(memory_new(channels, sizeof *n->statistics, "training", (void **)&n->statistics,
                   err));
    TRY(memory_new(channels, sizeof *n->mean_sum, "training", (void **)&n->mean_sum,
                   err));
    TRY(memory_new(channels, sizeof *n->product_sum, "training", (void **)&n->product_sum,
                   err));
    TRY(new_floats(channels, &n->mean, err));
    TRY(new_floats(channels, &n->inverse, err));
    TRY(new_floats(channels, &n->scale, err));
    TRY(new_floats(channels, &n->shift, err));
    TRY(new_floats(channels, &n->normal_shift, err));
    TRY(new_floats(channels, &n->first, err));
    TRY(new_floats(channels, &n->second, err));
out:
    return status;
}

enum status training_make_state(struct training *t, struct error *err)
{
    enum status status;
    const struct network *n = t->network;
    const size_t layers = (size_t)n->layer_count;

    TRY(parameters_init(&t->parameters, n, err));
    TRY(memory_new(layers, sizeof *t->layers, "training", (void **)&t->layers, err));
    TRY(memory_new(layers, sizeof *t->norms, "training", (void **)&t->norms, err));
    for (size_t i = 0; i < layers; i++) {
        t->layers[i].norm = NONE;
        t->layers[i].pool_layer = t->layers[i].peaks_room = NONE;
        t->layers[i].norm_before = t->layers[i].norm_summed = NONE;
        for (int role = 0; role < PARAMETER_ROLES; role++)
            t->layers[i].tensors[role] = t->layers[i].slots[role] = NONE;
    }
    TRY(make_tensors(t, err));
    for (int i = 0; i < n->layer_count; i++)
        if (n->layers[i].type == LAYER_BATCH_NORM)
            TRY(make_norm(t, i, err));
out:
    return status;
}

void training_release_state(struct training *t)
{
    for (int i = 0; i < t->norm_count; i++) {
        struct norm *n = &t->norms[i];
        free(n->sums);
        free(n->statistics);
        free(n->mean_sum);
        free(n->product_sum);
        free(n->mean);
        free(n->inverse);
        free(n->scale);
        free(n->shift);
        free(n->normal_shift);
        free(n->first);
        free(n->second);
    }
    for (int i = 0; t->layers && i < t->network->layer_count; i++) {
        conv_free(t->layers[i].conv);
        conv_transpose_free(t->layers[i].transpose);
        conv_peaks_free(t->layers[i].peaks);
        free(t->layers[i].packed);
    }
    free(t->norms);
    free(t->layers);
    free(t->tensors);
    free(t->trained);
    free(t->trained_layers);
    free(t->values);
    free(t->gradients);
    parameters_release(&t->parameters);
}

static const float *weights_of(const struct training *t, int layer)
{
    return t->tensors[t->layers[layer].tensors[PARAMETER_WEIGHT]].values;
}

static struct conv_shape shape_of(const struct layer *l, int in, int out)
{
    struct conv_shape s = {.in_channels = in, .out_channels = out};
    memcpy(s.kernel, l->kernel, sizeof s.kernel);
    memcpy(s.stride, l->stride, sizeof s.stride);
    memcpy(s.pad, l->pad, sizeof s.pad);
    return s;
}

/* The one that was asked for, where it serves. */
static enum conv_algorithm algorithm_for(const struct training *t,
                                         const struct conv_shape *s)
{
    const enum conv_algorithm wanted = t->options.algorithm;
    return wanted == CONV_AUTO || !conv_algorithm_serves(wanted, s)
               ? conv_training_algorithm(s, t->options.isa)
               : wanted;
}

/* The convolution of a layer, and what passes its gradient back, with the same weights:
 * for a convolution the transposed one, for a transposed one the convolution. */
static enum status make_convs(struct training *t, int layer, struct error *err)
{
    enum status status = STATUS_OK;
    const struct layer *l = &t->network->layers[layer];
    struct layer_state *state = &t->layers[layer];
    const struct value_shape *in = &t->shapes[l->inputs[0]], *out = &t->shapes[layer + 1];
    const bool transposed = l->type == LAYER_CONV_TRANSPOSE;
    const bool back = t->wanted[l->inputs[0]];
    const struct value_shape *from = transposed ? out : in, *to = transposed ? in : out;
    const struct conv_shape conv = shape_of(l, from->channels, to->channels);
    struct conv_transpose_shape transpose = layer_transpose_shape(l, to->channels);
    const enum conv_algorithm wanted = t->options.algorithm;
    const enum conv_algorithm served = algorithm_for(t, &conv);
    const int64_t voxels = to->size[0] * to->size[1] * to->size[2];
    const int64_t work =
        (int64_t)t->tensors[state->tensors[PARAMETER_WEIGHT]].count * voxels;

    transpose.out_channels = from->channels;
    memset(transpose.output_pad, 0, sizeof transpose.output_pad);
    for (int i = 0; i < 3; i++)
        transpose.output_pad[i] =
            (int)(from->size[i] - conv_transpose_size(&transpose, i, to->size[i]));
    state->gradient = conv_gradient_make(&conv, wanted, t->options.isa);
    const bool pooled = state->pool_layer != NONE;
    if (pooled) {
        state->pool = layer_pool_shape(&t->network->layers[state->pool_layer]);
        TRY(conv_peaks_new(&conv, &state->pool, t->options.isa, weights_of(t, layer),
                           &state->peaks, err));
    }
    if (!transposed || back)
        TRY(conv_new(&conv, served, t->options.isa, weights_of(t, layer), &state->conv,
                     err));
    if (transposed || (back && !pooled && state->norm_before == NONE))
        TRY(conv_transpose_new(&transpose, served == CONV_WINOGRAD_4 ? served : wanted,
                               t->options.isa, weights_of(t, layer), &state->transpose,
                               err));
    if (state->norm_before != NONE || state->norm_summed != NONE)
        TRY(new_floats(conv_gradient_packed_floats(&state->gradient), &state->packed,
                       err));
    state->multiply_adds = work;
    t->multiply_adds +=
        work * (1 + (back && state->norm_before == NONE) + (state->trained ? 1 : 0));
out:
    return status;
}

enum status training_make_kernels(struct training *t, struct error *err)
{
    enum status status = STATUS_OK;
    for (int i = 0; i < t->network->layer_count; i++) {
        const struct layer *l = &t->network->layers[i];
        struct layer_state *state = &t->layers[i];
        if (l->type == LAYER_CONV || l->type == LAYER_CONV_TRANSPOSE)
            TRY(make_convs(t, i, err));
        if (l->type == LAYER_LINEAR) {
            state->multiply_adds =
                (int64_t)l->channels * t->shapes[l->inputs[0]].channels;
            t->multiply_adds += 3 * state->multiply_adds;
        }
        if (l->type == LAYER_MAX_POOL || l->type == LAYER_AVG_POOL)
            state->pool = layer_pool_shape(l);
    }
out:
    return status;
}

void training_set_weights(struct training *t)
{
#pragma omp parallel for num_threads(t->options.threads) schedule(dynamic)
    for (int i = 0; i < t->network->layer_count; i++) {
        if (t->layers[i].conv)
            conv_set_weights(t->layers[i].conv, weights_of(t, i));
        if (t->layers[i].transpose)
            conv_transpose_set_weights(t->layers[i].transpose, weights_of(t, i));
        if (t->layers[i].peaks)
            conv_peaks_set_weights(t->layers[i].peaks, weights_of(t, i));
        if (t->layers[i].packed)
            conv_gradient_pack(&t->layers[i].gradient, weights_of(t, i),
                               t->layers[i].packed);
    }
}
