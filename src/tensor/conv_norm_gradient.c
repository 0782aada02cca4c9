/*
 * The sums b are over boxes, as many as taps: each is that over all voxels, less the rows
 * that its (kz, ky) leaves out, less the ends of all rows that its kx does.
 */
#include "tensor/conv_norm_gradient.h"

#include "tensor/conv_gradient_internal.h"
#include "tensor/passes.h"

enum { LINE_BYTES = 64 };

static size_t whole_lines(size_t bytes)
{
    return (bytes + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES;
}

/* The boxes, and beside them a row's sums or the ends'. */
static size_t sums_bytes(const struct conv_shape *s)
{
    const size_t boxes = (size_t)(conv_taps(s) + s->kernel[2]);
    return whole_lines(boxes * (size_t)s->out_channels * sizeof(double));
}

size_t conv_norm_gradient_scratch_bytes(const struct conv_gradient *g)
{
    const size_t taps_columns =
        conv_gradient_packed_floats(g) / (size_t)g->shape.in_channels;
    return sums_bytes(&g->shape) + whole_lines(taps_columns * sizeof(float));
}

/* Whether tap k of output voxel v lies inside an axis of the input. */
static bool is_inside(const struct conv_shape *s, int axis, int64_t v, int k,
                      int64_t size)
{
    const int64_t at = v * s->stride[axis] - s->pad[axis] + k;
    return at >= 0 && at < size;
}

/* Sums of one row for each kx, [kx][out]: voxels of which all taps lie inside, then the
 * others for those that do. */
static void sum_row(const struct conv_shape *s, const struct view *gradient, int64_t z,
                    int64_t y, int64_t width, double *sums)
{
    const int taps = s->kernel[2], channels = s->out_channels;
    int64_t from = 0, to = gradient->width;
    while (from < to && !is_inside(s, 2, from, 0, width))
        from++;
    while (to > from && !is_inside(s, 2, to - 1, taps - 1, width))
        to--;
    memset(sums, 0, (size_t)(taps * channels) * sizeof *sums);
    conv_gradient_add_row(conv_output(gradient, z, y, from), to - from,
                          gradient->stride_w, channels, sums);
    for (int k = 1; k < taps; k++)
        memcpy(sums + k * channels, sums, (size_t)channels * sizeof *sums);
    for (int64_t x = 0; x < gradient->width; x++) {
        if (x == from)
            x = to;
        for (int k = 0; k < taps && x < gradient->width; k++)
            if (is_inside(s, 2, x, k, width))
                conv_gradient_add_row(conv_output(gradient, z, y, x), 1, 0, channels,
                                      sums + k * channels);
    }
}

/* The part of a row that each kx leaves out, [kx][out], added to `sums`. */
static void add_ends(const struct conv_shape *s, const struct view *gradient, int64_t z,
                     int64_t y, int64_t width, double *sums)
{
    const int channels = s->out_channels;
    for (int k = 0; k < s->kernel[2]; k++) {
        int64_t from = 0, to = gradient->width;
        while (from < to && !is_inside(s, 2, from, k, width))
            from++;
        while (to > from && !is_inside(s, 2, to - 1, k, width))
            to--;
        double *of = sums + k * channels;
        conv_gradient_add_row(conv_output(gradient, z, y, 0), from, gradient->stride_w,
                              channels, of);
        conv_gradient_add_row(conv_output(gradient, z, y, to), gradient->width - to,
                              gradient->stride_w, channels, of);
    }
}

/* Subtracts a row's sums from the boxes that lie beside it. */
static void leave_out(const struct conv_shape *s, const struct conv_norm *n, int64_t z,
                      int64_t y, double *boxes, double *row)
{
    const int run = s->kernel[2] * s->out_channels;
    bool summed = false;
    for (int kz = 0; kz < s->kernel[0]; kz++)
        for (int ky = 0; ky < s->kernel[1]; ky++) {
            double *box = boxes + (kz * s->kernel[1] + ky) * run;
            if (is_inside(s, 0, z, kz, n->in->depth) &&
                is_inside(s, 1, y, ky, n->in->height))
                continue;
            if (!summed)
                sum_row(s, n->gradient, z, y, n->in->width, row);
            summed = true;
            for (int i = 0; i < run; i++)
                box[i] -= row[i];
        }
}

/* boxes[kz][ky][kx][out]; `row` [kx][out]. */
static void sum_boxes(const struct conv_shape *s, const struct conv_norm *n,
                      const float *totals, double *boxes, double *row)
{
    const struct view *g = n->gradient;
    const int channels = s->out_channels, run = s->kernel[2] * channels,
              lines = s->kernel[0] * s->kernel[1];
    memset(row, 0, (size_t)run * sizeof *row);
    for (int64_t z = 0; z < g->depth; z++)
        for (int64_t y = 0; y < g->height; y++)
            add_ends(s, g, z, y, n->in->width, row);
    for (int line = 0; line < lines; line++)
        for (int i = 0; i < run; i++)
            boxes[line * run + i] = (double)totals[i % channels] - row[i];
    for (int64_t z = 0; z < g->depth; z++)
        for (int64_t y = 0; y < g->height; y++)
            leave_out(s, n, z, y, boxes, row);
}

void conv_norm_gradient(const struct conv_gradient *g, const struct conv_norm *n,
                        float *packed, double *by_scale, double *by_shift, void *scratch)
{
    const struct conv_shape *s = &g->shape;
    const int taps = conv_taps(s), channels = s->out_channels;
    const int64_t columns =
        (int64_t)conv_gradient_packed_floats(g) / ((int64_t)taps * s->in_channels);
    double *sums = scratch;
    float *boxes = (float *)((char *)scratch + sums_bytes(s));
    CHECK(g->algorithm != CONV_REFERENCE);
    if (!n->totals)
        conv_gradient_bias(g->isa, n->gradient, boxes);
    sum_boxes(s, n, n->totals ? n->totals : boxes, sums, sums + taps * channels);
    for (int k = 0; k < taps; k++)
        for (int64_t o = 0; o < columns; o++)
            boxes[k * columns + o] = o < channels ? (float)sums[k * channels + o] : 0;
    for (int i = 0; i < s->in_channels; i++) {
        struct kernel_fold f = {.taps = taps,
                                .count = columns,
                                .stride = s->in_channels * columns,
                                .weights = n->weights + i * columns,
                                .boxes = boxes,
                                .values = packed + i * columns,
                                .scale = n->scale[i],
                                .shift = n->shift[i]};
        passes_of(g->isa)->norm_fold(&f);
        by_scale[i] = f.sums[0];
        by_shift[i] = f.sums[1];
    }
}
