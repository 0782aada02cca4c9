/* What a file of weights and a description of a network hold, and how a model is run. */
#include "base/memory.h"
#include "cli/info.h"
#include "config/places.h"
#include "io/tensor_file.h"
#include "nn/model.h"
#include "nn/network.h"
#include "nn/training.h"
#include "tensor/isa.h"

/* The size to plan or to show shapes for: as asked for, else the network's crop, else a
 * CT slice or the block that a CT of 300 slices is done in. */
static void choose_size(const struct info_options *o, const int64_t crop[3],
                        int dimensions, int64_t size[3])
{
    static const int64_t slice[3] = {1, 512, 512}, block[3] = {68, 116, 116};
    const int64_t *any = dimensions == 2 ? slice : block;
    const int64_t *chosen = o->size[0] ? o->size : crop[0] ? crop : any;
    memcpy(size, chosen, 3 * sizeof *size);
    if (dimensions == 2 && !o->size[0])
        size[0] = 1;
}

static enum status print_plan(const struct model *m, const struct info_options *o,
                              struct error *err)
{
    struct model_plan_options options = {.isa = isa_best(), .algorithm = CONV_AUTO};
    struct model_plan *plan;
    int64_t crop[3], size[3];
    model_crop(m, crop);
    choose_size(o, crop, model_dimensions(m), size);
    isa_use(options.isa);
    enum status status =
        model_plan_new(m, size[0], size[1], size[2], &options, &plan, err);
    if (status != STATUS_OK)
        return status;
    printf("\nplan for %lld x %lld x %lld voxels, %s\n", (long long)size[0],
           (long long)size[1], (long long)size[2], isa_name(options.isa));
    model_plan_print(plan, stdout);
    printf("%.1f million multiply-adds, %.1f MB of workspace a thread\n",
           (double)model_plan_multiply_adds(plan) * 1e-6,
           (double)model_plan_workspace_bytes(plan) * 1e-6);
    model_plan_free(plan);
    return STATUS_OK;
}

/* A step on one sample, of the size asked for or that its recipe trains on. */
static enum status print_training(const struct model *m, const struct info_options *o,
                                  struct error *err)
{
    struct training_options options = {
        .isa = isa_best(), .threads = 1, .samples = 1, .loss = loss_make(LOSS_DICE)};
    static const int64_t plane[3] = {1, 64, 64}, patch[3] = {24, 48, 48};
    struct training *t;
    int64_t crop[3], size[3];
    size_t a_sample;
    model_crop(m, crop);
    choose_size(o, crop, model_dimensions(m), size);
    if (!o->size[0] && !crop[0])
        memcpy(size, model_dimensions(m) == 2 ? plane : patch, sizeof size);
    if (crop[0])
        options.loss = loss_make(LOSS_CROSS_ENTROPY);
    enum status status = training_new(model_network(m), size, &options, &t, err);
    if (status != STATUS_OK)
        return status;
    TRY(training_measure(t, err));
    printf(
        "\ntraining, a sample of %lld x %lld x %lld voxels: phase, layer, what, shape, "
        "algorithm, MFLOP, kB, rate here\n",
        (long long)size[0], (long long)size[1], (long long)size[2]);
    training_print(t, stdout);
    const size_t all = training_bytes(t, &a_sample);
    printf("%.1f million multiply-adds, %.1f MB a sample, %.1f MB beside\n",
           (double)training_multiply_adds(t) * 1e-6, (double)a_sample * 1e-6,
           (double)(all - a_sample) * 1e-6);
out:
    training_free(t);
    return status;
}

static void print_tensors(const struct tensor_file *f)
{
    for (size_t i = 0; i < f->count; i++) {
        const struct named_tensor *t = &f->tensors[i];
        printf("  %-52s", t->name);
        for (int k = 0; k < t->rank; k++)
            printf("%s%lld", k ? " x " : "", (long long)t->shape[k]);
        printf("%s\n", t->rank ? "" : "scalar");
    }
}

/* Weights that fit no network are shown all the same; the reason is the error that is
 * returned when a plan was asked for. */
static enum status print_model(const char *path, const char *network,
                               const struct info_options *o, struct error *err)
{
    enum status status = STATUS_OK;
    char *folder = NULL;
    struct model *m = NULL;
    struct error misfit;
    TRY(places_conf("models", &folder, err));
    status = model_open(network, folder, path, &m, &misfit);
    if (status != STATUS_OK && o->plan) {
        *err = misfit;
        goto out;
    }
    if (status != STATUS_OK) {
        status = STATUS_OK;
        printf("network      none: %s\n", misfit.message);
        goto out;
    }
    printf("network      %s, %dD, %d input channel%s, %lld parameters\n", model_name(m),
           model_dimensions(m), model_input_channels(m),
           model_input_channels(m) == 1 ? "" : "s", (long long)model_parameters(m));
    if (o->plan) {
        TRY(print_plan(m, o, err));
        status = print_training(m, o, err);
    }
out:
    model_free(m);
    free(folder);
    return status;
}

enum status info_weights(const char *path, const struct info_options *o,
                         struct error *err)
{
    enum status status = STATUS_OK;
    struct tensor_file f;
    char hex[HASH_HEX_BYTES];
    TRY(tensor_file_init(&f, path, err));
    hash_hex(f.content, hex);
    printf("weights      %s\n", path);
    printf("content      %s\n", hex);
    if (f.seen)
        printf("seen         trained or selected on %zu scans%s\n", f.seen_count,
               tensor_file_is_isolated(&f)
                   ? ""
                   : "; not isolated: begun from something of unknown origin");
    else
        printf("seen         not said: whether a scan was trained on is unknown\n");
    if (f.fold)
        printf("fold         %s%s\n", f.fold,
               tensor_file_is_isolated(&f) ? "" : ", not isolated");
    if (f.hard_negatives)
        printf("hard         %s\n", f.hard_negatives);
    TRY(print_model(path, NULL, o, err));
    if (!o->plan) {
        printf("tensors      %zu\n", f.count);
        print_tensors(&f);
    }
out:
    tensor_file_release(&f);
    return status;
}

static enum status print_layers(const struct network *n, const struct info_options *o,
                                struct error *err)
{
    enum status status = STATUS_OK;
    struct value_shape *shapes = NULL;
    int64_t size[3];
    char text[SHAPE_TEXT_BYTES];
    choose_size(o, n->crop, n->dimensions, size);
    TRY(memory_new((size_t)n->layer_count + 1, sizeof *shapes, "shapes", (void **)&shapes,
                   err));
    TRY(network_shapes(n, size, shapes, err));
    value_shape_text(&shapes[0], n->dimensions, text);
    printf("layers       %d, from %s\n", n->layer_count, text);
    for (int i = 0; i < n->layer_count; i++) {
        value_shape_text(&shapes[i + 1], n->dimensions, text);
        printf("  %-16s %-44s %s\n", layer_type_name(n->layers[i].type),
               n->layers[i].name, text);
    }
out:
    free(shapes);
    return status;
}

enum status info_network(const char *path, const struct info_options *o,
                         struct error *err)
{
    enum status status = STATUS_OK;
    struct network n;
    TRY(network_init(&n, path, err));
    printf("network      %s (%s)\n", n.name, path);
    printf("input        %dD, %d channel%s, sizes are multiples of %d", n.dimensions,
           n.input_channels, n.input_channels == 1 ? "" : "s", n.divisor);
    if (n.crop[0])
        printf(", made for %lld x %lld x %lld", (long long)n.crop[0],
               (long long)n.crop[1], (long long)n.crop[2]);
    printf("\n");
    if (o->plan && !o->weights)
        TRY(error_set(err, STATUS_JOB_CONFIG, "%s: --plan needs --weights=FILE as well",
                      path));
    if (o->plan)
        TRY(print_model(o->weights, path, o, err));
    else
        TRY(print_layers(&n, o, err));
out:
    network_release(&n);
    return status;
}
