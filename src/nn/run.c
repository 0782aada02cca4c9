/* Running a plan, and telling what it is. */
#include "nn/plan.h"

#include "base/size.h"

size_t model_plan_workspace_bytes(const struct model_plan *p)
{
    size_t bytes;
    CHECK(size_multiply((size_t)p->workspace_floats, sizeof(float), &bytes));
    return bytes;
}

int64_t model_plan_output_floats(const struct model_plan *p)
{
    const struct value_shape *s = &p->slots[p->slot_count - 1].shape;
    return s->channels * s->size[0] * s->size[1] * s->size[2];
}

int64_t model_plan_multiply_adds(const struct model_plan *p)
{
    int64_t sum = 0;
    for (int i = 0; i < p->step_count; i++)
        sum += p->steps[i].multiply_adds;
    return sum;
}

static struct view view_in(const struct place *p, float *workspace)
{
    struct view v = p->view;
    v.data = workspace + p->offset;
    return v;
}

static void run_conv(const struct step *s, const struct view *in, const struct view *out,
                     void *scratch)
{
    const struct conv_epilogue e = {
        .bias = s->bias, .relu = s->relu, .scale = s->scale, .shift = s->shift};
    if (s->pooled)
        conv_pool_forward(s->conv, &s->pool, in, out, NULL, &e, scratch);
    else if (s->kind == STEP_CONV)
        conv_forward(s->conv, in, out, &e, scratch);
    else
        conv_transpose_forward(s->transpose, in, out, &e, scratch);
}

/* A run of a plan. */
struct model_pass {
    const struct model_plan *plan;
    const float *const *channels;
    float *output, *workspace;
};

/* The whole step, or a band of it. */
static void run_step(void *context, const struct step *s, const struct band *b)
{
    const struct model_pass *pass = context;
    const struct model_plan *p = pass->plan;
    float *workspace = pass->workspace;
    struct view in = view_in(&s->in, workspace), out = view_in(&s->out, workspace);
    if (s->clears && (!b || b->from == 0)) {
        struct view tensor = view_in(&s->tensor, workspace);
        view_clear_halo(&tensor);
    }
    if (b)
        band_cut(p, s, b, &in, &out);
    switch (s->kind) {
    case STEP_INPUT:
        view_from_planes(pass->channels, s->scale, s->shift, &out);
        break;
    case STEP_CONV:
    case STEP_CONV_TRANSPOSE:
        run_conv(s, &in, &out, workspace + p->scratch_offset);
        break;
    case STEP_BATCH_NORM:
        batch_norm_forward(s->scale, s->shift, &in, &out);
        break;
    case STEP_RELU:
        relu_forward(&in, &out);
        break;
    case STEP_MAX_POOL:
        max_pool_forward(&s->pool, &in, &out);
        break;
    case STEP_AVG_POOL:
        average_pool_forward(&s->pool, &in, &out);
        break;
    case STEP_COPY:
        view_copy(&in, &out);
        break;
    case STEP_LINEAR:
        linear_forward(s->weights, s->bias, &in, &out);
        break;
    case STEP_SOFTMAX:
        softmax_forward(&in, &out);
        break;
    case STEP_SIGMOID:
        sigmoid_forward(&in, &out);
        break;
    case STEP_FLATTEN:
        view_to_planes(&in, out.data);
        break;
    case STEP_OUTPUT:
        view_to_planes(&in, pass->output);
        break;
    }
}

void model_run(const struct model_plan *p, const float *const *channels, float *output,
               void *workspace)
{
    struct model_pass pass = {p, channels, output, workspace};
    for (int i = 0; i < p->step_count; i = p->steps[i].last + 1)
        if (p->steps[i].last > i)
            bands_run(p, i, workspace, run_step, &pass);
        else
            run_step(&pass, &p->steps[i], NULL);
}

static const char *const step_names[] = {
    [STEP_INPUT] = "input",
    [STEP_CONV] = "conv",
    [STEP_CONV_TRANSPOSE] = "conv_transpose",
    [STEP_BATCH_NORM] = "batch_norm",
    [STEP_RELU] = "relu",
    [STEP_MAX_POOL] = "max_pool",
    [STEP_AVG_POOL] = "avg_pool",
    [STEP_COPY] = "concat (copy)",
    [STEP_LINEAR] = "linear",
    [STEP_SOFTMAX] = "softmax",
    [STEP_SIGMOID] = "sigmoid",
    [STEP_FLATTEN] = "flatten",
    [STEP_OUTPUT] = "output",
};

void model_plan_print(const struct model_plan *p, FILE *out)
{
    const struct network *n = &p->model->network;
    for (int i = 0; i < p->step_count; i++) {
        const struct step *s = &p->steps[i];
        char shape[SHAPE_TEXT_BYTES];
        value_shape_text(&p->slots[s->to != NO_VALUE ? s->to : s->from].shape,
                         n->dimensions, shape);
        char what[64];
        snprintf(what, sizeof what, "%s%s%s%s", step_names[s->kind],
                 s->relu ? " + relu" : "",
                 s->scale && s->kind != STEP_BATCH_NORM ? " + norm" : "",
                 s->pooled ? " + max_pool" : "");
        fprintf(out, "%-36s %-28s %-18s %-9s %12lld\n",
                s->layer >= 0 ? n->layers[s->layer].name : "", what, shape,
                s->conv ? conv_algorithm_name(conv_algorithm(s->conv)) : "",
                (long long)s->multiply_adds);
    }
}
