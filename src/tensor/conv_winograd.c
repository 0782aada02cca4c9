/*
 * Winograd's F(2x2, 3x3) and F(2x2x2, 3x3x3): 2.25 and 3.4 times fewer multiply-adds than
 * direct convolution, for some additions before and after (Lavin and Gray, "Fast
 * algorithms for convolutional neural networks", 2015).
 *
 * The output is cut into tiles of 2 voxels an axis. A tile needs 4 input voxels an axis;
 * transformed, they are 16 or 64 positions, and the convolution is one small matrix
 * product a position,
 *
 *   m[position][tile][out] = sum over in of v[position][tile][in] * u[position][in][out]
 *
 * whose transform back is the tile. Tiles are numbered x fastest and go through in
 * blocks, so that v and m of a block stay in the second-level cache; a block's size
 * follows from the shape alone. v and m of neighbouring positions are an odd number of
 * cache lines apart: the transforms, which touch all positions of a tile, would otherwise
 * fall into few cache sets.
 *
 * Transforms of tiles that reach beyond the output (odd sizes) go through a border tile
 * in scratch, and so do all of them when the input channels do not fill vectors: nothing
 * outside the tensors is ever read or written.
 */
#include "tensor/conv_tiles.h"
#include "tensor/kernels.h"

enum {
    EDGE = 2,                 /* of a tile, in voxels */
    LINE = 16,                /* floats of a cache line */
    BLOCK_BYTES = 192 * 1024, /* of v and m */
    BLOCK_LEAST = 24,         /* tiles; fewer do not fill the registers */
};

static int64_t round_up(int64_t n, int64_t unit)
{
    return (n + unit - 1) / unit * unit;
}

static bool is_3d(const struct conv_shape *s)
{
    return s->kernel[0] == 3;
}

static int positions(const struct conv_shape *s)
{
    return is_3d(s) ? 64 : 16;
}

static bool serves(const struct conv_shape *s)
{
    for (int i = 0; i < 3; i++) {
        bool flat = i == 0 && s->kernel[0] == 1;
        if (s->stride[i] != 1 || s->kernel[i] != (flat ? 1 : 3) ||
            s->pad[i] != (flat ? 0 : 1))
            return false;
    }
    return true;
}

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
    struct kernel_weights w = layout(s, isa);
    return (size_t)kernel_weights_floats(&w) * (size_t)positions(s);
}

/* The weight transform along one axis, from 3 values to 4, each `step` apart:
 * G = (1 0 0; 1/2 1/2 1/2; 1/2 -1/2 1/2; 0 0 1). */
static void transform_weights_axis(const double *g, int step, double *u)
{
    u[0] = g[0];
    u[step] = (g[0] + g[step] + g[2 * step]) / 2;
    u[2 * step] = (g[0] - g[step] + g[2 * step]) / 2;
    u[3 * step] = g[2 * step];
}

/* u[4][4][4] from g[3][3][3], or u[4][4] from g[3][3]. */
static void transform_weights(const float *g, bool deep, double u[64])
{
    double x[3][4][4], y[3][4][4];
    for (int z = 0; z < (deep ? 3 : 1); z++) {
        for (int i = 0; i < 3; i++) {
            double row[3] = {(double)g[9 * z + 3 * i], (double)g[9 * z + 3 * i + 1],
                             (double)g[9 * z + 3 * i + 2]};
            transform_weights_axis(row, 1, x[z][i]);
        }
        for (int i = 0; i < 4; i++)
            transform_weights_axis(&x[z][0][i], 4, &y[z][0][i]);
    }
    for (int i = 0; i < 16; i++)
        if (deep)
            transform_weights_axis(&y[0][0][0] + i, 16, u + i);
        else
            u[i] = y[0][i / 4][i % 4];
}

static void pack(struct conv *c, const float *weights)
{
    const struct conv_shape *s = &c->shape;
    struct kernel_weights w = layout(s, c->isa);
    int64_t stride = kernel_weights_floats(&w);
    for (int o = 0; o < s->out_channels; o++)
        for (int i = 0; i < s->in_channels; i++, weights += conv_taps(s)) {
            double u[64];
            transform_weights(weights, is_3d(s), u);
            for (int p = 0; p < positions(s); p++)
                c->weights[p * stride + kernel_weights_place(&w, 0, i, o)] = (float)u[p];
        }
}

/* How an output is cut, and where everything lies in scratch. */
struct plan {
    const struct kernels *kernels;
    bool deep, narrow;
    struct kernel_channels channels;
    struct tiles tiles;
    int64_t count, block;                /* tiles, in all and at a time */
    int64_t in_channels;                 /* padded to whole vectors */
    int64_t v_stride, m_stride;          /* from position to position */
    int64_t v, m, border, epilogue, end; /* offsets in scratch, in floats */
};

static struct plan plan_of(const struct conv *c, int64_t depth, int64_t height,
                           int64_t width)
{
    const struct conv_shape *s = &c->shape;
    struct plan p = {.kernels = kernels_of(c->isa), .deep = is_3d(s)};
    int lanes = p.kernels->lanes;
    p.narrow = s->in_channels % lanes != 0;
    p.in_channels = round_up(s->in_channels, p.narrow ? p.kernels->narrow_lanes : lanes);
    p.channels = kernels_channels(p.kernels, s->out_channels);
    p.tiles = tiles_make(EDGE, p.deep, depth, height, width);
    p.count = tiles_count(&p.tiles);

    int64_t tile_bytes =
        positions(s) * (p.in_channels + p.channels.padded) * (int64_t)sizeof(float);
    p.block = BLOCK_BYTES / tile_bytes / BLOCK_LEAST * BLOCK_LEAST;
    if (p.block < BLOCK_LEAST)
        p.block = BLOCK_LEAST;
    if (p.block > p.count)
        p.block = p.count;

    p.v_stride = round_up(p.block * p.in_channels, 2 * LINE) + LINE;
    p.m_stride = round_up(p.block * p.channels.padded, 2 * LINE) + LINE;
    p.m = p.v + positions(s) * p.v_stride;
    p.border = p.m + positions(s) * p.m_stride;
    int64_t widest =
        p.in_channels > p.channels.padded ? p.in_channels : p.channels.padded;
    p.epilogue = p.border + 64 * round_up(widest, LINE);
    p.end = p.epilogue + 3 * round_up(p.channels.padded, LINE);
    return p;
}

static size_t scratch_bytes(const struct conv *c, int64_t depth, int64_t height,
                            int64_t width)
{
    return (size_t)plan_of(c, depth, height, width).end * sizeof(float);
}

/* One pass over a convolution. */
struct pass {
    const struct conv *conv;
    struct plan plan;
    const struct view *in, *out;
    float *scratch;
    struct kernel_epilogue epilogue;
};

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* v = the transformed input of `count` tiles from `first` on. */
static void transform_input(const struct pass *p, int64_t first, int64_t count)
{
    const struct plan *plan = &p->plan;
    const struct kernels *k = plan->kernels;
    kernel_tiles_function *transform =
        plan->narrow ? k->input_narrow[plan->deep] : k->input[plan->deep];
    float *border = p->scratch + plan->border;
    bool filled = p->conv->shape.in_channels == plan->in_channels;
    for (int64_t done = 0; done < count;) {
        struct stretch s =
            tiles_stretch(&plan->tiles, p->out, first + done, filled ? count - done : 1);
        struct kernel_tiles t = {
            .count = s.count,
            .transformed = p->scratch + plan->v + done * plan->in_channels,
            .position_stride = plan->v_stride,
            .tile_stride = plan->in_channels,
            .data = (float *)conv_input(&p->conv->shape, p->in, s.z, s.y, s.x, 0, 0, 0),
            .stride_d = p->in->stride_d,
            .stride_h = p->in->stride_h,
            .stride_w = p->in->stride_w,
            .channels = (int)plan->in_channels,
        };
        if (!s.whole || !filled) {
            tiles_copy_input(&plan->tiles, &s, p->in, p->out, t.data, plan->in_channels,
                             border);
            t.data = border;
            t.stride_w = plan->in_channels;
            t.stride_h = 4 * t.stride_w;
            t.stride_d = 4 * t.stride_h;
        }
        transform(&t);
        done += s.count;
    }
}

/* m = v u, the rows being positions. */
static void multiply(const struct pass *p, int64_t count)
{
    const struct conv *c = p->conv;
    const struct plan *plan = &p->plan;
    const struct kernels *k = plan->kernels;
    struct kernel_weights w = layout(&c->shape, c->isa);
    struct kernel_rows rows = {
        .rows = positions(&c->shape),
        .width = count,
        .in = p->scratch + plan->v,
        .in_row = plan->v_stride,
        .in_step = plan->in_channels,
        .run = c->shape.in_channels,
        .weights_row = kernel_weights_floats(&w),
        .out_row = plan->m_stride,
        .out_step = plan->channels.padded,
    };
    for (int first = 0; first < plan->channels.padded; first += 2 * k->lanes) {
        int vectors = plan->channels.padded - first > k->lanes ? 2 : 1;
        int span = kernels_choose_span(k, count, vectors);
        rows.weights = c->weights + kernel_weights_panel(&w, first);
        rows.out = p->scratch + plan->m + first;
        if (plan->channels.pairs)
            k->multiply_pairs[span](&rows);
        else
            k->multiply[vectors - 1][span](&rows);
    }
}

/* The output of `count` tiles from `first` on, from m. */
static void transform_output(const struct pass *p, int64_t first, int64_t count)
{
    const struct plan *plan = &p->plan;
    const struct kernels *k = plan->kernels;
    kernel_tiles_function *transform =
        plan->channels.pairs ? k->output_pairs[plan->deep] : k->output[plan->deep];
    float *border = p->scratch + plan->border;
    for (int64_t done = 0; done < count;) {
        struct stretch s =
            tiles_stretch(&plan->tiles, p->out, first + done, count - done);
        float *to = conv_output(p->out, s.z, s.y, s.x);
        struct kernel_tiles t = {
            .count = s.count,
            .transformed = p->scratch + plan->m + done * plan->channels.padded,
            .position_stride = plan->m_stride,
            .tile_stride = plan->channels.padded,
            .data = to,
            .stride_d = p->out->stride_d,
            .stride_h = p->out->stride_h,
            .stride_w = p->out->stride_w,
            .channels = p->out->channels,
            .epilogue = p->epilogue,
        };
        if (!s.whole) {
            t.data = border;
            t.stride_w = plan->channels.padded;
            t.stride_h = 2 * t.stride_w;
            t.stride_d = 2 * t.stride_h;
        }
        transform(&t);
        if (!s.whole)
            tiles_paste_output(&plan->tiles, &s, p->out, border, plan->channels.padded,
                               to);
        done += s.count;
    }
}

static void forward(const struct conv *c, const struct view *in, const struct view *out,
                    const struct conv_epilogue *e, void *scratch)
{
    struct pass p = {.conv = c, .in = in, .out = out, .scratch = scratch};
    p.plan = plan_of(c, out->depth, out->height, out->width);
    p.epilogue = kernels_epilogue(e, c->shape.out_channels, p.plan.channels.padded,
                                  p.scratch + p.plan.epilogue);
    for (int64_t first = 0; first < p.plan.count; first += p.plan.block) {
        int64_t count = smaller(p.plan.block, p.plan.count - first);
        transform_input(&p, first, count);
        multiply(&p, count);
        transform_output(&p, first, count);
    }
}

const struct conv_backend conv_winograd = {
    .name = "winograd",
    .serves = serves,
    .weights_floats = weights_floats,
    .pack = pack,
    .scratch_bytes = scratch_bytes,
    .forward = forward,
};
