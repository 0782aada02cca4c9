/* The heatmap around a point: the stored one, or the few slices of it that are needed,
 * computed again. */
#include <math.h>

#include "base/memory.h"
#include "inspect/why_internal.h"
#include "run/stage_setup.h"
#include "stage/segment.h"

static const int64_t one_voxel[3] = {1, 1, 1};

/* Slices [first, first + count) of a heatmap, or a stored one. */
struct heat {
    struct why *why;
    struct run_reader *run; /* NULL: values */
    const float *values;
    int64_t first;
};

static enum status value_at(const struct heat *h, const int64_t v[3], double *out,
                            struct error *err)
{
    const struct geometry *g = &h->why->geometry;
    enum status status = STATUS_OK;
    float value;
    if (h->run)
        status = run_reader_heatmap(h->run, h->why->seriesuid, v, one_voxel, &value, err);
    else
        value = h->values[((v[0] - h->first) * g->size[1] + v[1]) * g->size[2] + v[2]];
    if (status == STATUS_OK)
        *out = (double)value;
    return status;
}

static enum status take(void *context, const int64_t voxel[3], double distance,
                        struct error *err)
{
    const struct heat *h = context;
    struct why *w = h->why;
    double value;
    enum status status = value_at(h, voxel, &value, err);
    if (status != STATUS_OK)
        return status;
    if (!memcmp(voxel, w->voxel, sizeof w->voxel))
        w->heat_here = value;
    if (value > w->heat_highest) {
        w->heat_highest = value;
        w->heat_highest_mm = distance;
        memcpy(w->heat_voxel, voxel, sizeof w->heat_voxel);
    }
    return STATUS_OK;
}

static enum status take_all(struct heat *h, struct error *err)
{
    h->why->has_heatmap = true;
    h->why->heat_highest = -1;
    return why_around(h->why, take, h, err);
}

/* --- computing it again --- */

/* Heatmap of slices [first, first + count), to be freed. */
static enum status segment(const struct why_sources *s, struct volume *v,
                           const struct stage_models *m, int64_t first, int64_t count,
                           float **out, struct error *err)
{
    enum status status = STATUS_OK;
    const struct geometry *g = volume_geometry(v);
    size_t plane = (size_t)g->size[1] * (size_t)g->size[2];
    struct segment_options o = {.threshold = s->settings.segment.threshold,
                                .threads = why_cores()};
    struct segmenter *segmenter = NULL;
    const float **planes = NULL;
    float *hu = NULL, *heatmap = NULL;
    uint8_t *mask = NULL;
    o.plan.algorithm = stage_algorithm(&s->settings);
    TRY(isa_parse(s->settings.compute.isa, &o.plan.isa, err));
    isa_use(o.plan.isa);
    TRY(segmenter_new(m->items, m->count, g->size[1], g->size[2], &o, &segmenter, err));
    int64_t context = segmenter_context(segmenter), last = g->size[0] - 1;
    int64_t low = first > context ? first - context : 0;
    int64_t high =
        first + count - 1 + context < last ? first + count - 1 + context : last;
    TRY(why_read_clipped(v, low, high - low + 1, &hu, err));
    TRY(memory_new((size_t)(count + 2 * context), sizeof *planes, "slices",
                   (void **)&planes, err));
    for (int64_t i = 0; i < count + 2 * context; i++) {
        int64_t z = first - context + i;
        z = z < low ? low : z > high ? high : z;
        planes[i] = hu + (size_t)(z - low) * plane;
    }
    TRY(memory_new(plane * (size_t)count, 1, "mask", (void **)&mask, err));
    TRY(memory_new(plane * (size_t)count, sizeof *heatmap, "heatmap", (void **)&heatmap,
                   err));
    TRY(segmenter_run(segmenter, planes, count, mask, heatmap, NULL, NULL, err));
    *out = heatmap;
    heatmap = NULL;
out:
    segmenter_free(segmenter);
    free(planes);
    free(hu);
    free(mask);
    free(heatmap);
    return status;
}

struct slice_range {
    int64_t low, high;
};

static enum status widen(void *context, const int64_t voxel[3], double distance,
                         struct error *err)
{
    struct slice_range *r = context;
    (void)distance;
    (void)err;
    r->low = voxel[0] < r->low ? voxel[0] : r->low;
    r->high = voxel[0] > r->high ? voxel[0] : r->high;
    return STATUS_OK;
}

static enum status compute(struct why *w, const struct why_sources *s, float **values,
                           struct slice_range *range, struct error *err)
{
    enum status status = STATUS_OK;
    const struct settings *set = &s->settings;
    struct volume *v = NULL;
    struct stage_models m = {.items = NULL};
    *range = (struct slice_range){w->voxel[0], w->voxel[0]};
    TRY(why_open_scan(w, s, &v, err));
    TRY(stage_models_init(&m, "segment", set->segment.network, set->segment.weights,
                          err));
    TRY(why_around(w, widen, range, err));
    TRY(segment(s, v, &m, range->low, range->high - range->low + 1, values, err));
out:
    if (v)
        volume_close(v);
    stage_models_release(&m);
    return status;
}

enum status why_heatmap(struct why *w, const struct why_sources *s, struct error *err)
{
    float here, *values = NULL;
    struct error none;
    struct slice_range range;
    struct heat h = {.why = w, .run = s->run};
    enum status status;
    w->heat_threshold = s->settings.segment.threshold;
    if (!stage_uses_network(&s->settings)) {
        snprintf(w->heatmap_note, sizeof w->heatmap_note,
                 "candidates were taken from a list");
        return STATUS_OK;
    }
    if (run_reader_heatmap(s->run, w->seriesuid, w->voxel, one_voxel, &here, &none) ==
        STATUS_OK) {
        w->heatmap_is_stored = true;
        return take_all(&h, err);
    }
    status = compute(w, s, &values, &range, &none);
    if (status != STATUS_OK) {
        snprintf(w->heatmap_note, sizeof w->heatmap_note,
                 "not stored (store.heatmaps), and not to be computed again: %.400s",
                 none.message);
        return STATUS_OK;
    }
    h.run = NULL;
    h.values = values;
    h.first = range.low;
    status = take_all(&h, err);
    free(values);
    return status;
}
