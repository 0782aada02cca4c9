#include "stage/classify.h"

#include <math.h>
#include <omp.h>

#include "base/memory.h"

enum { CLASSES = 2, CANDIDATES_BETWEEN_POLLS = 8 /* a thread: about 30 ms */ };

/* What one thread works in. */
struct bench {
    void *workspace;
    float *crop;
};

struct classifier {
    struct model_plan *plan;
    int64_t crop[3];
    int threads;
    struct bench *benches; /* [threads] */
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

static enum status classifier_benches(struct classifier *c, struct error *err)
{
    enum status status;
    size_t voxels = (size_t)(c->crop[0] * c->crop[1] * c->crop[2]);

    TRY(memory_new((size_t)c->threads, sizeof *c->benches, "classifier",
                   (void **)&c->benches, err));
    for (int i = 0; i < c->threads; i++) {
        struct bench *b = &c->benches[i];
        TRY(memory_new(model_plan_workspace_bytes(c->plan), 1,
                       "workspace of a classifier", &b->workspace, err));
        TRY(memory_new(voxels, sizeof *b->crop, "crop", (void **)&b->crop, err));
    }
    return STATUS_OK;
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
    c->threads = o->threads;
    model_crop(m, c->crop);
    TRY(model_classifies(m, c->crop, err));
    TRY(model_plan_new(m, c->crop[0], c->crop[1], c->crop[2], &o->plan, &c->plan, err));
    int64_t outputs = model_plan_output_floats(c->plan);
    if (outputs != CLASSES)
        TRY(error_set(err, STATUS_JOB_CONFIG,
                      "network \"%s\" ends in %lld values: a classifier in %d classes",
                      model_name(m), (long long)outputs, CLASSES));
    TRY(classifier_benches(c, err));
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
    for (int i = 0; c->benches && i < c->threads; i++) {
        free(c->benches[i].workspace);
        free(c->benches[i].crop);
    }
    free(c->benches);
    model_plan_free(c->plan);
    free(c);
}

void classifier_range(const struct classifier *c, const int64_t size[3],
                      const double index[3], int64_t *first, int64_t *count)
{
    crop_range(size, index, c->crop, first, count);
}

static float classify(const struct classifier *c, const struct bench *b,
                      const struct slices *s, const struct candidate *candidate)
{
    float classes[CLASSES];
    const float *channels[] = {b->crop};

    crop_copy(s, candidate->index, c->crop, b->crop);
    model_run(c->plan, channels, classes, b->workspace);
    return classes[1];
}

/* Candidates [begin, end), shared by the threads. */
static void classify_round(const struct classifier *c, const struct slices *s,
                           const struct candidate *candidates, size_t begin, size_t end,
                           float *probabilities)
{
#pragma omp parallel for schedule(static) num_threads(c->threads)
    for (size_t i = begin; i < end; i++)
        probabilities[i] =
            classify(c, &c->benches[omp_get_thread_num()], s, &candidates[i]);
}

enum status classifier_run(struct classifier *c, const struct slices *s,
                           const struct candidate *candidates, size_t count,
                           float *probabilities, classify_poll *poll, void *context,
                           struct error *err)
{
    enum status status;
    size_t round = (size_t)c->threads * CANDIDATES_BETWEEN_POLLS;

    for (size_t begin = 0; begin < count; begin += round) {
        size_t end = count - begin < round ? count : begin + round;
        if (poll)
            TRY(poll(context));
        classify_round(c, s, candidates, begin, end, probabilities);
        for (size_t i = begin; i < end; i++)
            if (!isfinite(probabilities[i]))
                TRY(error_set(
                    err, STATUS_STAGE_NUMERIC,
                    "the classifier gives %g at voxel (z, y, x) = (%.3f, %.3f, %.3f)",
                    (double)probabilities[i], candidates[i].index[0],
                    candidates[i].index[1], candidates[i].index[2]));
    }
    return STATUS_OK;
out:
    return status;
}
