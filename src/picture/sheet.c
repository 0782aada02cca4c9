/*
 * A view fills its part of the sheet exactly: its edges are the outer edges of the outer
 * voxels. Parts end at whole pixels, so that a pixel may differ from a square by what
 * rounding adds to a side, less than one pixel in all.
 *
 * Both directions of a view are resampled one after the other with a tent: as wide as a
 * voxel where pixels are smaller (which is linear interpolation), as wide as a pixel
 * where they are larger (so that thin vessels fade instead of breaking up).
 */
#include "picture/sheet.h"

#include <math.h>

#include "base/memory.h"

enum { GAP = 6, CROSSHAIR_OPEN = 10, DEFAULT_SIDE = 4096 };

/* Orange and blue that differ for every kind of colour vision. */
static const struct colour overlay_colour = {230, 159, 0};
static const struct colour crosshair_colour = {86, 180, 233};
static const struct colour gap_colour = {32, 32, 32};
static const double overlay_alpha = 0.5, crosshair_alpha = 0.8;

struct rectangle {
    int64_t left, top, width, height;
};

/* --- resampling --- */

/* out[n] (a step apart) = values[count] (a step apart) spread over n pixels. */
static void resample(const float *values, int64_t count, int64_t step, float *out,
                     int64_t n, int64_t out_step)
{
    double scale = (double)count / (double)n, reach = fmax(scale, 1);
    for (int64_t i = 0; i < n; i++) {
        double centre = ((double)i + 0.5) * scale - 0.5, sum = 0, weights = 0;
        int64_t last = (int64_t)floor(centre + reach);
        for (int64_t k = (int64_t)ceil(centre - reach); k <= last; k++) {
            double weight = 1 - fabs((double)k - centre) / reach;
            int64_t inside = k < 0 ? 0 : k >= count ? count - 1 : k;
            sum += weight * (double)values[inside * step];
            weights += weight;
        }
        out[i * out_step] = (float)(sum / weights);
    }
}

/* *out[height][width] = the section's values, to be freed. */
static enum status stretch(const struct section *s, int64_t width, int64_t height,
                           float **out, struct error *err)
{
    enum status status = STATUS_OK;
    int64_t rows = s->rows.count, columns = s->columns.count;
    float *wide = NULL;
    *out = NULL;
    TRY(memory_new((size_t)rows * (size_t)width, sizeof *wide, "a view", (void **)&wide,
                   err));
    TRY(memory_new((size_t)height * (size_t)width, sizeof **out, "a view", (void **)out,
                   err));
    for (int64_t row = 0; row < rows; row++)
        resample(s->values + row * columns, columns, 1, wide + row * width, width, 1);
    for (int64_t x = 0; x < width; x++)
        resample(wide + x, rows, width, *out + x, height, width);
out:
    free(wide);
    return status;
}

/* --- drawing --- */

static enum status draw_section(struct canvas *c, const struct rectangle *r,
                                const struct sheet_view *view, const struct window *w,
                                struct error *err)
{
    enum status status = STATUS_OK;
    float *hu = NULL, *heat = NULL;
    TRY(stretch(view->section, r->width, r->height, &hu, err));
    if (view->overlay)
        TRY(stretch(view->overlay, r->width, r->height, &heat, err));
    for (int64_t i = 0; i < r->width * r->height; i++) {
        int64_t x = r->left + i % r->width, y = r->top + i / r->width;
        uint8_t grey = window_grey(w, (double)hu[i]);
        canvas_blend(c, x, y, (struct colour){grey, grey, grey}, 1);
        if (heat)
            canvas_blend(c, x, y, overlay_colour,
                         overlay_alpha * fmin(fmax((double)heat[i], 0), 1));
    }
out:
    free(hu);
    free(heat);
    return status;
}

/* The pixel that shows a point along a side of n pixels. */
static int64_t pixel_at(const struct section_side *s, int64_t n)
{
    double at = floor((s->point + 0.5) / (double)s->count * (double)n);
    return (int64_t)fmin(fmax(at, 0), (double)(n - 1));
}

static void draw_crosshair(struct canvas *c, const struct rectangle *r,
                           const struct section *s)
{
    int64_t column = pixel_at(&s->columns, r->width), row = pixel_at(&s->rows, r->height);
    for (int64_t x = 0; x < r->width; x++)
        if (x < column - CROSSHAIR_OPEN || x > column + CROSSHAIR_OPEN)
            canvas_blend(c, r->left + x, r->top + row, crosshair_colour, crosshair_alpha);
    for (int64_t y = 0; y < r->height; y++)
        if (y < row - CROSSHAIR_OPEN || y > row + CROSSHAIR_OPEN)
            canvas_blend(c, r->left + column, r->top + y, crosshair_colour,
                         crosshair_alpha);
}

/* --- layout --- */

static double width_mm(const struct section *s)
{
    return (double)s->columns.count * s->columns.spacing;
}

static double height_mm(const struct section *s)
{
    return (double)s->rows.count * s->rows.spacing;
}

/* Millimetres a pixel. */
static double scale_of(const struct sheet_view *views, size_t count, int64_t width)
{
    double finest = INFINITY, wide = 0, high = 0;
    for (size_t i = 0; i < count; i++) {
        const struct section *s = views[i].section;
        finest = fmin(finest, fmin(s->rows.spacing, s->columns.spacing));
        wide += width_mm(s);
        high = fmax(high, height_mm(s));
    }
    if (width > 0)
        return wide / (double)(width - GAP * (int64_t)(count - 1));
    return fmax(finest, fmax(wide, high) / DEFAULT_SIDE);
}

/* Where the views stand: from left to right, in the middle of the sheet's height. */
static void lay_out(const struct sheet_view *views, size_t count, double scale,
                    struct rectangle *parts, struct rectangle *sheet)
{
    double mm = 0;
    int64_t edge = 0;
    *sheet = (struct rectangle){0};
    for (size_t i = 0; i < count; i++) {
        mm += width_mm(views[i].section);
        int64_t next = (int64_t)fmax(rint(mm / scale), (double)(edge + 1));
        double height = fmin(rint(height_mm(views[i].section) / scale), INT32_MAX);
        parts[i] = (struct rectangle){.left = edge + (int64_t)i * GAP,
                                      .width = next - edge,
                                      .height = height < 1 ? 1 : (int64_t)height};
        edge = next;
        if (parts[i].height > sheet->height)
            sheet->height = parts[i].height;
    }
    sheet->width = edge + (int64_t)(count - 1) * GAP;
    for (size_t i = 0; i < count; i++)
        parts[i].top = (sheet->height - parts[i].height) / 2;
}

enum status sheet_init(struct canvas *out, const struct sheet_view *views, size_t count,
                       const struct sheet_options *options, double *mm_per_pixel,
                       struct error *err)
{
    enum status status = STATUS_OK;
    int64_t least = (int64_t)count + GAP * (int64_t)(count - 1);
    struct rectangle sheet, *parts = NULL;
    *out = (struct canvas){0};
    if (options->width != 0 && options->width < least)
        return error_set(err, STATUS_JOB_CONFIG,
                         "%lld pixels are too few for %zu views: at least %lld",
                         (long long)options->width, count, (long long)least);
    TRY(memory_new(count, sizeof *parts, "views", (void **)&parts, err));
    *mm_per_pixel = scale_of(views, count, options->width);
    lay_out(views, count, *mm_per_pixel, parts, &sheet);
    TRY(canvas_init(out, sheet.width, sheet.height, gap_colour, err));
    for (size_t i = 0; i < count; i++) {
        TRY(draw_section(out, &parts[i], &views[i], &options->window, err));
        if (options->crosshair)
            draw_crosshair(out, &parts[i], views[i].section);
    }
out:
    free(parts);
    return status;
}
