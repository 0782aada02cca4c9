/* The search for blobs, done again without its last two steps: what was near the point
 * before the score and the number of candidates cut the list. */
#include <math.h>

#include "base/memory.h"
#include "ct/lung_mask.h"
#include "inspect/why_internal.h"
#include "run/stage_setup.h"

static double distance_mm(const double a[3], const double b[3])
{
    return sqrt((a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1]) +
                (a[2] - b[2]) * (a[2] - b[2]));
}

/* The list is sorted: the first within reach is the best. */
static void take_best(struct why *w, const struct candidate *list, size_t count)
{
    for (size_t i = 0; i < count && !w->blob.found; i++) {
        double diameter = w->nodule_mm >= 0 ? w->nodule_mm : list[i].diameter_mm;
        double distance = distance_mm(list[i].xyz, w->xyz);
        if (distance < fmax(WHY_RADIUS_MM, WHY_DIAMETER_SHARE * diameter))
            w->blob = (struct why_blob){true, distance, (double)list[i].probability,
                                        list[i].diameter_mm};
    }
}

static enum status search(struct why *w, const struct why_sources *s, struct error *err)
{
    enum status status = STATUS_OK;
    const struct geometry *g = &w->geometry;
    struct blob_options o = stage_blob_options(&s->settings, why_cores());
    struct volume *v = NULL;
    struct candidate *found = NULL;
    float *hu = NULL;
    uint8_t *lung = NULL;
    size_t count = 0;
    o.min_score = 0;
    o.max_candidates = INT64_MAX;
    TRY(why_open_scan(w, s, &v, err));
    TRY(why_read_clipped(v, 0, g->size[0], &hu, err));
    TRY(memory_new((size_t)geometry_voxels(g), 1, "lung mask", (void **)&lung, err));
    TRY(lung_mask(g, hu, lung, err));
    TRY(blob_find(g, hu, lung, &o, NULL, NULL, &found, &count, err));
    take_best(w, found, count);
    TRY(why_look_around(w, lung, &w->lung, err));
    w->has_search = true;
out:
    if (v)
        volume_close(v);
    free(hu);
    free(lung);
    free(found);
    return status;
}

enum status why_blob(struct why *w, const struct why_sources *s, struct error *err)
{
    struct error none;
    enum status status = search(w, s, &none);
    w->blob_min_score = s->settings.blob.min_score;
    w->blob_max_candidates = s->settings.blob.max_candidates;
    if (status == STATUS_STAGE_MEMORY) {
        *err = none;
        return status;
    }
    if (status != STATUS_OK)
        snprintf(w->search_note, sizeof w->search_note, "not to be done again: %.400s",
                 none.message);
    return STATUS_OK;
}
