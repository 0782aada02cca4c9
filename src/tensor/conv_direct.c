/*
 * Direct convolution: every sum of a register tile is kept in registers over all taps and
 * input channels (kernels.h), then finished and stored once. No copies, no scratch but
 * the padded epilogue. It serves every shape; kernel 3 with many channels is Winograd's.
 */
#include "tensor/kernels.h"

/* Floats of one (kz, ky) in the packed weights of one vector. */
static int64_t packed_rows(const struct conv_shape *s, bool pairs)
{
    int64_t floats = (int64_t)s->kernel[2] * s->in_channels;
    return pairs ? (floats + 1) / 2 : floats;
}

static size_t weights_floats(const struct conv_shape *s, enum isa isa)
{
    struct kernel_channels channels = kernels_channels(kernels_of(isa), s->out_channels);
    return (size_t)s->kernel[0] * (size_t)s->kernel[1] *
           (size_t)packed_rows(s, channels.pairs) * (size_t)channels.padded;
}

/* Where the weight of the input float `i` of (kz, ky) number `row` for output channel o
 * lies. */
static int64_t packed_place(const struct conv_shape *s, const struct kernels *k,
                            int64_t row, int64_t i, int o)
{
    struct kernel_channels channels = kernels_channels(k, s->out_channels);
    int64_t rows = packed_rows(s, channels.pairs);
    if (channels.pairs)
        return (row * rows + i / 2) * k->lanes + 2 * o + i % 2;
    int panel = o / (2 * k->lanes), lane = o % (2 * k->lanes);
    int lanes = channels.vectors - 2 * panel > 1 ? 2 * k->lanes : k->lanes;
    int64_t before = (int64_t)s->kernel[0] * s->kernel[1] * rows * 2 * k->lanes * panel;
    return before + (row * rows + i) * lanes + lane;
}

static void pack(struct conv *c, const float *weights)
{
    const struct conv_shape *s = &c->shape;
    const struct kernels *k = kernels_of(c->isa);
    for (int o = 0; o < s->out_channels; o++)
        for (int i = 0; i < s->in_channels; i++)
            for (int row = 0; row < s->kernel[0] * s->kernel[1]; row++)
                for (int kx = 0; kx < s->kernel[2]; kx++)
                    c->weights[packed_place(s, k, row, (int64_t)kx * s->in_channels + i,
                                            o)] = *weights++;
}

static size_t scratch_bytes(const struct conv *c, int64_t depth, int64_t height,
                            int64_t width)
{
    (void)depth, (void)height, (void)width;
    int padded = kernels_channels(kernels_of(c->isa), c->shape.out_channels).padded;
    return 3 * (size_t)padded * sizeof(float);
}

/* What all rows have in common. */
static struct kernel_row row_of(const struct conv *c, const struct view *in,
                                const struct view *out)
{
    const struct conv_shape *s = &c->shape;
    bool dense = in->stride_w == in->channels;
    return (struct kernel_row){
        .step = s->stride[2] * in->stride_w,
        .taps = {s->kernel[0], s->kernel[1], dense ? 1 : s->kernel[2]},
        .strides = {in->stride_d, in->stride_h, in->stride_w},
        .run = (int64_t)s->in_channels * (dense ? s->kernel[2] : 1),
        .out_step = out->stride_w,
        .width = out->width,
    };
}

static void forward(const struct conv *c, const struct view *in, const struct view *out,
                    const struct conv_epilogue *e, void *scratch)
{
    const struct conv_shape *s = &c->shape;
    const struct kernels *k = kernels_of(c->isa);
    struct kernel_channels channels = kernels_channels(k, s->out_channels);
    struct kernel_epilogue padded =
        kernels_epilogue(e, s->out_channels, channels.padded, scratch);
    struct kernel_row row = row_of(c, in, out);
    row.floor = padded.floor;
    for (int v = 0; v < channels.vectors; v += 2) {
        int vectors = channels.vectors - v > 1 ? 2 : 1, first = v * k->lanes;
        int tile = kernels_choose_tile(k, out->width, vectors);
        kernel_row_function *convolve =
            channels.pairs ? k->convolve_pairs[tile] : k->convolve[vectors - 1][tile];
        row.weights = c->weights + (int64_t)s->kernel[0] * s->kernel[1] *
                                       packed_rows(s, channels.pairs) * first;
        row.channels = s->out_channels - first;
        row.bias = padded.bias + first;
        row.scale = padded.scale + first;
        row.shift = padded.shift + first;
        for (int64_t z = 0; z < out->depth; z++)
            for (int64_t y = 0; y < out->height; y++) {
                row.in = conv_input(s, in, z, y, 0, 0, 0, 0);
                row.out = conv_output(out, z, y, 0) + first;
                convolve(&row);
            }
    }
}

const struct conv_backend conv_direct = {
    .name = "direct",
    .serves = conv_serves_all,
    .weights_floats = weights_floats,
    .pack = pack,
    .scratch_bytes = scratch_bytes,
    .forward = forward,
};
