/*
 * PyTorch's training steps on crops of a real scan (PULMO_TEST_DATA): LunaModel by SGD,
 * the U-Net by Adam. The direct kernels follow to the end; the trajectory is chaotic, so
 * that faster ones are held to its beginning.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <zlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "training_case.h"

enum { SLICES = 99, SIDE = 512, AREA = SIDE * SIDE };

/* PULMO_TEST_DATA/name, or skips. */
static char *data_file(const char *name)
{
    const char *folder = getenv("PULMO_TEST_DATA");
    char *path;
    ok(path_join(folder ? folder : "", name, &path, &err));
    if (!folder || !file_exists(path)) {
        printf("skipped: needs %s of the reference data (PULMO_TEST_DATA)\n", name);
        free(path);
        skip();
    }
    return path;
}

static float *read_scan(void)
{
    char *path = data_file("ct/C3N-00247.zraw"), *packed;
    size_t bytes;
    uLongf length = (uLongf)SLICES * AREA * sizeof(int16_t);
    int16_t *raw = room(length, 1);
    float *hu = room((size_t)SLICES * AREA, sizeof *hu);

    ok(file_read(path, (size_t)1 << 30, &packed, &bytes, &err));
    assert_int_equal(uncompress((Bytef *)raw, &length, (const Bytef *)packed, bytes),
                     Z_OK);
    for (size_t i = 0; i < (size_t)SLICES * AREA; i++)
        hu[i] = fminf(fmaxf(raw[i], -1000), 1000);
    free(raw);
    free(packed);
    free(path);
    return hu;
}

/* One of the two series of steps. */
struct series {
    const char *network, *group;
    int64_t size[3];
    int steps, batch;
    enum loss_kind loss;
    struct optimizer_options optimizer;
    double change_bound;
};

static struct series classify_series(void)
{
    struct series s = {.network = "luna",
                       .group = "classify",
                       .size = {32, 48, 48},
                       .steps = 5,
                       .batch = 8,
                       .loss = LOSS_CROSS_ENTROPY,
                       .optimizer = optimizer_defaults(OPTIMIZER_SGD),
                       .change_bound = 1e-3};
    s.optimizer.momentum = 0.99;
    return s;
}

static struct series segment_series(void)
{
    return (struct series){.network = "unet2d",
                           .group = "segment",
                           .size = {1, 64, 64},
                           .steps = 3,
                           .batch = 4,
                           .loss = LOSS_DICE,
                           .optimizer = optimizer_defaults(OPTIMIZER_ADAM),
                           .change_bound = 0.06};
}

/* All crops of a series, with their labels. */
struct crops {
    struct training_sample *samples; /* [steps][batch] */
    float *inputs, *targets;
};

static struct crops crops_read(hid_t file, const struct series *s, const float *hu)
{
    struct crops c;
    char name[NAME_BYTES];
    const bool flat = s->size[0] == 1;
    const int64_t depth = flat ? 7 : s->size[0]; /* slices as channels */
    const size_t count = (size_t)(s->steps * s->batch),
                 area = (size_t)(s->size[1] * s->size[2]), voxels = (size_t)depth * area;
    int *starts = room(count * 3, sizeof *starts), *labels = room(count, sizeof *labels);

    c.samples = room(count, sizeof *c.samples);
    c.inputs = room(count * voxels, sizeof *c.inputs);
    c.targets = room(count * area, sizeof *c.targets);
    snprintf(name, sizeof name, "%s/crop_start_irc", s->group);
    read_values(file, name, H5T_NATIVE_INT, starts);
    snprintf(name, sizeof name, "%s/labels", s->group);
    if (flat)
        read_values(file, name, H5T_NATIVE_FLOAT, c.targets);
    else
        read_values(file, name, H5T_NATIVE_INT, labels);
    for (size_t i = 0; i < count; i++) {
        float *to = c.inputs + i * voxels;
        c.samples[i] = (struct training_sample){
            .input = to, .label = labels[i], .target = c.targets + i * area};
        for (int64_t z = 0; z < depth; z++)
            for (int64_t y = 0; y < s->size[1]; y++, to += s->size[2])
                memcpy(to,
                       hu + (starts[3 * i] + z) * AREA + (starts[3 * i + 1] + y) * SIDE +
                           starts[3 * i + 2],
                       (size_t)s->size[2] * sizeof *to);
    }
    free(starts);
    free(labels);
    return c;
}

static void crops_free(struct crops *c)
{
    free(c->samples);
    free(c->inputs);
    free(c->targets);
}

static struct training *start(const struct series *s, const struct network *n, hid_t file,
                              enum conv_algorithm algorithm, enum isa isa)
{
    struct training *t;
    size_t count;
    char group[NAME_BYTES];
    const struct training_options options = {.isa = isa,
                                             .algorithm = algorithm,
                                             .threads = 1,
                                             .samples = s->batch,
                                             .loss = loss_make(s->loss)};
    ok(training_new(n, s->size, &options, &t, &err));
    const struct training_tensor *tensors = training_tensors(t, &count);
    snprintf(group, sizeof group, "%s/weights_before", s->group);
    for (size_t i = 0; i < count; i++) {
        float *values = read_tensor(file, group, &tensors[i]);
        memcpy(tensors[i].values, values, tensors[i].count * sizeof *values);
        free(values);
    }
    return t;
}

/* Worst deviation of the first gradients, of each tensor. */
static double gradient_deviation(const struct series *s, const struct training *t,
                                 hid_t file)
{
    char group[NAME_BYTES];
    double worst = 0;
    size_t count;
    const struct training_tensor *tensors = training_tensors(t, &count);
    snprintf(group, sizeof group, "%s/gradient_step1", s->group);
    for (size_t i = 0; i < count; i++) {
        if (!tensors[i].gradient)
            continue;
        float *expected = read_tensor(file, group, &tensors[i]);
        const double d = deviation(tensors[i].gradient, expected, tensors[i].count);
        if (d > 1e-5)
            printf("    gradient %s: %.2g\n", tensors[i].name, d);
        worst = fmax(worst, d);
        free(expected);
    }
    return worst;
}

/* Worst deviation of the change of the weights, of each tensor; running statistics too.
 */
static double change_deviation(const struct series *s, const struct training *t,
                               hid_t file)
{
    char before[NAME_BYTES], after[NAME_BYTES];
    double worst = 0;
    size_t count;
    const struct training_tensor *tensors = training_tensors(t, &count);
    snprintf(before, sizeof before, "%s/weights_before", s->group);
    snprintf(after, sizeof after, "%s/weights_after", s->group);
    for (size_t i = 0; i < count; i++) {
        float *first = read_tensor(file, before, &tensors[i]),
              *expected = read_tensor(file, after, &tensors[i]),
              *found = room(tensors[i].count, sizeof *found);
        for (size_t k = 0; k < tensors[i].count; k++) {
            expected[k] -= first[k];
            found[k] = tensors[i].values[k] - first[k];
        }
        worst = fmax(worst, deviation(found, expected, tensors[i].count));
        free(first);
        free(expected);
        free(found);
    }
    return worst;
}

static void follow(const struct series *s, enum conv_algorithm algorithm, enum isa isa,
                   int steps, double loss_bound, double change_bound)
{
    char *path = data_file("expected/training-steps.h5"), name[NAME_BYTES];
    float *hu = read_scan();
    double losses[8], worst = 0, seconds = 0, gradient = 0;
    struct network n;
    struct optimizer o;
    size_t count;

    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    assert_true(file >= 0);
    network_of(&n, s->network);
    struct crops crops = crops_read(file, s, hu);
    struct training *t = start(s, &n, file, algorithm, isa);
    const struct optimizer_tensor *trained = training_trained(t, &count);
    ok(optimizer_init(&o, &s->optimizer, training_trained_values(t), &err));
    snprintf(name, sizeof name, "%s/loss", s->group);
    read_values(file, name, H5T_NATIVE_DOUBLE, losses);
    for (int step = 0; step < steps; step++) {
        double loss, begun = clock_seconds();
        ok(training_gradients(t, crops.samples + step * s->batch, s->batch, s->batch,
                              NULL, &loss, &err));
        if (step == 0)
            gradient = gradient_deviation(s, t, file);
        optimizer_step(&o, trained, count, 1e-3);
        seconds += clock_seconds() - begun;
        worst = fmax(worst, fabs(loss - losses[step]) / losses[step]);
    }
    const double change = steps == s->steps ? change_deviation(s, t, file) : 0;
    printf("%s, %s, %s: losses of %d steps within %.2g, first gradients %.2g, change of "
           "weights %.2g; %.1f ms a sample\n",
           s->network, conv_algorithm_name(algorithm), isa_name(isa), steps, worst,
           gradient, change, 1e3 * seconds / (steps * s->batch));
    assert_true(worst <= loss_bound);
    assert_true(gradient <= 1e-4);
    assert_true(change <= change_bound);

    optimizer_release(&o);
    training_free(t);
    network_release(&n);
    crops_free(&crops);
    H5Fclose(file);
    free(hu);
    free(path);
}

/* Under a sanitizer kernels are compiled without optimisation, hence without fused
 * multiply-adds: they round in other places, and take their time. There the question is
 * what they touch, on the best set. */
#ifdef __SANITIZE_ADDRESS__
static const bool sanitized = true;
#else
static const bool sanitized = false;
#endif

/* The kernels of this machine are held to the bound. Adam makes steps of the same length
 * from gradients near zero, which are rounding: how far that leads differs by chance, and
 * other instruction sets may go further. */
static void follow_everywhere(const struct series *s, double other_bound)
{
    const int best = (int)isa_best();
    for (int isa = sanitized ? best : ISA_PORTABLE; isa <= best; isa++)
        follow(s, CONV_DIRECT, (enum isa)isa, s->steps, 5e-4,
               isa == best && !sanitized ? s->change_bound : other_bound);
}

static void lunamodel_takes_pytorchs_steps(void **state)
{
    (void)state;
    const struct series s = classify_series();
    follow_everywhere(&s, s.change_bound);
    follow(&s, CONV_BLIS, isa_best(), 2, 5e-4, s.change_bound);
}

static void the_unet_takes_pytorchs_steps(void **state)
{
    (void)state;
    const struct series s = segment_series();
    follow_everywhere(&s, 0.2);
    if (!sanitized)
        follow(&s, CONV_BLIS, isa_best(), s.steps, 5e-4, s.change_bound);
}

/* The trajectory is chaotic: faster kernels are held to its beginning. */
static void faster_kernels_take_the_first_steps(void **state)
{
    (void)state;
    const struct series classify = classify_series(), segment = segment_series();
    const double loss_bound = sanitized ? 1e-4 : 1e-5;
    follow(&classify, CONV_AUTO, isa_best(), 2, loss_bound, 1);
    follow(&segment, CONV_AUTO, isa_best(), 2, loss_bound, 1);
}

/* For BLIS, which takes it once; our own kernels are told each time. */
static int setup(void **state)
{
    (void)state;
    isa_use(isa_best());
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lunamodel_takes_pytorchs_steps),
        cmocka_unit_test(the_unet_takes_pytorchs_steps),
        cmocka_unit_test(faster_kernels_take_the_first_steps),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
