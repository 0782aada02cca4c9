#include "run/detector.h"

#include <math.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "config/places.h"
#include "ct/lists.h"
#include "nn/model.h"
#include "run/record.h"
#include "run/scan_reader.h"
#include "stage/classify.h"
#include "stage/group.h"
#include "stage/segment.h"

struct detector {
    const struct settings *settings;
    struct model_plan_options plan;
    int threads;
    const char *heatmap_folder;
    detector_poll *poll;
    void *context;

    struct scan_reader *reader;
    struct model *segment_model, *classify_model, *malignancy_model;
    struct candidate_list listed;
    struct hash128 listed_content;
    struct classifier *classifier, *malignancy;
    struct segmenter *segmenter; /* for slices of segmenter_size */
    int64_t segmenter_size[2];
    double timings[TIMING_COUNT];
};

const char *timing_name(enum timing t)
{
    static const char *const names[] = {"input", "segment", "group", "classify"};
    return names[t];
}

static bool uses_network(const struct settings *s)
{
    return !strcmp(s->segment.method, "network");
}

static bool is_book(const struct settings *s)
{
    return !strcmp(s->mode, "book");
}

/* --- making one --- */

static enum conv_algorithm algorithm_of(const struct settings *s)
{
    enum conv_algorithm a = CONV_AUTO;
    while (strcmp(conv_algorithm_name(a), s->compute.algorithm))
        a++; /* the table of settings allows the names of the algorithms only */
    return a;
}

static enum status open_model(const char *stage, const char *network, const char *weights,
                              struct model **out, struct error *err)
{
    char *folder = NULL, *file = NULL;
    enum status status = STATUS_OK;
    TRY(places_conf("models", &folder, err));
    if (network[0] && !strchr(network, '/')) {
        if (asprintf(&file, "%s/%s.cfg", folder, network) < 0)
            file = NULL;
    } else if (network[0]) {
        TRY(text_new(network, &file, err));
    }
    status = model_open(file, folder, weights, out, err);
    if (status != STATUS_OK)
        error_prefix(err, "%s.weights", stage);
out:
    free(folder);
    free(file);
    return status;
}

/* What the list of candidates says: places by scan. */
static enum status hash_list(const struct candidate_list *l, struct hash128 *out,
                             struct error *err)
{
    struct hash *h;
    enum status status = hash_new(&h, err);
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < l->series_count; i++) {
        hash_update(h, l->seriesuids[i], strlen(l->seriesuids[i]) + 1);
        for (size_t k = l->starts[i]; k < l->starts[i + 1]; k++)
            hash_update(h, l->rows[k].xyz, sizeof l->rows[k].xyz);
    }
    *out = hash_digest(h);
    hash_free(h);
    return STATUS_OK;
}

static enum status open_models(struct detector *d, struct error *err)
{
    const struct settings *s = d->settings;
    enum status status = STATUS_OK;
    struct classify_options classify = {.plan = d->plan, .threads = d->threads};

    if (uses_network(s)) {
        TRY(open_model("segment", s->segment.network, s->segment.weights, &d->segment_model,
                       err));
        if (model_dimensions(d->segment_model) != 2) {
            status = error_set(err, STATUS_JOB_CONFIG,
                               "segment.network: %s works in 3D; a segmenter of slices is "
                               "needed",
                               model_name(d->segment_model));
            goto out;
        }
    } else {
        TRY(candidate_list_init(&d->listed, s->dataset.candidates, err));
        TRY(hash_list(&d->listed, &d->listed_content, err));
    }
    TRY(open_model("classify", s->classify.network, s->classify.weights, &d->classify_model,
                   err));
    TRY(classifier_new(d->classify_model, &classify, &d->classifier, err));
    if (s->malignancy.weights[0]) {
        TRY(open_model("malignancy", s->malignancy.network, s->malignancy.weights,
                       &d->malignancy_model, err));
        TRY(classifier_new(d->malignancy_model, &classify, &d->malignancy, err));
    }
out:
    return status;
}

enum status detector_new(const struct settings *s, enum isa isa, int threads,
                         const char *heatmap_folder, detector_poll *poll, void *context,
                         struct detector **out, struct error *err)
{
    enum status status = STATUS_OK;
    struct detector *d = NULL;
    struct scan_reader_options reader = {
        .allow_outside = s->dataset.allow_outside,
        .memory_bytes = (int64_t)(s->limits.memory_gb * 1e9),
        .deadline_s = s->limits.deadline_s,
        .poll = poll,
        .context = context,
    };

    TRY(memory_new(1, sizeof *d, "detector", (void **)&d, err));
    d->settings = s;
    d->plan.isa = isa;
    d->plan.algorithm = algorithm_of(s);
    d->threads = threads;
    d->heatmap_folder = heatmap_folder;
    d->poll = poll;
    d->context = context;
    TRY(scan_reader_new(&reader, &d->reader, err));
    TRY(open_models(d, err));
    *out = d;
    d = NULL;
out:
    detector_free(d);
    return status;
}

void detector_free(struct detector *d)
{
    if (!d)
        return;
    scan_reader_free(d->reader);
    segmenter_free(d->segmenter);
    classifier_free(d->classifier);
    classifier_free(d->malignancy);
    model_free(d->segment_model);
    model_free(d->classify_model);
    model_free(d->malignancy_model);
    candidate_list_release(&d->listed);
    free(d);
}

static void hex_of(const struct model *m, char text[HASH_HEX_BYTES])
{
    snprintf(text, HASH_HEX_BYTES, "none");
    if (m)
        hash_hex(model_content(m), text);
}

enum status detector_identity(const struct detector *d, char **out, struct error *err)
{
    char segment[HASH_HEX_BYTES], classify[HASH_HEX_BYTES], malignancy[HASH_HEX_BYTES];
    char list[HASH_HEX_BYTES] = "none";
    hex_of(d->segment_model, segment);
    hex_of(d->classify_model, classify);
    hex_of(d->malignancy_model, malignancy);
    if (!uses_network(d->settings))
        hash_hex(d->listed_content, list);
    if (asprintf(out,
                 "instruction-set %s\nsegment-numerics %d\ngroup-numerics %d\n"
                 "classify-numerics %d\ndiagnose-numerics %d\nsegment.weights %s\n"
                 "classify.weights %s\nmalignancy.weights %s\ndataset.candidates %s\n",
                 isa_name(d->plan.isa), SEGMENT_NUMERICS, GROUP_NUMERICS, CLASSIFY_NUMERICS,
                 DIAGNOSE_NUMERICS, segment, classify, malignancy, list) < 0)
        return error_set(err, STATUS_STAGE_MEMORY, "no memory for the identity of the run");
    return STATUS_OK;
}

const double *detector_timings(const struct detector *d)
{
    return d->timings;
}

enum status heatmap_slab_path(const char *folder, const char *seriesuid, int64_t slab,
                              char **out, struct error *err)
{
    char hex[HASH_HEX_BYTES];
    hash_hex(hash128(seriesuid, strlen(seriesuid)), hex);
    if (asprintf(out, "%s/%s-%04lld.f32", folder, hex, (long long)slab) < 0)
        return error_set(err, STATUS_STAGE_MEMORY, "no memory for a path");
    return STATUS_OK;
}

/* --- tasks --- */

/* 1 when any model has seen the scan, 0 when all say that they have not, else -1. */
static int32_t seen_by_models(const struct detector *d, const char *seriesuid)
{
    const struct model *models[] = {d->segment_model, d->classify_model, d->malignancy_model};
    int32_t seen = 0;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        int one = models[i] ? model_has_seen(models[i], seriesuid) : 0;
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

static enum status make_segmenter(struct detector *d, const struct geometry *g,
                                  struct error *err)
{
    enum status status = STATUS_OK;
    if (d->segmenter && d->segmenter_size[0] == g->size[1] && d->segmenter_size[1] == g->size[2])
        return STATUS_OK;
    struct segment_options o = {
        .plan = d->plan, .threshold = d->settings->segment.threshold, .threads = d->threads};
    segmenter_free(d->segmenter);
    d->segmenter = NULL;
    TRY(segmenter_new(d->segment_model, g->size[1], g->size[2], &o, &d->segmenter, err));
    d->segmenter_size[0] = g->size[1];
    d->segmenter_size[1] = g->size[2];
out:
    return status;
}

static int64_t clamp(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

/* Slabs of very large slices do not fit the memory that was allowed: refused before reading. */
static enum status check_memory(const struct detector *d, const char *path,
                                const struct geometry *g, int64_t slices, struct error *err)
{
    double gb = (double)g->size[1] * (double)g->size[2] * (double)slices * sizeof(float) * 1e-9;
    if (gb > d->settings->limits.memory_gb)
        return error_set(err, STATUS_ITEM_LIMIT,
                         "%s: %lld slices of %lld x %lld voxels need %.2f GB, limits.memory_gb "
                         "is %g",
                         path, (long long)slices, (long long)g->size[1], (long long)g->size[2],
                         gb, d->settings->limits.memory_gb);
    return STATUS_OK;
}

static enum status write_heatmap(const struct detector *d, const struct order *o,
                                 const float *heatmap, size_t voxels, struct error *err)
{
    char *path;
    enum status status =
        heatmap_slab_path(d->heatmap_folder, o->seriesuid, o->task.part, &path, err);
    if (status != STATUS_OK)
        return status;
    status = file_write(path, (const char *)heatmap, voxels * sizeof *heatmap, err);
    free(path);
    return status;
}

static enum status do_segment(struct detector *d, const struct order *o, void **payload,
                              size_t *bytes, struct error *err)
{
    enum status status = STATUS_OK;
    const struct geometry *g = scan_reader_geometry(d->reader);
    size_t plane = (size_t)g->size[1] * (size_t)g->size[2];
    int64_t first = o->task.part * SLAB_SLICES;
    int64_t count = clamp(g->size[0] - first, 0, SLAB_SLICES);
    struct slices window;
    uint8_t *mask = NULL;
    float *heatmap = NULL;
    const float **planes = NULL;

    int64_t context = (model_input_channels(d->segment_model) - 1) / 2;
    TRY(check_memory(d, o->path, g, SLAB_SLICES + 2 * context, err));
    TRY(make_segmenter(d, g, err));
    TRY(memory_new(plane * (size_t)count, 1, "mask", (void **)&mask, err));
    TRY(memory_new((size_t)(count + 2 * context), sizeof *planes, "slices", (void **)&planes,
                   err));
    if (d->settings->store.heatmaps)
        TRY(memory_new(plane * (size_t)count, sizeof *heatmap, "heatmap", (void **)&heatmap,
                       err));
    int64_t low = clamp(first - context, 0, g->size[0] - 1);
    int64_t high = clamp(first + count - 1 + context, 0, g->size[0] - 1);
    TRY(scan_reader_slices(d->reader, low, high - low + 1, &window, err));
    for (int64_t i = 0; i < count + 2 * context; i++)
        planes[i] =
            window.hu + (size_t)(clamp(first + i - context, low, high) - low) * plane;

    double start = clock_seconds();
    TRY(segmenter_run(d->segmenter, planes, count, mask, heatmap, d->poll, d->context, err));
    if (heatmap)
        TRY(write_heatmap(d, o, heatmap, plane * (size_t)count, err));
    TRY(mask_pack(mask, plane * (size_t)count, payload, bytes, err));
    d->timings[TIMING_SEGMENT] += clock_seconds() - start;
out:
    free(mask);
    free(heatmap);
    free(planes);
    return status;
}

static enum group_erosion erosion_of(const struct settings *s)
{
    if (!strcmp(s->group.erosion, "auto"))
        return is_book(s) ? EROSION_3D : EROSION_IN_PLANE;
    if (!strcmp(s->group.erosion, "3d"))
        return EROSION_3D;
    return !strcmp(s->group.erosion, "none") ? EROSION_NONE : EROSION_IN_PLANE;
}

/* Pushes all slices of a scan with their mask through the grouper, slab by slab. */
static enum status push_slices(struct detector *d, const struct order *o, struct grouper *grouper,
                               struct error *err)
{
    enum status status = STATUS_OK;
    const struct geometry *g = scan_reader_geometry(d->reader);
    size_t plane = (size_t)g->size[1] * (size_t)g->size[2], position = 0;
    uint8_t *mask;
    TRY(memory_new(plane * SLAB_SLICES, 1, "mask", (void **)&mask, err));
    for (int64_t z = 0; z < g->size[0]; z += SLAB_SLICES) {
        int64_t count = clamp(g->size[0] - z, 0, SLAB_SLICES);
        struct slices window;
        TRY(mask_unpack(o->payload, o->bytes, &position, mask, plane * (size_t)count, err));
        TRY(scan_reader_slices(d->reader, z, count, &window, err));
        double start = clock_seconds();
        for (int64_t i = 0; i < count; i++)
            TRY(grouper_push(grouper, mask + (size_t)i * plane, window.hu + (size_t)i * plane,
                             err));
        d->timings[TIMING_GROUP] += clock_seconds() - start;
        TRY(d->poll(d->context));
    }
out:
    free(mask);
    return status;
}

static enum status group_mask(struct detector *d, const struct order *o,
                              struct candidate **candidates, size_t *count, struct error *err)
{
    enum status status = STATUS_OK;
    struct grouper *grouper = NULL;
    struct group_options options = {.erosion = erosion_of(d->settings),
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

/* The listed candidates of a scan in place of found ones. One outside the volume is reported and
 * left out. */
static enum status group_listed(struct detector *d, const struct order *o,
                                struct candidate **candidates, size_t *count, struct error *err)
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
        if (is_book(d->settings))
            geometry_to_index_book(g, c.xyz, c.index);
        else
            geometry_to_index(g, c.xyz, c.index);
        geometry_round(c.index, voxel);
        for (int k = 0; k < 3; k++)
            inside = inside && voxel[k] >= 0 && voxel[k] < g->size[k];
        if (inside)
            (*candidates)[(*count)++] = c;
        else
            log_warning("%s: listed candidate (%g, %g, %g) lies outside the volume: skipped",
                        o->seriesuid, c.xyz[0], c.xyz[1], c.xyz[2]);
    }
    return STATUS_OK;
}

static enum status do_group(struct detector *d, const struct order *o, void **payload,
                            size_t *bytes, struct error *err)
{
    struct candidate *candidates = NULL;
    size_t count = 0;
    enum status status = uses_network(d->settings) ? group_mask(d, o, &candidates, &count, err)
                                                   : group_listed(d, o, &candidates, &count, err);
    *payload = candidates;
    *bytes = count * sizeof *candidates;
    return status;
}

/* The slices that as many candidates as possible touch, from `from` on, within the memory bound. */
static enum status reach(const struct detector *d, const struct candidate *candidates,
                         size_t from, size_t count, const char *path, int64_t *first,
                         int64_t *slices, size_t *taken, struct error *err)
{
    const struct geometry *g = scan_reader_geometry(d->reader);
    double plane_gb = (double)g->size[1] * (double)g->size[2] * sizeof(float) * 1e-9;
    for (size_t i = from; i < count; i++) {
        int64_t z[2], n[2], low, high;
        const struct classifier *both[] = {d->classifier, d->malignancy ? d->malignancy
                                                                        : d->classifier};
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
            enum status status = check_memory(d, path, g, high - low, err);
            if (status != STATUS_OK)
                return status;
        }
        *first = low;
        *slices = high - low;
        *taken = i - from + 1;
    }
    return STATUS_OK;
}

static enum status do_classify(struct detector *d, const struct order *o, void **payload,
                               size_t *bytes, struct error *err)
{
    enum status status = STATUS_OK;
    const struct candidate *candidates = o->payload;
    size_t count = o->bytes / sizeof *candidates, taken = 0;
    struct judgement *judged = NULL;
    float values[BATCH_CANDIDATES];

    CHECK(count <= BATCH_CANDIDATES);
    TRY(memory_new(count, sizeof *judged, "probabilities", (void **)&judged, err));
    for (size_t done = 0; done < count; done += taken) {
        int64_t first = 0, slices = 0;
        struct slices window;
        TRY(reach(d, candidates, done, count, o->path, &first, &slices, &taken, err));
        TRY(scan_reader_slices(d->reader, first, slices, &window, err));
        double start = clock_seconds();
        TRY(classifier_run(d->classifier, &window, candidates + done, taken, values, d->poll,
                           d->context, err));
        for (size_t i = 0; i < taken; i++)
            judged[done + i] = (struct judgement){values[i], NAN};
        if (d->malignancy) {
            TRY(classifier_run(d->malignancy, &window, candidates + done, taken, values,
                               d->poll, d->context, err));
            for (size_t i = 0; i < taken; i++)
                judged[done + i].malignancy = values[i];
        }
        d->timings[TIMING_CLASSIFY] += clock_seconds() - start;
    }
    *payload = judged;
    *bytes = count * sizeof *judged;
    judged = NULL;
out:
    free(judged);
    return status;
}

enum status detector_do(struct detector *d, const struct order *o, void **payload,
                        size_t *bytes, const char **stage, struct error *err)
{
    static const char *const stages[] = {"load", "segment", "group", "classify"};
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
        status = do_segment(d, o, payload, bytes, err);
        break;
    case TASK_GROUP:
        status = do_group(d, o, payload, bytes, err);
        break;
    case TASK_CLASSIFY:
        status = do_classify(d, o, payload, bytes, err);
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
