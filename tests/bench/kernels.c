/*
 * How fast the convolutions are: every layer of the two networks of the book, with every
 * algorithm that serves it, on one core.
 *
 *   bench_kernels [ISA [ALGORITHM]]
 *
 * "auto" is what trainings choose, "inference" what inferences do.
 *
 * One line a figure. Rates count the multiply-adds of direct convolution, so Winograd may
 * pass the peak (share above 1): that is the algorithm's gain, not a faster machine.
 * peak: independent multiply-adds of this instruction set in registers; sgemm: BLIS, 512
 * x 512 x 512. Minimum over repeats.
 */
#include <math.h>

#include "measure.h"
#include "tensor/conv.h"

#include <blis.h>

struct layer {
    const char *network;
    int in_channels, out_channels;
    int64_t size[3];
};

static const struct layer layers[] = {
    {"unet", 7, 16, {1, 512, 512}},  {"unet", 16, 16, {1, 512, 512}},
    {"unet", 16, 32, {1, 256, 256}}, {"unet", 32, 32, {1, 256, 256}},
    {"unet", 32, 64, {1, 128, 128}}, {"unet", 64, 64, {1, 128, 128}},
    {"unet", 64, 32, {1, 256, 256}}, {"unet", 32, 32, {1, 256, 256}},
    {"unet", 32, 16, {1, 512, 512}}, {"unet", 16, 16, {1, 512, 512}},
    {"luna", 1, 8, {32, 48, 48}},    {"luna", 8, 8, {32, 48, 48}},
    {"luna", 8, 16, {16, 24, 24}},   {"luna", 16, 16, {16, 24, 24}},
    {"luna", 16, 32, {8, 12, 12}},   {"luna", 32, 32, {8, 12, 12}},
    {"luna", 32, 64, {4, 6, 6}},     {"luna", 64, 64, {4, 6, 6}},
};

enum { LAYERS = sizeof layers / sizeof layers[0], REPEATS = 7 };

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

#define PEAK(name, options, lanes, sums)                                                 \
    __attribute__((options)) static float name(int64_t steps)                            \
    {                                                                                    \
        typedef float vector __attribute__((vector_size((lanes)*4)));                    \
        vector acc[sums], a, b;                                                          \
        for (int i = 0; i < (lanes); i++)                                                \
            a[i] = b[i] = 0.5f + (float)steps * 1e-20f;                                  \
        for (int i = 0; i < (sums); i++)                                                 \
            acc[i] = a;                                                                  \
        for (int64_t s = 0; s < steps; s++)                                              \
            for (int i = 0; i < (sums); i++)                                             \
                acc[i] = acc[i] * a + b;                                                 \
        for (int i = 1; i < (sums); i++)                                                 \
            acc[0] += acc[i];                                                            \
        return acc[0][0];                                                                \
    }

#if defined(__x86_64__)
PEAK(peak_avx512, target("avx512f,fma"), 16, 16)
PEAK(peak_avx2, target("avx2,fma"), 8, 12)
#endif
PEAK(peak_portable, noinline, 4, 12)

static double peak_gflops(enum isa isa)
{
    double best = 0;
    volatile float sink;
    for (int i = 0; i < REPEATS; i++) {
        const int64_t steps = 10000000;
        double flops = 2.0 * (double)steps * 4 * 12, start = core_seconds();
#if defined(__x86_64__)
        if (isa == ISA_AVX512)
            sink = peak_avx512(steps), flops = 2.0 * (double)steps * 16 * 16;
        else if (isa == ISA_AVX2)
            sink = peak_avx2(steps), flops = 2.0 * (double)steps * 8 * 12;
        else
#endif
            sink = peak_portable(steps);
        (void)sink;
        best = fmax(best, flops / (core_seconds() - start) * 1e-9);
    }
    return best;
}

static double sgemm_gflops(void)
{
    enum { N = 512 };
    float *a = noise(N * N), *b = noise(N * N), *c = noise(N * N), one = 1;
    double best = 0;
    for (int i = 0; i < REPEATS; i++) {
        double start = core_seconds();
        bli_sgemm(BLIS_NO_TRANSPOSE, BLIS_NO_TRANSPOSE, N, N, N, &one, a, N, 1, b, N, 1,
                  &one, c, N, 1);
        best = fmax(best, 2.0 * N * N * N / (core_seconds() - start) * 1e-9);
    }
    free(a), free(b), free(c);
    return best;
}

static double multiply_adds(const struct layer *l)
{
    return (double)(l->size[0] * l->size[1] * l->size[2]) * l->in_channels *
           l->out_channels * (l->size[0] > 1 ? 27 : 9);
}

/* Seconds of one forward pass: the least of several measurements of some 20 ms. */
static double seconds(const struct layer *l, enum conv_algorithm a, enum isa isa,
                      enum conv_algorithm *chosen)
{
    bool flat = l->size[0] == 1;
    struct conv_shape s = {l->in_channels,
                           l->out_channels,
                           {flat ? 1 : 3, 3, 3},
                           {1, 1, 1},
                           {flat ? 0 : 1, 1, 1}};
    size_t in_floats = (size_t)view_floats(l->size[0], l->size[1], l->size[2],
                                           l->in_channels, s.pad[0], 1);
    size_t out_floats = (size_t)view_floats(l->size[0], l->size[1], l->size[2],
                                            l->out_channels, s.pad[0], 1);
    float *weights = noise((size_t)(l->in_channels * l->out_channels * 27));
    float *in_memory = noise(in_floats), *out_memory = noise(out_floats);
    struct view in = view_make(in_memory, l->size[0], l->size[1], l->size[2],
                               l->in_channels, s.pad[0], 1);
    struct view out = view_make(out_memory, l->size[0], l->size[1], l->size[2],
                                l->out_channels, s.pad[0], 1);
    struct conv_epilogue e = {
        .bias = weights, .relu = true, .scale = weights, .shift = weights};
    struct conv *c;
    CHECK(conv_new(&s, a, isa, weights, &c, NULL) == STATUS_OK);
    *chosen = conv_algorithm(c);
    void *scratch = room(conv_scratch_bytes(c, l->size[0], l->size[1], l->size[2]), 1);
    conv_forward(c, &in, &out, &e, scratch);
    double once = core_seconds();
    conv_forward(c, &in, &out, &e, scratch);
    int passes = (int)fmax(1, 0.02 / (core_seconds() - once));
    double best = INFINITY;
    for (int i = 0; i < REPEATS; i++) {
        double start = core_seconds();
        for (int p = 0; p < passes; p++)
            conv_forward(c, &in, &out, &e, scratch);
        best = fmin(best, (core_seconds() - start) / passes);
    }
    conv_free(c);
    free(scratch), free(in_memory), free(out_memory), free(weights);
    return best;
}

/* All layers with one algorithm, or what inferences choose, and the sums for each
 * network.
 */
static void measure(enum conv_algorithm wanted, bool inference, enum isa isa, double peak,
                    double sgemm)
{
    const char *name = inference ? "inference" : conv_algorithm_name(wanted);
    double total[2] = {0, 0}, flops[2] = {0, 0};
    for (int i = 0; i < LAYERS; i++) {
        const struct layer *l = &layers[i];
        struct conv_shape s = {l->in_channels,
                               l->out_channels,
                               {l->size[0] > 1 ? 3 : 1, 3, 3},
                               {1, 1, 1},
                               {l->size[0] > 1 ? 1 : 0, 1, 1}};
        if (!conv_algorithm_serves(wanted, &s))
            continue;
        const enum conv_algorithm a =
            inference ? conv_inference_algorithm(&s, isa, l->size[1], l->size[2])
                      : wanted;
        enum conv_algorithm chosen;
        double time = seconds(l, a, isa, &chosen),
               rate = 2 * multiply_adds(l) / time * 1e-9;
        int network = strcmp(l->network, "luna") == 0;
        total[network] += time;
        flops[network] += 2 * multiply_adds(l);
        printf("conv network=%s layer=%d->%d@%dx%dx%d algorithm=%s%s%s isa=%s ms=%.3f "
               "gflops=%.1f "
               "peak_share=%.2f sgemm_share=%.2f\n",
               l->network, l->in_channels, l->out_channels, (int)l->size[0],
               (int)l->size[1], (int)l->size[2], wanted == CONV_AUTO ? name : "",
               wanted == CONV_AUTO ? ":" : "", conv_algorithm_name(chosen), isa_name(isa),
               time * 1e3, rate, rate / peak, rate / sgemm);
    }
    for (int n = 0; n < 2; n++)
        printf("network=%s algorithm=%s isa=%s ms=%.2f gflops=%.1f\n",
               n ? "luna" : "unet", name, isa_name(isa), total[n] * 1e3,
               flops[n] / total[n] * 1e-9);
}

int main(int argc, char **argv)
{
    static const enum conv_algorithm algorithms[] = {
        CONV_BLIS, CONV_DIRECT, CONV_WINOGRAD, CONV_PLANES, CONV_LINES, CONV_AUTO};
    enum isa isa;
    struct error err;
    if (isa_parse(argc > 1 ? argv[1] : "auto", &isa, &err) != STATUS_OK) {
        fprintf(stderr, "bench_kernels: %s\n", err.message);
        return 2;
    }
    isa_use(isa);
    double peak = peak_gflops(isa), sgemm = sgemm_gflops();
    printf("peak isa=%s gflops=%.1f\nsgemm isa=%s gflops=%.1f\n", isa_name(isa), peak,
           isa_name(isa), sgemm);
    for (size_t i = 0; i < sizeof algorithms / sizeof algorithms[0]; i++)
        if (argc < 3 || strcmp(argv[2], conv_algorithm_name(algorithms[i])) == 0)
            measure(algorithms[i], false, isa, peak, sgemm);
    if (argc < 3 || strcmp(argv[2], "inference") == 0)
        measure(CONV_AUTO, true, isa, peak, sgemm);
    return 0;
}
