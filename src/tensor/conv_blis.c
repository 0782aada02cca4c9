/*
 * Convolution as sums of matrix products, one call of BLIS for each run of taps and
 * output row.
 *
 * An output row of W voxels is a W x out_channels matrix with row stride out.stride_w.
 * For one (kz, ky) its inputs are, without any copying, a W x (kernel_w * in_channels)
 * matrix whose rows overlap: row stride stride_x * in.stride_w. That needs dense voxels;
 * where the input is some channels of a wider tensor, each kx is a product of its own.
 * Weights are packed [kz][ky][kx][in][out], which serves both.
 */
#include "tensor/conv_internal.h"

#include <blis.h>

static void pack(struct conv *c, const float *weights)
{
    const struct conv_shape *s = &c->shape;
    int taps = conv_taps(s);
    for (int o = 0; o < s->out_channels; o++)
        for (int i = 0; i < s->in_channels; i++)
            for (int t = 0; t < taps; t++)
                c->weights[((int64_t)t * s->in_channels + i) * s->out_channels + o] =
                    *weights++;
}

/* row = the sums of one output row, without the epilogue. */
static void sum_row(const struct conv *c, const struct view *in, const struct view *out,
                    int64_t z, int64_t y)
{
    const struct conv_shape *s = &c->shape;
    bool dense = in->stride_w == in->channels;
    int steps = dense ? 1 : s->kernel[2];
    int64_t run = (int64_t)s->in_channels * (dense ? s->kernel[2] : 1);
    float *w = c->weights, one = 1, beta = 0;
    for (int kz = 0; kz < s->kernel[0]; kz++)
        for (int ky = 0; ky < s->kernel[1]; ky++)
            for (int kx = 0; kx < steps; kx++) {
                float *a = (float *)conv_input(s, in, z, y, 0, kz, ky, kx);
                bli_sgemm(BLIS_NO_TRANSPOSE, BLIS_NO_TRANSPOSE, out->width,
                          s->out_channels, run, &one, a, s->stride[2] * in->stride_w, 1,
                          w, s->out_channels, 1, &beta, conv_output(out, z, y, 0),
                          out->stride_w, 1);
                w += run * s->out_channels;
                beta = 1;
            }
}

static void finish_row(const struct conv_epilogue *e, float *row, const struct view *out)
{
    for (int64_t x = 0; x < out->width; x++, row += out->stride_w)
        for (int o = 0; o < out->channels; o++) {
            float v = e->bias ? row[o] + e->bias[o] : row[o];
            if (e->relu && v < 0)
                v = 0;
            if (e->scale)
                v *= e->scale[o];
            row[o] = e->shift ? v + e->shift[o] : v;
        }
}

static void forward(const struct conv *c, const struct view *in, const struct view *out,
                    const struct conv_epilogue *e, void *scratch)
{
    (void)scratch;
    for (int64_t z = 0; z < out->depth; z++)
        for (int64_t y = 0; y < out->height; y++) {
            sum_row(c, in, out, z, y);
            finish_row(e, conv_output(out, z, y, 0), out);
        }
}

const struct conv_backend conv_blis = {
    .name = "blis",
    .serves = conv_serves_all,
    .weights_floats = conv_weights_floats,
    .pack = pack,
    .scratch_bytes = conv_no_scratch,
    .forward = forward,
};
