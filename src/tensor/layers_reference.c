/* The layers as their definitions read, in double: what the fast forms are held against.
 */
#include <math.h>
#include <stdbool.h>

#include "tensor/layers.h"

static float *at(const struct view *v, int64_t z, int64_t y, int64_t x, int c)
{
    return &v->data[z * v->stride_d + y * v->stride_h + x * v->stride_w + c];
}

static bool inside(const struct view *v, int64_t z, int64_t y, int64_t x)
{
    return z >= 0 && z < v->depth && y >= 0 && y < v->height && x >= 0 && x < v->width;
}

/* Calls body with the coordinates of every voxel and channel of a view. */
#define EACH(v)                                                                          \
    for (int64_t z = 0; z < (v)->depth; z++)                                             \
        for (int64_t y = 0; y < (v)->height; y++)                                        \
            for (int64_t x = 0; x < (v)->width; x++)                                     \
                for (int c = 0; c < (v)->channels; c++)

/* Largest value and sum of one window; voxels outside count for neither. */
static void pool_window(const struct pool_shape *s, const struct view *in, int64_t z,
                        int64_t y, int64_t x, int c, double *most, double *sum)
{
    *most = -INFINITY;
    *sum = 0;
    for (int kz = 0; kz < s->kernel[0]; kz++)
        for (int ky = 0; ky < s->kernel[1]; ky++)
            for (int kx = 0; kx < s->kernel[2]; kx++) {
                int64_t iz = z * s->stride[0] - s->pad[0] + kz;
                int64_t iy = y * s->stride[1] - s->pad[1] + ky;
                int64_t ix = x * s->stride[2] - s->pad[2] + kx;
                if (inside(in, iz, iy, ix)) {
                    *most = fmax(*most, *at(in, iz, iy, ix, c));
                    *sum += *at(in, iz, iy, ix, c);
                }
            }
}

void max_pool_reference(const struct pool_shape *s, const struct view *in,
                        const struct view *out)
{
    EACH(out)
    {
        double most, sum;
        pool_window(s, in, z, y, x, c, &most, &sum);
        *at(out, z, y, x, c) = (float)most;
    }
}

void average_pool_reference(const struct pool_shape *s, const struct view *in,
                            const struct view *out)
{
    EACH(out)
    {
        double most, sum;
        pool_window(s, in, z, y, x, c, &most, &sum);
        *at(out, z, y, x, c) = (float)(sum / s->kernel[0] / s->kernel[1] / s->kernel[2]);
    }
}

void batch_norm_reference(const float *scale, const float *shift, const struct view *in,
                          const struct view *out)
{
    EACH(out)
    *at(out, z, y, x, c) = (float)((double)*at(in, z, y, x, c) * scale[c] + shift[c]);
}

void relu_reference(const struct view *in, const struct view *out)
{
    EACH(out)
    *at(out, z, y, x, c) = fmaxf(0, *at(in, z, y, x, c));
}

void sigmoid_reference(const struct view *in, const struct view *out)
{
    EACH(out)
    *at(out, z, y, x, c) = (float)(1 / (1 + exp(-(double)*at(in, z, y, x, c))));
}

void softmax_reference(const struct view *in, const struct view *out)
{
    EACH(out)
    {
        double sum = 0;
        for (int other = 0; other < in->channels; other++)
            sum += exp((double)*at(in, z, y, x, other) - *at(in, z, y, x, c));
        *at(out, z, y, x, c) = (float)(1 / sum);
    }
}

void linear_reference(const float *weights, const float *bias, const struct view *in,
                      const struct view *out)
{
    for (int o = 0; o < out->channels; o++) {
        double sum = bias ? bias[o] : 0;
        for (int i = 0; i < in->channels; i++)
            sum += (double)weights[(int64_t)o * in->channels + i] * in->data[i];
        out->data[o] = (float)sum;
    }
}
