#include "run/detector.h"

#include "base/memory.h"
#include "run/detector_internal.h"
#include "run/record.h"
#include "run/stage_setup.h"
#include "stage/diagnose.h"
#include "stage/group.h"
#include "stage/plan_group.h"

const char *timing_name(enum timing t)
{
    static const char *const names[TIMING_COUNT] = {
        "input",      "segment",     "group",     "classify",   "train",
        "train wait", "train input", "allreduce", "validation", "checkpoint"};
    return names[t];
}

/* --- making one --- */

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

/* *out = a classifier of all models of a stage, NULL: it has none. */
static enum status open_classifier(const char *stage, const char *network,
                                   const char *weights,
                                   const struct classify_options *options,
                                   struct stage_models *models, struct classifier **out,
                                   struct error *err)
{
    enum status status;
    TRY(stage_models_init(models, stage, network, weights, err));
    for (size_t i = 0; i < models->count; i++) {
        status = i == 0 ? classifier_new(models->items[i], options, out, err)
                        : classifier_add(*out, models->items[i], err);
        if (status == STATUS_OK)
            continue;
        stage_models_name(stage, weights, i, err);
        break;
    }
out:
    return status;
}

/* Whether the segmenters can be some, together, found before any scan is read. */
static enum status check_segmenters(const struct detector *d, struct error *err)
{
    static const int64_t smallest[3] = {BLOCK_LEAST_DEPTH, BLOCK_LEAST_SIDE,
                                        BLOCK_LEAST_SIDE};
    struct block_segmenter_needs needs;
    const struct stage_models *m = &d->segment_models;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < m->count && status == STATUS_OK; i++) {
        status = plan_group_check(m->items[0], m->items[i], err);
        if (status == STATUS_OK && model_dimensions(m->items[i]) == 3)
            status = block_segmenter_measure(&m->items[i], 1, smallest, BLOCK_SLICES,
                                             &d->plan, &needs, err);
        if (status != STATUS_OK)
            stage_models_name("segment", d->settings->segment.weights, i, err);
    }
    return status;
}

static enum status open_models(struct detector *d, struct error *err)
{
    const struct settings *s = d->settings;
    enum status status = STATUS_OK;
    struct classify_options classify = {.plan = d->plan, .threads = d->threads};

    if (stage_uses_network(s)) {
        TRY(stage_models_init(&d->segment_models, "segment", s->segment.network,
                              s->segment.weights, err));
        TRY(check_segmenters(d, err));
    }
    if (stage_uses_list(s)) {
        TRY(candidate_list_init(&d->listed, s->dataset.candidates, err));
        TRY(hash_list(&d->listed, &d->listed_content, err));
    }
    TRY(open_classifier("classify", s->classify.network, s->classify.weights, &classify,
                        &d->classify_models, &d->classifier, err));
    TRY(open_classifier("malignancy", s->malignancy.network, s->malignancy.weights,
                        &classify, &d->malignancy_models, &d->malignancy, err));
out:
    return status;
}

static enum status open_cache(struct detector *d, struct error *err)
{
    const struct settings *s = d->settings;
    struct cache_options o = {.folder = s->cache.dir,
                              .local = s->cache.local,
                              .quota_bytes = (int64_t)(s->cache.quota_gb * 1e9),
                              .hold = true};
    enum status status = cache_open(&o, &d->cache, err);
    return status == STATUS_OK ? status : error_prefix(err, "cache.dir");
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
    d->plan.algorithm = stage_algorithm(s);
    d->threads = threads;
    d->heatmap_folder = heatmap_folder;
    d->poll = poll;
    d->context = context;
    TRY(scan_reader_new(&reader, &d->reader, err));
    if (s->stages.prepare)
        TRY(open_cache(d, err));
    if (s->stages.detect)
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
    cache_close(d->cache);
    stretch_release(&d->ahead.slices);
    segmenter_free(d->segmenter);
    block_segmenter_free(d->block_segmenter);
    classifier_free(d->classifier);
    classifier_free(d->malignancy);
    stage_models_release(&d->segment_models);
    stage_models_release(&d->classify_models);
    stage_models_release(&d->malignancy_models);
    candidate_list_release(&d->listed);
    free(d);
}

void detector_let_go(struct detector *d)
{
    scan_reader_free(d->reader);
    d->reader = NULL;
}

const struct model *detector_model(const struct detector *d, size_t i)
{
    const struct stage_models *const stages[] = {&d->segment_models, &d->classify_models,
                                                 &d->malignancy_models};
    for (size_t k = 0; k < sizeof stages / sizeof *stages; k++) {
        if (i < stages[k]->count)
            return stages[k]->items[i];
        i -= stages[k]->count;
    }
    return NULL;
}

bool detector_is_ensemble(const struct detector *d)
{
    return d->classify_models.count > 1 || d->malignancy_models.count > 1;
}

/* *out = the contents of the models of a stage in their order, to be freed. */
static enum status contents_of(const struct stage_models *m, char **out,
                               struct error *err)
{
    enum status status =
        memory_new(m->count + 1, HASH_HEX_BYTES, "identity", (void **)out, err);
    if (status != STATUS_OK)
        return status;
    char *to = *out;
    snprintf(to, HASH_HEX_BYTES, "none");
    for (size_t i = 0; i < m->count; i++) {
        char text[HASH_HEX_BYTES];
        hash_hex(model_content(m->items[i]), text);
        to += snprintf(to, HASH_HEX_BYTES + 1, "%s%s", i ? "," : "", text);
    }
    return STATUS_OK;
}

static enum status describe(const struct detector *d, char *const contents[TRAIN_STAGES],
                            char **out, struct error *err)
{
    char list[HASH_HEX_BYTES] = "none", blob[32] = "";
    if (stage_uses_list(d->settings))
        hash_hex(d->listed_content, list);
    if (stage_uses_blobs(d->settings))
        snprintf(blob, sizeof blob, "blob-numerics %d\n", BLOB_NUMERICS);
    if (asprintf(out,
                 "instruction-set %s\nsegment-numerics %d\ngroup-numerics %d\n"
                 "classify-numerics %d\ndiagnose-numerics %d\nsegment.weights %s\n"
                 "classify.weights %s\nmalignancy.weights %s\ndataset.candidates %s\n%s",
                 isa_name(d->plan.isa), SEGMENT_NUMERICS, GROUP_NUMERICS,
                 CLASSIFY_NUMERICS, DIAGNOSE_NUMERICS, contents[TRAIN_SEGMENT],
                 contents[TRAIN_CLASSIFY], contents[TRAIN_MALIGNANCY], list, blob) < 0)
        return error_set(err, STATUS_STAGE_MEMORY,
                         "no memory for the identity of the run");
    return STATUS_OK;
}

enum status detector_identity(const struct detector *d, char **out, struct error *err)
{
    enum status status;
    char *contents[TRAIN_STAGES] = {NULL};
    TRY(contents_of(&d->segment_models, &contents[TRAIN_SEGMENT], err));
    TRY(contents_of(&d->classify_models, &contents[TRAIN_CLASSIFY], err));
    TRY(contents_of(&d->malignancy_models, &contents[TRAIN_MALIGNANCY], err));
    status = describe(d, contents, out, err);
out:
    for (int i = 0; i < TRAIN_STAGES; i++)
        free(contents[i]);
    return status;
}

int detector_fold(const struct detector *d)
{
    const struct model *m = detector_model(d, 0);
    const int fold = m ? model_fold(m) : -1;
    for (size_t i = 1; (m = detector_model(d, i)); i++)
        if (model_fold(m) != fold)
            return -1;
    return fold;
}

int64_t detector_segment_slices(const struct detector *d)
{
    if (d->segment_models.count == 0)
        return 0;
    return model_dimensions(d->segment_models.items[0]) == 2 ? SLAB_SLICES : BLOCK_SLICES;
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
