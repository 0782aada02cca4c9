/*
 * How fast the convolutions of a training step are: every layer of the book's U-Net on
 * crops as it is trained on, forward, and back by the input and by the weights.
 *
 *   bench_gradients [ISA [ALGORITHM [SIDE]]]
 *
 * One line a layer. Rates count the multiply-adds of direct convolution. Minimum over
 * repeats, processor time of one core; data lies in the caches.
 */
#include <math.h>

#include "measure.h"
#include "tensor/conv_gradient.h"
#include "tensor/conv_transpose.h"

struct layer {
    int in_channels, out_channels, halvings;
};

static const struct layer layers[] = {{7, 16, 0},  {16, 16, 0}, {16, 32, 1}, {32, 32, 1},
                                      {32, 64, 2}, {64, 64, 2}, {64, 32, 1}, {32, 32, 1},
                                      {32, 16, 0}, {16, 16, 0}};

enum { LAYERS = sizeof layers / sizeof layers[0], REPEATS = 7, SIDE = 64 };

enum pass { FORWARD, BY_INPUT, BY_WEIGHTS, PASSES };

static float *noise(size_t count)
{
    float *f = room(count, sizeof *f);
    uint32_t x = 1;
    for (size_t i = 0; i < count; i++) {
        x = x * 1664525u + 1013904223u;
        f[i] = (float)(x >> 8) * 0x1p-24f - 0.5f;
    }
    return f;
}

struct kernels_of_layer {
    struct conv *conv;
    struct conv_transpose *back;
    struct conv_gradient gradient;
    struct view in, out;
    float *packed;
    void *scratch;
};

static struct kernels_of_layer make(const struct layer *l, int64_t side,
                                    enum conv_algorithm wanted, enum isa isa)
{
    struct kernels_of_layer k;
    const struct conv_shape s = {
        l->in_channels, l->out_channels, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}};
    const struct conv_transpose_shape t = {l->out_channels, l->in_channels, {1, 3, 3},
                                           {1, 1, 1},       {0, 1, 1},      {0, 0, 0}};
    const enum conv_algorithm a = wanted == CONV_AUTO ? conv_training_algorithm(&s, isa)
                                  : conv_algorithm_serves(wanted, &s) ? wanted
                                                                      : CONV_AUTO;
    float *weights = noise((size_t)(l->in_channels * l->out_channels * 9));
    const size_t floats = (size_t)view_floats(1, side, side, 64, 0, 1);
    CHECK(conv_new(&s, a, isa, weights, &k.conv, NULL) == STATUS_OK);
    CHECK(conv_transpose_new(&t, a, isa, weights, &k.back, NULL) == STATUS_OK);
    k.gradient = conv_gradient_make(&s, wanted, isa);
    k.in = view_make(noise(floats), 1, side, side, l->in_channels, 0, 1);
    k.out = view_make(noise(floats), 1, side, side, l->out_channels, 0, 1);
    k.packed = room(conv_gradient_packed_floats(&k.gradient), sizeof *k.packed);
    k.scratch = room(conv_scratch_bytes(k.conv, 1, side, side) +
                         conv_transpose_scratch_bytes(k.back, 1, side, side) +
                         conv_gradient_scratch_bytes(&k.gradient, 1, side, side),
                     1);
    free(weights);
    return k;
}

static void run(const struct kernels_of_layer *k, enum pass pass)
{
    const struct conv_epilogue none = {0};
    if (pass == FORWARD)
        conv_forward(k->conv, &k->in, &k->out, &none, k->scratch);
    else if (pass == BY_INPUT)
        conv_transpose_forward(k->back, &k->out, &k->in, &none, k->scratch);
    else
        conv_gradient_packed(&k->gradient, &k->in, &k->out, k->packed, k->scratch);
}

static double seconds(const struct kernels_of_layer *k, enum pass pass)
{
    run(k, pass);
    double once = core_seconds(), best = INFINITY;
    run(k, pass);
    const int passes = (int)fmax(1, 0.01 / (core_seconds() - once));
    for (int i = 0; i < REPEATS; i++) {
        const double start = core_seconds();
        for (int p = 0; p < passes; p++)
            run(k, pass);
        best = fmin(best, (core_seconds() - start) / passes);
    }
    return best;
}

int main(int argc, char **argv)
{
    enum conv_algorithm wanted = CONV_AUTO;
    enum isa isa;
    struct error err;
    double total[PASSES] = {0}, flops = 0;
    if (isa_parse(argc > 1 ? argv[1] : "auto", &isa, &err) != STATUS_OK) {
        fprintf(stderr, "bench_gradients: %s\n", err.message);
        return 2;
    }
    while (argc > 2 && wanted < CONV_LINES &&
           strcmp(argv[2], conv_algorithm_name(wanted)) != 0)
        wanted++;
    isa_use(isa);
    for (int i = 0; i < LAYERS; i++) {
        const struct layer *l = &layers[i];
        const int64_t side = (argc > 3 ? strtol(argv[3], NULL, 10) : SIDE) >> l->halvings;
        const struct kernels_of_layer k = make(l, side, wanted, isa);
        const double flop =
            18.0 * l->in_channels * l->out_channels * (double)(side * side);
        double ms[PASSES];
        for (int p = 0; p < PASSES; p++)
            total[p] += ms[p] = 1e3 * seconds(&k, (enum pass)p);
        flops += flop;
        printf("layer=%d->%d@%dx%d isa=%s mflop=%.1f forward_ms=%.3f gflops=%.0f "
               "by_input_ms=%.3f gflops=%.0f by_weights_ms=%.3f gflops=%.0f\n",
               l->in_channels, l->out_channels, (int)side, (int)side, isa_name(isa),
               flop * 1e-6, ms[0], flop / ms[0] * 1e-6, ms[1], flop / ms[1] * 1e-6, ms[2],
               flop / ms[2] * 1e-6);
    }
    printf("all mflop=%.1f forward_ms=%.3f by_input_ms=%.3f by_weights_ms=%.3f\n",
           flops * 1e-6, total[0], total[1], total[2]);
    return 0;
}
