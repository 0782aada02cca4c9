/*
 * Winograd's F(4x4, 3x3) in the plane, summed directly over slices: 4 times fewer
 * multiply-adds than direct convolution in 2D and in 3D, and a quarter of the transformed
 * data that F(2x2x2, 3x3x3) makes of a voxel. Its rounding is several times that of
 * F(2,3) (docs/numerics.md), so it is chosen for inference only.
 *
 *   m[position][tile][out] = sum over kz, in of
 *                            v[slice + kz][position][tile][in] * u[position][kz][in][out]
 *
 * A tile is 4x4 voxels of a slice, its input 6x6, transformed to 36 positions. Tiles of a
 * slice go through in blocks whose v and m stay in the second-level cache; a block goes
 * through all slices before the next one, DEPTH at a time, so that a position's u serves
 * several. Each slice's input is transformed once: those that are needed lie in a ring.
 * Block sizes follow from the shape alone, and no bit depends on them.
 *
 * Points are 0, +-A, +-B and infinity (kernels_points.h).
 */
#include "tensor/conv_tiles.h"
#include "tensor/kernels.h"
#include "tensor/kernels_points.h"

enum {
    EDGE = 4,          /* of a tile, in voxels */
    WINDOW = EDGE + 2, /* of its input */
    POSITIONS = WINDOW * WINDOW,
    LINE = 16,                /* floats of a cache line */
    BLOCK_BYTES = 256 * 1024, /* of v and m */
    BLOCK_LEAST = 12,         /* tiles; fewer do not fill the registers */
    DEPTH = 2,                /* output slices at a time, in 3D */
};

static int64_t round_up(int64_t n, int64_t unit)
{
    return (n + unit - 1) / unit * unit;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static struct kernel_weights layout(const struct conv_shape *s, enum isa isa)
{
    return (struct kernel_weights){
        .lanes = kernels_of(isa)->lanes,
        .out_channels = s->out_channels,
        .rows = s->kernel[0],
        .run = s->in_channels,
    };
}

static size_t weights_floats(const struct conv_shape *s, enum isa isa)
{
    struct kernel_weights w = layout(s, isa);
    return (size_t)kernel_weights_floats(&w) * POSITIONS;
}

/* One axis, from 3 values to 6, each `step` apart: row p of G is (1, p, p^2) over the
 * product of p's distances from the other points. */
static void transform_axis(const double *g, int step, double *u)
{
    const double a = POINT_A, b = POINT_B, a2 = a * a, b2 = b * b;
    const double near = 2 * a2 * (a2 - b2), far = 2 * b2 * (b2 - a2);
    const double first = g[0], middle = g[step], last = g[2 * step];
    u[0] = first / (a2 * b2);
    u[step] = (first + a * middle + a2 * last) / near;
    u[2 * step] = (first - a * middle + a2 * last) / near;
    u[3 * step] = (first + b * middle + b2 * last) / far;
    u[4 * step] = (first - b * middle + b2 * last) / far;
    u[5 * step] = last;
}

/* u[6][6] from g[3][3]. */
static void transform_weights(const float *g, double u[POSITIONS])
{
    double rows[3][WINDOW];
    for (int y = 0; y < 3; y++) {
        const double row[3] = {(double)g[3 * y], (double)g[3 * y + 1],
                               (double)g[3 * y + 2]};
        transform_axis(row, 1, rows[y]);
    }
    for (int x = 0; x < WINDOW; x++)
        transform_axis(&rows[0][x], WINDOW, u + x);
}

static void pack(struct conv *c, const float *weights)
{
    const struct conv_shape *s = &c->shape;
    struct kernel_weights w = layout(s, c->isa);
    int64_t stride = kernel_weights_floats(&w);
    for (int o = 0; o < s->out_channels; o++)
        for (int i = 0; i < s->in_channels; i++)
            for (int z = 0; z < s->kernel[0]; z++, weights += 9) {
                double u[POSITIONS];
                transform_weights(weights, u);
                for (int p = 0; p < POSITIONS; p++)
                    c->weights[p * stride + kernel_weights_place(&w, z, i, o)] =
                        (float)u[p];
            }
}

/* How an output is cut, and where everything lies in scratch. */
struct plan {
    const struct kernels *kernels;
    bool narrow;
    struct kernel_channels channels;
    struct tiles tiles;                  /* of one slice */
    int64_t count, block;                /* tiles, in a slice and at a time */
    int slices;                          /* of the input that one of the output needs */
    int depth;                           /* output slices at a time */
    int ring;                            /* slices of the ring */
    int64_t in_channels;                 /* padded to whole vectors */
    int64_t v_slice, m_slice;            /* from slice to slice */
    int64_t v_stride, m_stride;          /* from position to position */
    int64_t v, m, border, epilogue, end; /* offsets in scratch, in floats */
};

static struct plan plan_of(const struct conv *c, int64_t depth, int64_t height,
                           int64_t width)
{
    const struct conv_shape *s = &c->shape;
    struct plan p = {.kernels = kernels_of(c->isa), .slices = s->kernel[0]};
    const int lanes = p.kernels->lanes;
    p.narrow = s->in_channels % lanes != 0;
    p.in_channels = round_up(s->in_channels, p.narrow ? p.kernels->narrow_lanes : lanes);
    p.channels = kernels_channels(p.kernels, s->out_channels);
    p.tiles = tiles_make(EDGE, false, 1, height, width);
    p.count = tiles_count(&p.tiles);

    p.depth = p.slices == 1 ? 1 : (int)smaller(depth, DEPTH);
    p.ring = p.slices + p.depth - 1;

    const int64_t tile_bytes = POSITIONS *
                               (p.ring * p.in_channels + p.depth * p.channels.padded) *
                               (int64_t)sizeof(float);
    p.block = BLOCK_BYTES / tile_bytes / BLOCK_LEAST * BLOCK_LEAST;
    p.block = smaller(p.block < BLOCK_LEAST ? BLOCK_LEAST : p.block, p.count);

    p.v_stride = round_up(p.block * p.in_channels, 2 * LINE) + LINE;
    p.m_stride = round_up(p.block * p.channels.padded, 2 * LINE) + LINE;
    p.v_slice = POSITIONS * p.v_stride;
    p.m_slice = POSITIONS * p.m_stride;
    p.m = p.v + p.ring * p.v_slice;
    p.border = p.m + p.depth * p.m_slice;
    const int64_t widest =
        p.in_channels > p.channels.padded ? p.in_channels : p.channels.padded;
    p.epilogue = p.border + POSITIONS * round_up(widest, LINE);
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

/* Where the ring holds the input slice that output slice z meets with kz. */
static int64_t ring_slice(const struct plan *p, int64_t z, int kz)
{
    return p->v + (z + kz) % p->ring * p->v_slice;
}

/* How many tiles from `tile` on can be read in whole vectors of channels. Those reach
 * beyond channels that do not fill them, into the next voxels (and what is made of these
 * is never multiplied). The tiles before the last one of a slice end a voxel or more
 * before its input does: so all but that one then, or none where that is not enough. */
static int64_t readable(const struct pass *p, int64_t tile)
{
    const int64_t excess = p->plan.in_channels - p->conv->shape.in_channels;
    if (excess == 0)
        return p->plan.count - tile;
    return excess <= p->in->stride_w ? p->plan.count - 1 - tile : 0;
}

/* v = the transformed input of `count` tiles from `first` on, in one slice. */
static void transform_input(const struct pass *p, int64_t first, int64_t count, int64_t z,
                            int kz)
{
    const struct plan *plan = &p->plan;
    const struct kernels *k = plan->kernels;
    kernel_tiles_function *transform = plan->narrow ? k->input4_narrow : k->input4;
    float *border = p->scratch + plan->border, *v = p->scratch + ring_slice(plan, z, kz);
    for (int64_t done = 0; done < count;) {
        const int64_t most = smaller(count - done, readable(p, first + done));
        const struct stretch s = tiles_stretch(&plan->tiles, p->out, first + done, most);
        struct kernel_tiles t = {
            .count = s.count,
            .transformed = v + done * plan->in_channels,
            .position_stride = plan->v_stride,
            .tile_stride = plan->in_channels,
            .data = (float *)conv_input(&p->conv->shape, p->in, z, s.y, s.x, kz, 0, 0),
            .stride_h = p->in->stride_h,
            .stride_w = p->in->stride_w,
            .channels = (int)plan->in_channels,
        };
        if (!s.whole) {
            tiles_copy_input(&plan->tiles, &s, p->in, p->out, t.data, plan->in_channels,
                             border);
            t.data = border;
            t.stride_w = plan->in_channels;
            t.stride_h = WINDOW * t.stride_w;
        }
        transform(&t);
        done += s.count;
    }
}

/* m = v u for `depth` output slices from z on, the rows being positions. */
static void multiply(const struct pass *p, int64_t count, int64_t z, int depth)
{
    const struct conv *c = p->conv;
    const struct plan *plan = &p->plan;
    const struct kernels *k = plan->kernels;
    const struct kernel_weights w = layout(&c->shape, c->isa);
    struct kernel_rows rows = {
        .rows = POSITIONS,
        .width = count,
        .in = p->scratch,
        .in_row = plan->v_stride,
        .in_step = plan->in_channels,
        .depth = depth,
        .slices = plan->slices,
        .run = c->shape.in_channels,
        .weights_row = kernel_weights_floats(&w),
        .out_row = plan->m_stride,
        .out_slice = plan->m_slice,
        .out_step = plan->channels.padded,
    };
    for (int kz = 0; kz < plan->slices + depth - 1; kz++)
        rows.slice[kz] = ring_slice(plan, z, kz);
    for (int first = 0; first < plan->channels.padded; first += 2 * k->lanes) {
        const int vectors = plan->channels.padded - first > k->lanes ? 2 : 1;
        const int span = kernels_choose_span(k, count, vectors);
        rows.weights = c->weights + kernel_weights_panel(&w, first);
        rows.out = p->scratch + plan->m + first;
        if (plan->channels.pairs)
            k->multiply_pairs[span](&rows);
        else
            k->multiply[vectors - 1][span](&rows);
    }
}

/* The output of `count` tiles from `first` on in slice z, from slice i of m. */
static void transform_output(const struct pass *p, int64_t first, int64_t count,
                             int64_t z, int i)
{
    const struct plan *plan = &p->plan;
    const struct kernels *k = plan->kernels;
    kernel_tiles_function *transform =
        plan->channels.pairs ? k->output4_pairs : k->output4;
    float *border = p->scratch + plan->border,
          *m = p->scratch + plan->m + i * plan->m_slice;
    for (int64_t done = 0; done < count;) {
        const struct stretch s =
            tiles_stretch(&plan->tiles, p->out, first + done, count - done);
        float *to = conv_output(p->out, z, s.y, s.x);
        struct kernel_tiles t = {
            .count = s.count,
            .transformed = m + done * plan->channels.padded,
            .position_stride = plan->m_stride,
            .tile_stride = plan->channels.padded,
            .data = to,
            .stride_h = p->out->stride_h,
            .stride_w = p->out->stride_w,
            .channels = p->out->channels,
            .epilogue = p->epilogue,
        };
        if (!s.whole) {
            t.data = border;
            t.stride_w = plan->channels.padded;
            t.stride_h = EDGE * t.stride_w;
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
    const int last = p.plan.slices - 1;
    for (int64_t first = 0; first < p.plan.count; first += p.plan.block) {
        const int64_t count = smaller(p.plan.block, p.plan.count - first);
        for (int kz = 0; kz < last; kz++)
            transform_input(&p, first, count, 0, kz);
        for (int64_t z = 0; z < out->depth; z += p.plan.depth) {
            const int depth = (int)smaller(p.plan.depth, out->depth - z);
            for (int i = 0; i < depth; i++)
                transform_input(&p, first, count, z + i, last);
            multiply(&p, count, z, depth);
            for (int i = 0; i < depth; i++)
                transform_output(&p, first, count, z + i, i);
        }
    }
}

static bool serves(const struct conv_shape *s)
{
    return conv_winograd.serves(s);
}

const struct conv_backend conv_planes = {
    .name = "planes",
    .serves = serves,
    .weights_floats = weights_floats,
    .pack = pack,
    .scratch_bytes = scratch_bytes,
    .forward = forward,
};
