#include "run/detector.h"

#include "base/memory.h"
#include "run/detector_internal.h"
#include "run/record.h"
#include "run/stage_setup.h"
#include "stage/diagnose.h"
#include "stage/group.h"

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

static enum status open_classifier(const char *stage, const char *network,
                                   const char *weights,
                                   const struct classify_options *options,
                                   struct model **model, struct classifier **out,
                                   struct error *err)
{
    enum status status = stage_model_open(stage, network, weights, model, err);
    if (status != STATUS_OK)
        return status;
    status = classifier_new(*model, options, out, err);
    if (status != STATUS_OK)
        error_prefix(err, "%s.weights: %s", stage, weights);
    return status;
}

/* Whether the segmenter can be one, found before any scan is read. */
static enum status check_segmenter(const struct detector *d, struct error *err)
{
    static const int64_t smallest[3] = {BLOCK_LEAST_DEPTH, BLOCK_LEAST_SIDE,
                                        BLOCK_LEAST_SIDE};
    struct block_segmenter_needs needs;
    if (model_dimensions(d->segment_model) == 2)
        return STATUS_OK;
    const enum status status = block_segmenter_measure(
        d->segment_model, smallest, BLOCK_SLICES, &d->plan, &needs, err);
    if (status != STATUS_OK)
        error_prefix(err, "segment.weights: %s", d->settings->segment.weights);
    return status;
}

static enum status open_models(struct detector *d, struct error *err)
{
    const struct settings *s = d->settings;
    enum status status = STATUS_OK;
    struct classify_options classify = {.plan = d->plan, .threads = d->threads};

    if (stage_uses_network(s)) {
        TRY(stage_model_open("segment", s->segment.network, s->segment.weights,
                             &d->segment_model, err));
        TRY(check_segmenter(d, err));
    }
    if (stage_uses_list(s)) {
        TRY(candidate_list_init(&d->listed, s->dataset.candidates, err));
        TRY(hash_list(&d->listed, &d->listed_content, err));
    }
    if (s->classify.weights[0])
        TRY(open_classifier("classify", s->classify.network, s->classify.weights,
                            &classify, &d->classify_model, &d->classifier, err));
    if (s->malignancy.weights[0])
        TRY(open_classifier("malignancy", s->malignancy.network, s->malignancy.weights,
                            &classify, &d->malignancy_model, &d->malignancy, err));
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
    segmenter_free(d->segmenter);
    block_segmenter_free(d->block_segmenter);
    classifier_free(d->classifier);
    classifier_free(d->malignancy);
    model_free(d->segment_model);
    model_free(d->classify_model);
    model_free(d->malignancy_model);
    candidate_list_release(&d->listed);
    free(d);
}

void detector_let_go(struct detector *d)
{
    scan_reader_free(d->reader);
    d->reader = NULL;
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
    char list[HASH_HEX_BYTES] = "none", blob[32] = "";
    hex_of(d->segment_model, segment);
    hex_of(d->classify_model, classify);
    hex_of(d->malignancy_model, malignancy);
    if (stage_uses_list(d->settings))
        hash_hex(d->listed_content, list);
    if (stage_uses_blobs(d->settings))
        snprintf(blob, sizeof blob, "blob-numerics %d\n", BLOB_NUMERICS);
    if (asprintf(out,
                 "instruction-set %s\nsegment-numerics %d\ngroup-numerics %d\n"
                 "classify-numerics %d\ndiagnose-numerics %d\nsegment.weights %s\n"
                 "classify.weights %s\nmalignancy.weights %s\ndataset.candidates %s\n%s",
                 isa_name(d->plan.isa), SEGMENT_NUMERICS, GROUP_NUMERICS,
                 CLASSIFY_NUMERICS, DIAGNOSE_NUMERICS, segment, classify, malignancy,
                 list, blob) < 0)
        return error_set(err, STATUS_STAGE_MEMORY,
                         "no memory for the identity of the run");
    return STATUS_OK;
}

int detector_fold(const struct detector *d)
{
    const struct model *models[] = {d->segment_model, d->classify_model,
                                    d->malignancy_model};
    int fold = -1;
    bool first = true;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        if (!models[i])
            continue;
        const int one = model_fold(models[i]);
        if (!first && one != fold)
            return -1;
        fold = one;
        first = false;
    }
    return fold;
}

int64_t detector_segment_slices(const struct detector *d)
{
    if (!d->segment_model)
        return 0;
    return model_dimensions(d->segment_model) == 2 ? SLAB_SLICES : BLOCK_SLICES;
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
