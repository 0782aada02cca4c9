/* How long the operations of a step take on this machine: what its plan shows as rates.
 */
#include <math.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/random.h"
#include "nn/initialise.h"
#include "nn/training_internal.h"

enum { STEPS = 4 };

static float *fill(float *values, size_t count)
{
    struct random r = random_stream(1, RANDOM_NOISE, 0, 0);
    for (size_t i = 0; i < count; i++)
        values[i] = (float)random_normal(&r);
    return values;
}

enum status training_measure(struct training *t, struct error *err)
{
    enum status status;
    const struct value_shape *in = &t->shapes[0];
    const size_t floats =
        (size_t)(in->size[0] * in->size[1] * in->size[2] * in->channels);
    float *input = NULL, *target = NULL;
    size_t count;
    double loss;

    TRY(memory_new(floats, sizeof *input, "plan", (void **)&input, err));
    TRY(memory_new(t->output_floats, sizeof *target, "plan", (void **)&target, err));
    TRY(memory_new((size_t)t->op_count, sizeof *t->op_seconds, "plan",
                   (void **)&t->op_seconds, err));
    for (int i = 0; i < t->op_count; i++)
        t->op_seconds[i] = INFINITY;
    const struct training_tensor *tensors = training_tensors(t, &count);
    const struct training_sample sample = {.input = fill(input, floats),
                                           .target = target};
    initialise_tensors(t->network, tensors, count, 0, 1);
    for (int i = 0; i < STEPS; i++)
        TRY(training_gradients(t, &sample, 1, 1, NULL, &loss, err));
out:
    free(input);
    free(target);
    return status;
}

void training_time_op(struct training *t, int op, double begun)
{
    t->op_seconds[op] = fmin(t->op_seconds[op], clock_seconds() - begun);
}
