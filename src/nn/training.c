/*
 * A batch: its phases, the sums between them, and the gradient.
 *
 * What is summed over samples, and how (the bits do not depend on who has which sample):
 *   batch statistics and their gradients   exact_sum.h: few, of unknown magnitude
 *   losses                                 exact_sum.h
 *   gradients by weights                   fixed_sum.h, after agreeing on the largest
 *                                          magnitude of each tensor over all samples
 * Everything else is done for one sample by one thread. A NaN or infinity is found where
 * sums are made, on all ranks at once, since they all see the same sums.
 */
#include "nn/training.h"

#include <math.h>
#include <omp.h>

#include "base/memory.h"
#include "nn/training_internal.h"
#include "tensor/fixed_sum.h"

static const double momentum = 0.1; /* of running statistics: PyTorch's default */

enum status training_new(const struct network *n, const int64_t size[3],
                         const struct training_options *options, struct training **out,
                         struct error *err)
{
    enum status status;
    struct training *t = NULL;
    const size_t values = (size_t)n->layer_count + 1;
    void *memory;

    CHECK(options->threads > 0 && options->samples > 0);
    TRY(memory_new(1, sizeof *t, "training", &memory, err));
    t = memory;
    t->network = n;
    t->options = *options;
    TRY(memory_new(values, sizeof *t->shapes, "training", (void **)&t->shapes, err));
    TRY(network_shapes(n, size, t->shapes, err));
    TRY(training_make_state(t, err));
    TRY(training_make_plan(t, err));
    TRY(training_make_kernels(t, err));
    TRY(training_make_memory(t, err));
    *out = t;
    t = NULL;
out:
    training_free(t);
    return status;
}

void training_free(struct training *t)
{
    if (!t)
        return;
    training_release_state(t);
    free(t->shapes);
    free(t->wanted);
    free(t->ops);
    free(t->rooms);
    free(t->sample_memory);
    free(t->thread_memory);
    free(t->slots);
    free(t->slot_memory);
    free(t->packed_sums);
    free(t->outputs);
    free(t->norm_sums);
    free(t->losses);
    free(t->magnitudes);
    free(t->sums);
    free(t->limits);
    free(t->op_seconds);
    free(t);
}

const struct training_tensor *training_tensors(const struct training *t, size_t *count)
{
    *count = t->parameters.count;
    return t->tensors;
}

enum status training_load(struct training *t, const struct tensor_file *weights,
                          const char *path, struct error *err)
{
    enum status status =
        parameters_match(&t->parameters, t->network, weights, path, NULL, err);
    for (size_t i = 0; i < t->parameters.count && status == STATUS_OK; i++)
        memcpy(t->tensors[i].values,
               tensor_file_find(weights, t->tensors[i].name)->values,
               t->tensors[i].count * sizeof(float));
    return status;
}

const struct optimizer_tensor *training_trained(const struct training *t, size_t *count)
{
    *count = t->trained_count;
    return t->trained;
}

size_t training_trained_values(const struct training *t)
{
    return t->trained_values;
}

const float *training_output(const struct training *t, int sample, size_t *count)
{
    *count = t->output_floats;
    return t->outputs + (size_t)sample * t->output_floats;
}

double training_loss(const struct training *t, int sample)
{
    return t->losses[sample];
}

size_t training_bytes(const struct training *t, size_t *a_sample)
{
    *a_sample =
        ((size_t)t->sample_floats + t->slot_floats + t->output_floats) * sizeof(float) +
        2 * (size_t)t->norm_channels * sizeof(double);
    return (size_t)t->options.samples * *a_sample +
           (size_t)t->options.threads * (size_t)t->thread_floats * sizeof(float) +
           t->trained_values * (sizeof(int64_t) + 3 * sizeof(float)) +
           t->slot_floats * sizeof(int64_t);
}

int64_t training_multiply_adds(const struct training *t)
{
    return t->multiply_adds;
}

static enum status sum_over_ranks(const struct training_reducer *r, int64_t *values,
                                  size_t count, struct error *err)
{
    return r ? r->sum(values, count, r->context, err) : STATUS_OK;
}

static enum status max_over_ranks(const struct training_reducer *r, int64_t *values,
                                  size_t count, struct error *err)
{
    return r ? r->max(values, count, r->context, err) : STATUS_OK;
}

/* The two sums of each channel over the batch, from those of the samples. */
static enum status sum_norm(struct training *t, struct norm *n, int count,
                            const struct training_reducer *reducer, const char *what,
                            struct error *err)
{
    enum status status;
    const size_t sums = 2 * (size_t)n->channels;

    memset(n->sums, 0, sums * sizeof *n->sums);
    for (int i = 0; i < count; i++)
        for (int part = 0; part < 2; part++) {
            const double *of =
                t->norm_sums + (size_t)(2 * i + part) * (size_t)t->norm_channels;
            for (int c = 0; c < n->channels; c++)
                exact_sum_add(&n->sums[part * n->channels + c], of[c]);
        }
    TRY(sum_over_ranks(reducer, n->sums[0].limbs, sums * EXACT_SUM_LIMBS, err));
    for (int c = 0; c < n->channels; c++) {
        n->mean_sum[c] = exact_sum_value(&n->sums[c]);
        n->product_sum[c] = exact_sum_value(&n->sums[n->channels + c]);
        if (!isfinite(n->mean_sum[c]) || !isfinite(n->product_sum[c]))
            return error_set(err, STATUS_STAGE_NUMERIC,
                             "layer %s: the %s of the batch are not finite (channel %d)",
                             t->network->layers[n->layer].name, what, c);
    }
out:
    return status;
}

static const float *norm_values(const struct training *t, const struct norm *n,
                                enum parameter_role role)
{
    return t->tensors[t->layers[n->layer].tensors[role]].values;
}

/* Scale and shift of a norm from its mean and deviation. */
static void set_norm(const struct training *t, struct norm *n, int c, double mean,
                     double inverse)
{
    const double weight = (double)norm_values(t, n, PARAMETER_WEIGHT)[c],
                 bias = (double)norm_values(t, n, PARAMETER_BIAS)[c];
    n->mean[c] = (float)mean;
    n->inverse[c] = (float)inverse;
    n->scale[c] = (float)(weight * inverse);
    n->shift[c] = (float)(bias - mean * weight * inverse);
    n->normal_shift[c] = (float)(-mean * inverse);
}

/* Ends a phase: what the next needs of the whole batch. */
static enum status finish_phase(struct training *t, const struct op *op, int count,
                                int64_t total, const struct training_reducer *reducer,
                                struct error *err)
{
    enum status status;
    struct norm *n = &t->norms[t->layers[op->layer].norm];
    const double values = (double)total * (double)n->voxels,
                 eps = t->network->layers[n->layer].eps;

    TRY(sum_norm(t, n, count, reducer, op->backward ? "gradients" : "statistics", err));
    for (int c = 0; c < n->channels; c++) {
        if (op->backward) {
            n->first[c] = (float)(n->mean_sum[c] / values);
            n->second[c] = (float)(n->product_sum[c] / values * n->statistics[c].inverse);
        } else {
            n->statistics[c] =
                batch_norm_statistics(n->mean_sum[c], n->product_sum[c], values, eps);
            set_norm(t, n, c, n->statistics[c].mean, n->statistics[c].inverse);
        }
    }
out:
    return status;
}

/* Norms that use running statistics are ready before the first phase. */
static void set_running_norms(struct training *t)
{
    for (int i = 0; i < t->norm_count; i++) {
        struct norm *n = &t->norms[i];
        const float *mean = norm_values(t, n, PARAMETER_MEAN),
                    *variance = norm_values(t, n, PARAMETER_VARIANCE);
        for (int c = 0; c < n->channels && !n->batch; c++)
            set_norm(t, n, c, (double)mean[c],
                     1 / sqrt((double)variance[c] + t->network->layers[n->layer].eps));
    }
}

static void update_running(struct training *t, int64_t total)
{
    for (int i = 0; i < t->norm_count; i++) {
        struct norm *n = &t->norms[i];
        const int *tensors = t->layers[n->layer].tensors;
        for (int c = 0; c < n->channels && n->batch; c++)
            batch_norm_update(&n->statistics[c], (double)total * (double)n->voxels,
                              momentum, &t->tensors[tensors[PARAMETER_MEAN]].values[c],
                              &t->tensors[tensors[PARAMETER_VARIANCE]].values[c]);
    }
}

/* A thread's share of the samples, every other phase from its end: what the phase before
 * has touched last is still near. */
static void run_share(struct training *t, int phase,
                      const struct training_sample *samples, int count, int64_t total)
{
    const int thread = omp_get_thread_num(), threads = omp_get_num_threads();
    const int first = (int)((int64_t)count * thread / threads),
              end = (int)((int64_t)count * (thread + 1) / threads);
    for (int i = first; i < end; i++) {
        const bool back = phase % 2;
        const int sample = back ? first + end - 1 - i : i,
                  next = i + 1 == end ? NONE : sample + (back ? -1 : 1);
        training_run_phase(t, phase, sample, next, &samples[sample], total, thread);
    }
}

static enum status run_phases(struct training *t, const struct training_sample *samples,
                              int count, int64_t total,
                              const struct training_reducer *reducer, struct error *err)
{
    enum status status = STATUS_OK;
    for (int phase = 0; phase < t->phase_count; phase++) {
#pragma omp parallel num_threads(t->options.threads)
        run_share(t, phase, samples, count, total);
        const struct op *sums = training_phase_sums(t, phase);
        if (sums)
            TRY(finish_phase(t, sums, count, total, reducer, err));
    }
out:
    return status;
}

/* The largest magnitude of each tensor's gradient over all samples, in t->limits; behind
 * them 1 when a loss is not finite. */
static enum status find_limits(struct training *t, int count,
                               const struct training_reducer *reducer, struct error *err)
{
    enum status status;
    const size_t tensors = t->trained_count;

#pragma omp parallel for num_threads(t->options.threads) schedule(static)
    for (int i = 0; i < count; i++) {
        const float *slots = t->slot_memory + (size_t)i * t->slot_floats;
        for (size_t k = 0; k < tensors; k++)
            t->magnitudes[(size_t)i * tensors + k] = fixed_sum_magnitude(
                t->options.isa, slots + t->slots[k].offset, t->slots[k].floats);
    }
    for (size_t k = 0; k < tensors; k++)
        t->limits[k] = FIXED_SUM_ZERO;
    t->limits[tensors] = 0;
    for (int i = 0; i < count; i++) {
        for (size_t k = 0; k < tensors; k++) {
            const int magnitude = t->magnitudes[(size_t)i * tensors + k];
            t->limits[k] = magnitude > t->limits[k] ? magnitude : t->limits[k];
        }
        t->limits[tensors] |= !isfinite(t->losses[i]);
    }
    TRY(max_over_ranks(reducer, t->limits, tensors + 1, err));
    if (t->limits[tensors])
        return error_set(err, STATUS_STAGE_NUMERIC, "the loss of a sample is not finite");
    for (size_t k = 0; k < tensors; k++)
        if (t->limits[k] == FIXED_SUM_NOT_FINITE)
            return error_set(err, STATUS_STAGE_NUMERIC,
                             "layer %s: a gradient is not finite",
                             t->network->layers[t->trained_layers[k]].name);
out:
    return status;
}

/* Sums one stretch of the slots over the samples, asking for the next one's meanwhile. */
static void sum_stretch(struct training *t, size_t from, size_t to, int count)
{
    memset(t->packed_sums + from, 0, (to - from) * sizeof *t->packed_sums);
    for (size_t k = 0; k < t->trained_count; k++) {
        const struct slot *s = &t->slots[k];
        const size_t first = s->offset > from ? s->offset : from,
                     end = s->offset + s->floats < to ? s->offset + s->floats : to;
        for (int i = 0; i < count && first < end; i++) {
            const float *slots = t->slot_memory + (size_t)i * t->slot_floats + first;
            const float *next = i + 1 < count ? slots + t->slot_floats : slots;
            for (size_t l = 0; l < end - first; l += LINE_FLOATS)
                __builtin_prefetch(next + l, 0, 2);
            fixed_sum_add(t->options.isa, t->packed_sums + first, slots, end - first,
                          (int)t->limits[k]);
        }
    }
}

/* Stretches are short enough for their sums to stay in the cache. */
static void sum_slots(struct training *t, int count)
{
    enum { STRETCH = 4096 };
    const int64_t stretches = (int64_t)((t->slot_floats + STRETCH - 1) / STRETCH);

#pragma omp parallel for num_threads(t->options.threads) schedule(static)
    for (int64_t b = 0; b < stretches; b++) {
        const size_t from = (size_t)b * STRETCH, rest = t->slot_floats - from;
        sum_stretch(t, from, from + (rest < STRETCH ? rest : STRETCH), count);
    }
#pragma omp parallel for num_threads(t->options.threads) schedule(dynamic)
    for (size_t k = 0; k < t->trained_count; k++) {
        const struct slot *s = &t->slots[k];
        int64_t *to = t->sums + (t->trained[k].gradient - t->gradients);
        if (s->packing)
            conv_gradient_unpack(s->packing, t->packed_sums + s->offset, to);
        else
            memcpy(to, t->packed_sums + s->offset, s->floats * sizeof *to);
    }
}

/* The gradient of the batch and its loss, in one reduction. */
static enum status sum_gradients(struct training *t, int count, int64_t total,
                                 const struct training_reducer *reducer, double *loss,
                                 struct error *err)
{
    enum status status;
    struct exact_sum losses = {{0}};
    size_t first = 0;

    TRY(find_limits(t, count, reducer, err));
    sum_slots(t, count);
    for (int i = 0; i < count; i++)
        exact_sum_add(&losses, t->losses[i]);
    memcpy(t->sums + t->trained_values, losses.limbs, sizeof losses.limbs);
    TRY(sum_over_ranks(reducer, t->sums, t->trained_values + EXACT_SUM_LIMBS, err));
    memcpy(losses.limbs, t->sums + t->trained_values, sizeof losses.limbs);
    *loss = exact_sum_value(&losses) / (double)total;
    first = 0;
    for (size_t k = 0; k < t->trained_count; first += t->trained[k++].count)
        fixed_sum_value(t->sums + first, t->trained[k].count, (int)t->limits[k],
                        t->gradients + first);
out:
    return status;
}

enum status training_gradients(struct training *t, const struct training_sample *samples,
                               int count, int64_t total,
                               const struct training_reducer *reducer, double *loss,
                               struct error *err)
{
    enum status status;

    CHECK(count >= 0 && count <= t->options.samples);
    CHECK(total >= count && total > 0 && total <= FIXED_SUM_TERMS);
    training_set_weights(t);
    set_running_norms(t);
    TRY(run_phases(t, samples, count, total, reducer, err));
    TRY(sum_gradients(t, count, total, reducer, loss, err));
    update_running(t, total);
out:
    return status;
}
