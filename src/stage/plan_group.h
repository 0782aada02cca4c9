/*
 * Networks that are run on the same input, and the mean of what they give: what
 * segmenters run, of one network or of several (the folds' of a cross-validation).
 *
 * The mean is taken value by value in double, in the order of the networks, so equal ones
 * give what one of them gives. One network alone costs nothing more. Local to a rank;
 * runs by several threads at once, each in a workspace of its own.
 */
#ifndef STAGE_PLAN_GROUP_H
#define STAGE_PLAN_GROUP_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "nn/model.h"

struct plan_group {
    struct model_plan **plans;
    size_t count, capacity;
};

/* Whether networks can be averaged: the same dimensions, input channels and divisor.
 * Errors: STATUS_JOB_CONFIG. */
enum status plan_group_check(const struct model *first, const struct model *m,
                             struct error *err);

/* Adds a network for inputs of depth x height x width; it has to give as many values as
 * those before. g begins zeroed; plan_group_release frees, also after a failure. Errors:
 * model_plan_new's. */
enum status plan_group_add(struct plan_group *g, const struct model *m,
                           const int64_t size[3],
                           const struct model_plan_options *options, struct error *err);
void plan_group_release(struct plan_group *g);

/* Bytes of a workspace, aligned to 64. */
size_t plan_group_workspace_bytes(const struct plan_group *g);

/* What averaging adds to a workspace, for outputs of so many values. */
size_t plan_group_mean_bytes(size_t models, int64_t outputs);

/* output = the mean of the networks' outputs. */
void plan_group_run(const struct plan_group *g, const float *const *channels,
                    float *output, void *workspace);

#endif
