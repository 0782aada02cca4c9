/*
 * Direct convolution of one input channel, whose lanes are voxels of a line instead of
 * output channels: nothing of a vector is left empty where output channels are few and
 * taps an odd number. For stride 1; it reads lines as they lie where voxels lie densely
 * and fill a vector, and from a copy elsewhere.
 */
#include "tensor/kernels.h"

static int groups_of(const struct conv_shape *s)
{
    return (s->out_channels + KERNEL_LINE_CHANNELS - 1) / KERNEL_LINE_CHANNELS;
}

static bool serves(const struct conv_shape *s)
{
    return s->in_channels == 1 && s->stride[0] == 1 && s->stride[1] == 1 &&
           s->stride[2] == 1;
}

static size_t weights_floats(const struct conv_shape *s, enum isa isa)
{
    (void)isa;
    return (size_t)groups_of(s) * (size_t)conv_taps(s) * KERNEL_LINE_CHANNELS;
}

/* [group][tap][channel of the group] */
static void pack(struct conv *c, const float *weights)
{
    const int taps = conv_taps(&c->shape), channels = KERNEL_LINE_CHANNELS;
    for (int o = 0; o < c->shape.out_channels; o++)
        for (int t = 0; t < taps; t++)
            c->weights[(o / channels * taps + t) * channels + o % channels] = *weights++;
}

/* Floats of a copied line: whole vectors of every tap. */
static int64_t line_floats(const struct conv *c, int64_t width)
{
    const int64_t lanes = kernels_of(c->isa)->lanes;
    return (width < lanes ? lanes : width) + c->shape.kernel[2] - 1;
}

static size_t epilogue_floats(const struct conv *c)
{
    return 3 * KERNEL_LINE_CHANNELS * (size_t)groups_of(&c->shape);
}

static size_t scratch_bytes(const struct conv *c, int64_t depth, int64_t height,
                            int64_t width)
{
    (void)depth, (void)height;
    const size_t lines = (size_t)c->shape.kernel[0] * (size_t)c->shape.kernel[1];
    return (epilogue_floats(c) + lines * (size_t)line_floats(c, width)) * sizeof(float);
}

/* Copies the input lines that an output line reads; zeros behind them. */
static void copy_lines(const struct conv *c, const struct view *in,
                       const struct view *out, int64_t z, int64_t y, float *lines)
{
    const struct conv_shape *s = &c->shape;
    const int64_t floats = line_floats(c, out->width),
                  filled = out->width + s->kernel[2] - 1;
    for (int kz = 0; kz < s->kernel[0]; kz++)
        for (int ky = 0; ky < s->kernel[1]; ky++, lines += floats) {
            const float *from = conv_input(s, in, z, y, 0, kz, ky, 0);
            memset(lines, 0, (size_t)floats * sizeof *lines);
            for (int64_t x = 0; x < filled; x++)
                lines[x] = from[x * in->stride_w];
        }
}

static void forward_copied(const struct conv *c, const struct view *in,
                           const struct view *out, struct kernel_lines k, float *lines,
                           int first)
{
    const int64_t floats = line_floats(c, out->width);
    k.rows = 1;
    k.in = lines;
    k.strides[0] = c->shape.kernel[1] * floats;
    k.strides[1] = floats;
    for (int64_t z = 0; z < out->depth; z++)
        for (int64_t y = 0; y < out->height; y++) {
            copy_lines(c, in, out, z, y, lines);
            k.out = conv_output(out, z, y, 0) + first;
            kernels_of(c->isa)->lines(&k);
        }
}

static void forward(const struct conv *c, const struct view *in, const struct view *out,
                    const struct conv_epilogue *e, void *scratch)
{
    const struct conv_shape *s = &c->shape;
    const struct kernels *kernels = kernels_of(c->isa);
    const bool copies = in->stride_w != 1 || out->width < kernels->lanes;
    const struct kernel_epilogue epilogue = kernels_epilogue(
        e, s->out_channels, groups_of(s) * KERNEL_LINE_CHANNELS, scratch);
    for (int first = 0; first < s->out_channels; first += KERNEL_LINE_CHANNELS) {
        const int left = s->out_channels - first;
        struct kernel_lines k = {
            .rows = out->height,
            .width = out->width,
            .in_row = in->stride_h,
            .taps = {s->kernel[0], s->kernel[1], s->kernel[2]},
            .strides = {in->stride_d, in->stride_h},
            .weights = c->weights + first * conv_taps(s),
            .out_row = out->stride_h,
            .out_step = out->stride_w,
            .channels = left < KERNEL_LINE_CHANNELS ? left : KERNEL_LINE_CHANNELS,
            .epilogue = kernel_epilogue_from(epilogue, first),
        };
        if (copies) {
            forward_copied(c, in, out, k, (float *)scratch + epilogue_floats(c), first);
            continue;
        }
        for (int64_t z = 0; z < out->depth; z++) {
            k.in = conv_input(s, in, z, 0, 0, 0, 0, 0);
            k.out = conv_output(out, z, 0, 0) + first;
            kernels->lines(&k);
        }
    }
}

const struct conv_backend conv_lines = {
    .name = "lines",
    .serves = serves,
    .weights_floats = weights_floats,
    .pack = pack,
    .scratch_bytes = scratch_bytes,
    .forward = forward,
};
