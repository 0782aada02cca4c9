/*
 * Training against PyTorch's steps on crops of a real scan (PULMO_TEST_DATA), and the
 * promise that the bits of a step do not depend on who has which sample.
 */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <zlib.h>

#include <cmocka.h>
#include <hdf5.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "nn/training.h"

enum { SLICES = 99, SIDE = 512, AREA = SIDE * SIDE, BATCH_MAX = 8, NAME_BYTES = 200 };

static struct error err;

static void ok(enum status s)
{
    if (s != STATUS_OK)
        fail_msg("%s", err.message);
}

static void *room(size_t count, size_t bytes)
{
    void *p;
    ok(memory_new(count, bytes, "test", &p, &err));
    return p;
}

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

static void read_values(hid_t file, const char *name, hid_t type, void *out)
{
    hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
    if (set < 0)
        fail_msg("no dataset %s", name);
    assert_true(H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, out) >= 0);
    H5Dclose(set);
}

/* A tensor of a group of the steps file. */
static float *read_tensor(hid_t file, const char *group,
                          const struct training_tensor *tensor)
{
    char name[NAME_BYTES];
    float *values = room(tensor->count, sizeof *values);
    snprintf(name, sizeof name, "%s/%s", group, tensor->name);
    read_values(file, name, H5T_NATIVE_FLOAT, values);
    return values;
}

static void network_of(struct network *n, const char *name)
{
    const char *source = getenv("PULMO_SOURCE");
    char *path, relative[64];
    snprintf(relative, sizeof relative, "conf/models/%s.cfg", name);
    ok(path_join(source ? source : "", relative, &path, &err));
    ok(network_init(n, path, &err));
    free(path);
}

/* |a - b| / |b| in Euclidean norm. */
static double deviation(const float *a, const float *b, size_t count)
{
    double difference = 0, norm = 0;
    for (size_t i = 0; i < count; i++) {
        difference += pow((double)a[i] - (double)b[i], 2);
        norm += pow((double)b[i], 2);
    }
    return sqrt(difference / (norm > 0 ? norm : 1));
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
                              enum conv_algorithm algorithm, int threads)
{
    struct training *t;
    size_t count;
    char group[NAME_BYTES];
    const struct training_options options = {.isa = isa_best(),
                                             .algorithm = algorithm,
                                             .threads = threads,
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

static void follow(const struct series *s, enum conv_algorithm algorithm, int steps,
                   double loss_bound, double change_bound)
{
    char *path = data_file("expected/training-steps.h5"), name[NAME_BYTES];
    float *hu = read_scan();
    double losses[8], worst = 0, seconds = 0, gradient = 0;
    struct network n;
    struct optimizer o;
    size_t count;

    isa_use(isa_best());
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    assert_true(file >= 0);
    network_of(&n, s->network);
    struct crops crops = crops_read(file, s, hu);
    struct training *t = start(s, &n, file, algorithm, 1);
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
    printf("%s, %s: losses of %d steps within %.2g, first gradients %.2g, change of "
           "weights %.2g; %.1f ms a sample\n",
           s->network, conv_algorithm_name(algorithm), steps, worst, gradient, change,
           1e3 * seconds / (steps * s->batch));
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

static void lunamodel_takes_pytorchs_steps(void **state)
{
    (void)state;
    const struct series s = classify_series();
    follow(&s, CONV_DIRECT, s.steps, 5e-4, s.change_bound);
    follow(&s, CONV_BLIS, s.steps, 5e-4, s.change_bound);
}

static void the_unet_takes_pytorchs_steps(void **state)
{
    (void)state;
    const struct series s = segment_series();
    follow(&s, CONV_DIRECT, s.steps, 5e-4, s.change_bound);
    follow(&s, CONV_BLIS, s.steps, 5e-4, s.change_bound);
}

/* The trajectory is chaotic: faster kernels are held to its beginning. */
static void faster_kernels_take_the_first_steps(void **state)
{
    (void)state;
    const struct series classify = classify_series(), segment = segment_series();
    follow(&classify, CONV_AUTO, 2, 1e-5, 1);
    follow(&segment, CONV_AUTO, 2, 1e-5, 1);
}

/* Ranks as threads of this process: they meet at a barrier, one adds up. */
enum { RANKS_MAX = 4, STEPS = 2 };

struct meeting {
    pthread_barrier_t barrier;
    int ranks;
    int64_t *values[RANKS_MAX];
    int64_t reductions;
};

struct rank {
    struct meeting *meeting;
    int number;
    const struct network *network;
    const struct training_options *options;
    const int64_t *size;
    const struct training_sample *samples; /* all */
    int batch, first, count;               /* this rank's of each batch */
    float *state;                          /* of all tensors at the end */
    double losses[STEPS];
    enum status status;
    struct error err;
};

static enum status reduce(struct rank *r, int64_t *values, size_t count, bool largest)
{
    struct meeting *m = r->meeting;
    m->values[r->number] = values;
    pthread_barrier_wait(&m->barrier);
    if (r->number == 0) {
        for (size_t i = 0; i < count; i++) {
            int64_t all = values[i];
            for (int k = 1; k < m->ranks; k++) {
                const int64_t other = m->values[k][i];
                all = largest ? (other > all ? other : all) : all + other;
            }
            for (int k = 0; k < m->ranks; k++)
                m->values[k][i] = all;
        }
        m->reductions++;
    }
    pthread_barrier_wait(&m->barrier);
    return STATUS_OK;
}

static enum status reduce_sum(int64_t *values, size_t count, void *context,
                              struct error *e)
{
    (void)e;
    return reduce(context, values, count, false);
}

static enum status reduce_max(int64_t *values, size_t count, void *context,
                              struct error *e)
{
    (void)e;
    return reduce(context, values, count, true);
}

/* Weights that depend on nothing but their place, as a fresh network has them. */
static void set_weights(struct training *t)
{
    size_t count;
    const struct training_tensor *tensors = training_tensors(t, &count);
    for (size_t i = 0; i < count; i++) {
        struct random r = random_stream(11, RANDOM_WEIGHTS, i, 0);
        const bool variance = strstr(tensors[i].name, "running_var") != NULL;
        const bool scale = tensors[i].rank == 1 && strstr(tensors[i].name, "weight");
        const double spread =
            sqrt(2 / ((double)tensors[i].count / (double)tensors[i].shape[0] + 1));
        for (size_t k = 0; k < tensors[i].count; k++)
            tensors[i].values[k] =
                (float)(variance ? 1 : random_normal(&r) * spread + (scale ? 1 : 0));
    }
}

static void *run_rank(void *argument)
{
    struct rank *r = argument;
    const struct training_reducer reducer = {reduce_sum, reduce_max, r};
    struct training *t = NULL;
    struct optimizer o = {.count = 0};
    const struct optimizer_options options = optimizer_defaults(OPTIMIZER_ADAM);
    enum status status;
    size_t count, trained_count;

    TRY(training_new(r->network, r->size, r->options, &t, &r->err));
    set_weights(t);
    const struct optimizer_tensor *trained = training_trained(t, &trained_count);
    TRY(optimizer_init(&o, &options, training_trained_values(t), &r->err));
    for (int step = 0; step < STEPS; step++) {
        TRY(training_gradients(t, r->samples + step * r->batch + r->first, r->count,
                               r->batch, r->meeting ? &reducer : NULL, &r->losses[step],
                               &r->err));
        optimizer_step(&o, trained, trained_count, 1e-3);
    }
    const struct training_tensor *tensors = training_tensors(t, &count);
    const struct training_tensor *last = &tensors[count - 1];
    const size_t floats = (size_t)(last->values + last->count - tensors[0].values);
    TRY(memory_new(floats, sizeof *r->state, "test", (void **)&r->state, &r->err));
    memcpy(r->state, tensors[0].values, floats * sizeof *r->state);
out:
    r->status = status;
    optimizer_release(&o);
    training_free(t);
    return NULL;
}

/* What a network is trained on in these tests: noise, and where it is bright. */
struct noise {
    struct training_sample *samples;
    float *inputs, *targets;
    int count;
};

static struct noise noise_new(int count, size_t input, size_t target)
{
    struct noise n = {.count = count};
    n.samples = room((size_t)count, sizeof *n.samples);
    n.inputs = room((size_t)count * input, sizeof *n.inputs);
    n.targets = room((size_t)count * target, sizeof *n.targets);
    for (int i = 0; i < count; i++) {
        struct random r = random_stream(12, RANDOM_NOISE, (uint64_t)i, 0);
        float *in = n.inputs + (size_t)i * input, *to = n.targets + (size_t)i * target;
        for (size_t k = 0; k < input; k++)
            in[k] = (float)(random_normal(&r) * 300 - 700 + 30 * i);
        for (size_t k = 0; k < target; k++)
            to[k] = in[k] > -600;
        n.samples[i] =
            (struct training_sample){.input = in, .target = to, .label = i % 3 == 0};
    }
    return n;
}

static void noise_free(struct noise *n)
{
    free(n->samples);
    free(n->inputs);
    free(n->targets);
}

/* Divides each batch over ranks in shares of the given sizes, and returns the state that
 * all ranks agree on. */
static float *train_divided(const struct network *n, const int64_t size[3],
                            enum loss_kind loss, const struct noise *data, int batch,
                            const int *shares, int ranks, int threads, size_t floats,
                            double *last_loss)
{
    struct meeting m = {.ranks = ranks};
    struct rank rank[RANKS_MAX];
    pthread_t thread[RANKS_MAX];
    struct training_options options = {.isa = isa_best(),
                                       .algorithm = CONV_AUTO,
                                       .threads = threads,
                                       .samples = batch,
                                       .loss = loss_make(loss)};
    int first = 0;

    isa_use(options.isa);
    pthread_barrier_init(&m.barrier, NULL, (unsigned)ranks);
    for (int i = 0; i < ranks; first += shares[i++]) {
        rank[i] = (struct rank){.meeting = ranks > 1 ? &m : NULL,
                                .number = i,
                                .network = n,
                                .options = &options,
                                .size = size,
                                .samples = data->samples,
                                .batch = batch,
                                .first = first,
                                .count = shares[i]};
        assert_int_equal(pthread_create(&thread[i], NULL, run_rank, &rank[i]), 0);
    }
    assert_int_equal(first, batch);
    for (int i = 0; i < ranks; i++)
        pthread_join(thread[i], NULL);
    pthread_barrier_destroy(&m.barrier);
    for (int i = 0; i < ranks; i++) {
        if (rank[i].status != STATUS_OK)
            fail_msg("rank %d: %s", i, rank[i].err.message);
        assert_memory_equal(rank[i].state, rank[0].state, floats * sizeof(float));
        assert_true(rank[i].losses[STEPS - 1] == rank[0].losses[STEPS - 1]);
        if (i > 0)
            free(rank[i].state);
    }
    *last_loss = rank[0].losses[STEPS - 1];
    return rank[0].state;
}

static void divide(const char *name, const int64_t size[3], enum loss_kind loss,
                   size_t input, size_t target, size_t floats)
{
    static const struct {
        int ranks, threads, shares[RANKS_MAX];
    } divisions[] = {
        {1, 1, {7}},       {1, 2, {7}},       {2, 1, {4, 3}},
        {3, 1, {3, 2, 2}}, {3, 1, {6, 0, 1}}, {4, 2, {2, 2, 2, 1}},
    };
    enum { BATCH = 7 };
    struct network n;
    float *first = NULL;
    double loss_of_first = 0, loss_here;

    network_of(&n, name);
    struct noise data = noise_new(STEPS * BATCH, input, target);
    for (size_t i = 0; i < sizeof divisions / sizeof *divisions; i++) {
        float *state =
            train_divided(&n, size, loss, &data, BATCH, divisions[i].shares,
                          divisions[i].ranks, divisions[i].threads, floats, &loss_here);
        if (first) {
            assert_memory_equal(state, first, floats * sizeof *state);
            assert_true(loss_here == loss_of_first);
            free(state);
        } else {
            first = state;
            loss_of_first = loss_here;
        }
    }
    printf("%s: %zu values the same over all divisions of a batch, loss %.6f\n", name,
           floats, loss_here);
    free(first);
    noise_free(&data);
    network_release(&n);
}

static void a_step_is_the_same_bits_however_the_batch_is_divided(void **state)
{
    (void)state;
    divide("luna", (const int64_t[]){32, 48, 48}, LOSS_CROSS_ENTROPY, 32 * 48 * 48, 1,
           222222);
    divide("unet2d", (const int64_t[]){1, 24, 20}, LOSS_DICE, 7 * 24 * 20, 24 * 20,
           118271 + 2 * 7 + 2 * 2 * (16 + 32 + 64 + 32 + 16));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_is_the_same_bits_however_the_batch_is_divided),
        cmocka_unit_test(lunamodel_takes_pytorchs_steps),
        cmocka_unit_test(the_unet_takes_pytorchs_steps),
        cmocka_unit_test(faster_kernels_take_the_first_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
