/* The front of the weight gradients, the reference and the bias. */
#include "tensor/conv_gradient_internal.h"

struct conv_gradient conv_gradient_make(const struct conv_shape *s, enum conv_algorithm a,
                                        enum isa isa)
{
    const bool slow = a == CONV_REFERENCE || a == CONV_BLIS;
    return (struct conv_gradient){*s, slow ? a : CONV_DIRECT, isa};
}

static int columns_of(const struct conv_gradient *g)
{
    return g->algorithm == CONV_DIRECT ? conv_gradient_columns(g) : g->shape.out_channels;
}

static size_t sums_floats(const struct conv_gradient *g)
{
    return (size_t)conv_taps(&g->shape) * (size_t)g->shape.in_channels *
           (size_t)columns_of(g);
}

size_t conv_gradient_scratch_bytes(const struct conv_gradient *g, int64_t depth,
                                   int64_t height, int64_t width)
{
    (void)depth;
    if (g->algorithm == CONV_REFERENCE)
        return 0;
    size_t floats = sums_floats(g);
    if (g->algorithm == CONV_DIRECT)
        floats += conv_gradient_copy_floats(g, height, width);
    return floats * sizeof(float);
}

/* From [k][in][columns] to PyTorch's [out][in][k], an input channel at a time: what that
 * reads and writes fits into the first cache. */
static void unpack(const struct conv_gradient *g, const float *sums, float *weights)
{
    const struct conv_shape *s = &g->shape;
    const int taps = conv_taps(s), columns = columns_of(g);
    for (int i = 0; i < s->in_channels; i++)
        for (int o = 0; o < s->out_channels; o++) {
            float *to = weights + ((int64_t)o * s->in_channels + i) * taps;
            const float *from = sums + (int64_t)i * columns + o;
            for (int k = 0; k < taps; k++)
                to[k] = from[(int64_t)k * s->in_channels * columns];
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

void conv_gradient_weights(const struct conv_gradient *g, const struct view *in,
                           const struct view *gradient, float *weights, void *scratch)
{
    CHECK(in->channels == g->shape.in_channels &&
          gradient->channels == g->shape.out_channels);
    CHECK(conv_reads_within(&g->shape, in, gradient));
    if (g->algorithm == CONV_REFERENCE) {
        reference(&g->shape, in, gradient, weights);
        return;
    }
    float *sums = scratch;
    const size_t floats = sums_floats(g);
    memset(sums, 0, floats * sizeof *sums);
    if (g->algorithm == CONV_BLIS)
        conv_gradient_blis(&g->shape, in, gradient, sums);
    else
        conv_gradient_direct(g, in, gradient, sums, sums + floats);
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

void conv_gradient_bias(const struct view *gradient, float *bias)
{
    enum { BLOCK = 8 };
    for (int first = 0; first < gradient->channels; first += BLOCK) {
        const int rest = gradient->channels - first;
        const int channels = rest < BLOCK ? rest : BLOCK;
        double sums[BLOCK] = {0};
        for (int64_t z = 0; z < gradient->depth; z++)
            for (int64_t y = 0; y < gradient->height; y++)
                add_row(conv_output(gradient, z, y, 0) + first, gradient->width,
                        gradient->stride_w, channels, sums);
        for (int c = 0; c < channels; c++)
            bias[first + c] = (float)sums[c];
    }
}
