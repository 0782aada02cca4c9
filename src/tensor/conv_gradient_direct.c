/*
 * The weight gradient by the kernels of kernels_outer.h: for each row of taps, each span
 * of (kx, in) and each panel of out channels the sums stay in registers over a few
 * slices, which are small enough to stay in the cache while all taps pass over them.
 *
 * Kernels read whole vectors of the gradient. Channels that do not fill them are copied,
 * a group of slices at a time, to voxels padded with zeros; of a single tap, input and
 * gradient change places instead where the input's fill them.
 */
#include "tensor/conv_gradient_internal.h"
#include "tensor/kernels.h"

/* Voxels after which sums go to memory: enough that this costs nothing, few enough that
 * single precision does. */
enum { VOXELS_A_GROUP = 4096 };

int conv_gradient_columns(const struct conv_gradient *g)
{
    const struct kernels *k = kernels_of(g->isa);
    struct kernel_channels c = kernels_channels(k, g->shape.out_channels);
    return c.pairs ? k->lanes / 2 : c.padded;
}

static int64_t slices_a_group(int64_t depth, int64_t height, int64_t width)
{
    int64_t slices = VOXELS_A_GROUP / (height * width);
    return slices < 1 ? 1 : slices > depth ? depth : slices;
}

size_t conv_gradient_copy_floats(const struct conv_gradient *g, int64_t height,
                                 int64_t width)
{
    const int columns = conv_gradient_columns(g);
    const int64_t area = height * width;
    if (columns == g->shape.out_channels)
        return 0;
    return (size_t)((area > VOXELS_A_GROUP ? area : VOXELS_A_GROUP) * columns);
}

/* How many floats of the input a kernel takes at once. */
struct tile {
    kernel_outer_function *outer; /* NULL: no kernel takes so many lines */
    int span;
};

static struct tile choose(const struct conv_gradient *g, int64_t run, int vectors,
                          int lines)
{
    const struct kernels *k = kernels_of(g->isa);
    const int span = kernels_choose_span(k, run, vectors), several = lines == 3;
    const bool pairs = kernels_channels(k, g->shape.out_channels).pairs;
    return (struct tile){pairs ? k->outer_pairs[several][span]
                               : k->outer[several][vectors - 1][span],
                         kernel_spans[span]};
}

/* Slices of the gradient, with whole vectors of channels. */
static struct view padded(const struct view *gradient, int columns, float *copy)
{
    struct view v = view_make(copy, gradient->depth, gradient->height, gradient->width,
                              columns, 0, 0);
    memset(copy, 0, (size_t)(v.depth * v.height * v.width * columns) * sizeof *copy);
    for (int64_t z = 0; z < v.depth; z++)
        for (int64_t y = 0; y < v.height; y++)
            for (int64_t x = 0; x < v.width; x++)
                memcpy(conv_output(&v, z, y, x), conv_output(gradient, z, y, x),
                       (size_t)gradient->channels * sizeof *copy);
    return v;
}

static int vectors_from(const struct kernels *k, int first, int columns)
{
    return columns - first > k->lanes ? 2 : 1;
}

/* All spans of `lines` rows of taps, all panels. */
static void add_taps(const struct conv_gradient *g, struct kernel_outer k, int64_t run,
                     int lines, int columns)
{
    const struct kernels *kernels = kernels_of(g->isa);
    const float *in = k.in, *gradient = k.gradient;
    float *sums = k.sums;
    for (int first = 0; first < columns; first += 2 * kernels->lanes) {
        const struct tile t =
            choose(g, run, vectors_from(kernels, first, columns), lines);
        k.gradient = gradient + first;
        for (int64_t done = 0; done < run; done += t.span) {
            const int64_t start = done + t.span <= run ? done : run - t.span;
            k.in = in + start;
            k.sums = sums + start * columns + first;
            k.skip = (int)(done - start);
            t.outer(&k);
        }
    }
}

/* A span that is all of a short run leaves registers idle: then three rows of taps go
 * together, if that is what the kernel has and all panels can. */
static int lines_of(const struct conv_gradient *g, int64_t run, int columns)
{
    const struct kernels *k = kernels_of(g->isa);
    bool three = g->shape.kernel[1] == 3;
    for (int first = 0; first < columns; first += 2 * k->lanes) {
        const struct tile t = choose(g, run, vectors_from(k, first, columns), 3);
        three = three && t.outer && t.span == run;
    }
    return three ? 3 : 1;
}

/* Whether input and gradient may change places, and vectors are filled that way alone. */
static bool turns(const struct conv_gradient *g)
{
    const struct conv_shape *s = &g->shape;
    bool plain = conv_taps(s) == 1 && s->in_channels <= VOXELS_A_GROUP &&
                 s->in_channels % kernels_of(g->isa)->lanes == 0 &&
                 s->out_channels != conv_gradient_columns(g);
    for (int i = 0; i < 3; i++)
        plain = plain && s->stride[i] == 1 && s->pad[i] == 0;
    return plain;
}

static void add_turned(const struct conv_gradient *g, const struct view *in,
                       const struct view *gradient, float *sums, float *copy)
{
    const int from = g->shape.in_channels, to = g->shape.out_channels,
              columns = conv_gradient_columns(g);
    struct conv_gradient turned = *g;
    turned.shape.in_channels = to;
    turned.shape.out_channels = from;
    memset(copy, 0, (size_t)from * (size_t)to * sizeof *copy);
    conv_gradient_direct(&turned, gradient, in, copy, NULL);
    for (int i = 0; i < from; i++)
        for (int o = 0; o < to; o++)
            sums[i * columns + o] += copy[o * from + i];
}

void conv_gradient_direct(const struct conv_gradient *g, const struct view *in,
                          const struct view *gradient, float *sums, float *copy)
{
    if (turns(g)) {
        add_turned(g, in, gradient, sums, copy);
        return;
    }
    const struct conv_shape *s = &g->shape;
    const int columns = conv_gradient_columns(g);
    const bool dense = in->stride_w == in->channels;
    const int steps = dense ? 1 : s->kernel[2];
    const int64_t run = (int64_t)s->in_channels * (dense ? s->kernel[2] : 1);
    const int64_t line = run * steps * columns;
    const int lines = steps == 1 ? lines_of(g, run, columns) : 1;
    const int64_t group =
        slices_a_group(gradient->depth, gradient->height, gradient->width);

    for (int64_t z = 0; z < gradient->depth; z += group) {
        struct view part = *gradient;
        part.data += z * gradient->stride_d;
        part.depth = gradient->depth - z < group ? gradient->depth - z : group;
        if (columns != s->out_channels)
            part = padded(&part, columns, copy);
        struct kernel_outer k = {
            .slices = part.depth,
            .rows = part.height,
            .width = part.width,
            .in_slice = s->stride[0] * in->stride_d,
            .in_row = s->stride[1] * in->stride_h,
            .in_step = s->stride[2] * in->stride_w,
            .in_line = in->stride_h,
            .gradient = part.data,
            .gradient_slice = part.stride_d,
            .gradient_row = part.stride_h,
            .gradient_step = part.stride_w,
            .sums_line = line,
            .sums_step = columns,
        };
        for (int kz = 0; kz < s->kernel[0]; kz++)
            for (int ky = 0; ky < s->kernel[1]; ky += lines)
                for (int kx = 0; kx < steps; kx++) {
                    k.in = conv_input(s, in, z, 0, 0, kz, ky, kx);
                    k.sums = sums + (kz * s->kernel[1] + ky) * line + kx * run * columns;
                    add_taps(g, k, run, lines, columns);
                }
    }
}
