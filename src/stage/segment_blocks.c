/*
 * A run goes through the blocks that it needs in rounds of as many as there are threads.
 * In a round each thread computes one block into its own room; then the round's blocks
 * are added to the sums one after the other, the threads dividing the slices.
 *
 * `sums` holds the slices of a run and as many more as a block is deep: the share of the
 * blocks done so far in slices to come. They move to the front at the end of the run.
 */
#include "stage/segment_blocks.h"

#include <float.h>
#include <math.h>
#include <omp.h>

#include "base/memory.h"
#include "base/size.h"
#include "stage/blocks.h"
#include "stage/plan_group.h"

enum { AXES = 3, NOT_RUN = -1 };

/* Along z blocks are shallower than wide: slices are thick, and what is carried along or
 * computed twice is as deep as a block. Larger ones overlap less, and need more memory a
 * thread; speed hardly depends on the shape (docs/performance.md). */
static const int64_t most_length[AXES] = {72, 128, 128};
static const int64_t overlap[AXES] = {8, 16, 16};
static const int64_t least_length[AXES] = {BLOCK_LEAST_DEPTH, BLOCK_LEAST_SIDE,
                                           BLOCK_LEAST_SIDE};

/* What one thread works in. */
struct bench {
    void *workspace;
    float *input, *heatmap; /* [length z][length y][length x] */
    bool run, finite;       /* of the block of this round */
};

struct block_segmenter {
    struct plan_group plans;
    struct blocks axes[AXES];
    int64_t most_slices, plane, block_voxels;
    int threads;
    float threshold;
    struct bench *benches; /* [threads] */
    float *weights[AXES];  /* [count][length] of each axis */
    float *sums;           /* [most_slices + length z][height][width] */
    /* sums[0] is slice `next`, where the last run ended and all layers of blocks that
     * begin before it are added; NOT_RUN: nothing is carried along. */
    int64_t next;
};

/* ---- making one ---- */

static enum status make_axes(const struct model *m, const int64_t size[3],
                             struct blocks axes[AXES], struct error *err)
{
    const int divisor = model_divisor(m);
    size_t voxels = 1;
    if (model_dimensions(m) != 3 || model_input_channels(m) != 1 || divisor > 8 ||
        8 % divisor != 0)
        return error_set(
            err, STATUS_JOB_CONFIG,
            "network \"%s\" has %d dimensions, %d input channels and divisor "
            "%d: a segmenter of blocks takes 3, 1 and a divisor of 8",
            model_name(m), model_dimensions(m), model_input_channels(m), divisor);
    for (int i = 0; i < AXES; i++) {
        if (size[i] <= 0 || !size_multiply(voxels, (size_t)size[i], &voxels) ||
            voxels > INT64_MAX / (2 * sizeof(float)))
            return error_set(err, STATUS_ITEM_LIMIT,
                             "a volume of %lld x %lld x %lld cannot be segmented",
                             (long long)size[0], (long long)size[1], (long long)size[2]);
        blocks_init(&axes[i], size[i],
                    &(struct blocks_options){.least = least_length[i],
                                             .most = most_length[i],
                                             .overlap = overlap[i],
                                             .divisor = divisor});
    }
    return STATUS_OK;
}

static enum status make_plans(struct model *const *models, size_t count,
                              const int64_t size[3],
                              const struct model_plan_options *options,
                              struct blocks axes[AXES], struct plan_group *plans,
                              struct error *err)
{
    enum status status;
    TRY(make_axes(models[0], size, axes, err));
    const int64_t length[AXES] = {axes[0].length, axes[1].length, axes[2].length};
    const int64_t block = length[0] * length[1] * length[2];
    for (size_t i = 0; i < count; i++) {
        TRY(plan_group_check(models[0], models[i], err));
        TRY(plan_group_add(plans, models[i], length, options, err));
        const int64_t outputs = model_plan_output_floats(plans->plans[i]);
        if (outputs != block)
            TRY(error_set(
                err, STATUS_JOB_CONFIG,
                "network \"%s\" turns %lld voxels into %lld values: a segmenter "
                "gives one a voxel",
                model_name(models[i]), (long long)block, (long long)outputs));
    }
out:
    return status;
}

static int64_t sums_slices(const struct blocks *depth, int64_t most_slices)
{
    const int64_t slices = most_slices + depth->length;
    return slices < depth->padded ? slices : depth->padded;
}

enum status block_segmenter_measure(struct model *const *models, size_t count,
                                    const int64_t size[3], int64_t most_slices,
                                    const struct model_plan_options *plan,
                                    struct block_segmenter_needs *out, struct error *err)
{
    struct blocks axes[AXES];
    struct plan_group plans = {.plans = NULL};
    enum status status = make_plans(models, count, size, plan, axes, &plans, err);
    if (status == STATUS_OK) {
        const int64_t block = axes[0].length * axes[1].length * axes[2].length;
        const int64_t slices = most_slices + 2 * axes[0].length;
        out->thread_bytes = (int64_t)plan_group_workspace_bytes(&plans) +
                            2 * block * (int64_t)sizeof(float);
        out->bytes = sums_slices(&axes[0], most_slices) * size[1] * size[2] *
                     (int64_t)sizeof(float);
        out->slices = slices < size[0] ? slices : size[0];
    }
    plan_group_release(&plans);
    return status;
}

static enum status make_rooms(struct block_segmenter *s, struct error *err)
{
    enum status status;
    const size_t block = (size_t)s->block_voxels;
    TRY(memory_new((size_t)(sums_slices(&s->axes[0], s->most_slices) * s->plane),
                   sizeof *s->sums, "heatmap of a run", (void **)&s->sums, err));
    TRY(memory_new((size_t)s->threads, sizeof *s->benches, "segmenter",
                   (void **)&s->benches, err));
    for (int i = 0; i < s->threads; i++) {
        struct bench *b = &s->benches[i];
        TRY(memory_new(plan_group_workspace_bytes(&s->plans), 1,
                       "workspace of a segmenter", &b->workspace, err));
        TRY(memory_new(block, sizeof *b->input, "block", (void **)&b->input, err));
        TRY(memory_new(block, sizeof *b->heatmap, "block", (void **)&b->heatmap, err));
    }
    for (int i = 0; i < AXES; i++) {
        const struct blocks *a = &s->axes[i];
        TRY(memory_new((size_t)(a->count * a->length), sizeof *s->weights[i], "segmenter",
                       (void **)&s->weights[i], err));
        for (int64_t k = 0; k < a->count; k++)
            blocks_weights(a, k, s->weights[i] + k * a->length);
    }
out:
    return status;
}

enum status block_segmenter_new(struct model *const *models, size_t count,
                                const int64_t size[3], int64_t most_slices,
                                const struct segment_options *o,
                                struct block_segmenter **out, struct error *err)
{
    enum status status;
    struct block_segmenter *s = NULL;
    CHECK(o->threads > 0 && most_slices > 0 && count > 0);
    TRY(memory_new(1, sizeof *s, "segmenter", (void **)&s, err));
    s->threads = o->threads;
    s->threshold = (float)o->threshold;
    s->most_slices = most_slices;
    s->next = NOT_RUN;
    TRY(make_plans(models, count, size, &o->plan, s->axes, &s->plans, err));
    s->plane = size[1] * size[2];
    s->block_voxels = s->axes[0].length * s->axes[1].length * s->axes[2].length;
    TRY(make_rooms(s, err));
    *out = s;
    s = NULL;
out:
    block_segmenter_free(s);
    return status;
}

void block_segmenter_free(struct block_segmenter *s)
{
    if (!s)
        return;
    for (int i = 0; s->benches && i < s->threads; i++) {
        free(s->benches[i].workspace);
        free(s->benches[i].input);
        free(s->benches[i].heatmap);
    }
    for (int i = 0; i < AXES; i++)
        free(s->weights[i]);
    free(s->benches);
    free(s->sums);
    plan_group_release(&s->plans);
    free(s);
}

void block_segmenter_turn(struct block_segmenter *s)
{
    s->next = NOT_RUN;
}

void block_segmenter_range(const struct block_segmenter *s, int64_t first, int64_t count,
                           int64_t *low, int64_t *slices)
{
    const struct blocks *z = &s->axes[0];
    int64_t layer = blocks_first(z, first);
    *low = blocks_start(z, layer);
    while (layer + 1 < z->count && blocks_start(z, layer + 1) < first + count)
        layer++;
    const int64_t end = blocks_start(z, layer) + z->length;
    *slices = (end < z->size ? end : z->size) - *low;
}

/* ---- one block ---- */

/* Which block of each axis, and where it begins. */
struct at {
    int64_t block[AXES], start[AXES];
};

/* Block n of those in (z, y, x) order. */
static struct at locate(const struct block_segmenter *s, int64_t n)
{
    const int64_t rows = s->axes[1].count, columns = s->axes[2].count;
    struct at at = {{n / (rows * columns), n / columns % rows, n % columns}, {0}};
    for (int i = 0; i < AXES; i++)
        at.start[i] = blocks_start(&s->axes[i], at.block[i]);
    return at;
}

/* Copies the voxels of a block; whether there is anything in it. */
static bool take_block(const struct block_segmenter *s, const struct slices *window,
                       const struct at *at, float *out)
{
    const struct blocks *z = &s->axes[0], *y = &s->axes[1], *x = &s->axes[2];
    const int64_t left = x->size - at->start[2];
    const int64_t within = left < x->length ? left : x->length;
    float most = BLOCK_EMPTY_HU;
    for (int64_t d = 0; d < z->length; d++)
        for (int64_t h = 0; h < y->length; h++, out += x->length) {
            const int64_t slice = crop_reflect(at->start[0] + d, z->size) - window->first;
            const int64_t line = crop_reflect(at->start[1] + h, y->size);
            const float *row = window->hu + (slice * y->size + line) * x->size;
            memcpy(out, row + at->start[2], (size_t)within * sizeof *out);
            for (int64_t w = within; w < x->length; w++)
                out[w] = row[crop_reflect(at->start[2] + w, x->size)];
            for (int64_t w = 0; w < x->length; w++)
                most = out[w] > most ? out[w] : most;
        }
    return most > BLOCK_EMPTY_HU;
}

static void do_block(const struct block_segmenter *s, const struct slices *window,
                     int64_t n, struct bench *b)
{
    const struct at at = locate(s, n);
    const float *const planes[] = {b->input};
    b->finite = true;
    b->run = take_block(s, window, &at, b->input);
    if (!b->run)
        return;
    plan_group_run(&s->plans, planes, b->heatmap, b->workspace);
    for (int64_t i = 0; i < s->block_voxels; i++)
        b->finite &= fabsf(b->heatmap[i]) <= FLT_MAX;
}

/* Adds slice d of a block, with its weights, to that of the sums. */
static void add_slice(const struct block_segmenter *s, const struct at *at,
                      const float *heatmap, int64_t d, float *sum)
{
    const struct blocks *y = &s->axes[1], *x = &s->axes[2];
    const float *along = s->weights[2] + at->block[2] * x->length;
    const int64_t right = x->size - at->start[2], below = y->size - at->start[1];
    const int64_t width = right < x->length ? right : x->length;
    const int64_t height = below < y->length ? below : y->length;
    const float weight = s->weights[0][at->block[0] * s->axes[0].length + d];
    for (int64_t h = 0; h < height; h++) {
        const float *row = heatmap + (d * y->length + h) * x->length;
        float *out = sum + (at->start[1] + h) * x->size + at->start[2];
        const float of_row = weight * s->weights[1][at->block[1] * y->length + h];
        for (int64_t w = 0; w < width; w++)
            out[w] += of_row * along[w] * row[w];
    }
}

/* Adds a block to the sums, of which the first is slice `first`. What lies before that
 * was given out by an earlier run, or will be by another rank's. */
static void add_block(struct block_segmenter *s, int64_t first, int64_t n,
                      const float *heatmap)
{
    const struct at at = locate(s, n);
    const struct blocks *z = &s->axes[0];
    const int64_t start = at.start[0], inside = z->size - start;
    const int64_t low = first > start ? first - start : 0;
    const int64_t high = inside < z->length ? inside : z->length;
#pragma omp parallel for schedule(static) num_threads(s->threads)
    for (int64_t d = low; d < high; d++)
        add_slice(s, &at, heatmap, d, s->sums + (start + d - first) * s->plane);
}

/* ---- a run ---- */

/* Blocks [*begin, *end) that are still to be added for slices [first, first + count). */
static void blocks_to_do(const struct block_segmenter *s, int64_t first, int64_t count,
                         int64_t *begin, int64_t *end)
{
    const struct blocks *z = &s->axes[0];
    const int64_t layer = s->axes[1].count * s->axes[2].count;
    int64_t from = blocks_first(z, first), to;
    while (s->next == first && from < z->count && blocks_start(z, from) < first)
        from++;
    for (to = from; to < z->count && blocks_start(z, to) < first + count;)
        to++;
    *begin = from * layer;
    *end = to * layer;
}

static enum status do_round(struct block_segmenter *s, const struct slices *window,
                            int64_t first, int64_t begin, int count, struct error *err)
{
#pragma omp parallel for schedule(static) num_threads(s->threads)
    for (int i = 0; i < count; i++)
        do_block(s, window, begin + i, &s->benches[i]);
    for (int i = 0; i < count; i++) {
        const struct at at = locate(s, begin + i);
        if (!s->benches[i].finite)
            return error_set(err, STATUS_STAGE_NUMERIC,
                             "the heatmap of the block of %lld x %lld x %lld voxels from "
                             "(%lld, %lld, %lld) on (slice, row, column) is not finite",
                             (long long)s->axes[0].length, (long long)s->axes[1].length,
                             (long long)s->axes[2].length, (long long)at.start[0],
                             (long long)at.start[1], (long long)at.start[2]);
        if (s->benches[i].run)
            add_block(s, first, begin + i, s->benches[i].heatmap);
    }
    return STATUS_OK;
}

/* Gives out the first `count` slices of the sums and moves the others to the front. */
static void give_out(struct block_segmenter *s, int64_t count, uint8_t *mask,
                     float *heatmap)
{
    const size_t given = (size_t)(count * s->plane);
    const size_t all = (size_t)(sums_slices(&s->axes[0], s->most_slices) * s->plane);
    for (size_t i = 0; i < given; i++)
        mask[i] = s->sums[i] > s->threshold;
    if (heatmap)
        memcpy(heatmap, s->sums, given * sizeof *heatmap);
    memmove(s->sums, s->sums + given, (all - given) * sizeof *s->sums);
    memset(s->sums + (all - given), 0, given * sizeof *s->sums);
}

enum status block_segmenter_run(struct block_segmenter *s, const struct slices *window,
                                int64_t first, int64_t count, uint8_t *mask,
                                float *heatmap, segment_poll *poll, void *context,
                                struct error *err)
{
    enum status status = STATUS_OK;
    const struct blocks *z = &s->axes[0];
    int64_t begin, end, low, slices;
    CHECK(first >= 0 && count > 0 && count <= s->most_slices && first + count <= z->size);
    block_segmenter_range(s, first, count, &low, &slices);
    CHECK(window->first <= low && window->first + window->count >= low + slices);
    blocks_to_do(s, first, count, &begin, &end);
    if (s->next != first)
        memset(s->sums, 0,
               (size_t)(sums_slices(z, s->most_slices) * s->plane) * sizeof *s->sums);
    s->next = NOT_RUN; /* until it is whole again */
    while (begin < end) {
        const int round = end - begin < s->threads ? (int)(end - begin) : s->threads;
        if (poll)
            TRY(poll(context));
        TRY(do_round(s, window, first, begin, round, err));
        begin += round;
    }
    give_out(s, count, mask, heatmap);
    s->next = first + count;
out:
    return status;
}
