/*
 * Direct convolution: every sum of a register tile is kept in registers over all taps and
 * input channels (kernels.h), then finished and stored once. No copies, no scratch but
 * the padded epilogue. It serves every shape; kernel 3 with many channels is Winograd's.
 */
#include "tensor/kernels.h"

static struct kernel_weights layout(const struct conv_shape *s, enum isa isa)
{
    return (struct kernel_weights){
        .lanes = kernels_of(isa)->lanes,
        .out_channels = s->out_channels,
        .rows = (int64_t)s->kernel[0] * s->kernel[1],
        .run = (int64_t)s->kernel[2] * s->in_channels,
    };
}

static size_t weights_floats(const struct conv_shape *s, enum isa isa)
{
    struct kernel_weights w = layout(s, isa);
    return (size_t)kernel_weights_floats(&w);
}

static void pack(struct conv *c, const float *weights)
{
    const struct conv_shape *s = &c->shape;
    struct kernel_weights w = layout(s, c->isa);
    for (int o = 0; o < s->out_channels; o++)
        for (int i = 0; i < s->in_channels; i++)
            for (int64_t row = 0; row < w.rows; row++)
                for (int64_t kx = 0; kx < s->kernel[2]; kx++)
                    c->weights[kernel_weights_place(&w, row, kx * s->in_channels + i,
                                                    o)] = *weights++;
}

static size_t scratch_bytes(const struct conv *c, int64_t depth, int64_t height,
                            int64_t width)
{
    (void)depth, (void)height, (void)width;
    int padded = kernels_channels(kernels_of(c->isa), c->shape.out_channels).padded;
    return 3 * (size_t)padded * sizeof(float);
}

/* What all rows of a slice have in common. */
static struct kernel_rows rows_of(const struct conv *c, const struct view *in,
                                  const struct view *out)
{
    const struct conv_shape *s = &c->shape;
    bool dense = in->stride_w == in->channels;
    return (struct kernel_rows){
        .rows = out->height,
        .width = out->width,
        .in_row = s->stride[1] * in->stride_h,
        .in_step = s->stride[2] * in->stride_w,
        .taps = {s->kernel[0], s->kernel[1], dense ? 1 : s->kernel[2]},
        .strides = {in->stride_d, in->stride_h, in->stride_w},
        .run = (int64_t)s->in_channels * (dense ? s->kernel[2] : 1),
        .out_row = out->stride_h,
        .out_step = out->stride_w,
    };
}

static void forward(const struct conv *c, const struct view *in, const struct view *out,
                    const struct conv_epilogue *e, void *scratch)
{
    const struct conv_shape *s = &c->shape;
    const struct kernels *k = kernels_of(c->isa);
    struct kernel_weights w = layout(s, c->isa);
    struct kernel_channels channels = kernels_channels(k, s->out_channels);
    struct kernel_epilogue epilogue =
        kernels_epilogue(e, s->out_channels, channels.padded, scratch);
    struct kernel_rows rows = rows_of(c, in, out);
    for (int first = 0; first < s->out_channels; first += 2 * k->lanes) {
        int vectors = channels.padded - first > k->lanes ? 2 : 1;
        int span = kernels_choose_span(k, out->width, vectors);
        kernel_rows_function *convolve =
            channels.pairs ? k->convolve_pairs[span] : k->convolve[vectors - 1][span];
        rows.weights = c->weights + kernel_weights_panel(&w, first);
        rows.channels = s->out_channels - first;
        rows.epilogue = kernel_epilogue_from(epilogue, first);
        for (int64_t z = 0; z < out->depth; z++) {
            rows.in = conv_input(s, in, z, 0, 0, 0, 0, 0);
            rows.out = conv_output(out, z, 0, 0) + first;
            convolve(&rows);
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
