/*
 * The validation of a segmenter of slices: whole slices that hold a nodule, as detection
 * sees them, of the scans that validate.
 *
 * A slice holds a nodule when it is no further from its centre than half of its diameter.
 * The outermost slices of a scan, whose neighbours detection repeats, are left out. All
 * slices are cut to the size of the largest (more than that a smaller one is continued by
 * reflection); what counts is what lies inside each.
 */
#include <math.h>

#include "base/memory.h"
#include "run/train_internal.h"

/* What the annotations leave open: as the score takes it. */
static const double unmeasured_mm = 10;

/* Marks the slices of a scan that hold a nodule. */
static void mark_slices(const struct train_network *n, const struct geometry *g,
                        const struct nodule *nodules, size_t count, bool *holds)
{
    const int64_t context = n->recipe.example.crop[0] / 2;
    for (size_t i = 0; i < count; i++) {
        const struct nodule *x = &nodules[i];
        const double mm = x->diameter_mm < 0 ? unmeasured_mm : x->diameter_mm;
        double index[3];
        int64_t centre[3];
        if (n->recipe.example.book)
            geometry_to_index_book(g, x->xyz, index);
        else
            geometry_to_index(g, x->xyz, index);
        geometry_round(index, centre);
        /* Both are from a list and may be anything: the slices bound the walk. */
        const double reach = floor(mm / 2 / g->spacing[2]);
        for (int64_t z = context; z < g->size[0] - context; z++)
            holds[z] |= fabs((double)z - (double)centre[0]) <= reach;
    }
}

struct slices_found {
    struct example_item *items;
    size_t count, capacity;
};

static enum status take_scan(const struct train_network *n, size_t i,
                             const struct nodule_list *nodules, struct slices_found *f,
                             struct error *err)
{
    enum status status;
    const struct train_scan *scan = &n->work->scans.items[i];
    const struct geometry *g = &scan->geometry;
    size_t first, count;
    bool *holds = NULL;
    nodule_list_find(nodules, scan->seriesuid, &first, &count);
    TRY(memory_new((size_t)g->size[0], sizeof *holds, "slices", (void **)&holds, err));
    mark_slices(n, g, nodules->rows + first, count, holds);
    for (int64_t z = 0; z < g->size[0]; z++) {
        if (!holds[z])
            continue;
        TRY(memory_grow((void **)&f->items, &f->capacity, f->count + 1, sizeof *f->items,
                        "validation", err));
        f->items[f->count++] = (struct example_item){
            .place = {.scan = (int32_t)i,
                      .voxel = {(int32_t)z, (int32_t)(g->size[1] / 2),
                                (int32_t)(g->size[2] / 2)}},
            .label = 1};
    }
out:
    free(holds);
    return status;
}

/* Up to `most` of what was found, evenly, and what of each counts. */
static enum status keep(struct train_network *n, const struct slices_found *f,
                        size_t most, struct error *err)
{
    enum status status;
    const size_t count = f->count < most ? f->count : most;
    int64_t *size = n->still.crop;
    const int64_t divisor = n->network.divisor;
    TRY(memory_new(count, sizeof *n->items, "validation", (void **)&n->items, err));
    TRY(memory_new(count, sizeof *n->inside, "validation", (void **)&n->inside, err));
    size[1] = size[2] = 1;
    for (size_t i = 0; i < count; i++) {
        n->items[i] = f->items[i * f->count / count];
        n->items[i].sample = i;
        const struct geometry *g = &n->work->scans.items[n->items[i].place.scan].geometry;
        for (int k = 0; k < 2; k++) {
            n->inside[i][k] = g->size[1 + k];
            if (g->size[1 + k] > size[1 + k])
                size[1 + k] = g->size[1 + k];
        }
    }
    n->item_count = (int64_t)count;
    for (int k = 1; k < 3; k++)
        size[k] = (size[k] + divisor - 1) / divisor * divisor;
    memcpy(n->still.window, size, sizeof n->still.window);
    n->still.centred = true;
out:
    return status;
}

enum status train_slices_fill(struct train_network *n, const struct nodule_list *nodules,
                              struct error *err)
{
    enum status status = STATUS_OK;
    struct slices_found f = {.count = 0};
    const int64_t most = n->recipe.validate_samples;
    for (size_t i = 0; i < n->work->scans.count; i++)
        if (train_takes_part(n, i, SCAN_VALIDATES))
            TRY(take_scan(n, i, nodules, &f, err));
    if (f.count > 0)
        TRY(keep(n, &f, most > 0 ? (size_t)most : SIZE_MAX, err));
out:
    free(f.items);
    return status;
}
