/*
 * The gradient of a batch: its bits do not depend on who has which sample, it is the
 * slope of the loss for any network and kernel, and what cannot be trained is refused.
 *
 * With PULMO_NN_GRADIENTS (tests/e2e/gradients_from_pytorch.sh): cases that PyTorch made.
 */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "temporary_folder.h"
#include "training_case.h"

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

/* Runs all ranks, each with its share of every batch. */
static void run_ranks(const struct network *n, const int64_t size[3], enum loss_kind loss,
                      const struct noise *data, int batch, const int *shares, int ranks,
                      int threads, struct rank *rank)
{
    struct meeting m = {.ranks = ranks};
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
}

/* The state that all ranks agree on in the end, to be freed. */
static float *agreed_state(const struct rank *rank, int ranks, size_t floats)
{
    for (int i = 0; i < ranks; i++) {
        if (rank[i].status != STATUS_OK)
            fail_msg("rank %d: %s", i, rank[i].err.message);
        assert_memory_equal(rank[i].state, rank[0].state, floats * sizeof(float));
        assert_true(rank[i].losses[STEPS - 1] == rank[0].losses[STEPS - 1]);
        if (i > 0)
            free(rank[i].state);
    }
    return rank[0].state;
}

static void reverse_batches(struct noise *data, int batch)
{
    for (int step = 0; step < STEPS; step++)
        for (int i = 0; i < batch / 2; i++) {
            struct training_sample *a = &data->samples[step * batch + i],
                                   *b = &data->samples[(step + 1) * batch - 1 - i],
                                   kept = *a;
            *a = *b;
            *b = kept;
        }
}

static void divide(const char *name, const int64_t size[3], enum loss_kind loss,
                   size_t input, size_t target, size_t floats)
{
    static const struct {
        int ranks, threads, shares[RANKS_MAX];
        bool reversed;
    } divisions[] = {
        {1, 1, {7}, false},       {1, 2, {7}, false},      {2, 1, {4, 3}, false},
        {3, 1, {3, 2, 2}, false}, {3, 1, {6, 0, 1}, true}, {4, 2, {2, 2, 2, 1}, false},
    };
    enum { BATCH = 7 };
    struct network n;
    float *first = NULL;
    double loss_of_first = 0;
    struct rank rank[RANKS_MAX];

    network_of(&n, name);
    struct noise data = noise_new(STEPS * BATCH, input, target);
    for (size_t i = 0; i < sizeof divisions / sizeof *divisions; i++) {
        if (divisions[i].reversed)
            reverse_batches(&data, BATCH);
        run_ranks(&n, size, loss, &data, BATCH, divisions[i].shares, divisions[i].ranks,
                  divisions[i].threads, rank);
        float *state = agreed_state(rank, divisions[i].ranks, floats);
        const double loss_here = rank[0].losses[STEPS - 1];
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
           floats, loss_of_first);
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
    divide("unet3d", (const int64_t[]){8, 12, 8}, LOSS_DICE_BCE, 8 * 12 * 8, 8 * 12 * 8,
           85339 + 2 * 1 + 2 * 2 * (8 + 16 + 32 + 16 + 8));
}

/* Networks that have what the book's lack: strides, overlapping pools, a value read by
 * many, norms before and after ReLU, a network without any. */
#define ODD_NETWORK(relu, max_pool)                                                      \
    "name = \"odd\"; dimensions = 3; input_channels = 2; divisor = 2; layers = ("        \
    "{ type = \"conv\"; name = \"a\"; channels = 5; kernel = 3; pad = 1; },"             \
    "{ type = \"" relu "\"; },"                                                          \
    "{ type = \"batch_norm\"; name = \"an\"; },"                                         \
    "{ type = \"conv\"; name = \"b\"; channels = 6; kernel = 3; stride = 2; pad = 1; }," \
    "{ type = \"batch_norm\"; name = \"bn\"; },"                                         \
    "{ type = \"" relu "\"; name = \"br\"; },"                                           \
    "{ type = \"" max_pool "\"; name = \"m\"; kernel = 3; stride = 1; pad = 1; },"       \
    "{ type = \"conv_transpose\"; name = \"u\"; channels = 3; kernel = 3; stride = 2; "  \
    "pad = 1; output_pad = 1; input = \"m\"; },"                                         \
    "{ type = \"" relu "\"; name = \"ur\"; },"                                           \
    "{ type = \"conv_transpose\"; name = \"v\"; channels = 2; kernel = 2; stride = 2; "  \
    "bias = 0; input = \"br\"; },"                                                       \
    "{ type = \"sigmoid\"; name = \"vs\"; },"                                            \
    "{ type = \"concat\"; inputs = [\"ur\", \"an\", \"vs\", \"ur\"]; },"                 \
    "{ type = \"avg_pool\"; kernel = 3; stride = 1; pad = 1; },"                         \
    "{ type = \"softmax\"; },"                                                           \
    "{ type = \"conv\"; name = \"c\"; channels = 4; kernel = [1, 3, 2]; pad = [0, 1, "   \
    "0]; "                                                                               \
    "},"                                                                                 \
    "{ type = \"batch_norm\"; name = \"cn\"; },"                                         \
    "{ type = \"conv\"; name = \"last\"; channels = 2; kernel = 1; },"                   \
    "{ type = \"sigmoid\"; } );"

#define SMALL_CLASSIFIER(relu, max_pool)                                                 \
    "name = \"small\"; dimensions = 2; input_channels = 2; crop = [8, 6]; divisor = 2; " \
    "layers = ("                                                                         \
    "{ type = \"batch_norm\"; name = \"n\"; },"                                          \
    "{ type = \"conv\"; name = \"a\"; channels = 6; kernel = 3; pad = 1; },"             \
    "{ type = \"batch_norm\"; name = \"an\"; },"                                         \
    "{ type = \"" relu "\"; },"                                                          \
    "{ type = \"" max_pool "\"; kernel = 2; },"                                          \
    "{ type = \"flatten\"; },"                                                           \
    "{ type = \"linear\"; name = \"l\"; channels = 7; },"                                \
    "{ type = \"" relu "\"; },"                                                          \
    "{ type = \"linear\"; name = \"m\"; channels = 3; bias = 0; },"                      \
    "{ type = \"softmax\"; } );"

static const char odd_network[] = ODD_NETWORK("relu", "max_pool"),
                  smooth_network[] = ODD_NETWORK("sigmoid", "avg_pool"),
                  small_classifier[] = SMALL_CLASSIFIER("relu", "max_pool"),
                  smooth_classifier[] = SMALL_CLASSIFIER("sigmoid", "avg_pool");

static void network_from_text(struct network *n, const char *text)
{
    ok(network_init(n, temporary_text("network.cfg", text), &err));
}

enum { SMALL_BATCH = 3 };

static struct training *small_training(const struct network *n, const int64_t size[3],
                                       enum loss_kind loss, enum conv_algorithm algorithm)
{
    struct training *t;
    const struct training_options options = {.isa = isa_best(),
                                             .algorithm = algorithm,
                                             .threads = 1,
                                             .samples = SMALL_BATCH,
                                             .loss = loss_make(loss)};
    isa_use(options.isa);
    ok(training_new(n, size, &options, &t, &err));
    set_weights(t);
    return t;
}

static double batch_loss(struct training *t, const struct noise *data)
{
    double loss;
    ok(training_gradients(t, data->samples, SMALL_BATCH, SMALL_BATCH, NULL, &loss, &err));
    return loss;
}

/* The slope of the loss along the gradient by each tensor is the gradient's norm. (For
 * networks without ReLU and maximum: their kinks are too near for steps in float.) */
static void hold_slopes(struct training *t, const struct noise *data, const char *what)
{
    size_t count;
    const struct training_tensor *tensors = training_tensors(t, &count);
    double worst = 0;
    for (size_t i = 0; i < count; i++) {
        const struct training_tensor *tensor = &tensors[i];
        if (!tensor->gradient)
            continue;
        float *direction = room(tensor->count, sizeof *direction),
              *kept = room(tensor->count, sizeof *kept);
        double loss[2];
        batch_loss(t, data);
        for (size_t k = 0; k < tensor->count; k++) {
            kept[k] = tensor->values[k];
            direction[k] = tensor->gradient[k];
        }
        const double norm = norm_of(direction, tensor->count);
        const double step = 1e-2;
        for (int side = 0; side < 2; side++) {
            for (size_t k = 0; k < tensor->count; k++)
                tensor->values[k] = kept[k] + (float)((side ? -step : step) *
                                                      (double)direction[k] / norm);
            loss[side] = batch_loss(t, data);
        }
        memcpy(tensor->values, kept, tensor->count * sizeof *kept);
        const double slope = (loss[0] - loss[1]) / (2 * step);
        if (norm > nothing)
            worst = fmax(worst, fabs(slope - norm));
        if (norm > nothing && !(fabs(slope - norm) <= 0.01 * norm + 5e-4))
            fail_msg("%s, %s: slope %g along a gradient of norm %g", what, tensor->name,
                     slope, norm);
        free(direction);
        free(kept);
    }
    printf("%s: slopes within %.2g\n", what, worst);
}

static void gradients_of_any_network_are_the_slopes_of_its_loss(void **state)
{
    (void)state;
    static const enum loss_kind kinds[] = {LOSS_DICE, LOSS_BCE, LOSS_FOCAL,
                                           LOSS_DICE_BCE};
    const int64_t size[3] = {4, 6, 8};
    struct network n;
    struct noise data = noise_new(SMALL_BATCH, 2 * 4 * 6 * 8, 2 * 4 * 6 * 7);
    for (int i = 0; i < SMALL_BATCH * 2 * 4 * 6 * 8; i++)
        data.inputs[i] = data.inputs[i] / 300 + 2;
    network_from_text(&n, smooth_network);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        struct training *t = small_training(&n, size, kinds[k], CONV_REFERENCE);
        hold_slopes(t, &data, loss_name(kinds[k]));
        training_free(t);
    }
    network_release(&n);
    network_from_text(&n, smooth_classifier);
    for (int kind = LOSS_CROSS_ENTROPY; kind <= LOSS_FOCAL; kind++) {
        struct training *t = small_training(&n, (const int64_t[]){1, 8, 6},
                                            (enum loss_kind)kind, CONV_AUTO);
        hold_slopes(t, &data, "classifier");
        training_free(t);
    }
    network_release(&n);
    noise_free(&data);
}

static void kernels_agree_on_the_gradients_of_an_odd_network(void **state)
{
    (void)state;
    static const enum conv_algorithm algorithms[] = {CONV_REFERENCE, CONV_BLIS,
                                                     CONV_DIRECT, CONV_AUTO};
    const int64_t size[3] = {4, 6, 8};
    struct network n;
    struct training *t[4];
    double loss[4];
    struct noise data = noise_new(SMALL_BATCH, 2 * 4 * 6 * 8, 2 * 4 * 6 * 7);
    for (int i = 0; i < SMALL_BATCH * 2 * 4 * 6 * 8; i++)
        data.inputs[i] = data.inputs[i] / 300 + 2;
    network_from_text(&n, odd_network);
    for (int a = 0; a < 4; a++) {
        size_t count;
        t[a] = small_training(&n, size, LOSS_BCE, algorithms[a]);
        loss[a] = batch_loss(t[a], &data);
        assert_true(fabs(loss[a] - loss[0]) <= 1e-6 * loss[0]);
        const struct training_tensor *reference = training_tensors(t[0], &count),
                                     *tensors = training_tensors(t[a], &count);
        for (size_t i = 0; i < count; i++)
            if (tensors[i].gradient &&
                norm_of(reference[i].gradient, tensors[i].count) > nothing) {
                const double d = deviation(tensors[i].gradient, reference[i].gradient,
                                           tensors[i].count);
                if (d > 2e-5)
                    fail_msg("%s, %s: gradients differ by %.2g",
                             conv_algorithm_name(algorithms[a]), tensors[i].name, d);
            }
    }
    for (int a = 0; a < 4; a++)
        training_free(t[a]);
    network_release(&n);
    noise_free(&data);
}

/* A case that PyTorch made (tests/e2e/gradients_from_pytorch.sh): its loss, gradients,
 * and running statistics after the batch. */
static void hold_case(const char *folder, const char *network, const char *loss,
                      const int64_t size[3], size_t input, size_t target)
{
    char path[NAME_BYTES], name[NAME_BYTES];
    struct network n;
    double expected;
    float *inputs = room(SMALL_BATCH * input, sizeof *inputs),
          *targets = room(SMALL_BATCH * target, sizeof *targets);
    struct training_sample samples[SMALL_BATCH];
    struct noise data = {.samples = samples};
    size_t count;
    enum loss_kind kind;

    snprintf(path, sizeof path, "%s/%s.cfg", folder, network);
    ok(network_init(&n, path, &err));
    ok(loss_parse(loss, &kind, &err));
    snprintf(path, sizeof path, "%s/%s.%s.h5", folder, network, loss);
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    assert_true(file >= 0);
    read_values(file, "input", H5T_NATIVE_FLOAT, inputs);
    read_values(file, "target", H5T_NATIVE_FLOAT, targets);
    read_values(file, "loss", H5T_NATIVE_DOUBLE, &expected);
    for (size_t i = 0; i < SMALL_BATCH; i++)
        samples[i] = (struct training_sample){.input = inputs + i * input,
                                              .label = (int)targets[i],
                                              .target = targets + i * target};
    struct training *t = small_training(&n, size, kind, CONV_AUTO);
    const struct training_tensor *tensors = training_tensors(t, &count);
    for (size_t i = 0; i < count; i++) {
        float *values = read_tensor(file, "weights", &tensors[i]);
        memcpy(tensors[i].values, values, tensors[i].count * sizeof *values);
        free(values);
    }
    const double found = batch_loss(t, &data);
    double worst = fabs(found - expected) / expected;
    for (size_t i = 0; i < count; i++) {
        snprintf(name, sizeof name, tensors[i].gradient ? "gradient" : "after");
        float *values = read_tensor(file, name, &tensors[i]);
        const float *ours = tensors[i].gradient ? tensors[i].gradient : tensors[i].values;
        if (norm_of(values, tensors[i].count) > nothing)
            worst = fmax(worst, deviation(ours, values, tensors[i].count));
        free(values);
    }
    printf("%s, %s: loss, gradients and statistics within %.2g of PyTorch's float64\n",
           network, loss, worst);
    assert_true(worst < 2e-5);
    training_free(t);
    network_release(&n);
    H5Fclose(file);
    free(inputs);
    free(targets);
}

static void given_cases_have_the_given_gradients(void **state)
{
    (void)state;
    static const char *const losses[] = {"dice", "bce", "focal"};
    const char *folder = getenv("PULMO_NN_GRADIENTS");
    if (!folder) {
        printf("skipped: no PULMO_NN_GRADIENTS\n");
        skip();
    }
    for (size_t i = 0; i < sizeof losses / sizeof *losses; i++)
        hold_case(folder, "odd", losses[i], (const int64_t[]){4, 6, 8}, 2 * 4 * 6 * 8,
                  2 * 4 * 6 * 7);
    hold_case(folder, "small", "cross-entropy", (const int64_t[]){1, 8, 6}, 2 * 8 * 6, 1);
    hold_case(folder, "small", "focal", (const int64_t[]){1, 8, 6}, 2 * 8 * 6, 1);
    hold_case(folder, "pooled", "cross-entropy", (const int64_t[]){8, 12, 18},
              2 * 8 * 12 * 18, 1);
    hold_case(folder, "pooled", "focal", (const int64_t[]){8, 12, 18}, 2 * 8 * 12 * 18,
              1);
}

static const struct training_tensor *tensor_of(const struct training *t, const char *name)
{
    size_t count;
    const struct training_tensor *tensors = training_tensors(t, &count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(tensors[i].name, name) == 0)
            return &tensors[i];
    fail_msg("no tensor %s", name);
    return NULL;
}

static void what_is_not_finite_is_named_and_changes_nothing(void **state)
{
    (void)state;
    struct network n;
    struct noise data = noise_new(SMALL_BATCH, 2 * 8 * 6, 1);
    double loss;
    network_from_text(&n, small_classifier);
    struct training *t =
        small_training(&n, (const int64_t[]){1, 8, 6}, LOSS_CROSS_ENTROPY, CONV_AUTO);
    const float mean = tensor_of(t, "n.running_mean")->values[0];
    const float kept = data.inputs[5];

    data.inputs[5] = NAN;
    assert_int_equal(
        training_gradients(t, data.samples, SMALL_BATCH, SMALL_BATCH, NULL, &loss, &err),
        STATUS_STAGE_NUMERIC);
    assert_non_null(strstr(err.message, "layer n: the statistics of the batch are not"));
    data.inputs[5] = kept;

    tensor_of(t, "a.weight")->values[3] = INFINITY;
    assert_int_equal(
        training_gradients(t, data.samples, SMALL_BATCH, SMALL_BATCH, NULL, &loss, &err),
        STATUS_STAGE_NUMERIC);
    assert_non_null(strstr(err.message, "layer an: the statistics of the batch are not"));
    set_weights(t);

    tensor_of(t, "m.weight")->values[1] = NAN;
    assert_int_equal(
        training_gradients(t, data.samples, SMALL_BATCH, SMALL_BATCH, NULL, &loss, &err),
        STATUS_STAGE_NUMERIC);
    assert_non_null(strstr(err.message, "not finite"));
    assert_true(tensor_of(t, "n.running_mean")->values[0] == mean);
    set_weights(t);
    assert_true(isfinite(batch_loss(t, &data)));
    assert_true(tensor_of(t, "n.running_mean")->values[0] != mean);
    training_free(t);
    network_release(&n);
    noise_free(&data);
}

/* A voxel of one sample on one rank: all ranks stop at the same place and say the same.
 */
static void what_is_not_finite_stops_all_ranks(void **state)
{
    (void)state;
    const int shares[] = {1, 0, 2};
    struct network n;
    struct rank rank[RANKS_MAX];
    struct noise data = noise_new(STEPS * SMALL_BATCH, 2 * 8 * 6, 1);
    network_from_text(&n, small_classifier);
    data.inputs[2 * 2 * 8 * 6] = INFINITY;
    run_ranks(&n, (const int64_t[]){1, 8, 6}, LOSS_CROSS_ENTROPY, &data, SMALL_BATCH,
              shares, 3, 1, rank);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rank[i].status, STATUS_STAGE_NUMERIC);
        assert_string_equal(rank[i].err.message, rank[0].err.message);
        assert_null(rank[i].state);
    }
    network_release(&n);
    noise_free(&data);
}

static void frozen_layers_stay_as_they_are(void **state)
{
    (void)state;
    struct network n;
    struct noise data = noise_new(SMALL_BATCH, 2 * 8 * 6, 1);
    size_t count;
    network_from_text(&n, smooth_classifier);
    for (int adapt = 0; adapt < 2; adapt++) {
        struct training *t;
        struct training_options options = {.isa = isa_best(),
                                           .threads = 1,
                                           .samples = SMALL_BATCH,
                                           .loss = loss_make(LOSS_CROSS_ENTROPY),
                                           .frozen_layers = 6,
                                           .frozen_norms_adapt = adapt};
        ok(training_new(&n, (const int64_t[]){1, 8, 6}, &options, &t, &err));
        set_weights(t);
        const float mean = tensor_of(t, "an.running_mean")->values[0];
        assert_null(tensor_of(t, "a.weight")->gradient);
        assert_null(tensor_of(t, "n.weight")->gradient);
        assert_non_null(tensor_of(t, "l.bias")->gradient);
        training_trained(t, &count);
        assert_int_equal(count, 3); /* l.weight, l.bias, m.weight */
        assert_int_equal(training_trained_values(t), 7 * 6 * 4 * 3 + 7 + 3 * 7);
        batch_loss(t, &data);
        assert_true((tensor_of(t, "an.running_mean")->values[0] != mean) == adapt);
        hold_slopes(t, &data, adapt ? "frozen, adapting" : "frozen");
        training_free(t);
    }
    network_release(&n);
    noise_free(&data);
}

static void a_loss_that_does_not_fit_the_network_is_refused(void **state)
{
    (void)state;
    struct network n;
    struct training *t = NULL;
    struct training_options options = {
        .isa = isa_best(), .threads = 1, .samples = 1, .loss = loss_make(LOSS_DICE)};
    network_from_text(&n, small_classifier);
    assert_int_equal(training_new(&n, (const int64_t[]){1, 8, 6}, &options, &t, &err),
                     STATUS_JOB_CONFIG);
    assert_non_null(strstr(err.message,
                           "ends in a softmax (vector), for which there is no "
                           "loss \"dice\""));
    options.loss = loss_make(LOSS_CROSS_ENTROPY);
    options.frozen_layers = 100;
    assert_int_equal(training_new(&n, (const int64_t[]){1, 8, 6}, &options, &t, &err),
                     STATUS_JOB_CONFIG);
    assert_non_null(strstr(err.message, "can be trained"));
    assert_null(t);
    network_release(&n);
}

/* What a line of the plan says, if it says all. */
struct plan_line {
    char layer[64], what[64];
    double mflop, kilobytes, rate;
    char unit[16];
};

/* Name and description stand in columns of fixed width, numbers and unit at the end. */
static bool plan_line_of(const char *text, struct plan_line *l)
{
    const size_t columns = 4 + 37 + 25 + 19 + 10;
    if (strlen(text) <= columns)
        return false;
    snprintf(l->layer, sizeof l->layer, "%.36s", text + 4);
    for (size_t end = strlen(l->layer); end > 0 && l->layer[end - 1] == ' '; end--)
        l->layer[end - 1] = 0;
    snprintf(l->what, sizeof l->what, "%.24s", text + 4 + 37);
    return sscanf(text + columns, "%lf %lf %lf %15s", &l->mflop, &l->kilobytes, &l->rate,
                  l->unit) == 4;
}

static bool has_weights(enum layer_type type)
{
    return type == LAYER_CONV || type == LAYER_CONV_TRANSPOSE || type == LAYER_LINEAR;
}

/* Every layer that does something of its own goes forward and back; layers with weights
 * say how much work that is, others how many bytes. */
static void hold_plan(const struct network *n, FILE *plan, double multiply_adds)
{
    static const char relu[] = "back: relu"; /* of a convolution's store, by itself */
    char text[512];
    double all = 0;
    for (int i = 0; i < n->layer_count; i++) {
        const struct layer *l = &n->layers[i];
        const bool weights = has_weights(l->type);
        int passes[2] = {0, 0};
        rewind(plan);
        while (fgets(text, sizeof text, plan)) {
            struct plan_line line;
            if (!plan_line_of(text, &line) || strcmp(line.layer, l->name) != 0 ||
                strncmp(line.what, relu, sizeof relu - 1) == 0)
                continue;
            passes[strstr(line.what, "back: ") != NULL]++;
            all += line.mflop;
            assert_true(line.rate >= 0 &&
                        (line.kilobytes > 0 || l->type == LAYER_SOFTMAX));
            assert_true(weights == (line.mflop > 0));
            assert_string_equal(line.unit, weights ? "GFLOP/s" : "GB/s");
        }
        if (weights || l->type == LAYER_AVG_POOL)
            assert_true(passes[0] == 1 && passes[1] == 1);
        if (l->type == LAYER_BATCH_NORM) /* of the input: back with the convolution */
            assert_true(passes[0] >= 2 && (passes[1] == 2 || i == 0));
    }
    assert_true(fabs(all * 1e6 - 2 * multiply_adds) < 1e-3 * 2 * multiply_adds);
}

static void a_plan_tells_of_every_layer_what_its_passes_cost(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t size[3];
        enum loss_kind loss;
    } cases[] = {{"unet2d", {1, 64, 64}, LOSS_DICE},
                 {"unet3d", {16, 32, 32}, LOSS_DICE},
                 {"luna", {32, 48, 48}, LOSS_CROSS_ENTROPY}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct network n;
        struct training *t;
        const struct training_options options = {.isa = isa_best(),
                                                 .threads = 1,
                                                 .samples = 1,
                                                 .loss = loss_make(cases[i].loss)};
        network_of(&n, cases[i].name);
        isa_use(options.isa);
        ok(training_new(&n, cases[i].size, &options, &t, &err));
        ok(training_measure(t, &err));
        FILE *plan = tmpfile();
        assert_non_null(plan);
        training_print(t, plan);
        hold_plan(&n, plan, (double)training_multiply_adds(t));
        fclose(plan);
        training_free(t);
        network_release(&n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_of_any_network_are_the_slopes_of_its_loss),
        cmocka_unit_test(given_cases_have_the_given_gradients),
        cmocka_unit_test(kernels_agree_on_the_gradients_of_an_odd_network),
        cmocka_unit_test(what_is_not_finite_is_named_and_changes_nothing),
        cmocka_unit_test(what_is_not_finite_stops_all_ranks),
        cmocka_unit_test(frozen_layers_stay_as_they_are),
        cmocka_unit_test(a_plan_tells_of_every_layer_what_its_passes_cost),
        cmocka_unit_test(a_loss_that_does_not_fit_the_network_is_refused),
        cmocka_unit_test(a_step_is_the_same_bits_however_the_batch_is_divided),
    };
    return cmocka_run_group_tests(tests, temporary_folder_make, temporary_folder_remove);
}
