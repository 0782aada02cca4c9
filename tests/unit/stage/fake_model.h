/*
 * A network that a test can see through, in place of nn/model.c: the linker takes these
 * functions and leaves the library's. In 2D it gives for each voxel of a slice
 *
 *     sum over channels c of (c + 1) * channel c   +   8 * the last voxel of the last
 * channel
 *
 * and in 3D two values: the first voxel of the crop, and its mean.
 */
#ifndef TESTS_FAKE_MODEL_H
#define TESTS_FAKE_MODEL_H

#include "base/memory.h"
#include "nn/model.h"

struct model {
    int dimensions, channels, divisor;
    int64_t crop[3];
    int64_t outputs; /* 0: what its dimensions give */
};

struct model_plan {
    const struct model *model;
    int64_t depth, height, width;
};

const char *model_name(const struct model *m)
{
    (void)m;
    return "fake";
}

int model_dimensions(const struct model *m)
{
    return m->dimensions;
}

int model_input_channels(const struct model *m)
{
    return m->channels;
}

int model_divisor(const struct model *m)
{
    return m->divisor;
}

void model_crop(const struct model *m, int64_t crop[3])
{
    memcpy(crop, m->crop, sizeof m->crop);
}

enum status model_plan_new(const struct model *m, int64_t depth, int64_t height,
                           int64_t width, const struct model_plan_options *options,
                           struct model_plan **out, struct error *err)
{
    enum status status;
    (void)options;
    TRY(memory_new(1, sizeof **out, "plan", (void **)out, err));
    **out = (struct model_plan){m, depth, height, width};
out:
    return status;
}

void model_plan_free(struct model_plan *p)
{
    free(p);
}

/* As large as a slice, so that threads that shared one would spoil each other's. */
size_t model_plan_workspace_bytes(const struct model_plan *p)
{
    return (size_t)(p->depth * p->height * p->width) * sizeof(float);
}

int64_t model_plan_output_floats(const struct model_plan *p)
{
    if (p->model->outputs)
        return p->model->outputs;
    return p->model->dimensions == 2 ? p->height * p->width : 2;
}

void model_run(const struct model_plan *p, const float *const *channels, float *output,
               void *workspace)
{
    int64_t voxels = p->depth * p->height * p->width;
    float *work = workspace;

    if (p->model->dimensions == 2) {
        for (int64_t i = 0; i < voxels; i++) {
            work[i] = 8 * channels[p->model->channels - 1][voxels - 1];
            for (int c = 0; c < p->model->channels; c++)
                work[i] += (float)(c + 1) * channels[c][i];
        }
        memcpy(output, work, (size_t)voxels * sizeof *work);
    } else {
        float sum = 0;
        memcpy(work, channels[0], (size_t)voxels * sizeof *work);
        for (int64_t i = 0; i < voxels; i++)
            sum += work[i];
        output[0] = work[0];
        output[1] = sum / (float)voxels;
    }
}

#endif
