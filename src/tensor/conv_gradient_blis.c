/*
 * The weight gradient as matrix products: for one row of voxels and one row of taps, the
 * input (its rows overlap, conv_blis.c) transposed, times the gradient.
 */
#include "tensor/conv_gradient_internal.h"

#include <blis.h>

void conv_gradient_blis(const struct conv_shape *s, const struct view *in,
                        const struct view *gradient, float *sums)
{
    const bool dense = in->stride_w == in->channels;
    const int steps = dense ? 1 : s->kernel[2];
    const int64_t run = (int64_t)s->in_channels * (dense ? s->kernel[2] : 1);
    const int64_t columns = s->out_channels;
    float one = 1;
    for (int64_t z = 0; z < gradient->depth; z++)
        for (int64_t y = 0; y < gradient->height; y++) {
            float *to = sums;
            for (int kz = 0; kz < s->kernel[0]; kz++)
                for (int ky = 0; ky < s->kernel[1]; ky++)
                    for (int kx = 0; kx < steps; kx++, to += run * columns)
                        bli_sgemm(BLIS_NO_TRANSPOSE, BLIS_NO_TRANSPOSE, run, columns,
                                  gradient->width, &one,
                                  (float *)conv_input(s, in, z, y, 0, kz, ky, kx), 1,
                                  s->stride[2] * in->stride_w,
                                  conv_output(gradient, z, y, 0), gradient->stride_w, 1,
                                  &one, to, columns, 1);
        }
}
