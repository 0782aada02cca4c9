/*
 * Direct convolution: every sum of a register tile is kept in registers over all taps and
 * input channels (kernels.h), then finished and stored once. No copies, no scratch but
 * the padded epilogue. It serves every shape; kernel 3 with many channels is Winograd's.
 *
 * A single output channel would fill one lane of a vector. Where its voxels lie densely,
 * a group of neighbours along x goes as the channels of one: a convolution with a wider
 * kernel, whose weights are those of the narrow one shifted by each neighbour, and with
 * the group as its stride. The zeros between them are multiplied too, and it is still two
 * to three times as fast (what the first layer passes back to a norm of the input).
 */
#include "tensor/kernels.h"

/* How many voxels go as channels of one; 1: none. */
static int group_of(const struct conv_shape *s, enum isa isa)
{
    const bool pays = s->out_channels == 1 && s->stride[2] == 1 && s->kernel[2] >= 3;
    return pays ? kernels_of(isa)->lanes / 2 : 1;
}

static struct conv_shape shape_of_groups(const struct conv_shape *s, int group)
{
    struct conv_shape g = *s;
    g.out_channels = group;
    g.kernel[2] += group - 1;
    g.stride[2] = group;
    return g;
}

static struct kernel_weights layout(const struct conv_shape *s, enum isa isa)
{
    return (struct kernel_weights){
        .lanes = kernels_of(isa)->lanes,
        .out_channels = s->out_channels,
        .rows = (int64_t)s->kernel[0] * s->kernel[1],
        .run = (int64_t)s->kernel[2] * s->in_channels,
    };
}

/* Those of the shape, then those of groups. */
static size_t weights_floats(const struct conv_shape *s, enum isa isa)
{
    const int group = group_of(s, isa);
    const struct conv_shape g = shape_of_groups(s, group);
    const struct kernel_weights one = layout(s, isa), all = layout(&g, isa);
    return (size_t)(kernel_weights_floats(&one) +
                    (group > 1 ? kernel_weights_floats(&all) : 0));
}

static void pack(struct conv *c, const float *weights)
{
    const struct conv_shape *s = &c->shape;
    const int group = group_of(s, c->isa);
    const struct conv_shape g = shape_of_groups(s, group);
    const struct kernel_weights w = layout(s, c->isa), all = layout(&g, c->isa);
    float *groups = c->weights + kernel_weights_floats(&w);
    for (int o = 0; o < s->out_channels; o++)
        for (int i = 0; i < s->in_channels; i++)
            for (int64_t row = 0; row < w.rows; row++)
                for (int64_t kx = 0; kx < s->kernel[2]; kx++, weights++) {
                    c->weights[kernel_weights_place(&w, row, kx * s->in_channels + i,
                                                    o)] = *weights;
                    for (int v = 0; v < group && group > 1; v++)
                        groups[kernel_weights_place(
                            &all, row, (kx + v) * s->in_channels + i, v)] = *weights;
                }
}

static size_t epilogue_floats(const struct conv_shape *s, enum isa isa)
{
    return 3 * (size_t)kernels_channels(kernels_of(isa), s->out_channels).padded;
}

/* Two epilogues: that of groups is first written out for each of its voxels. */
static size_t scratch_bytes(const struct conv *c, int64_t depth, int64_t height,
                            int64_t width)
{
    (void)depth, (void)height, (void)width;
    const int group = group_of(&c->shape, c->isa);
    const struct conv_shape g = shape_of_groups(&c->shape, group);
    const size_t floats = group > 1 ? epilogue_floats(&g, c->isa) + 3 * (size_t)group
                                    : epilogue_floats(&c->shape, c->isa);
    return floats * sizeof(float);
}

/* What all rows of a slice have in common. */
static struct kernel_rows rows_of(const struct conv_shape *s, const struct view *in,
                                  const struct view *out)
{
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

static void convolve_view(const struct conv_shape *s, enum isa isa, const float *weights,
                          const struct view *in, const struct view *out,
                          const struct conv_epilogue *e, float *scratch)
{
    const struct kernels *k = kernels_of(isa);
    struct kernel_weights w = layout(s, isa);
    struct kernel_channels channels = kernels_channels(k, s->out_channels);
    struct kernel_epilogue epilogue =
        kernels_epilogue(e, s->out_channels, channels.padded, scratch);
    struct kernel_rows rows = rows_of(s, in, out);
    for (int first = 0; first < s->out_channels; first += 2 * k->lanes) {
        int vectors = channels.padded - first > k->lanes ? 2 : 1;
        int span = kernels_choose_span(k, out->width, vectors);
        kernel_rows_function *convolve =
            channels.pairs ? k->convolve_pairs[span] : k->convolve[vectors - 1][span];
        rows.weights = weights + kernel_weights_panel(&w, first);
        rows.channels = s->out_channels - first;
        rows.epilogue = kernel_epilogue_from(epilogue, first);
        for (int64_t z = 0; z < out->depth; z++) {
            rows.in = conv_input(s, in, z, 0, 0, 0, 0, 0);
            rows.out = conv_output(out, z, 0, 0) + first;
            convolve(&rows);
        }
    }
}

/* The epilogue of one channel, for each of a group. */
static struct conv_epilogue repeat(const struct conv_epilogue *e, int group,
                                   float *floats)
{
    const float *const from[3] = {e->bias, e->scale, e->shift};
    const float *to[3] = {NULL, NULL, NULL};
    for (int i = 0; i < 3; i++)
        if (from[i]) {
            to[i] = floats + i * group;
            for (int v = 0; v < group; v++)
                floats[i * group + v] = from[i][0];
        }
    return (struct conv_epilogue){to[0], e->relu, to[1], to[2]};
}

/* Whole groups, then one that ends with the row and may overlap them. */
static void convolve_groups(const struct conv *c, int group, const struct view *in,
                            const struct view *out, const struct conv_epilogue *e,
                            float *scratch)
{
    const struct conv_shape g = shape_of_groups(&c->shape, group);
    const struct kernel_weights w = layout(&c->shape, c->isa);
    const float *weights = c->weights + kernel_weights_floats(&w);
    const struct conv_epilogue all =
        repeat(e, group, scratch + epilogue_floats(&g, c->isa));
    const int64_t last = out->width - group;
    struct view from = *in, to = *out;
    to.channels = group;
    to.stride_w = group;
    to.width = out->width / group;
    convolve_view(&g, c->isa, weights, &from, &to, &all, scratch);
    if (out->width % group == 0)
        return;
    from.data += last * in->stride_w;
    to.data += last;
    to.width = 1;
    convolve_view(&g, c->isa, weights, &from, &to, &all, scratch);
}

static void forward(const struct conv *c, const struct view *in, const struct view *out,
                    const struct conv_epilogue *e, void *scratch)
{
    const int group = group_of(&c->shape, c->isa);
    if (group > 1 && out->stride_w == 1 && out->width >= group)
        convolve_groups(c, group, in, out, e, scratch);
    else
        convolve_view(&c->shape, c->isa, c->weights, in, out, e, scratch);
}

const struct conv_backend conv_direct = {
    .name = "direct",
    .serves = conv_serves_all,
    .weights_floats = weights_floats,
    .pack = pack,
    .scratch_bytes = scratch_bytes,
    .forward = forward,
};
