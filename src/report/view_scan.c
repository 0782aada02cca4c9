/* The scan that a viewer looks at, opened once more. That it is the scan of the run is
 * judged by its geometry: hashing hundreds of scans would take longer than the report. */
#include <math.h>

#include "base/memory.h"
#include "report/view_internal.h"
#include "run/stored_mask.h"

static void close_scan(struct viewer *v)
{
    volume_close(v->volume);
    volume_close(v->truth);
    free(v->packed);
    free(v->slab);
    free(v->slice);
    v->volume = v->truth = NULL;
    v->packed = v->slab = NULL;
    v->slice = NULL;
    v->slab_index = -1;
    v->open = SIZE_MAX;
}

static bool is_near(const double *a, const double *b, int count, double tolerance)
{
    for (int k = 0; k < count; k++)
        if (!(fabs(a[k] - b[k]) <= tolerance))
            return false;
    return true;
}

static bool same_place(const struct geometry *a, const struct geometry *b)
{
    return !memcmp(a->size, b->size, sizeof a->size) &&
           is_near(a->spacing, b->spacing, 3, 1e-6) &&
           is_near(a->origin, b->origin, 3, 1e-3) &&
           is_near(a->direction, b->direction, 9, 1e-6);
}

/* A volume of a data set that lies where the run's scan lies. */
static enum status open_volume(const struct viewer *v, const struct dataset *d,
                               const char *seriesuid, struct volume **out,
                               struct error *err)
{
    const struct volume_options options = {.allow_outside =
                                               v->run->settings.dataset.allow_outside};
    const int64_t i = dataset_find(d, seriesuid);
    if (i < 0)
        return error_set(err, STATUS_ITEM_IO, "the scan is no longer there");
    enum status status = volume_open(d->scans[i].path, &options, out, err);
    if (status == STATUS_OK && !same_place(volume_geometry(*out), &v->geometry)) {
        volume_close(*out);
        *out = NULL;
        status = error_set(err, STATUS_ITEM_FORMAT, "%s has changed since the run",
                           d->scans[i].path);
    }
    return status;
}

static enum status take_row(struct viewer *v, const struct stored_scan *scan,
                            struct error *err)
{
    struct geometry *g = &v->geometry;
    enum status status = run_reader_scan(v->run->store, scan->row, &v->row, err);
    if (status != STATUS_OK)
        return status;
    memcpy(g->size, v->row.size, sizeof g->size);
    memcpy(g->spacing, v->row.spacing, sizeof g->spacing);
    memcpy(g->origin, v->row.origin, sizeof g->origin);
    memcpy(g->direction, v->row.direction, sizeof g->direction);
    return geometry_check(g, err);
}

static enum status open_parts(struct viewer *v, const struct stored_scan *scan,
                              struct error *err)
{
    enum status status = STATUS_OK;
    float value;
    struct error ignored;
    const int64_t first[3] = {0}, one[3] = {1, 1, 1};
    TRY(take_row(v, scan, err));
    if (v->missing[0])
        TRY(error_set(err, STATUS_ITEM_IO, "%s", v->missing));
    TRY(open_volume(v, &v->scans, scan->seriesuid, &v->volume, err));
    if (v->masks.count > 0 &&
        open_volume(v, &v->masks, scan->seriesuid, &v->truth, &ignored) != STATUS_OK)
        v->truth = NULL;
    v->has_heatmap = run_reader_heatmap(v->run->store, scan->seriesuid, first, one,
                                        &value, &ignored) == STATUS_OK;
    if (!v->has_heatmap && v->row.mask_bytes > 0)
        TRY(stored_mask_read(v->run->store, &v->row, &v->packed, err));
    TRY(memory_new((size_t)v->geometry.size[1] * (size_t)v->geometry.size[2],
                   sizeof *v->slice, "a slice", (void **)&v->slice, err));
out:
    return status;
}

enum status viewer_open(struct viewer *v, size_t scan, struct error *err)
{
    if (v->open == scan)
        return STATUS_OK;
    close_scan(v);
    v->open = scan;
    v->note[0] = '\0';
    enum status status = open_parts(v, &v->run->scans[scan], err);
    if (status == STATUS_STAGE_MEMORY || status == STATUS_OK)
        return status;
    snprintf(v->note, sizeof v->note, "%s", err->message);
    volume_close(v->volume);
    v->volume = NULL;
    return STATUS_OK;
}

enum status viewer_new(struct stored_run *run, const char *masks, struct viewer **out,
                       struct error *err)
{
    struct viewer *v;
    struct error why;
    const struct settings *s = &run->settings;
    enum status status = memory_new(1, sizeof *v, "a viewer", (void **)&v, err);
    if (status != STATUS_OK)
        return status;
    *out = v;
    v->run = run;
    v->open = SIZE_MAX;
    v->slab_index = -1;
    status = s->dataset.scan[0] ? dataset_init_scan(&v->scans, s->dataset.scan, &why)
                                : dataset_init(&v->scans, s->dataset.root, NULL, &why);
    if (status != STATUS_OK)
        snprintf(v->missing, sizeof v->missing, "%s", why.message);
    if (masks[0] && dataset_init(&v->masks, masks, NULL, &why) != STATUS_OK)
        dataset_release(&v->masks);
    return STATUS_OK;
}

void viewer_free(struct viewer *v)
{
    if (!v)
        return;
    close_scan(v);
    dataset_release(&v->scans);
    dataset_release(&v->masks);
    free(v);
}
