#include "report/view.h"

#include <math.h>

#include "base/memory.h"
#include "picture/layer.h"
#include "picture/window.h"
#include "report/view_internal.h"
#include "run/record.h"

/* Heat and exact masks: told apart by lightness and by who switches them on. */
static const struct colour heat_colour = {255, 176, 0}, truth_colour = {64, 224, 208};
static const double heat_alpha = 0.6, truth_alpha = 0.5;

void view_release(struct view *v)
{
    for (int p = 0; p < SECTION_PLANES; p++)
        for (int k = 0; k < VIEW_LAYERS; k++)
            free(v->planes[p].png[k]);
    *v = (struct view){0};
}

/* ---- slices of the layers ---- */

static enum status read_mask(struct viewer *v, int64_t z, struct error *err)
{
    enum status status = STATUS_OK;
    const struct geometry *g = &v->geometry;
    const size_t plane = (size_t)g->size[1] * (size_t)g->size[2];
    const int64_t slab = z / SLAB_SLICES;
    const size_t length = (size_t)v->row.mask_bytes;
    if (!v->slab)
        TRY(memory_new(plane * SLAB_SLICES, 1, "a slab of mask", (void **)&v->slab, err));
    if (slab != v->slab_index) {
        size_t position = 0;
        const int64_t left = g->size[0] - slab * SLAB_SLICES;
        v->slab_index = -1;
        for (int64_t i = 0; i < slab; i++)
            TRY(mask_skip(v->packed, length, &position, err));
        TRY(mask_unpack(v->packed, length, &position, v->slab,
                        plane * (size_t)(left < SLAB_SLICES ? left : SLAB_SLICES), err));
        v->slab_index = slab;
    }
    const uint8_t *mask = v->slab + (size_t)(z % SLAB_SLICES) * plane;
    for (size_t i = 0; i < plane; i++)
        v->slice[i] = mask[i];
out:
    return status;
}

static bool has_layer(const struct viewer *v, enum view_layer layer)
{
    return layer == VIEW_SCAN || (layer == VIEW_TRUTH && v->truth) ||
           (layer == VIEW_HEAT && (v->has_heatmap || v->packed));
}

static enum status read_slice(struct viewer *v, enum view_layer layer, int64_t z,
                              struct error *err)
{
    if (layer != VIEW_HEAT)
        return volume_read(layer == VIEW_SCAN ? v->volume : v->truth, z, 1, v->slice,
                           err);
    const int64_t first[3] = {z, 0, 0};
    const int64_t count[3] = {1, v->geometry.size[1], v->geometry.size[2]};
    if (v->has_heatmap)
        return run_reader_heatmap(v->run->store, v->run->scans[v->open].seriesuid, first,
                                  count, v->slice, err);
    return read_mask(v, z, err);
}

static enum status take_slices(struct viewer *v, enum view_layer layer,
                               struct section sections[SECTION_PLANES], struct error *err)
{
    enum status status = STATUS_OK;
    for (int64_t z = 0; z < v->geometry.size[0]; z++) {
        bool wanted[SECTION_PLANES], any = false;
        for (int p = 0; p < SECTION_PLANES; p++) {
            int64_t first, count;
            section_slices(&sections[p], &first, &count);
            wanted[p] = z >= first && z < first + count;
            any |= wanted[p];
        }
        if (!any)
            continue;
        TRY(read_slice(v, layer, z, err));
        for (int p = 0; p < SECTION_PLANES; p++)
            if (wanted[p])
                section_take(&sections[p], &v->geometry, z, 1, v->slice);
    }
out:
    return status;
}

/* ---- layers into pictures ---- */

static uint8_t pixel(enum view_layer layer, float value)
{
    if (layer == VIEW_SCAN)
        return window_grey(&window_lung, (double)value);
    if (layer == VIEW_TRUTH)
        return value > 0 ? LAYER_STEPS : 0;
    return (uint8_t)lrint(LAYER_STEPS * fmin(fmax((double)value, 0), 1));
}

static enum status encode(const struct section *s, enum view_layer layer,
                          struct view_plane *out, struct error *err)
{
    enum status status = STATUS_OK;
    const int64_t height = s->rows.count, width = s->columns.count;
    uint8_t *pixels = NULL;
    TRY(memory_new((size_t)(width * height), 1, "a plane", (void **)&pixels, err));
    for (int64_t i = 0; i < width * height; i++)
        pixels[i] = pixel(layer, s->values[i]);
    if (layer == VIEW_SCAN)
        TRY(layer_grey_png(pixels, width, height, &out->png[layer], &out->bytes[layer],
                           err));
    else
        TRY(layer_tint_png(pixels, width, height,
                           layer == VIEW_HEAT ? heat_colour : truth_colour,
                           layer == VIEW_HEAT ? heat_alpha : truth_alpha,
                           &out->png[layer], &out->bytes[layer], err));
out:
    free(pixels);
    return status;
}

static double position(const struct section_side *s, const double from[3],
                       const double to[3])
{
    const double way = to[s->axis] - from[s->axis];
    return s->point + (s->reversed ? -way : way);
}

static void describe(const struct section *s, const double index[3],
                     const double truth[3], struct view_plane *out)
{
    out->rows = s->rows.count;
    out->columns = s->columns.count;
    out->row_mm = s->rows.spacing;
    out->column_mm = s->columns.spacing;
    out->row = s->rows.point;
    out->column = s->columns.point;
    out->truth_row = position(&s->rows, index, truth);
    out->truth_column = position(&s->columns, index, truth);
}

static enum status draw(struct viewer *v, const double xyz[3], double field_mm,
                        const double *truth, struct view *out, struct error *err)
{
    enum status status = STATUS_OK;
    struct section sections[SECTION_PLANES] = {0};
    double index[3], truth_index[3];
    geometry_to_index(&v->geometry, xyz, index);
    geometry_to_index(&v->geometry, truth ? truth : xyz, truth_index);
    for (int p = 0; p < SECTION_PLANES; p++) {
        TRY(section_init(&sections[p], &v->geometry, (enum section_plane)p, xyz, field_mm,
                         err));
        describe(&sections[p], index, truth_index, &out->planes[p]);
    }
    for (int layer = 0; layer < VIEW_LAYERS; layer++) {
        if (!has_layer(v, (enum view_layer)layer))
            continue;
        TRY(take_slices(v, (enum view_layer)layer, sections, err));
        for (int p = 0; p < SECTION_PLANES; p++) {
            TRY(encode(&sections[p], (enum view_layer)layer, &out->planes[p], err));
            out->bytes += out->planes[p].bytes[layer];
        }
    }
    out->heat_is_mask = !v->has_heatmap;
out:
    for (int p = 0; p < SECTION_PLANES; p++)
        section_release(&sections[p]);
    return status;
}

enum status viewer_look(struct viewer *v, size_t scan, const double xyz[3],
                        double field_mm, const double *truth, struct view *out,
                        struct error *err)
{
    *out = (struct view){0};
    enum status status = viewer_open(v, scan, err);
    if (status != STATUS_OK)
        return status;
    if (!v->volume) {
        snprintf(out->note, sizeof out->note, "%s", v->note);
        return STATUS_OK;
    }
    status = draw(v, xyz, field_mm, truth, out, err);
    if (status == STATUS_OK || status == STATUS_STAGE_MEMORY)
        return status;
    view_release(out);
    snprintf(out->note, sizeof out->note, "%s", err->message);
    return STATUS_OK;
}
