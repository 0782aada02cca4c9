#include "stage/classify.h"

#include <math.h>
#include <omp.h>

#include "base/memory.h"

enum { CLASSES = 2, CANDIDATES_BETWEEN_POLLS = 8 /* a thread: about 30 ms */ };

/* What one thread works in, for the network that takes most. */
struct bench {
    void *workspace;
    float *crop;
};

struct member {
    struct model_plan *plan;
    int64_t crop[3];
};

struct classifier {
    struct classify_options options;
    struct member *members;
    size_t count, capacity;
    struct bench *benches; /* [threads] */
    size_t workspace_bytes, crop_voxels;
    float *values; /* of a round: [candidates][count] */
};

static enum status model_classifies(const struct model *m, const int64_t crop[3],
                                    struct error *err)
{
    if (model_dimensions(m) != 3 || model_input_channels(m) != 1)
        return error_set(
            err, STATUS_JOB_CONFIG,
            "network \"%s\" has %d dimensions and %d input channels: a classifier "
            "takes 3 and 1",
            model_name(m), model_dimensions(m), model_input_channels(m));
    if (crop[0] <= 0 || crop[1] <= 0 || crop[2] <= 0)
        return error_set(
            err, STATUS_JOB_CONFIG,
            "network \"%s\" is made for no crop size: a classifier needs one",
            model_name(m));
    return STATUS_OK;
}

/* Candidates between two polls: fewer of more networks, so that it takes as long. */
static size_t round_of(const struct classifier *c)
{
    const size_t each = CANDIDATES_BETWEEN_POLLS / c->count;
    return (size_t)c->options.threads * (each ? each : 1);
}

/* Room for the network that was added last. */
static enum status make_room(struct classifier *c, struct error *err)
{
    enum status status = STATUS_OK;
    const struct member *m = &c->members[c->count - 1];
    const size_t bytes = model_plan_workspace_bytes(m->plan),
                 voxels = (size_t)(m->crop[0] * m->crop[1] * m->crop[2]);
    for (int i = 0; i < c->options.threads; i++) {
        struct bench *b = &c->benches[i];
        if (!b->workspace || bytes > c->workspace_bytes) {
            free(b->workspace);
            b->workspace = NULL;
            TRY(memory_new(bytes, 1, "workspace of a classifier", &b->workspace, err));
        }
        if (!b->crop || voxels > c->crop_voxels) {
            free(b->crop);
            b->crop = NULL;
            TRY(memory_new(voxels, sizeof *b->crop, "crop", (void **)&b->crop, err));
        }
    }
    c->workspace_bytes = bytes > c->workspace_bytes ? bytes : c->workspace_bytes;
    c->crop_voxels = voxels > c->crop_voxels ? voxels : c->crop_voxels;
    free(c->values);
    c->values = NULL;
    TRY(memory_new(round_of(c) * c->count, sizeof *c->values, "probabilities",
                   (void **)&c->values, err));
out:
    return status;
}

enum status classifier_add(struct classifier *c, const struct model *m, struct error *err)
{
    enum status status;
    int64_t crop[3], outputs;
    struct member *added;

    model_crop(m, crop);
    TRY(model_classifies(m, crop, err));
    TRY(memory_grow((void **)&c->members, &c->capacity, c->count + 1, sizeof *c->members,
                    "classifier", err));
    added = &c->members[c->count];
    memcpy(added->crop, crop, sizeof crop);
    TRY(model_plan_new(m, crop[0], crop[1], crop[2], &c->options.plan, &added->plan,
                       err));
    c->count++;
    outputs = model_plan_output_floats(added->plan);
    if (outputs != CLASSES)
        TRY(error_set(err, STATUS_JOB_CONFIG,
                      "network \"%s\" ends in %lld values: a classifier in %d classes",
                      model_name(m), (long long)outputs, CLASSES));
    TRY(make_room(c, err));
out:
    return status;
}

enum status classifier_new(const struct model *m, const struct classify_options *o,
                           struct classifier **out, struct error *err)
{
    enum status status;
    struct classifier *c = NULL;

    CHECK(o->threads > 0);
    TRY(memory_new(1, sizeof *c, "classifier", (void **)&c, err));
    c->options = *o;
    TRY(memory_new((size_t)o->threads, sizeof *c->benches, "classifier",
                   (void **)&c->benches, err));
    TRY(classifier_add(c, m, err));
    *out = c;
    return STATUS_OK;
out:
    classifier_free(c);
    return status;
}

void classifier_free(struct classifier *c)
{
    if (!c)
        return;
    for (int i = 0; c->benches && i < c->options.threads; i++) {
        free(c->benches[i].workspace);
        free(c->benches[i].crop);
    }
    free(c->benches);
    for (size_t i = 0; i < c->count; i++)
        model_plan_free(c->members[i].plan);
    free(c->members);
    free(c->values);
    free(c);
}

void classifier_range(const struct classifier *c, const int64_t size[3],
                      const double index[3], int64_t *first, int64_t *count)
{
    int64_t end;
    crop_range(size, index, c->members[0].crop, first, count);
    end = *first + *count;
    for (size_t i = 1; i < c->count; i++) {
        int64_t low, n;
        crop_range(size, index, c->members[i].crop, &low, &n);
        *first = low < *first ? low : *first;
        end = low + n > end ? low + n : end;
    }
    *count = end - *first;
}

static float classify(const struct member *m, const struct bench *b,
                      const struct slices *s, const struct candidate *candidate)
{
    float classes[CLASSES];
    const float *channels[] = {b->crop};

    crop_copy(s, candidate->index, m->crop, b->crop);
    model_run(m->plan, channels, classes, b->workspace);
    return classes[1];
}

/* Some candidates through all networks, shared by the threads. */
static void classify_round(const struct classifier *c, const struct slices *s,
                           const struct candidate *candidates, size_t count)
{
#pragma omp parallel for schedule(static) num_threads(c->options.threads)
    for (size_t i = 0; i < count * c->count; i++)
        c->values[i] =
            classify(&c->members[i % c->count], &c->benches[omp_get_thread_num()], s,
                     &candidates[i / c->count]);
}

static enum status check_finite(const struct classifier *c, const float *values,
                                const struct candidate *candidate, struct error *err)
{
    for (size_t k = 0; k < c->count; k++) {
        char which[64] = "the classifier";
        if (isfinite(values[k]))
            continue;
        if (c->count > 1)
            snprintf(which, sizeof which, "classifier %zu of %zu", k + 1, c->count);
        return error_set(err, STATUS_STAGE_NUMERIC,
                         "%s gives %g at voxel (z, y, x) = (%.3f, %.3f, %.3f)", which,
                         (double)values[k], candidate->index[0], candidate->index[1],
                         candidate->index[2]);
    }
    return STATUS_OK;
}

/* Of one candidate. Sums of a few floats are all but exact in double, and exact for equal
 * ones. */
static void average(const float *values, size_t count, float *mean, float *disagreement)
{
    double sum = 0, squares = 0;
    if (count == 1) {
        *mean = values[0];
        *disagreement = NAN;
        return;
    }
    for (size_t k = 0; k < count; k++)
        sum += (double)values[k];
    const double middle = sum / (double)count;
    for (size_t k = 0; k < count; k++) {
        const double distance = (double)values[k] - middle;
        squares += distance * distance;
    }
    *mean = (float)middle;
    *disagreement = (float)sqrt(squares / (double)count);
}

enum status classifier_run(struct classifier *c, const struct slices *s,
                           const struct candidate *candidates, size_t count,
                           float *probabilities, float *disagreements,
                           classify_poll *poll, void *context, struct error *err)
{
    enum status status;
    const size_t round = round_of(c);

    for (size_t begin = 0; begin < count; begin += round) {
        const size_t n = count - begin < round ? count - begin : round;
        if (poll)
            TRY(poll(context));
        classify_round(c, s, candidates + begin, n);
        for (size_t i = 0; i < n; i++) {
            const float *values = c->values + i * c->count;
            TRY(check_finite(c, values, &candidates[begin + i], err));
            average(values, c->count, &probabilities[begin + i],
                    &disagreements[begin + i]);
        }
    }
    return STATUS_OK;
out:
    return status;
}
