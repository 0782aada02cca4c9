#include "tensor/kernels.h"

#include <math.h>

const int kernel_spans[KERNEL_SPANS] = {24, 12, 9, 8, 6, 4, 3, 2, 1};

const struct kernels *kernels_of(enum isa isa)
{
    static const struct kernels *const tables[] = {
        [ISA_PORTABLE] = &kernels_portable,
        [ISA_AVX2] = &kernels_avx2,
        [ISA_AVX512] = &kernels_avx512,
    };
    return tables[isa];
}

/* A step of a span takes one multiply-add for each sum, a load for each voxel and vector,
 * and no less than the multiply-add's latency allows: 4 cycles at 2 a cycle. */
static int64_t step_cost(int voxels, int vectors)
{
    int cost = voxels * vectors;
    if (cost < voxels + vectors)
        cost = voxels + vectors;
    return cost < 8 ? 8 : cost;
}

int kernels_choose_span(const struct kernels *k, int64_t width, int vectors)
{
    int best = KERNEL_SPANS - 1;
    int64_t best_cost = INT64_MAX;
    for (int t = 0; t < KERNEL_SPANS; t++) {
        int size = kernel_spans[t];
        if (size > width || size * vectors > k->accumulators)
            continue;
        int64_t cost = (width + size - 1) / size * step_cost(size, vectors);
        if (cost < best_cost) {
            best = t;
            best_cost = cost;
        }
    }
    return best;
}

static struct kernel_channels channels_of(int lanes, int out_channels)
{
    struct kernel_channels c;
    c.pairs = 2 * out_channels <= lanes;
    c.vectors = (out_channels + lanes - 1) / lanes;
    c.padded = c.vectors * lanes;
    return c;
}

struct kernel_channels kernels_channels(const struct kernels *k, int out_channels)
{
    return channels_of(k->lanes, out_channels);
}

struct kernel_epilogue kernels_epilogue(const struct conv_epilogue *e, int channels,
                                        int padded, float *memory)
{
    float *bias = memory, *scale = memory + padded, *shift = memory + 2 * padded;
    for (int i = 0; i < padded; i++) {
        bias[i] = e->bias && i < channels ? e->bias[i] : 0;
        scale[i] = e->scale && i < channels ? e->scale[i] : 1;
        shift[i] = e->shift && i < channels ? e->shift[i] : 0;
    }
    return (struct kernel_epilogue){bias, scale, shift, e->relu ? 0 : -INFINITY};
}

/* Vectors of weights for one row: one for each input float, or for two of them. */
static int64_t row_vectors(const struct kernel_weights *w)
{
    return channels_of(w->lanes, w->out_channels).pairs ? (w->run + 1) / 2 : w->run;
}

int64_t kernel_weights_floats(const struct kernel_weights *w)
{
    return w->rows * row_vectors(w) * channels_of(w->lanes, w->out_channels).padded;
}

int64_t kernel_weights_panel(const struct kernel_weights *w, int first)
{
    return w->rows * row_vectors(w) * first;
}

int64_t kernel_weights_place(const struct kernel_weights *w, int64_t row, int64_t i,
                             int o)
{
    struct kernel_channels channels = channels_of(w->lanes, w->out_channels);
    if (channels.pairs)
        return (row * row_vectors(w) + i / 2) * w->lanes + 2 * o + i % 2;
    int lane = o % (2 * w->lanes), first = o - lane;
    int lanes = channels.padded - first > w->lanes ? 2 * w->lanes : w->lanes;
    return kernel_weights_panel(w, first) + (row * w->run + i) * lanes + lane;
}
