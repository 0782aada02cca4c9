#include "nn/initialise.h"

#include <math.h>

#include "base/random.h"

static bool is_called(const struct training_tensor *t, const char *suffix)
{
    const char *dot = strrchr(t->name, '.');
    return dot && strcmp(dot + 1, suffix) == 0;
}

/* PyTorch's: the first dimension times the kernel, also of transposed convolutions, whose
 * first dimension is that of their inputs. */
static double fan_out(const struct training_tensor *weight)
{
    double fan = (double)weight->shape[0];
    for (int i = 2; i < weight->rank; i++)
        fan *= (double)weight->shape[i];
    return fan;
}

static const struct training_tensor *weight_of(const struct training_tensor *tensors,
                                               size_t count, int layer)
{
    for (size_t i = 0; i < count; i++)
        if (tensors[i].layer == layer && is_called(&tensors[i], "weight"))
            return &tensors[i];
    return NULL;
}

static void fill_normal(const struct training_tensor *t, double mean, double deviation,
                        uint64_t seed)
{
    struct random r =
        random_stream(seed, RANDOM_WEIGHTS, hash64(t->name, strlen(t->name)) >> 8, 0);
    for (size_t i = 0; i < t->count; i++)
        t->values[i] = (float)(mean + deviation * random_normal(&r));
}

static void fill(const struct training_tensor *t, float value)
{
    for (size_t i = 0; i < t->count; i++)
        t->values[i] = value;
}

void initialise_tensors(const struct network *n, const struct training_tensor *tensors,
                        size_t count, int first_layer, uint64_t seed)
{
    for (size_t i = 0; i < count; i++) {
        const struct training_tensor *t = &tensors[i];
        if (t->layer < first_layer)
            continue;
        if (n->layers[t->layer].type == LAYER_BATCH_NORM) {
            fill(t, is_called(t, "weight") || is_called(t, "running_var") ? 1 : 0);
            continue;
        }
        const double fan = fan_out(weight_of(tensors, count, t->layer));
        if (is_called(t, "weight"))
            fill_normal(t, 0, sqrt(2 / fan), seed);
        else
            fill_normal(t, -1 / sqrt(fan), 1 / sqrt(fan), seed);
    }
}

static bool has_weights(const struct layer *l)
{
    return l->type == LAYER_CONV || l->type == LAYER_CONV_TRANSPOSE ||
           l->type == LAYER_LINEAR || l->type == LAYER_BATCH_NORM;
}

static bool same_part(const char *a, const char *b)
{
    const size_t length = strcspn(a, ".");
    return strcspn(b, ".") == length && strncmp(a, b, length) == 0;
}

int fine_tuning_layer(const struct network *n, int depth)
{
    const char *part = NULL;
    int first = n->layer_count, parts = 0;
    for (int i = n->layer_count - 1; i >= 0; i--) {
        const struct layer *l = &n->layers[i];
        if (!has_weights(l))
            continue;
        if (!part || !same_part(part, l->name)) {
            if (parts++ == depth)
                return first;
            part = l->name;
        }
        first = i;
    }
    return 0;
}
