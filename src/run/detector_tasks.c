/*
 * The four tasks. Each asks the reader for the slices it needs, hands plain arrays to a
 * stage, and packs what comes back.
 */
#include <math.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "ct/lung_mask.h"
#include "run/detector_internal.h"
#include "run/record.h"
#include "run/stage_setup.h"
#include "stage/blob.h"
#include "stage/group.h"

/* 1 when any model has seen the scan, 0 when all say that they have not, else -1. */
static int32_t seen_by_models(const struct detector *d, const char *seriesuid)
{
    const struct model *m;
    int32_t seen = 0;
    for (size_t i = 0; (m = detector_model(d, i)); i++) {
        const int one = model_has_seen(m, seriesuid);
        if (one > 0)
            return 1;
        if (one < 0)
            seen = -1;
    }
    return seen;
}

static enum status do_open(struct detector *d, const struct order *o, void **payload,
                           size_t *bytes, struct error *err)
{
    enum status status = STATUS_OK;
    struct scan_head *head = NULL;
    TRY(memory_new(1, sizeof *head, "scan", (void **)&head, err));
    head->geometry = *scan_reader_geometry(d->reader);
    head->file_bytes = scan_reader_file_bytes(d->reader);
    TRY(scan_reader_identity(d->reader, &head->identity, err));
    head->unchanged = hash_equal(head->identity, o->identity);
    if (!head->unchanged)
        TRY(scan_reader_content(d->reader, &head->content, err));
    head->seen = seen_by_models(d, o->seriesuid);
    *payload = head;
    *bytes = sizeof *head;
    head = NULL;
out:
    free(head);
    return status;
}

enum status detector_check_memory(const struct detector *d, const char *path,
                                  const struct geometry *g, int64_t slices,
                                  struct error *err)
{
    double gb =
        (double)g->size[1] * (double)g->size[2] * (double)slices * sizeof(float) * 1e-9;
    if (gb > d->settings->limits.memory_gb)
        return error_set(
            err, STATUS_ITEM_LIMIT,
            "%s: %lld slices of %lld x %lld voxels need %.2f GB, limits.memory_gb "
            "is %g",
            path, (long long)slices, (long long)g->size[1], (long long)g->size[2], gb,
            d->settings->limits.memory_gb);
    return STATUS_OK;
}

/* Pushes all slices of a scan with their mask through the grouper, slab by slab. */
static enum status push_slices(struct detector *d, const struct order *o,
                               struct grouper *grouper, struct error *err)
{
    enum status status = STATUS_OK;
    const struct geometry *g = scan_reader_geometry(d->reader);
    size_t plane = (size_t)g->size[1] * (size_t)g->size[2], position = 0;
    uint8_t *mask;
    TRY(memory_new(plane * SLAB_SLICES, 1, "mask", (void **)&mask, err));
    for (int64_t z = 0; z < g->size[0]; z += SLAB_SLICES) {
        int64_t count = detector_clamp(g->size[0] - z, 0, SLAB_SLICES);
        struct slices window;
        TRY(mask_unpack(o->payload, o->bytes, &position, mask, plane * (size_t)count,
                        err));
        TRY(scan_reader_slices(d->reader, z, count, &window, err));
        double start = clock_seconds();
        for (int64_t i = 0; i < count; i++)
            TRY(grouper_push(grouper, mask + (size_t)i * plane,
                             window.hu + (size_t)i * plane, err));
        d->timings[TIMING_GROUP] += clock_seconds() - start;
        TRY(d->poll(d->context));
    }
out:
    free(mask);
    return status;
}

static enum status group_mask(struct detector *d, const struct order *o,
                              struct candidate **candidates, size_t *count,
                              struct error *err)
{
    enum status status = STATUS_OK;
    struct grouper *grouper = NULL;
    struct group_options options = {.erosion = stage_erosion(d->settings),
                                    .min_voxels = d->settings->group.min_voxels};
    TRY(grouper_new(scan_reader_geometry(d->reader), &options, &grouper, err));
    TRY(push_slices(d, o, grouper, err));
    double start = clock_seconds();
    TRY(grouper_finish(grouper, candidates, count, err));
    d->timings[TIMING_GROUP] += clock_seconds() - start;
out:
    grouper_free(grouper);
    return status;
}

/* The listed candidates of a scan in place of found ones. One outside the volume is
 * reported and left out. */
static enum status group_listed(struct detector *d, const struct order *o,
                                struct candidate **candidates, size_t *count,
                                struct error *err)
{
    const struct geometry *g = scan_reader_geometry(d->reader);
    size_t first, rows;
    candidate_list_find(&d->listed, o->seriesuid, &first, &rows);
    enum status status =
        memory_new(rows, sizeof **candidates, "candidates", (void **)candidates, err);
    if (status != STATUS_OK)
        return status;
    *count = 0;
    for (size_t i = 0; i < rows; i++) {
        const struct listed_candidate *l = &d->listed.rows[first + i];
        struct candidate c = {.probability = NAN, .malignancy = NAN};
        int64_t voxel[3];
        bool inside = true;
        for (int k = 0; k < 3; k++)
            c.xyz[k] = l->xyz[k];
        if (detector_is_book(d->settings))
            geometry_to_index_book(g, c.xyz, c.index);
        else
            geometry_to_index(g, c.xyz, c.index);
        geometry_round(c.index, voxel);
        for (int k = 0; k < 3; k++)
            inside = inside && voxel[k] >= 0 && voxel[k] < g->size[k];
        if (inside)
            (*candidates)[(*count)++] = c;
        else
            log_warning(
                "%s: listed candidate (%g, %g, %g) lies outside the volume: skipped",
                o->seriesuid, c.xyz[0], c.xyz[1], c.xyz[2]);
    }
    return STATUS_OK;
}

/* The blobs of a scan, which have to be looked for in all of it at once. */
static enum status group_blobs(struct detector *d, const struct order *o,
                               struct candidate **candidates, size_t *count,
                               struct error *err)
{
    enum status status = STATUS_OK;
    const struct geometry *g = scan_reader_geometry(d->reader);
    const struct blob_options options = stage_blob_options(d->settings, d->threads);
    struct slices all;
    uint8_t *lung = NULL;
    TRY(detector_check_memory(d, o->path, g, g->size[0], err));
    TRY(scan_reader_slices(d->reader, 0, g->size[0], &all, err));
    double start = clock_seconds();
    TRY(memory_new((size_t)geometry_voxels(g), 1, "lung mask", (void **)&lung, err));
    TRY(lung_mask(g, all.hu, lung, err));
    TRY(blob_find(g, all.hu, lung, &options, d->poll, d->context, candidates, count,
                  err));
    d->timings[TIMING_SEGMENT] += clock_seconds() - start;
out:
    free(lung);
    return status;
}

static enum status find_candidates(struct detector *d, const struct order *o,
                                   struct candidate **candidates, size_t *count,
                                   struct error *err)
{
    if (stage_uses_blobs(d->settings))
        return group_blobs(d, o, candidates, count, err);
    if (stage_uses_list(d->settings))
        return group_listed(d, o, candidates, count, err);
    return group_mask(d, o, candidates, count, err);
}

static enum status do_group(struct detector *d, const struct order *o, void **payload,
                            size_t *bytes, struct error *err)
{
    struct candidate *candidates = NULL;
    size_t count = 0;
    enum status status = find_candidates(d, o, &candidates, &count, err);
    *payload = candidates;
    *bytes = count * sizeof *candidates;
    return status;
}

/* The slices that as many candidates as possible touch, from `from` on, within the memory
 * bound. */
static enum status reach(const struct detector *d, const struct candidate *candidates,
                         size_t from, size_t count, const char *path, int64_t *first,
                         int64_t *slices, size_t *taken, struct error *err)
{
    const struct geometry *g = scan_reader_geometry(d->reader);
    double plane_gb = (double)g->size[1] * (double)g->size[2] * sizeof(float) * 1e-9;
    for (size_t i = from; i < count; i++) {
        int64_t z[2], n[2], low, high;
        const struct classifier *both[] = {d->classifier ? d->classifier : d->malignancy,
                                           d->malignancy ? d->malignancy : d->classifier};
        for (int k = 0; k < 2; k++)
            classifier_range(both[k], g->size, candidates[i].index, &z[k], &n[k]);
        low = z[0] < z[1] ? z[0] : z[1];
        high = z[0] + n[0] > z[1] + n[1] ? z[0] + n[0] : z[1] + n[1];
        if (i > from) {
            low = low < *first ? low : *first;
            high = high > *first + *slices ? high : *first + *slices;
            if ((double)(high - low) * plane_gb > d->settings->limits.memory_gb)
                break;
        } else {
            enum status status = detector_check_memory(d, path, g, high - low, err);
            if (status != STATUS_OK)
                return status;
        }
        *first = low;
        *slices = high - low;
        *taken = i - from + 1;
    }
    return STATUS_OK;
}

/* Candidates whose slices are there through the models of both stages. */
static enum status judge(struct detector *d, const struct slices *window,
                         const struct candidate *candidates, size_t count,
                         struct ensemble_judgement *out, struct error *err)
{
    enum status status = STATUS_OK;
    float mean[BATCH_CANDIDATES], disagreement[BATCH_CANDIDATES];
    for (size_t i = 0; i < count; i++)
        out[i] =
            (struct ensemble_judgement){{candidates[i].probability, NAN}, {NAN, NAN}};
    if (d->classifier) {
        TRY(classifier_run(d->classifier, window, candidates, count, mean, disagreement,
                           d->poll, d->context, err));
        for (size_t i = 0; i < count; i++) {
            out[i].judgement.probability = mean[i];
            out[i].disagreement.probability = disagreement[i];
        }
    }
    if (d->malignancy) {
        TRY(classifier_run(d->malignancy, window, candidates, count, mean, disagreement,
                           d->poll, d->context, err));
        for (size_t i = 0; i < count; i++) {
            out[i].judgement.malignancy = mean[i];
            out[i].disagreement.malignancy = disagreement[i];
        }
    }
out:
    return status;
}

static enum status judge_all(struct detector *d, const struct order *o,
                             struct ensemble_judgement *judged, struct error *err)
{
    enum status status = STATUS_OK;
    const struct candidate *candidates = o->payload;
    size_t count = o->bytes / sizeof *candidates, taken = 0;
    for (size_t done = 0; done < count; done += taken) {
        int64_t first = 0, slices = 0;
        struct slices window;
        TRY(reach(d, candidates, done, count, o->path, &first, &slices, &taken, err));
        TRY(scan_reader_slices(d->reader, first, slices, &window, err));
        double start = clock_seconds();
        TRY(judge(d, &window, candidates + done, taken, judged + done, err));
        d->timings[TIMING_CLASSIFY] += clock_seconds() - start;
    }
out:
    return status;
}

/* Disagreements are told where there can be any. */
static enum status do_classify(struct detector *d, const struct order *o, void **payload,
                               size_t *bytes, struct error *err)
{
    enum status status;
    const size_t count = o->bytes / sizeof(struct candidate);
    const bool several = detector_is_ensemble(d);
    const size_t each =
        several ? sizeof(struct ensemble_judgement) : sizeof(struct judgement);
    struct ensemble_judgement judged[BATCH_CANDIDATES];
    struct judgement *plain;
    CHECK(count <= BATCH_CANDIDATES);
    TRY(judge_all(d, o, judged, err));
    TRY(memory_new(count, each, "probabilities", payload, err));
    *bytes = count * each;
    plain = *payload;
    if (several)
        memcpy(*payload, judged, *bytes);
    for (size_t i = 0; i < count && !several; i++)
        plain[i] = judged[i].judgement;
out:
    return status;
}

enum status detector_do(struct detector *d, const struct order *o, void **payload,
                        size_t *bytes, const char **stage, struct error *err)
{
    static const char *const stages[] = {"load", "segment", "group", "classify",
                                         "prepare"};
    enum status status = STATUS_OK;
    *payload = NULL;
    *bytes = 0;
    *stage = stages[TASK_OPEN];
    TRY(scan_reader_open(d->reader, o->path, err));
    *stage = stages[o->task.kind];
    switch (o->task.kind) {
    case TASK_OPEN:
        status = do_open(d, o, payload, bytes, err);
        break;
    case TASK_SEGMENT:
        status = detector_segment(d, o, payload, bytes, err);
        break;
    case TASK_GROUP:
        status = do_group(d, o, payload, bytes, err);
        break;
    case TASK_CLASSIFY:
        status = do_classify(d, o, payload, bytes, err);
        break;
    case TASK_PREPARE:
        status = detector_prepare(d, o, payload, bytes, err);
        break;
    }
out:
    /* Input is read when it is needed, so a file may turn out bad in any task. */
    if (status == STATUS_ITEM_IO || status == STATUS_ITEM_FORMAT ||
        status == STATUS_ITEM_DEADLINE)
        *stage = "load";
    d->timings[TIMING_INPUT] = scan_reader_waited(d->reader);
    if (status != STATUS_OK) {
        free(*payload);
        *payload = NULL;
    }
    return status;
}
