/* What the job will need: weights that fit, room on the disk, memory a rank. */
#include <sys/statvfs.h>

#include "base/file.h"
#include "base/memory.h"
#include "inspect/survey.h"
#include "run/fold_check.h"
#include "run/record.h"
#include "run/run_folder.h"
#include "run/stage_setup.h"
#include "run/train_memory.h"
#include "run/train_stage.h"
#include "stage/plan_group.h"
#include "stage/segment_blocks.h"

static int64_t round_up(int64_t n, int64_t step)
{
    return (n + step - 1) / step * step;
}

/* A segmenter of blocks, for a volume of the largest slices with as many of them as the
 * largest scan would have. */
static enum status measure_blocks(struct survey *v, const struct stage_models *m,
                                  const struct model_plan_options *options,
                                  struct survey_weights *w, struct error *err)
{
    const int64_t *slice = v->headers.largest_slice, plane = slice[0] * slice[1];
    struct block_segmenter_needs needs;
    if (plane == 0)
        return STATUS_OK; /* no volume could be read */
    const int64_t size[3] = {(v->headers.largest_voxels + plane - 1) / plane, slice[0],
                             slice[1]};
    enum status status = block_segmenter_measure(m->items, m->count, size, BLOCK_SLICES,
                                                 options, &needs, err);
    if (status != STATUS_OK)
        return status;
    w->workspace_bytes = needs.thread_bytes;
    v->room.block_bytes = needs.bytes;
    v->room.block_slices = needs.slices;
    return STATUS_OK;
}

/* Workspace of one thread: a segmenter's for the largest slice, a classifier's for its
 * crop. */
static enum status measure_workspace(const struct survey *v, const struct model *m,
                                     const struct model_plan_options *options,
                                     struct survey_weights *w, struct error *err)
{
    struct model_plan *plan;
    int64_t size[3], step = model_divisor(m);
    model_crop(m, size);
    if (model_dimensions(m) == 2) {
        size[0] = 1;
        for (int k = 0; k < 2; k++)
            size[1 + k] = round_up(v->headers.largest_slice[k], step);
    }
    if (size[0] * size[1] * size[2] == 0)
        return STATUS_OK; /* no volume could be read, or the model takes any size */
    enum status status =
        model_plan_new(m, size[0], size[1], size[2], options, &plan, err);
    if (status != STATUS_OK)
        return status;
    const int64_t bytes = (int64_t)model_plan_workspace_bytes(plan);
    w->workspace_bytes = bytes > w->workspace_bytes ? bytes : w->workspace_bytes;
    model_plan_free(plan);
    return STATUS_OK;
}

static enum status measure_models(struct survey *v, const struct stage_models *m,
                                  enum conv_algorithm algorithm, struct survey_weights *w,
                                  struct error *err)
{
    const struct model_plan_options options = {.isa = isa_best(), .algorithm = algorithm};
    const bool segments = w == &v->weights[0];
    const int64_t *slice = v->headers.largest_slice;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < m->count; i++) {
        if (segments)
            TRY(plan_group_check(m->items[0], m->items[i], err));
        w->parameters += model_parameters(m->items[i]);
    }
    if (segments && model_dimensions(m->items[0]) == 3)
        return measure_blocks(v, m, &options, w, err);
    for (size_t i = 0; i < m->count; i++)
        TRY(measure_workspace(v, m->items[i], &options, w, err));
    if (segments)
        w->workspace_bytes +=
            (int64_t)plan_group_mean_bytes(m->count, slice[0] * slice[1]);
out:
    return status;
}

static enum status open_weights(struct survey *v, const char *network,
                                enum conv_algorithm algorithm, struct survey_weights *w,
                                struct error *err)
{
    struct stage_models m;
    enum status status = stage_models_init(&m, w->stage, network, w->path, err);
    if (status == STATUS_OK) {
        snprintf(w->network, sizeof w->network, "%s", model_name(m.items[0]));
        status = measure_models(v, &m, algorithm, w, err);
    }
    stage_models_release(&m);
    return status;
}

/* By the job itself, before it would need the weights. */
static bool is_trained(const struct settings *s, enum train_stage stage)
{
    return s->stages.train && s->train.stages[stage];
}

static enum status check_weights(struct survey *v, const struct settings *s,
                                 struct error *err)
{
    const char *networks[] = {s->segment.network, s->classify.network,
                              s->malignancy.network};
    v->weights[0] =
        (struct survey_weights){.stage = "segment",
                                .path = s->segment.weights,
                                .needed = s->stages.detect && stage_uses_network(s) &&
                                          !is_trained(s, TRAIN_SEGMENT)};
    v->weights[1] =
        (struct survey_weights){.stage = "classify",
                                .path = s->classify.weights,
                                .needed = s->stages.detect && !stage_uses_blobs(s) &&
                                          !is_trained(s, TRAIN_CLASSIFY)};
    v->weights[2] =
        (struct survey_weights){.stage = "malignancy", .path = s->malignancy.weights};
    for (int i = 0; i < 3; i++) {
        struct survey_weights *w = &v->weights[i];
        struct error bad;
        if (!w->path[0])
            continue;
        enum status status = open_weights(v, networks[i], stage_algorithm(s), w, &bad);
        if (status == STATUS_STAGE_MEMORY) {
            *err = bad;
            return status;
        }
        if (status != STATUS_OK)
            status = text_new(bad.message, &w->error, err);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

/* The folder that another one would be made in. */
static enum status existing_folder(const char *path, char **out, struct error *err)
{
    enum status status = text_new(path, out, err);
    while (status == STATUS_OK && !file_is_folder(*out)) {
        char *above, *here = *out;
        status = path_folder(here, &above, err);
        if (status == STATUS_OK) {
            *out = above;
            free(here);
        }
    }
    return status;
}

/* Free bytes where a folder is or would be made; *folder is to be freed. -1: not known.
 */
static enum status measure_free(const char *path, char **folder, int64_t *bytes,
                                struct error *err)
{
    struct statvfs disk;
    *bytes = -1;
    enum status status = existing_folder(path, folder, err);
    if (status == STATUS_OK && !statvfs(*folder, &disk))
        *bytes = (int64_t)disk.f_bavail * (int64_t)disk.f_frsize;
    return status;
}

/* The hardest scan that was measured takes 0.554 of its voxels. */
static enum status measure_cache(struct survey *v, const struct settings *s,
                                 struct error *err)
{
    static const double share = 0.57;
    struct survey_room *r = &v->room;
    char *folder = NULL;
    r->cache = s->stages.prepare ? s->cache.dir : "";
    if (!r->cache[0])
        return STATUS_OK;
    r->cache_bytes = (int64_t)(share * (double)v->headers.voxels * sizeof(int16_t));
    enum status status = measure_free(r->cache, &folder, &r->cache_free_bytes, err);
    free(folder);
    return status;
}

static enum status measure_disk(struct survey *v, const struct settings *s,
                                struct error *err)
{
    struct survey_room *r = &v->room;
    r->output = s->output;
    r->free_bytes = -1;
    /* Heatmaps stand in slabs of their own until run.h5 is written: twice. */
    if (s->store.heatmaps)
        r->heatmap_bytes = 2 * v->headers.voxels * (int64_t)sizeof(float);
    if (!s->output[0])
        return STATUS_OK;
    return measure_free(s->output, &r->folder, &r->free_bytes, err);
}

/* The search for blobs needs a volume whole, with its lung mask and its grid; one that
 * does not fit limits.memory_gb will be quarantined. */
static void estimate_search(struct survey *v, const struct settings *s)
{
    enum { MASK_BYTES = 1 };
    double most = s->limits.memory_gb * 1e9 / (double)sizeof(float);
    int64_t largest = 0;
    for (size_t i = 0; i < v->dataset.count; i++) {
        int64_t voxels = v->reasons[i] ? 0 : geometry_voxels(&v->facts[i].geometry);
        if ((double)voxels > most)
            v->room.too_large++;
        else if (voxels > largest)
            largest = voxels;
    }
    v->room.whole_bytes = v->headers.largest_voxels * (int64_t)sizeof(float);
    v->room.voxel_bytes =
        largest * ((int64_t)sizeof(float) + MASK_BYTES + BLOB_VOXEL_BYTES);
}

/* Memory besides the program itself. A volume within limits.memory_gb is kept whole; of a
 * larger one a rank holds the slices of one task. */
static void estimate_memory(struct survey *v, const struct settings *s)
{
    /* A weight stands as it was read, and transformed as the kernels want it: 15 to 21
     * bytes were measured (docs/architecture.md). */
    enum { CONTEXT_SLICES = 2 * 3, MASK_BYTES = 2, WEIGHT_BYTES = 20 };
    struct survey_room *r = &v->room;
    int64_t plane = v->headers.largest_slice[0] * v->headers.largest_slice[1];
    int64_t whole = v->headers.largest_voxels * (int64_t)sizeof(float);
    const bool blocks = r->block_bytes > 0;
    int64_t slices = blocks ? r->block_slices : SLAB_SLICES + CONTEXT_SLICES;
    int64_t window = plane * slices * (int64_t)sizeof(float);
    r->voxel_bytes = (double)whole <= s->limits.memory_gb * 1e9 ? whole : window;
    r->voxel_bytes += plane * (blocks ? BLOCK_SLICES : SLAB_SLICES) * MASK_BYTES;
    r->voxel_bytes += r->block_bytes;
    for (int i = 0; i < 3; i++) {
        const struct survey_weights *w = &v->weights[i];
        r->model_bytes += w->parameters * WEIGHT_BYTES;
        if (w->workspace_bytes > r->thread_bytes)
            r->thread_bytes = w->workspace_bytes;
    }
    if (stage_uses_blobs(s))
        estimate_search(v, s);
}

static enum status measure_training(struct survey *v, const struct settings *s,
                                    struct error *err)
{
    const int threads = s->compute.threads > 0 ? (int)s->compute.threads : 1;
    struct error refused;
    v->room.memory_gb = s->limits.memory_gb;
    if (s->stages.train && train_stage_check(s, &refused) != STATUS_OK) {
        const enum status status = text_new(refused.message, &v->room.refusal, err);
        if (status != STATUS_OK)
            return status;
    }
    for (enum train_stage i = 0; i < TRAIN_STAGES; i++) {
        struct survey_training *t = &v->room.training[i];
        struct train_memory m;
        struct error bad;
        if (!s->stages.train || !s->train.stages[i])
            continue;
        t->stage = train_stage_name(i);
        enum status status = train_memory_init(&m, s, i, isa_best(), threads, &bad);
        if (status != STATUS_OK) {
            status = text_new(bad.message, &t->error, err);
            if (status != STATUS_OK)
                return status;
            continue;
        }
        t->batch = m.batch;
        t->sample_bytes = m.sample_bytes;
        t->alone_bytes = train_memory_bytes(&m, 1);
        t->workers = train_memory_workers(&m, s->limits.memory_gb * 1e9);
    }
    return STATUS_OK;
}

/* What a cross-validation will do, and what a job with folds would be refused for. */
static enum status measure_folds(struct survey *v, const struct settings *s,
                                 struct error *err)
{
    struct survey_room *r = &v->room;
    struct error bad;
    enum status status = STATUS_OK;
    if (run_folder_looks_back(s))
        return STATUS_OK;
    status = fold_check_settings(s, &bad);
    if (status == STATUS_OK)
        status = fold_check_scans(s, &v->dataset, &bad);
    if (status != STATUS_OK && !r->refusal)
        TRY(text_new(bad.message, &r->refusal, err));
    status = STATUS_OK;
    if (!settings_cross_validates(s))
        return STATUS_OK;
    memcpy(r->folds, s->crossval.folds, sizeof r->folds);
    r->groups = s->crossval.groups;
    for (int k = 0; k < SETTINGS_SUBSETS; k++)
        r->fold_count += r->folds[k];
    /* As they count now: a patient's scans have come together. */
    for (size_t i = 0; i < v->dataset.count; i++)
        r->fold_scans[v->dataset.scans[i].subset]++;
out:
    return status;
}

enum status survey_measure_room(struct survey *v, const struct settings *s,
                                struct error *err)
{
    enum status status = STATUS_OK;
    TRY(check_weights(v, s, err));
    TRY(measure_disk(v, s, err));
    TRY(measure_cache(v, s, err));
    TRY(measure_training(v, s, err));
    TRY(measure_folds(v, s, err));
    estimate_memory(v, s);
out:
    return status;
}
