/*
 * Each function below is a line or two of PyTorch's optimizers, in the same order and
 * with factors made in double and rounded to float once, as its scalars are.
 */
#include "nn/optimizer.h"

#include <math.h>

#include "base/memory.h"

static const char *const names[] = {
    [OPTIMIZER_SGD] = "sgd",
    [OPTIMIZER_ADAM] = "adam",
    [OPTIMIZER_ADAMW] = "adamw",
    [OPTIMIZER_LARS] = "lars",
};

enum { KINDS = sizeof names / sizeof names[0] };

const char *optimizer_name(enum optimizer_kind k)
{
    return names[k];
}

enum status optimizer_parse(const char *name, enum optimizer_kind *out, struct error *err)
{
    for (int i = 0; i < KINDS; i++)
        if (strcmp(names[i], name) == 0) {
            *out = (enum optimizer_kind)i;
            return STATUS_OK;
        }
    return error_set(err, STATUS_JOB_CONFIG,
                     "unknown optimizer \"%s\" (sgd, adam, adamw or lars)", name);
}

struct optimizer_options optimizer_defaults(enum optimizer_kind kind)
{
    return (struct optimizer_options){
        .kind = kind,
        .momentum = kind == OPTIMIZER_LARS ? 0.9 : 0,
        .weight_decay = kind == OPTIMIZER_ADAMW ? 0.01 : 0,
        .beta1 = 0.9,
        .beta2 = 0.999,
        .eps = 1e-8,
        .trust = 0.001,
    };
}

static int moments_of(const struct optimizer_options *o)
{
    if (o->kind == OPTIMIZER_ADAM || o->kind == OPTIMIZER_ADAMW)
        return 2;
    return o->momentum != 0 ? 1 : 0;
}

enum status optimizer_init(struct optimizer *o, const struct optimizer_options *options,
                           size_t count, struct error *err)
{
    enum status status = STATUS_OK;
    *o = (struct optimizer){.options = *options, .count = count};
    for (int i = 0; i < moments_of(options); i++)
        TRY(memory_new(count, sizeof *o->moments[i], "optimizer", (void **)&o->moments[i],
                       err));
out:
    return status;
}

void optimizer_release(struct optimizer *o)
{
    for (int i = 0; i < OPTIMIZER_MOMENTS; i++)
        free(o->moments[i]);
    *o = (struct optimizer){.count = 0};
}

/* base^exponent without libm, so that ranks of different hosts agree. */
static double power(double base, int64_t exponent)
{
    double result = 1;
    for (; exponent > 0; exponent >>= 1, base *= base)
        if (exponent & 1)
            result *= base;
    return result;
}

static double sum_of_squares(const float *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)values[i] * (double)values[i];
    return sum;
}

/* How much slower or faster than its learning rate LARS moves a tensor. */
static double trust_of(const struct optimizer_options *o,
                       const struct optimizer_tensor *t)
{
    if (o->kind != OPTIMIZER_LARS || t->rank <= 1)
        return 1;
    const double weights = sqrt(sum_of_squares(t->values, t->count));
    const double gradient = sqrt(sum_of_squares(t->gradient, t->count));
    const double sum = gradient + o->weight_decay * weights;
    return weights > 0 && sum > 0 ? o->trust * weights / sum : 1;
}

/* With trust 1 PyTorch's SGD. LARS keeps its learning rate inside the moment. */
static void step_sgd(const struct optimizer *o, const struct optimizer_tensor *t,
                     float *moment, double learning_rate)
{
    const struct optimizer_options *options = &o->options;
    const bool lars = options->kind == OPTIMIZER_LARS, first = o->steps == 0;
    const float decay = (float)options->weight_decay, momentum = (float)options->momentum,
                scale = lars ? (float)(learning_rate * trust_of(options, t)) : 1,
                rate = lars ? 1 : (float)learning_rate;
    for (size_t i = 0; i < t->count; i++) {
        float d = t->gradient[i];
        if (options->weight_decay != 0)
            d += t->values[i] * decay;
        if (lars)
            d *= scale;
        if (moment) {
            moment[i] = first ? d : moment[i] * momentum + d;
            d = moment[i];
        }
        t->values[i] -= rate * d;
    }
}

static void step_adam(const struct optimizer *o, const struct optimizer_tensor *t,
                      float *moment, float *second, double learning_rate)
{
    const struct optimizer_options *options = &o->options;
    const bool decoupled = options->kind == OPTIMIZER_ADAMW;
    const double correction1 = 1 - power(options->beta1, o->steps + 1),
                 correction2 = 1 - power(options->beta2, o->steps + 1);
    const float keep = (float)(1 - learning_rate * options->weight_decay),
                decay = (float)options->weight_decay, beta1 = (float)options->beta1,
                beta2 = (float)options->beta2, rest1 = (float)(1 - options->beta1),
                rest2 = (float)(1 - options->beta2),
                correction = (float)sqrt(correction2), eps = (float)options->eps,
                rate = (float)(learning_rate / correction1);
    for (size_t i = 0; i < t->count; i++) {
        float g = t->gradient[i];
        if (decoupled)
            t->values[i] *= keep;
        else if (options->weight_decay != 0)
            g += t->values[i] * decay;
        moment[i] = moment[i] * beta1 + g * rest1;
        second[i] = second[i] * beta2 + rest2 * g * g;
        t->values[i] -= rate * (moment[i] / (sqrtf(second[i]) / correction + eps));
    }
}

void optimizer_step(struct optimizer *o, const struct optimizer_tensor *tensors,
                    size_t tensor_count, double learning_rate)
{
    size_t first = 0;
    for (size_t i = 0; i < tensor_count; i++) {
        const struct optimizer_tensor *t = &tensors[i];
        CHECK(first + t->count <= o->count);
        float *moments[OPTIMIZER_MOMENTS];
        for (int k = 0; k < OPTIMIZER_MOMENTS; k++)
            moments[k] = o->moments[k] ? o->moments[k] + first : NULL;
        if (o->options.kind == OPTIMIZER_ADAM || o->options.kind == OPTIMIZER_ADAMW)
            step_adam(o, t, moments[0], moments[1], learning_rate);
        else
            step_sgd(o, t, moments[0], learning_rate);
        first += t->count;
    }
    CHECK(first == o->count);
    o->steps++;
}

double gradient_norm(const float *const *gradients, const size_t *counts, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += sum_of_squares(gradients[i], counts[i]);
    return sqrt(sum);
}

double gradient_clip(float *const *gradients, const size_t *counts, size_t n, double most)
{
    const double norm = gradient_norm((const float *const *)gradients, counts, n);
    const double factor = most / (norm + 1e-6); /* PyTorch's guard against 0 */
    if (factor < 1)
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < counts[i]; k++)
                gradients[i][k] *= (float)factor;
    return norm;
}
