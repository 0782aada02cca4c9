/*
 * The weight gradient of F(4x4, 3x3): with the input's tiles transformed by B^T, the
 * gradient's by A, the sums over all tiles of their products at each of the 36 positions
 * are, transformed by G^T, the sums over all voxels. Four times fewer multiply-adds than
 * direct, and registers hold many more sums than three taps have.
 */
#include "tensor/conv_gradient_internal.h"
#include "tensor/quads.h"

enum { BLOCK_BYTES = 256 * 1024, BLOCK_LEAST = 32, TAPS = 9 };

/* Where everything lies in scratch. */
struct plan {
    const struct kernels *kernels;
    struct quads quads;
    int64_t block;
    int in_channels, columns;               /* padded to whole vectors */
    int64_t v_stride, z_stride, sum_stride; /* from position to position */
    int64_t z, sums, border, end;           /* offsets in floats; v is at 0 */
};

static int padded(int channels, int lanes)
{
    return (channels + lanes - 1) / lanes * lanes;
}

static struct plan plan_of(const struct conv_gradient *g, int64_t depth, int64_t height,
                           int64_t width)
{
    struct plan p = {.kernels = kernels_of(g->isa),
                     .quads = quads_of(depth, height, width)};
    p.in_channels = padded(g->shape.in_channels, p.kernels->lanes);
    p.columns = padded(g->shape.out_channels, p.kernels->lanes);
    const int widest = p.in_channels > p.columns ? p.in_channels : p.columns;
    const int64_t tile_bytes =
        QUAD_POSITIONS * (p.in_channels + p.columns) * (int64_t)sizeof(float);
    p.block = BLOCK_BYTES / tile_bytes;
    p.block = p.block < BLOCK_LEAST ? BLOCK_LEAST : p.block;
    p.block = p.block > p.quads.tiles ? p.quads.tiles : p.block;
    p.v_stride = quads_stride(p.block * p.in_channels);
    p.z_stride = quads_stride(p.block * p.columns);
    p.sum_stride = quads_stride((int64_t)g->shape.in_channels * p.columns);
    p.z = QUAD_POSITIONS * p.v_stride;
    p.sums = p.z + QUAD_POSITIONS * p.z_stride;
    p.border = p.sums + QUAD_POSITIONS * p.sum_stride;
    p.end = p.border + QUAD_POSITIONS * (int64_t)widest;
    return p;
}

int conv_gradient_quads_columns(const struct conv_gradient *g)
{
    return padded(g->shape.out_channels, kernels_of(g->isa)->lanes);
}

size_t conv_gradient_quads_floats(const struct conv_gradient *g, int64_t depth,
                                  int64_t height, int64_t width)
{
    return (size_t)plan_of(g, depth, height, width).end;
}

/* Adds the products of `count` tiles to the sums of one position, in spans that overlap.
 */
static void add_position(const struct conv_gradient *g, const struct plan *p,
                         int position, int64_t count, float *scratch)
{
    const struct kernels *k = p->kernels;
    const int64_t run = g->shape.in_channels;
    for (int first = 0; first < p->columns; first += 2 * k->lanes) {
        const int vectors = p->columns - first > k->lanes ? 2 : 1,
                  choice = kernels_choose_span(k, run, vectors),
                  span = kernel_spans[choice];
        struct kernel_outer o = {
            .slices = 1,
            .rows = 1,
            .width = count,
            .in_step = p->in_channels,
            .gradient = scratch + p->z + position * p->z_stride + first,
            .gradient_step = p->columns,
            .sums_step = p->columns,
        };
        for (int64_t done = 0; done < run; done += span) {
            const int64_t start = done + span <= run ? done : run - span;
            o.in = scratch + position * p->v_stride + start;
            o.sums =
                scratch + p->sums + position * p->sum_stride + start * p->columns + first;
            o.skip = (int)(done - start);
            k->outer[0][vectors - 1][choice](&o);
        }
    }
}

/* Whether spans of the input channels meet without overlapping. */
static bool spans_fit(const struct conv_gradient *g, const struct plan *p)
{
    const int *span = p->kernels->products_span;
    return g->shape.in_channels % span[0] == 0 && g->shape.in_channels % span[1] == 0;
}

static void add_products(const struct conv_gradient *g, const struct plan *p,
                         int64_t count, bool add, float *scratch)
{
    const struct kernels *k = p->kernels;
    struct kernel_products o = {
        .positions = QUAD_POSITIONS,
        .count = count,
        .in_position = p->v_stride,
        .in_step = p->in_channels,
        .gradient_position = p->z_stride,
        .gradient_step = p->columns,
        .sums_position = p->sum_stride,
        .sums_step = p->columns,
        .add = add,
    };
    for (int first = 0; first < p->columns; first += 2 * k->lanes) {
        const int vectors = p->columns - first > k->lanes ? 2 : 1;
        o.gradient = scratch + p->z + first;
        for (int i = 0; i < g->shape.in_channels; i += k->products_span[vectors - 1]) {
            o.in = scratch + i;
            o.sums = scratch + p->sums + (int64_t)i * p->columns + first;
            k->products[vectors - 1](&o);
        }
    }
}

void conv_gradient_quads(const struct conv_gradient *g, const struct view *in,
                         const struct view *gradient, float *sums, float *scratch)
{
    const struct plan p = plan_of(g, gradient->depth, gradient->height, gradient->width);
    const int64_t floats = (int64_t)g->shape.in_channels * p.columns;
    const struct quads_pass of_input = {.quads = &p.quads,
                                        .transform = p.kernels->quad_input,
                                        .side = QUAD_AROUND,
                                        .channels = p.in_channels,
                                        .stride = p.v_stride,
                                        .border = scratch + p.border};
    struct quads_pass of_gradient = of_input;
    of_gradient.transform = p.kernels->quad_gradient;
    of_gradient.side = QUAD_SIDE;
    of_gradient.channels = p.columns;
    of_gradient.stride = p.z_stride;
    const bool fit = spans_fit(g, &p);
    if (!fit)
        memset(scratch + p.sums, 0,
               (size_t)(QUAD_POSITIONS * p.sum_stride) * sizeof *scratch);
    for (int64_t first = 0; first < p.quads.tiles; first += p.block) {
        const int64_t rest = p.quads.tiles - first,
                      count = rest < p.block ? rest : p.block;
        quads_read(&of_input, in, first, count, scratch);
        quads_read(&of_gradient, gradient, first, count, scratch + p.z);
        if (fit)
            add_products(g, &p, count, first > 0, scratch);
        for (int i = 0; i < QUAD_POSITIONS && !fit; i++)
            add_position(g, &p, i, count, scratch);
    }
    p.kernels->quad_weights(scratch + p.sums, p.sum_stride, floats, sums, floats);
}
