/*
 * The sums b are over boxes, as many as taps: a row is summed once and adjusted at its
 * ends for each kx, and goes to all (kz, ky) that it lies inside of.
 */
#include "tensor/conv_norm_gradient.h"

#include "tensor/conv_gradient_internal.h"

enum { LINE_BYTES = 64 };

static size_t box_bytes(const struct conv_shape *s)
{
    const size_t boxes = (size_t)(conv_taps(s) + s->kernel[2]),
                 bytes = boxes * (size_t)s->out_channels * sizeof(double);
    return (bytes + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES;
}

size_t conv_norm_gradient_scratch_bytes(const struct conv_gradient *g, int64_t depth,
                                        int64_t height, int64_t width)
{
    return box_bytes(&g->shape) + conv_gradient_scratch_bytes(g, depth, height, width);
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

/* boxes[kz][ky][kx][out]. */
static void sum_boxes(const struct conv_shape *s, const struct view *in,
                      const struct view *gradient, double *boxes, double *row)
{
    const int run = s->kernel[2] * s->out_channels;
    memset(boxes, 0, (size_t)(conv_taps(s) * s->out_channels) * sizeof *boxes);
    for (int64_t z = 0; z < gradient->depth; z++)
        for (int64_t y = 0; y < gradient->height; y++) {
            sum_row(s, gradient, z, y, in->width, row);
            for (int kz = 0; kz < s->kernel[0]; kz++)
                for (int ky = 0; ky < s->kernel[1]; ky++) {
                    double *box = boxes + (kz * s->kernel[1] + ky) * run;
                    if (!is_inside(s, 0, z, kz, in->depth) ||
                        !is_inside(s, 1, y, ky, in->height))
                        continue;
                    for (int i = 0; i < run; i++)
                        box[i] += row[i];
                }
        }
}

void conv_norm_gradient(const struct conv_gradient *g, const float *weights,
                        const float *scale, const float *shift, const struct view *normal,
                        const struct view *gradient, float *by_weights, float *by_scale,
                        float *by_shift, void *scratch)
{
    const struct conv_shape *s = &g->shape;
    const int taps = conv_taps(s);
    double *boxes = scratch;
    conv_gradient_weights(g, normal, gradient, by_weights,
                          (char *)scratch + box_bytes(s));
    sum_boxes(s, normal, gradient, boxes, boxes + taps * s->out_channels);
    for (int i = 0; i < s->in_channels; i++) {
        double products = 0, sums = 0;
        for (int o = 0; o < s->out_channels; o++) {
            const int64_t at = ((int64_t)o * s->in_channels + i) * taps;
            for (int k = 0; k < taps; k++) {
                const double box = boxes[k * s->out_channels + o],
                             weight = (double)weights[at + k],
                             product = (double)by_weights[at + k];
                products += weight * product;
                sums += weight * box;
                by_weights[at + k] =
                    (float)((double)scale[i] * product + (double)shift[i] * box);
            }
        }
        if (by_scale)
            by_scale[i] = (float)products;
        if (by_shift)
            by_shift[i] = (float)sums;
    }
}
