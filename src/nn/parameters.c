#include "nn/parameters.h"

#include "base/memory.h"

static const char *const role_names[PARAMETER_ROLES] = {
    [PARAMETER_WEIGHT] = "weight",
    [PARAMETER_BIAS] = "bias",
    [PARAMETER_MEAN] = "running_mean",
    [PARAMETER_VARIANCE] = "running_var",
};

/* PyTorch's counter of training steps in each batch norm: no parameter of the result. */
static const char *const counter_name = "num_batches_tracked";

static enum status name_join(const char *layer, const char *suffix, char **out,
                             struct error *err)
{
    size_t bytes = strlen(layer) + strlen(suffix) + 2;
    enum status status = memory_new(bytes, 1, "tensor name", (void **)out, err);
    if (status == STATUS_OK)
        snprintf(*out, bytes, "%s.%s", layer, suffix);
    return status;
}

/* The shape of a layer's weight. Transposed convolutions have their inputs first. */
static void weight_shape(const struct network *n, const struct layer *l,
                         struct parameter *p)
{
    const int in = n->channels[l->inputs[0]];
    switch (l->type) {
    case LAYER_CONV:
    case LAYER_CONV_TRANSPOSE:
        p->shape[0] = l->type == LAYER_CONV ? l->channels : in;
        p->shape[1] = l->type == LAYER_CONV ? in : l->channels;
        p->rank = 2;
        for (int i = 3 - n->dimensions; i < 3; i++)
            p->shape[p->rank++] = l->kernel[i];
        break;
    case LAYER_LINEAR:
        p->shape[0] = l->channels;
        p->shape[1] = in;
        p->rank = 2;
        break;
    default:
        p->shape[0] = in;
        p->rank = 1;
    }
}

static bool layer_has(const struct layer *l, enum parameter_role role)
{
    switch (l->type) {
    case LAYER_CONV:
    case LAYER_CONV_TRANSPOSE:
    case LAYER_LINEAR:
        return role == PARAMETER_WEIGHT || (role == PARAMETER_BIAS && l->bias);
    case LAYER_BATCH_NORM:
        return true;
    default:
        return false;
    }
}

enum status parameters_init(struct parameters *p, const struct network *n,
                            struct error *err)
{
    enum status status;
    *p = (struct parameters){.items = NULL};
    TRY(memory_new((size_t)n->layer_count * PARAMETER_ROLES, sizeof *p->items,
                   "parameters", (void **)&p->items, err));
    for (int i = 0; i < n->layer_count; i++) {
        const struct layer *l = &n->layers[i];
        for (enum parameter_role role = 0; role < PARAMETER_ROLES; role++) {
            if (!layer_has(l, role))
                continue;
            struct parameter *item = &p->items[p->count];
            item->layer = i;
            item->role = role;
            TRY(name_join(l->name, role_names[role], &item->name, err));
            p->count++;
            if (role == PARAMETER_WEIGHT) {
                weight_shape(n, l, item);
            } else {
                item->rank = 1;
                item->shape[0] = n->channels[i + 1];
            }
        }
    }
out:
    return status;
}

void parameters_release(struct parameters *p)
{
    for (size_t i = 0; i < p->count; i++)
        free(p->items[i].name);
    free(p->items);
    *p = (struct parameters){.items = NULL};
}

enum { SHAPE_BYTES = 200 };

/* "[64, 32, 3, 3]" */
static void shape_print(const int64_t *shape, int rank, char text[SHAPE_BYTES])
{
    int used = snprintf(text, SHAPE_BYTES, "[");
    for (int i = 0; i < rank; i++)
        used += snprintf(text + used, (size_t)(SHAPE_BYTES - used), "%s%lld",
                         i ? ", " : "", (long long)shape[i]);
    snprintf(text + used, (size_t)(SHAPE_BYTES - used), "]");
}

static enum status parameter_match(const struct parameter *p, const struct network *n,
                                   const struct tensor_file *weights, const char *path,
                                   struct error *err)
{
    char expected[SHAPE_BYTES], found[SHAPE_BYTES];
    const struct named_tensor *t = tensor_file_find(weights, p->name);
    const char *layer = n->layers[p->layer].name;
    const char *type = layer_type_name(n->layers[p->layer].type);

    shape_print(p->shape, p->rank, expected);
    if (!t)
        return error_set(err, STATUS_JOB_CONFIG,
                         "%s: layer %s (%s) of network %s: tensor %s %s is missing", path,
                         layer, type, n->name, p->name, expected);
    shape_print(t->shape, t->rank, found);
    if (t->rank != p->rank ||
        memcmp(t->shape, p->shape, (size_t)p->rank * sizeof *p->shape) != 0)
        return error_set(
            err, STATUS_JOB_CONFIG,
            "%s: layer %s (%s) of network %s: tensor %s must be %s, found %s", path,
            layer, type, n->name, p->name, expected, found);
    if (p->role == PARAMETER_VARIANCE)
        for (size_t i = 0; i < t->count; i++)
            if (t->values[i] < 0)
                return error_set(err, STATUS_JOB_CONFIG,
                                 "%s: layer %s: tensor %s holds the negative variance %g",
                                 path, layer, p->name, (double)t->values[i]);
    return STATUS_OK;
}

/* Whether a tensor is one of the parameters, or the counter of a batch norm. */
static bool is_wanted(const struct parameters *p, const struct network *n,
                      const char *name)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct layer *l = &n->layers[p->items[i].layer];
        const size_t prefix = strlen(l->name);
        if (strcmp(p->items[i].name, name) == 0 ||
            (l->type == LAYER_BATCH_NORM && strncmp(l->name, name, prefix) == 0 &&
             name[prefix] == '.' && strcmp(name + prefix + 1, counter_name) == 0))
            return true;
    }
    return false;
}

enum status parameters_match(const struct parameters *p, const struct network *n,
                             const struct tensor_file *weights, const char *path,
                             size_t *fitting, struct error *err)
{
    enum status first = STATUS_OK;
    size_t fit = 0;
    for (size_t i = 0; i < p->count; i++) {
        enum status status = parameter_match(&p->items[i], n, weights, path,
                                             first == STATUS_OK ? err : NULL);
        fit += status == STATUS_OK;
        first = first == STATUS_OK ? status : first;
    }
    for (size_t i = 0; i < weights->count && first == STATUS_OK; i++)
        if (!is_wanted(p, n, weights->tensors[i].name))
            first = error_set(err, STATUS_JOB_CONFIG,
                              "%s: tensor %s belongs to no layer of network %s", path,
                              weights->tensors[i].name, n->name);
    if (fitting)
        *fitting = fit;
    return first;
}

int64_t parameters_trainable(const struct parameters *p)
{
    int64_t sum = 0;
    for (size_t i = 0; i < p->count; i++) {
        int64_t count = 1;
        if (p->items[i].role != PARAMETER_WEIGHT && p->items[i].role != PARAMETER_BIAS)
            continue;
        for (int d = 0; d < p->items[i].rank; d++)
            count *= p->items[i].shape[d];
        sum += count;
    }
    return sum;
}
