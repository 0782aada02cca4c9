/* The front of the weight gradients, the reference and the bias. */
#include "tensor/conv_gradient_internal.h"
#include "tensor/norm_lanes.h"
#include "tensor/quads.h"

struct conv_gradient conv_gradient_make(const struct conv_shape *s, enum conv_algorithm a,
                                        enum isa isa)
{
    const bool slow = a == CONV_REFERENCE || a == CONV_BLIS,
               quads = a == CONV_AUTO ? quads_pay(s, isa)
                                      : a == CONV_WINOGRAD_4 && quads_serve(s);
    return (struct conv_gradient){*s,
                                  slow    ? a
                                  : quads ? CONV_WINOGRAD_4
                                          : CONV_DIRECT,
                                  isa};
}

static int columns_of(const struct conv_gradient *g)
{
    switch (g->algorithm) {
    case CONV_DIRECT:
        return conv_gradient_columns(g);
    case CONV_WINOGRAD_4:
        return conv_gradient_quads_columns(g);
    default:
        return g->shape.out_channels;
    }
}

size_t conv_gradient_packed_floats(const struct conv_gradient *g)
{
    return (size_t)conv_taps(&g->shape) * (size_t)g->shape.in_channels *
           (size_t)columns_of(g);
}

/* Beside the packed sums. */
static size_t work_floats(const struct conv_gradient *g, int64_t depth, int64_t height,
                          int64_t width)
{
    switch (g->algorithm) {
    case CONV_DIRECT:
        return conv_gradient_copy_floats(g, height, width);
    case CONV_WINOGRAD_4:
        return conv_gradient_quads_floats(g, depth, height, width);
    default:
        return 0;
    }
}

size_t conv_gradient_scratch_bytes(const struct conv_gradient *g, int64_t depth,
                                   int64_t height, int64_t width)
{
    if (g->algorithm == CONV_REFERENCE)
        return 0;
    return (conv_gradient_packed_floats(g) + work_floats(g, depth, height, width)) *
           sizeof(float);
}

/* Where the sum for tap 0 of a pair of channels lies, and how far the taps are apart. The
 * reference makes them as PyTorch has them. */
struct place {
    int64_t first, step;
};

static struct place place_of(const struct conv_gradient *g, int o, int i)
{
    const struct conv_shape *s = &g->shape;
    const int64_t taps = conv_taps(s), columns = columns_of(g);
    if (g->algorithm == CONV_REFERENCE)
        return (struct place){((int64_t)o * s->in_channels + i) * taps, 1};
    return (struct place){i * columns + o, s->in_channels * columns};
}

/* From [k][in][columns] to PyTorch's [out][in][k], an input channel at a time: what that
 * reads and writes fits into the first cache. */
static void unpack(const struct conv_gradient *g, const float *sums, float *weights)
{
    const struct conv_shape *s = &g->shape;
    const int taps = conv_taps(s);
    for (int i = 0; i < s->in_channels; i++)
        for (int o = 0; o < s->out_channels; o++) {
            float *to = weights + ((int64_t)o * s->in_channels + i) * taps;
            const struct place p = place_of(g, o, i);
            for (int k = 0; k < taps; k++)
                to[k] = sums[p.first + k * p.step];
        }
}

void conv_gradient_pack(const struct conv_gradient *g, const float *weights,
                        float *packed)
{
    const struct conv_shape *s = &g->shape;
    const int taps = conv_taps(s);
    memset(packed, 0, conv_gradient_packed_floats(g) * sizeof *packed);
    for (int i = 0; i < s->in_channels; i++)
        for (int o = 0; o < s->out_channels; o++) {
            const float *from = weights + ((int64_t)o * s->in_channels + i) * taps;
            const struct place p = place_of(g, o, i);
            for (int k = 0; k < taps; k++)
                packed[p.first + k * p.step] = from[k];
        }
}

void conv_gradient_unpack(const struct conv_gradient *g, const int64_t *packed,
                          int64_t *weights)
{
    const struct conv_shape *s = &g->shape;
    const int taps = conv_taps(s);
    for (int i = 0; i < s->in_channels; i++)
        for (int o = 0; o < s->out_channels; o++) {
            int64_t *to = weights + ((int64_t)o * s->in_channels + i) * taps;
            const struct place p = place_of(g, o, i);
            for (int k = 0; k < taps; k++)
                to[k] = packed[p.first + k * p.step];
        }
}

static float reference_sum(const struct conv_shape *s, const struct view *in,
                           const struct view *gradient, int o, int i, const int tap[3])
{
    double sum = 0;
    for (int64_t z = 0; z < gradient->depth; z++)
        for (int64_t y = 0; y < gradient->height; y++)
            for (int64_t x = 0; x < gradient->width; x++)
                sum += (double)conv_output(gradient, z, y, x)[o] *
                       (double)conv_input(s, in, z, y, x, tap[0], tap[1], tap[2])[i];
    return (float)sum;
}

static void reference(const struct conv_shape *s, const struct view *in,
                      const struct view *gradient, float *weights)
{
    for (int o = 0; o < s->out_channels; o++)
        for (int i = 0; i < s->in_channels; i++)
            for (int kz = 0; kz < s->kernel[0]; kz++)
                for (int ky = 0; ky < s->kernel[1]; ky++)
                    for (int kx = 0; kx < s->kernel[2]; kx++)
                        *weights++ = reference_sum(s, in, gradient, o, i,
                                                   (const int[3]){kz, ky, kx});
}

void conv_gradient_packed(const struct conv_gradient *g, const struct view *in,
                          const struct view *gradient, float *packed, void *scratch)
{
    CHECK(in->channels == g->shape.in_channels &&
          gradient->channels == g->shape.out_channels);
    CHECK(conv_reads_within(&g->shape, in, gradient));
    if (g->algorithm == CONV_REFERENCE) {
        reference(&g->shape, in, gradient, packed);
        return;
    }
    if (g->algorithm == CONV_WINOGRAD_4) {
        conv_gradient_quads(g, in, gradient, packed, scratch);
        return;
    }
    memset(packed, 0, conv_gradient_packed_floats(g) * sizeof *packed);
    if (g->algorithm == CONV_BLIS)
        conv_gradient_blis(&g->shape, in, gradient, packed);
    else
        conv_gradient_direct(g, in, gradient, packed, scratch);
}

void conv_gradient_weights(const struct conv_gradient *g, const struct view *in,
                           const struct view *gradient, float *weights, void *scratch)
{
    if (g->algorithm == CONV_REFERENCE) {
        conv_gradient_packed(g, in, gradient, weights, scratch);
        return;
    }
    float *sums = scratch;
    conv_gradient_packed(g, in, gradient, sums, sums + conv_gradient_packed_floats(g));
    unpack(g, sums, weights);
}

/* In blocks of channels that the compiler keeps in registers; a row at a time, so that a
 * sum of many voxels is made of few long ones. */
static void add_row(const float *row, int64_t width, int64_t step, int channels,
                    double *sums)
{
    enum { BLOCK = 8 };
    float part[BLOCK] = {0};
    if (channels == BLOCK) {
        for (int64_t x = 0; x < width; x++, row += step)
            for (int c = 0; c < BLOCK; c++)
                part[c] += row[c];
    } else {
        for (int64_t x = 0; x < width; x++, row += step)
            for (int c = 0; c < channels; c++)
                part[c] += row[c];
    }
    for (int c = 0; c < channels; c++)
        sums[c] += (double)part[c];
}

void conv_gradient_add_row(const float *row, int64_t width, int64_t step, int channels,
                           double *sums)
{
    enum { BLOCK = 8 };
    for (int first = 0; first < channels; first += BLOCK)
        add_row(row + first, width, step,
                channels - first < BLOCK ? channels - first : BLOCK, sums + first);
}

/* Channels that do not fill vectors, a block at a time. */
static void add_blocks(const struct view *gradient, double *sums)
{
    enum { BLOCK = 8 };
    for (int first = 0; first < gradient->channels; first += BLOCK) {
        const int rest = gradient->channels - first;
        for (int64_t z = 0; z < gradient->depth; z++)
            for (int64_t y = 0; y < gradient->height; y++)
                add_row(conv_output(gradient, z, y, 0) + first, gradient->width,
                        gradient->stride_w, rest < BLOCK ? rest : BLOCK, sums + first);
    }
}

void conv_gradient_bias(enum isa isa, const struct view *gradient, float *bias)
{
    enum { SOME = 64 }; /* whole vectors of any set */
    for (int first = 0; first < gradient->channels; first += SOME) {
        const int rest = gradient->channels - first, some = rest < SOME ? rest : SOME;
        const struct view part = view_channels(*gradient, first, some);
        double sums[SOME] = {0};
        if (!norm_lanes_totals(isa, &part, sums))
            add_blocks(&part, sums);
        for (int c = 0; c < some; c++)
            bias[first + c] = (float)sums[c];
    }
}
