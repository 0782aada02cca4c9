/* The stored mask around a point: what was above the threshold, what erosion left of it,
 * and which component that became. */
#include <math.h>

#include "base/memory.h"
#include "inspect/why_internal.h"
#include "run/record.h"
#include "run/stage_setup.h"
#include "run/stored_mask.h"

struct looking {
    const uint8_t *mask;
    const struct geometry *geometry;
    struct why_mask *out;
};

static size_t place_of(const struct geometry *g, const int64_t v[3])
{
    return (size_t)((v[0] * g->size[1] + v[1]) * g->size[2] + v[2]);
}

static enum status look(void *context, const int64_t voxel[3], double distance,
                        struct error *err)
{
    struct looking *l = context;
    (void)err;
    if (!l->mask[place_of(l->geometry, voxel)])
        return STATUS_OK;
    l->out->near++;
    if (l->out->nearest_mm < 0 || distance < l->out->nearest_mm) {
        l->out->nearest_mm = distance;
        memcpy(l->out->nearest, voxel, sizeof l->out->nearest);
    }
    return STATUS_OK;
}

enum status why_look_around(const struct why *w, const uint8_t *mask,
                            struct why_mask *out, struct error *err)
{
    struct looking l = {mask, &w->geometry, out};
    *out = (struct why_mask){.here = mask[place_of(&w->geometry, w->voxel)],
                             .nearest_mm = -1};
    return why_around(w, look, &l, err);
}

static enum status load(const struct why_sources *s, const struct geometry *g,
                        uint8_t *mask, struct error *err)
{
    enum status status = STATUS_OK;
    size_t plane = (size_t)g->size[1] * (size_t)g->size[2], position = 0;
    struct run_store_scan scan = s->scan;
    uint8_t *bytes = NULL;
    TRY(stored_mask_read(s->run, &scan, &bytes, err));
    for (int64_t z = 0; z < g->size[0]; z += SLAB_SLICES) {
        int64_t count = g->size[0] - z < SLAB_SLICES ? g->size[0] - z : SLAB_SLICES;
        TRY(mask_unpack(bytes, (size_t)scan.mask_bytes, &position,
                        mask + (size_t)z * plane, plane * (size_t)count, err));
    }
out:
    free(bytes);
    return status;
}

/* Voxels still to be looked at. */
struct stack {
    int64_t (*voxels)[3];
    size_t count, capacity;
};

static enum status push(struct stack *t, uint8_t *mask, const struct geometry *g,
                        const int64_t v[3], struct error *err)
{
    size_t place = place_of(g, v);
    if (!mask[place])
        return STATUS_OK;
    mask[place] = 0;
    enum status status = memory_grow((void **)&t->voxels, &t->capacity, t->count + 1,
                                     sizeof *t->voxels, "a component", err);
    if (status == STATUS_OK)
        memcpy(t->voxels[t->count++], v, sizeof *t->voxels);
    return status;
}

/* Measures the component of a voxel by walking over it, which takes it out of the mask.
 * Its centre is that of its voxels: near enough to the weighted one to tell where it
 * went. */
static enum status measure(struct why *w, uint8_t *mask, const int64_t start[3],
                           struct error *err)
{
    enum status status = STATUS_OK;
    struct stack t = {0};
    double sum[3] = {0}, distance = 0;
    TRY(push(&t, mask, &w->geometry, start, err));
    while (t.count > 0) {
        int64_t v[3], n[3];
        memcpy(v, t.voxels[--t.count], sizeof v);
        w->component_voxels++;
        for (int k = 0; k < 3; k++)
            sum[k] += (double)v[k];
        for (int side = 0; side < 6; side++) {
            memcpy(n, v, sizeof n);
            n[side / 2] += side % 2 ? 1 : -1;
            if (n[side / 2] >= 0 && n[side / 2] < w->geometry.size[side / 2])
                TRY(push(&t, mask, &w->geometry, n, err));
        }
    }
    for (int k = 0; k < 3; k++)
        sum[k] /= (double)w->component_voxels;
    geometry_to_mm(&w->geometry, sum, w->component_centre);
    for (int k = 0; k < 3; k++)
        distance +=
            (w->component_centre[k] - w->xyz[k]) * (w->component_centre[k] - w->xyz[k]);
    w->component_mm = sqrt(distance);
out:
    free(t.voxels);
    return status;
}

enum status why_mask(struct why *w, const struct why_sources *s, struct error *err)
{
    static const char *const names[] = {"3d", "in-plane", "none"};
    enum status status = STATUS_OK;
    enum group_erosion erosion = stage_erosion(&s->settings);
    size_t voxels = (size_t)geometry_voxels(&w->geometry);
    uint8_t *mask = NULL, *eroded = NULL;
    w->erosion = names[erosion];
    w->min_voxels = s->settings.group.min_voxels;
    w->has_mask = s->scan.mask_bytes > 0;
    if (!w->has_mask)
        return STATUS_OK;
    TRY(memory_new(voxels, 1, "mask", (void **)&mask, err));
    TRY(memory_new(voxels, 1, "eroded mask", (void **)&eroded, err));
    TRY(load(s, &w->geometry, mask, err));
    group_erode(&w->geometry, erosion, mask, eroded);
    TRY(why_look_around(w, mask, &w->mask, err));
    TRY(why_look_around(w, eroded, &w->eroded, err));
    if (w->eroded.near > 0)
        TRY(measure(w, eroded, w->eroded.nearest, err));
out:
    free(mask);
    free(eroded);
    return status;
}
