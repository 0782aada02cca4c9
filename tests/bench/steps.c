/*
 * Training steps and inferences of one network, by the functions that jobs call, one for
 * each line on standard input: what train_step.sh and infer.sh measure.
 *
 *   bench_steps train NETWORK.cfg WEIGHTS.h5 DATA THREADS BATCH DEPTH HEIGHT WIDTH LOSS
 *   bench_steps infer NETWORK.cfg WEIGHTS.h5 DATA THREADS BATCH DEPTH HEIGHT WIDTH -
 *
 * DATA: floats of the inputs [BATCH][channel][voxel]; training: then labels, one float
 * each, or targets [BATCH][voxel]. A step is forward, backward and SGD with momentum on
 * the whole batch, an inference all inputs, divided over threads as in detection. Answers
 * "wall_ms core_ms number": core_ms is the processors' time divided by the threads, the
 * number the loss before the step, or the mean of all outputs.
 */
#include <omp.h>

#include "base/clock.h"
#include "base/file.h"
#include "io/tensor_file.h"
#include "measure.h"
#include "nn/model.h"
#include "nn/training.h"

static struct error err;

static void ok(enum status s)
{
    if (s == STATUS_OK)
        return;
    fprintf(stderr, "%s\n", err.message);
    exit(1);
}

struct bench {
    const char *network, *weights;
    float *data;
    int threads, batch;
    int64_t size[3];
    int64_t voxels;
};

/* ---- training ---- */

struct steps {
    struct network network;
    struct training *training;
    struct optimizer optimizer;
    struct training_sample *samples;
    int batch;
};

static void *begin_training(const struct bench *b, const char *loss)
{
    struct steps *s = room(1, sizeof *s);
    struct tensor_file weights;
    struct optimizer_options sgd = optimizer_defaults(OPTIMIZER_SGD);
    enum loss_kind kind;
    ok(loss_parse(loss, &kind, &err));
    ok(network_init(&s->network, b->network, &err));
    const struct training_options options = {.isa = isa_best(),
                                             .threads = b->threads,
                                             .samples = b->batch,
                                             .loss = loss_make(kind)};
    ok(training_new(&s->network, b->size, &options, &s->training, &err));
    ok(tensor_file_init(&weights, b->weights, &err));
    ok(training_load(s->training, &weights, b->weights, &err));
    tensor_file_release(&weights);
    sgd.momentum = 0.9;
    ok(optimizer_init(&s->optimizer, &sgd, training_trained_values(s->training), &err));
    const int64_t floats = b->voxels * s->network.input_channels;
    const float *known = b->data + b->batch * floats;
    s->samples = room((size_t)b->batch, sizeof *s->samples);
    s->batch = b->batch;
    for (int i = 0; i < b->batch; i++) {
        s->samples[i].input = b->data + i * floats;
        if (kind == LOSS_CROSS_ENTROPY)
            s->samples[i].label = (int)known[i];
        else
            s->samples[i].target = known + i * b->voxels;
    }
    return s;
}

static double step(void *steps)
{
    struct steps *s = steps;
    size_t count;
    double loss;
    ok(training_gradients(s->training, s->samples, s->batch, s->batch, NULL, &loss,
                          &err));
    const struct optimizer_tensor *trained = training_trained(s->training, &count);
    optimizer_step(&s->optimizer, trained, count, 1e-3);
    return loss;
}

/* ---- inference ---- */

struct inferences {
    struct model_plan *plan;
    const struct bench *bench;
    int channels;
    float *outputs, **workspaces;
    int64_t output_floats;
};

static void *begin_inference(const struct bench *b)
{
    struct inferences *r = room(1, sizeof *r);
    struct tensor_file weights;
    struct model *m;
    const struct model_plan_options options = {.isa = isa_best()};
    ok(tensor_file_init(&weights, b->weights, &err));
    ok(model_make(b->network, &weights, &m, &err));
    ok(model_plan_new(m, b->size[0], b->size[1], b->size[2], &options, &r->plan, &err));
    r->bench = b;
    r->channels = model_input_channels(m);
    r->output_floats = model_plan_output_floats(r->plan);
    r->outputs = room((size_t)(b->batch * r->output_floats), sizeof(float));
    r->workspaces = room((size_t)b->threads, sizeof *r->workspaces);
    for (int i = 0; i < b->threads; i++)
        r->workspaces[i] = room(model_plan_workspace_bytes(r->plan), 1);
    return r;
}

static double infer(void *inferences)
{
    const struct inferences *r = inferences;
    const struct bench *b = r->bench;
    double sum = 0;
#pragma omp parallel for num_threads(b->threads) schedule(static)
    for (int i = 0; i < b->batch; i++) {
        const float *channels[64];
        for (int c = 0; c < r->channels; c++)
            channels[c] = b->data + ((int64_t)i * r->channels + c) * b->voxels;
        model_run(r->plan, channels, r->outputs + i * r->output_floats,
                  r->workspaces[omp_get_thread_num()]);
    }
    for (int64_t i = 0; i < b->batch * r->output_floats; i++)
        sum += (double)r->outputs[i];
    return sum / (double)(b->batch * r->output_floats);
}

int main(int argc, char **argv)
{
    struct bench b;
    size_t bytes;
    char line[16];
    void *state;
    double (*work)(void *);

    if (argc != 11) {
        fprintf(stderr, "usage: bench_steps train|infer NETWORK WEIGHTS DATA THREADS "
                        "BATCH DEPTH HEIGHT WIDTH LOSS\n");
        return 2;
    }
    b.network = argv[2];
    b.weights = argv[3];
    ok(file_read(argv[4], (size_t)1 << 33, (char **)&b.data, &bytes, &err));
    b.threads = (int)strtol(argv[5], NULL, 10);
    b.batch = (int)strtol(argv[6], NULL, 10);
    for (int i = 0; i < 3; i++)
        b.size[i] = strtol(argv[7 + i], NULL, 10);
    b.voxels = b.size[0] * b.size[1] * b.size[2];
    isa_use(isa_best());
    const bool trains = strcmp(argv[1], "train") == 0;
    state = trains ? begin_training(&b, argv[10]) : begin_inference(&b);
    work = trains ? step : infer;
    while (fgets(line, sizeof line, stdin)) {
        const double wall = clock_seconds(), core = process_seconds();
        const double number = work(state);
        printf("%.3f %.3f %.9g\n", 1e3 * (clock_seconds() - wall),
               1e3 * (process_seconds() - core) / b.threads, number);
        fflush(stdout);
    }
    return 0;
}
