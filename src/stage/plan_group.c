#include "stage/plan_group.h"

#include "base/memory.h"

enum { LINE_BYTES = 64 };

enum status plan_group_check(const struct model *first, const struct model *m,
                             struct error *err)
{
    if (model_dimensions(m) == model_dimensions(first) &&
        model_input_channels(m) == model_input_channels(first) &&
        model_divisor(m) == model_divisor(first))
        return STATUS_OK;
    return error_set(
        err, STATUS_JOB_CONFIG,
        "network \"%s\" (%d dimensions, %d input channels, divisor %d) cannot "
        "be averaged with \"%s\" (%d, %d, %d)",
        model_name(m), model_dimensions(m), model_input_channels(m), model_divisor(m),
        model_name(first), model_dimensions(first), model_input_channels(first),
        model_divisor(first));
}

enum status plan_group_add(struct plan_group *g, const struct model *m,
                           const int64_t size[3],
                           const struct model_plan_options *options, struct error *err)
{
    enum status status;
    TRY(memory_grow((void **)&g->plans, &g->capacity, g->count + 1, sizeof *g->plans,
                    "plans", err));
    TRY(model_plan_new(m, size[0], size[1], size[2], options, &g->plans[g->count], err));
    g->count++;
out:
    return status;
}

void plan_group_release(struct plan_group *g)
{
    for (size_t i = 0; i < g->count; i++)
        model_plan_free(g->plans[i]);
    free(g->plans);
    *g = (struct plan_group){.plans = NULL};
}

size_t plan_group_mean_bytes(size_t models, int64_t outputs)
{
    return models > 1 ? (size_t)outputs * sizeof(double) : 0;
}

/* Of the plan that needs most, to the next line. */
static size_t plan_bytes(const struct plan_group *g)
{
    size_t most = 0;
    for (size_t i = 0; i < g->count; i++) {
        const size_t bytes = model_plan_workspace_bytes(g->plans[i]);
        most = bytes > most ? bytes : most;
    }
    return g->count > 1 ? (most + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES : most;
}

size_t plan_group_workspace_bytes(const struct plan_group *g)
{
    return plan_bytes(g) +
           plan_group_mean_bytes(g->count, model_plan_output_floats(g->plans[0]));
}

void plan_group_run(const struct plan_group *g, const float *const *channels,
                    float *output, void *workspace)
{
    model_run(g->plans[0], channels, output, workspace);
    if (g->count == 1)
        return;
    const int64_t values = model_plan_output_floats(g->plans[0]);
    double *sums = (double *)((char *)workspace + plan_bytes(g));
    for (int64_t i = 0; i < values; i++)
        sums[i] = (double)output[i];
    for (size_t k = 1; k < g->count; k++) {
        model_run(g->plans[k], channels, output, workspace);
        for (int64_t i = 0; i < values; i++)
            sums[i] += (double)output[i];
    }
    for (int64_t i = 0; i < values; i++)
        output[i] = (float)(sums[i] / (double)g->count);
}
