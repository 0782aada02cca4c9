/*
 * Winograd's F(4x4, 3x3) in 2D: four times fewer multiply-adds than direct convolution
 * (kernels_quads.h), for the training of networks for slices. Its rounding is a few times
 * that of F(2x2, 3x3). What inference takes is conv_planes.c, with other points.
 *
 * As in conv_winograd.c: one small matrix product a position, in blocks of tiles whose
 * transformed data stays in the second-level cache; blocks follow from the shape alone.
 */
#include "tensor/quads.h"

enum {
    BLOCK_BYTES = 192 * 1024, /* of v and m */
    BLOCK_LEAST = 24,         /* tiles; fewer do not fill the registers */
};

/* The weights of one position. */
static struct kernel_weights layout(const struct conv_shape *s, enum isa isa)
{
    return (struct kernel_weights){
        .lanes = kernels_of(isa)->lanes,
        .out_channels = s->out_channels,
        .rows = 1,
        .run = s->in_channels,
    };
}

static size_t weights_floats(const struct conv_shape *s, enum isa isa)
{
    const struct kernel_weights w = layout(s, isa);
    return (size_t)kernel_weights_floats(&w) * QUAD_POSITIONS;
}

/* As many out channels at a time as a vector has lanes. */
static void pack(struct conv *c, const float *weights)
{
    enum { TAPS = 9, LANES_MOST = 16 };
    const struct conv_shape *s = &c->shape;
    const struct kernels *k = kernels_of(c->isa);
    const struct kernel_weights w = layout(s, c->isa);
    const int64_t stride = kernel_weights_floats(&w);
    const bool pairs = kernels_channels(k, s->out_channels).pairs;
    const int lanes = k->lanes;
    float taps[TAPS * LANES_MOST], points[QUAD_POSITIONS * LANES_MOST];
    for (int first = 0; first < s->out_channels; first += lanes) {
        const int rest = s->out_channels - first, some = rest < lanes ? rest : lanes;
        memset(taps, 0, sizeof taps);
        for (int i = 0; i < s->in_channels; i++) {
            for (int o = 0; o < some; o++)
                for (int t = 0; t < TAPS; t++)
                    taps[t * lanes + o] =
                        weights[((int64_t)(first + o) * s->in_channels + i) * TAPS + t];
            float *to = c->weights + kernel_weights_place(&w, 0, i, first);
            if (some == lanes && !pairs) {
                k->quad_points(taps, to, stride);
                continue;
            }
            k->quad_points(taps, points, lanes);
            for (int p = 0; p < QUAD_POSITIONS; p++, to += stride)
                for (int o = 0; o < some; o++)
                    if (pairs) /* neighbours are two lanes apart */
                        to[2 * o] = points[p * lanes + o];
                    else
                        to[o] = points[p * lanes + o];
        }
    }
}

/* Where everything lies in scratch. */
struct plan {
    const struct kernels *kernels;
    struct kernel_channels channels;
    struct quads quads;
    int64_t block;
    int in_channels;                  /* padded to whole vectors */
    int64_t v_stride, m_stride;       /* from position to position */
    int64_t m, border, epilogue, end; /* offsets in floats; v is at 0 */
};

static struct plan plan_of(const struct conv *c, int64_t depth, int64_t height,
                           int64_t width)
{
    const struct conv_shape *s = &c->shape;
    struct plan p = {.kernels = kernels_of(c->isa),
                     .quads = quads_of(depth, height, width)};
    const int lanes = p.kernels->lanes;
    p.in_channels = (s->in_channels + lanes - 1) / lanes * lanes;
    p.channels = kernels_channels(p.kernels, s->out_channels);
    const int widest =
        p.in_channels > p.channels.padded ? p.in_channels : p.channels.padded;
    const int64_t tile_bytes =
        QUAD_POSITIONS * (p.in_channels + p.channels.padded) * (int64_t)sizeof(float);
    p.block = BLOCK_BYTES / tile_bytes / BLOCK_LEAST * BLOCK_LEAST;
    p.block = p.block < BLOCK_LEAST ? BLOCK_LEAST : p.block;
    p.block = p.block > p.quads.tiles ? p.quads.tiles : p.block;
    p.v_stride = quads_stride(p.block * p.in_channels);
    p.m_stride = quads_stride(p.block * p.channels.padded);
    p.m = QUAD_POSITIONS * p.v_stride;
    p.border = p.m + QUAD_POSITIONS * p.m_stride;
    p.epilogue = p.border + QUAD_POSITIONS * (int64_t)widest;
    p.end = p.epilogue + 3 * (int64_t)p.channels.padded;
    return p;
}

static size_t scratch_bytes(const struct conv *c, int64_t depth, int64_t height,
                            int64_t width)
{
    return (size_t)plan_of(c, depth, height, width).end * sizeof(float);
}

/* m = v u, the rows being positions. */
static void multiply(const struct conv *c, const struct plan *p, int64_t count,
                     float *scratch)
{
    const struct kernels *k = p->kernels;
    const struct kernel_weights w = layout(&c->shape, c->isa);
    struct kernel_rows rows = {
        .rows = QUAD_POSITIONS,
        .width = count,
        .in = scratch,
        .in_row = p->v_stride,
        .in_step = p->in_channels,
        .run = c->shape.in_channels,
        .weights_row = kernel_weights_floats(&w),
        .out_row = p->m_stride,
        .out_step = p->channels.padded,
    };
    for (int first = 0; first < p->channels.padded; first += 2 * k->lanes) {
        const int vectors = p->channels.padded - first > k->lanes ? 2 : 1;
        const int span = kernels_choose_span(k, count, vectors);
        rows.weights = c->weights + kernel_weights_panel(&w, first);
        rows.out = scratch + p->m + first;
        if (p->channels.pairs)
            k->multiply_pairs[span](&rows);
        else
            k->multiply[vectors - 1][span](&rows);
    }
}

static void forward(const struct conv *c, const struct view *in, const struct view *out,
                    const struct conv_epilogue *e, void *scratch)
{
    const struct plan p = plan_of(c, out->depth, out->height, out->width);
    const struct kernels *k = p.kernels;
    float *floats = scratch;
    const struct quads_pass reads = {.quads = &p.quads,
                                     .transform = k->quad_input,
                                     .side = QUAD_AROUND,
                                     .channels = p.in_channels,
                                     .stride = p.v_stride,
                                     .border = floats + p.border};
    const struct quads_pass writes = {
        .quads = &p.quads,
        .transform = p.channels.pairs ? k->quad_output_pairs : k->quad_output,
        .side = QUAD_SIDE,
        .channels = p.channels.padded,
        .stride = p.m_stride,
        .border = floats + p.border,
        .epilogue = kernels_epilogue(e, c->shape.out_channels, p.channels.padded,
                                     floats + p.epilogue)};
    for (int64_t first = 0; first < p.quads.tiles; first += p.block) {
        const int64_t rest = p.quads.tiles - first,
                      count = rest < p.block ? rest : p.block;
        quads_read(&reads, in, first, count, floats);
        multiply(c, &p, count, floats);
        quads_write(&writes, out, first, count, floats + p.m);
    }
}

const struct conv_backend conv_quads = {
    .name = "winograd4",
    .serves = quads_serve,
    .weights_floats = weights_floats,
    .pack = pack,
    .scratch_bytes = scratch_bytes,
    .forward = forward,
};
