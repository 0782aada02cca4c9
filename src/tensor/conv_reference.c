/*
 * Convolution as its definition reads, summed in double: slow, obvious, and what every
 * other algorithm is held against.
 *
 *   out[z][y][x][o] = epilogue_o(sum over i, kz, ky, kx of
 *                     weights[o][i][kz][ky][kx] *
 * in[z*s0-p0+kz][y*s1-p1+ky][x*s2-p2+kx][i])
 */
#include "tensor/conv_internal.h"

static void pack(struct conv *c, const float *weights)
{
    memcpy(c->weights, weights, conv_weights_floats(&c->shape, c->isa) * sizeof *weights);
}

static double sum(const struct conv *c, const struct view *in, int64_t z, int64_t y,
                  int64_t x, int o)
{
    const struct conv_shape *s = &c->shape;
    const float *w = c->weights + (int64_t)o * s->in_channels * conv_taps(s);
    double total = 0;
    for (int i = 0; i < s->in_channels; i++)
        for (int kz = 0; kz < s->kernel[0]; kz++)
            for (int ky = 0; ky < s->kernel[1]; ky++)
                for (int kx = 0; kx < s->kernel[2]; kx++)
                    total +=
                        (double)*w++ * (double)conv_input(s, in, z, y, x, kz, ky, kx)[i];
    return total;
}

static double epilogue(const struct conv_epilogue *e, int o, double v)
{
    if (e->bias)
        v += (double)e->bias[o];
    if (e->relu && v < 0)
        v = 0;
    if (e->scale)
        v *= (double)e->scale[o];
    if (e->shift)
        v += (double)e->shift[o];
    return v;
}

static void forward(const struct conv *c, const struct view *in, const struct view *out,
                    const struct conv_epilogue *e, void *scratch)
{
    (void)scratch;
    for (int64_t z = 0; z < out->depth; z++)
        for (int64_t y = 0; y < out->height; y++)
            for (int64_t x = 0; x < out->width; x++)
                for (int o = 0; o < out->channels; o++)
                    conv_output(out, z, y, x)[o] =
                        (float)epilogue(e, o, sum(c, in, z, y, x, o));
}

const struct conv_backend conv_reference = {
    .name = "reference",
    .serves = conv_serves_all,
    .weights_floats = conv_weights_floats,
    .pack = pack,
    .scratch_bytes = conv_no_scratch,
    .forward = forward,
};
