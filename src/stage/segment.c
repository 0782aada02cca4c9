#include "stage/segment.h"

#include <float.h>
#include <math.h>
#include <omp.h>

#include "base/memory.h"
#include "stage/plan_group.h"

/* What one thread works in. */
struct bench {
    void *workspace;
    float *padded; /* [channels][padded height][padded width], NULL without padding */
    const float **channels; /* [channels] */
    float *heatmap;         /* [padded height][padded width] */
};

struct segmenter {
    struct plan_group plans;
    int64_t height, width, padded_height, padded_width;
    int channels, threads;
    float threshold;
    struct bench *benches; /* [threads] */
    bool *finite;          /* [threads]: of the slices of a round */
};

static enum status segmenter_sizes(struct segmenter *s, const struct model *m,
                                   int64_t height, int64_t width, struct error *err)
{
    int64_t divisor = model_divisor(m), padded;

    s->channels = model_input_channels(m);
    if (model_dimensions(m) != 2 || s->channels % 2 != 1)
        return error_set(
            err, STATUS_JOB_CONFIG,
            "network \"%s\" has %d dimensions and %d input channels: a segmenter "
            "takes 2 and an odd number of slices",
            model_name(m), model_dimensions(m), s->channels);
    s->height = height;
    s->width = width;
    if (height <= 0 || width <= 0 || height > INT64_MAX - divisor ||
        width > INT64_MAX - divisor)
        return error_set(err, STATUS_ITEM_LIMIT,
                         "slices of %lld x %lld cannot be segmented", (long long)height,
                         (long long)width);
    s->padded_height = (height + divisor - 1) / divisor * divisor;
    s->padded_width = (width + divisor - 1) / divisor * divisor;
    if (__builtin_mul_overflow(s->padded_height, s->padded_width, &padded) ||
        padded > INT64_MAX / s->channels)
        return error_set(err, STATUS_ITEM_LIMIT, "slices of %lld x %lld are too large",
                         (long long)height, (long long)width);
    return STATUS_OK;
}

static bool segmenter_pads(const struct segmenter *s)
{
    return s->padded_height != s->height || s->padded_width != s->width;
}

static enum status segmenter_benches(struct segmenter *s, struct error *err)
{
    enum status status;
    size_t channels = (size_t)s->channels;
    size_t padded = (size_t)(s->padded_height * s->padded_width);

    TRY(memory_new((size_t)s->threads, sizeof *s->finite, "segmenter",
                   (void **)&s->finite, err));
    TRY(memory_new((size_t)s->threads, sizeof *s->benches, "segmenter",
                   (void **)&s->benches, err));
    for (int i = 0; i < s->threads; i++) {
        struct bench *b = &s->benches[i];
        TRY(memory_new(plan_group_workspace_bytes(&s->plans), 1,
                       "workspace of a segmenter", &b->workspace, err));
        TRY(memory_new(channels, sizeof *b->channels, "segmenter", (void **)&b->channels,
                       err));
        TRY(memory_new(padded, sizeof *b->heatmap, "slice of heatmap",
                       (void **)&b->heatmap, err));
        if (segmenter_pads(s))
            TRY(memory_new(padded * channels, sizeof *b->padded, "padded slices",
                           (void **)&b->padded, err));
    }
    return STATUS_OK;
out:
    return status;
}

/* Adds a network that turns a padded slice into a heatmap. */
static enum status add_plan(struct segmenter *s, const struct model *m,
                            const struct model_plan_options *options, struct error *err)
{
    enum status status;
    const int64_t size[3] = {1, s->padded_height, s->padded_width};
    TRY(plan_group_add(&s->plans, m, size, options, err));
    const int64_t outputs = model_plan_output_floats(s->plans.plans[s->plans.count - 1]);
    if (outputs != s->padded_height * s->padded_width)
        TRY(error_set(err, STATUS_JOB_CONFIG,
                      "network \"%s\" turns a slice of %lld x %lld into %lld values: a "
                      "segmenter gives one a voxel",
                      model_name(m), (long long)s->padded_height,
                      (long long)s->padded_width, (long long)outputs));
out:
    return status;
}

enum status segmenter_new(struct model *const *models, size_t count, int64_t height,
                          int64_t width, const struct segment_options *o,
                          struct segmenter **out, struct error *err)
{
    enum status status;
    struct segmenter *s = NULL;

    CHECK(o->threads > 0 && count > 0);
    TRY(memory_new(1, sizeof *s, "segmenter", (void **)&s, err));
    s->threads = o->threads;
    s->threshold = (float)o->threshold;
    TRY(segmenter_sizes(s, models[0], height, width, err));
    for (size_t i = 0; i < count; i++) {
        TRY(plan_group_check(models[0], models[i], err));
        TRY(add_plan(s, models[i], &o->plan, err));
    }
    TRY(segmenter_benches(s, err));
    *out = s;
    return STATUS_OK;
out:
    segmenter_free(s);
    return status;
}

void segmenter_free(struct segmenter *s)
{
    if (!s)
        return;
    for (int i = 0; s->benches && i < s->threads; i++) {
        free(s->benches[i].workspace);
        free(s->benches[i].padded);
        free(s->benches[i].channels);
        free(s->benches[i].heatmap);
    }
    free(s->benches);
    free(s->finite);
    plan_group_release(&s->plans);
    free(s);
}

int64_t segmenter_context(const struct segmenter *s)
{
    return s->channels / 2;
}

static void slice_pad(const struct segmenter *s, const float *slice, float *padded)
{
    for (int64_t y = 0; y < s->padded_height; y++) {
        const float *row = slice + (y < s->height ? y : s->height - 1) * s->width;
        float *out = padded + y * s->padded_width;
        memcpy(out, row, (size_t)s->width * sizeof *out);
        for (int64_t x = s->width; x < s->padded_width; x++)
            out[x] = row[s->width - 1];
    }
}

/* Crops a heatmap back and holds it against the threshold. False when it is not finite.
 */
static bool slice_store(const struct segmenter *s, const float *padded, uint8_t *mask,
                        float *heatmap)
{
    bool finite = true;

    for (int64_t y = 0; y < s->height; y++) {
        const float *row = padded + y * s->padded_width;
        for (int64_t x = 0; x < s->width; x++) {
            mask[y * s->width + x] = row[x] > s->threshold;
            finite &= fabsf(row[x]) <= FLT_MAX;
        }
        if (heatmap)
            memcpy(heatmap + y * s->width, row, (size_t)s->width * sizeof *row);
    }
    return finite;
}

/* One slice from its neighbours slices[0 .. channels). False when the heatmap is not
 * finite. */
static bool slice_segment(const struct segmenter *s, const struct bench *b,
                          const float *const *slices, uint8_t *mask, float *heatmap)
{
    const float *const *channels = slices;

    if (b->padded) {
        for (int c = 0; c < s->channels; c++) {
            float *padded = b->padded + c * s->padded_height * s->padded_width;
            slice_pad(s, slices[c], padded);
            b->channels[c] = padded;
        }
        channels = b->channels;
    }
    plan_group_run(&s->plans, channels, b->heatmap, b->workspace);
    return slice_store(s, b->heatmap, mask, heatmap);
}

/* Output slices [begin, begin + count), count <= threads, one a thread. */
static void segment_round(struct segmenter *s, const float *const *slices, int64_t begin,
                          int64_t count, uint8_t *mask, float *heatmap)
{
    int64_t voxels = s->height * s->width;

#pragma omp parallel for schedule(static) num_threads(s->threads)
    for (int64_t i = 0; i < count; i++) {
        int64_t k = begin + i;
        s->finite[i] =
            slice_segment(s, &s->benches[omp_get_thread_num()], slices + k,
                          mask + k * voxels, heatmap ? heatmap + k * voxels : NULL);
    }
}

enum status segmenter_run(struct segmenter *s, const float *const *slices, int64_t count,
                          uint8_t *mask, float *heatmap, segment_poll *poll,
                          void *context, struct error *err)
{
    enum status status;

    for (int64_t begin = 0; begin < count; begin += s->threads) {
        int64_t round = count - begin < s->threads ? count - begin : s->threads;
        if (poll)
            TRY(poll(context));
        segment_round(s, slices, begin, round, mask, heatmap);
        for (int64_t i = 0; i < round; i++)
            if (!s->finite[i])
                TRY(error_set(err, STATUS_STAGE_NUMERIC,
                              "the heatmap of slice %lld of %lld is not finite",
                              (long long)(begin + i), (long long)count));
    }
    return STATUS_OK;
out:
    return status;
}
