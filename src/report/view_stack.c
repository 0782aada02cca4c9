/* Whole axial slices of a scan, thinned out to what a page can hold. */
#include <math.h>

#include "base/memory.h"
#include "picture/layer.h"
#include "picture/window.h"
#include "report/view_internal.h"

/* Fewer greys deflate better; noise hides the steps. */
enum { GREYS = 64, STACK_SIDE = 320, STACK_SLICES = 160 };

static int64_t divide_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* The axial plane through the middle of one slice along its normal. */
static enum status plane_of(const struct viewer *v, int64_t slice, struct section *s,
                            struct error *err)
{
    const struct geometry *g = &v->geometry;
    double index[3], xyz[3];
    for (int k = 0; k < 3; k++)
        index[k] = (double)(g->size[k] / 2);
    geometry_to_mm(g, index, xyz);
    enum status status = section_init(s, g, SECTION_AXIAL, xyz, 0, err);
    if (status == STATUS_OK)
        s->index = slice;
    return status;
}

enum status viewer_stack(struct viewer *v, size_t scan, int64_t pixels, struct stack *out,
                         bool *found, char note[ERROR_MESSAGE_BYTES], struct error *err)
{
    struct section s = {0};
    *found = false;
    *out = (struct stack){0};
    enum status status = viewer_open(v, scan, err);
    if (status != STATUS_OK)
        return status;
    snprintf(note, ERROR_MESSAGE_BYTES, "%s", v->note);
    if (!v->volume)
        return STATUS_OK;
    status = plane_of(v, 0, &s, err);
    if (status == STATUS_OK) {
        const struct geometry *g = &v->geometry;
        const int64_t side =
            s.rows.count > s.columns.count ? s.rows.count : s.columns.count;
        out->slices = g->size[s.normal];
        out->block = divide_up(side, STACK_SIDE);
        out->rows = divide_up(s.rows.count, out->block);
        out->columns = divide_up(s.columns.count, out->block);
        out->row_mm = s.rows.spacing * (double)out->block;
        out->column_mm = s.columns.spacing * (double)out->block;
        const int64_t room = pixels / (out->rows * out->columns);
        const int64_t most = room < 1 ? 1 : room < STACK_SLICES ? room : STACK_SLICES;
        out->step = divide_up(out->slices, most);
        out->reversed = g->direction[3 * 2 + (2 - s.normal)] < 0;
        *found = s.normal == 0; /* otherwise each plane would read all slices */
        if (!*found)
            snprintf(note, ERROR_MESSAGE_BYTES,
                     "the slices of this scan are not axial ones");
    }
    section_release(&s);
    return status;
}

static void shrink(const struct section *s, const struct stack *k, uint8_t *pixels)
{
    for (int64_t row = 0; row < k->rows; row++)
        for (int64_t column = 0; column < k->columns; column++) {
            double sum = 0;
            int64_t count = 0;
            for (int64_t y = row * k->block;
                 y < (row + 1) * k->block && y < s->rows.count; y++)
                for (int64_t x = column * k->block;
                     x < (column + 1) * k->block && x < s->columns.count; x++, count++)
                    sum += (double)s->values[y * s->columns.count + x];
            const int grey = window_grey(&window_lung, sum / (double)count);
            pixels[row * k->columns + column] =
                (uint8_t)(grey * GREYS / 256 * 255 / (GREYS - 1));
        }
}

enum status viewer_slice(struct viewer *v, const struct stack *s, int64_t slice,
                         void **png, size_t *bytes, struct error *err)
{
    enum status status = STATUS_OK;
    struct section plane = {0};
    uint8_t *pixels = NULL;
    TRY(plane_of(v, slice, &plane, err));
    TRY(memory_new((size_t)(s->rows * s->columns), 1, "a slice", (void **)&pixels, err));
    TRY(volume_read(v->volume, slice, 1, v->slice, err));
    section_take(&plane, &v->geometry, slice, 1, v->slice);
    shrink(&plane, s, pixels);
    TRY(layer_grey_png(pixels, s->columns, s->rows, png, bytes, err));
out:
    free(pixels);
    section_release(&plane);
    return status;
}

void viewer_place(const struct viewer *v, const struct stack *s, const double xyz[3],
                  double place[3])
{
    double index[3];
    struct section plane = {0};
    struct error ignored;
    geometry_to_index(&v->geometry, xyz, index);
    place[0] = index[0];
    place[1] = place[2] = NAN;
    if (section_init(&plane, &v->geometry, SECTION_AXIAL, xyz, 0, &ignored) ==
        STATUS_OK) {
        place[1] = (plane.rows.point + 0.5) / (double)s->block - 0.5;
        place[2] = (plane.columns.point + 0.5) / (double)s->block - 0.5;
    }
    section_release(&plane);
}
