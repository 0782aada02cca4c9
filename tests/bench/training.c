/*
 * How fast training is: what convolutions pass back, layer by layer, and whole steps of
 * the two networks of the book, on one core.
 *
 *   bench_training [ISA]     in the source folder, or with PULMO_SOURCE
 *
 * One line a figure. Rates count the multiply-adds of direct convolution. input: gradient
 * by the input (transposed convolution, direct or by the automatic choice); weights: by
 * the weights. Time that this thread had a core; minimum over repeats.
 */
#include <math.h>

#include "base/file.h"
#include "base/random.h"
#include "measure.h"
#include "nn/training.h"
#include "tensor/conv_gradient.h"
#include "tensor/conv_transpose.h"

struct conv_layer {
    const char *network;
    int in_channels, out_channels;
    int64_t size[3];
};

static const struct conv_layer layers[] = {
    {"luna", 1, 8, {32, 48, 48}},  {"luna", 8, 8, {32, 48, 48}},
    {"luna", 8, 16, {16, 24, 24}}, {"luna", 16, 16, {16, 24, 24}},
    {"luna", 16, 32, {8, 12, 12}}, {"luna", 32, 32, {8, 12, 12}},
    {"luna", 32, 64, {4, 6, 6}},   {"luna", 64, 64, {4, 6, 6}},
    {"unet", 7, 16, {1, 64, 64}},  {"unet", 16, 16, {1, 64, 64}},
    {"unet", 16, 32, {1, 32, 32}}, {"unet", 32, 32, {1, 32, 32}},
    {"unet", 32, 64, {1, 16, 16}}, {"unet", 64, 64, {1, 16, 16}},
    {"unet", 64, 32, {1, 32, 32}}, {"unet", 32, 16, {1, 64, 64}},
};

enum { LAYERS = sizeof layers / sizeof layers[0], REPEATS = 7, BATCH = 8 };

static struct error err;

static void ok(enum status s)
{
    if (s == STATUS_OK)
        return;
    fprintf(stderr, "%s\n", err.message);
    exit(1);
}

static float *noise(size_t count)
{
    float *f = room(count, sizeof *f);
    struct random r = random_stream(1, RANDOM_NOISE, 0, 0);
    for (size_t i = 0; i < count; i++)
        f[i] = (float)random_between(&r, -0.5, 0.5);
    return f;
}

/* A layer's tensors and kernels. */
struct bench {
    struct view in, gradient;
    float *weights, *found;
    struct conv_gradient by_weights;
    struct conv_transpose *by_input;
    void *scratch;
};

static void pass_to_weights(const struct bench *b)
{
    conv_gradient_weights(&b->by_weights, &b->in, &b->gradient, b->found, b->scratch);
}

static void pass_to_input(const struct bench *b)
{
    const struct conv_epilogue none = {0};
    conv_transpose_forward(b->by_input, &b->gradient, &b->in, &none, b->scratch);
}

static double least_seconds(const struct bench *b, void (*pass)(const struct bench *))
{
    double best = INFINITY;
    pass(b);
    double once = core_seconds();
    pass(b);
    const int passes = (int)fmax(1, 0.01 / (core_seconds() - once));
    for (int i = 0; i < REPEATS; i++) {
        const double start = core_seconds();
        for (int p = 0; p < passes; p++)
            pass(b);
        best = fmin(best, (core_seconds() - start) / passes);
    }
    return best;
}

static void print_rate(const struct conv_layer *l, const char *what, double seconds,
                       enum isa isa)
{
    const double flops = 2.0 * (double)(l->size[0] * l->size[1] * l->size[2]) *
                         l->in_channels * l->out_channels * (l->size[0] > 1 ? 27 : 9);
    printf("backward network=%s layer=%d->%d@%dx%dx%d by=%s isa=%s ms=%.3f gflops=%.1f\n",
           l->network, l->in_channels, l->out_channels, (int)l->size[0], (int)l->size[1],
           (int)l->size[2], what, isa_name(isa), 1e3 * seconds, 1e-9 * flops / seconds);
}

static void measure_layer(const struct conv_layer *l, enum isa isa)
{
    const int flat = l->size[0] == 1;
    const struct conv_shape s = {
        l->in_channels, l->out_channels, {flat ? 1 : 3, 3, 3}, {1, 1, 1}, {!flat, 1, 1}};
    const struct conv_transpose_shape back = {l->out_channels,      l->in_channels,
                                              {flat ? 1 : 3, 3, 3}, {1, 1, 1},
                                              {!flat, 1, 1},        {0, 0, 0}};
    const int64_t *z = l->size;
    float *in = noise((size_t)view_floats(z[0], z[1], z[2], l->in_channels, !flat, 1)),
          *gradient =
              noise((size_t)view_floats(z[0], z[1], z[2], l->out_channels, !flat, 1));
    struct bench b = {
        .in = view_make(in, z[0], z[1], z[2], l->in_channels, !flat, 1),
        .gradient = view_make(gradient, z[0], z[1], z[2], l->out_channels, !flat, 1),
        .by_weights = conv_gradient_make(&s, CONV_AUTO, isa)};
    static const enum conv_algorithm algorithms[] = {CONV_DIRECT, CONV_AUTO};
    static const char *const names[] = {"input", "input:auto"};

    b.weights = noise((size_t)(l->in_channels * l->out_channels * 27));
    b.found = noise((size_t)(l->in_channels * l->out_channels * 27));
    b.scratch = room(conv_gradient_scratch_bytes(&b.by_weights, z[0], z[1], z[2]), 1);
    print_rate(l, "weights", least_seconds(&b, pass_to_weights), isa);
    free(b.scratch);
    for (int i = 0; i < 2; i++) {
        ok(conv_transpose_new(&back, algorithms[i], isa, b.weights, &b.by_input, &err));
        b.scratch = room(conv_transpose_scratch_bytes(b.by_input, z[0], z[1], z[2]), 1);
        print_rate(l, names[i], least_seconds(&b, pass_to_input), isa);
        free(b.scratch);
        conv_transpose_free(b.by_input);
    }
    free(b.weights), free(b.found), free(in), free(gradient);
}

/* Whole steps without the optimizer. */
static void measure_steps(const char *name, const int64_t size[3], enum loss_kind loss,
                          enum conv_algorithm algorithm, enum isa isa)
{
    const char *source = getenv("PULMO_SOURCE");
    const struct training_options options = {.isa = isa,
                                             .algorithm = algorithm,
                                             .threads = 1,
                                             .samples = BATCH,
                                             .loss = loss_make(loss)};
    struct network n;
    struct training *t;
    struct training_sample samples[BATCH];
    char *path, relative[64];
    size_t count, a_sample;
    double best = INFINITY, mean;

    snprintf(relative, sizeof relative, "conf/models/%s.cfg", name);
    ok(path_join(source ? source : ".", relative, &path, &err));
    ok(network_init(&n, path, &err));
    ok(training_new(&n, size, &options, &t, &err));
    const size_t voxels = (size_t)(size[0] * size[1] * size[2]);
    float *input = noise(voxels * (size_t)n.input_channels), *target = noise(voxels);
    const struct training_tensor *tensors = training_tensors(t, &count);
    for (size_t i = 0; i < count; i++) {
        float *values = noise(tensors[i].count);
        for (size_t k = 0; k < tensors[i].count; k++)
            tensors[i].values[k] = fabsf(values[k]) * 0.1f;
        free(values);
    }
    for (int i = 0; i < BATCH; i++)
        samples[i] = (struct training_sample){input, i % 2, target};
    for (int i = 0; i < REPEATS; i++) {
        const double start = core_seconds();
        ok(training_gradients(t, samples, BATCH, BATCH, NULL, &mean, &err));
        best = fmin(best, core_seconds() - start);
    }
    const size_t bytes = training_bytes(t, &a_sample);
    printf(
        "training network=%s algorithm=%s isa=%s batch=%d ms_a_sample=%.2f gflops=%.1f "
        "mb=%.1f mb_a_sample=%.2f\n",
        name, conv_algorithm_name(algorithm), isa_name(isa), BATCH, 1e3 * best / BATCH,
        2e-9 * (double)training_multiply_adds(t) * BATCH / best, 1e-6 * (double)bytes,
        1e-6 * (double)a_sample);
    training_free(t);
    network_release(&n);
    free(input), free(target), free(path);
}

int main(int argc, char **argv)
{
    enum isa isa = isa_best();
    if (argc > 1)
        ok(isa_parse(argv[1], &isa, &err));
    isa_use(isa);
    for (int i = 0; i < LAYERS; i++)
        measure_layer(&layers[i], isa);
    static const enum conv_algorithm algorithms[] = {CONV_DIRECT, CONV_AUTO};
    for (int i = 0; i < 2; i++) {
        measure_steps("luna", (const int64_t[]){32, 48, 48}, LOSS_CROSS_ENTROPY,
                      algorithms[i], isa);
        measure_steps("unet2d", (const int64_t[]){1, 64, 64}, LOSS_DICE, algorithms[i],
                      isa);
    }
    return 0;
}
