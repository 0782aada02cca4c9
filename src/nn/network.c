/*
 * Reading a description.
 *
 * One table says which keys a type of layer has; a key that is not among them is an
 * error, so that a misspelt "stride" cannot silently become the default. What the values
 * mean is checked here where one layer is enough to see it, and in network_shapes where
 * it takes the layers before it.
 */
#include "nn/network.h"

#include <stdarg.h>

#include "base/file.h"
#include "base/memory.h"
#include "config/tree.h"

enum { LAYERS_MAX = 10000, DESCRIPTION_BYTES_MAX = 1 << 20 };

/* What a type of layer may be told, beside "type", "name" and "input". */
enum layer_keys {
    KEY_CHANNELS = 1,
    KEY_KERNEL = 2,
    KEY_BIAS = 4,
    KEY_EPS = 8,
    KEY_INPUTS = 16,
    KEY_OUTPUT_PAD = 32,
};

static const struct layer_kind {
    const char *name;
    unsigned keys;
    bool has_tensors;
} kinds[] = {
    [LAYER_CONV] = {"conv", KEY_CHANNELS | KEY_KERNEL | KEY_BIAS, true},
    [LAYER_CONV_TRANSPOSE] = {"conv_transpose",
                              KEY_CHANNELS | KEY_KERNEL | KEY_BIAS | KEY_OUTPUT_PAD,
                              true},
    [LAYER_BATCH_NORM] = {"batch_norm", KEY_EPS, true},
    [LAYER_RELU] = {"relu", 0, false},
    [LAYER_MAX_POOL] = {"max_pool", KEY_KERNEL, false},
    [LAYER_AVG_POOL] = {"avg_pool", KEY_KERNEL, false},
    [LAYER_CONCAT] = {"concat", KEY_INPUTS, false},
    [LAYER_LINEAR] = {"linear", KEY_CHANNELS | KEY_BIAS, true},
    [LAYER_SOFTMAX] = {"softmax", 0, false},
    [LAYER_SIGMOID] = {"sigmoid", 0, false},
    [LAYER_FLATTEN] = {"flatten", 0, false},
};
enum { KIND_COUNT = sizeof kinds / sizeof kinds[0] };

static const double default_eps = 1e-5; /* PyTorch's */

const char *layer_type_name(enum layer_type t)
{
    return kinds[t].name;
}

/* The state of reading one file. */
struct reader {
    struct network *network;
    struct tree *tree;
    struct error *err;
};

static enum status complain(const struct reader *r, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum status complain(const struct reader *r, int line, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return error_set(r->err, STATUS_JOB_CONFIG, "%s:%d: %s", tree_path(r->tree), line,
                     text);
}

static enum status read_type(const struct reader *r, tree_node node, struct layer *l)
{
    const char *name;
    enum status status = tree_text(r->tree, node, "type", &name, r->err);
    if (status != STATUS_OK)
        return status;
    for (int i = 0; i < KIND_COUNT; i++)
        if (strcmp(kinds[i].name, name) == 0) {
            l->type = (enum layer_type)i;
            return STATUS_OK;
        }
    return complain(
        r, l->line,
        "type = \"%s\": no such layer; there are conv, conv_transpose, batch_norm, "
        "relu, max_pool, avg_pool, concat, linear, softmax, sigmoid and flatten",
        name);
}

static enum status check_keys(const struct reader *r, tree_node node, unsigned keys)
{
    const char *known[16] = {"type", "name"};
    int count = 2;
    known[count++] = keys & KEY_INPUTS ? "inputs" : "input";
    if (keys & KEY_CHANNELS) {
        known[count++] = "channels";
        known[count++] = "in_channels";
    }
    if (keys & KEY_KERNEL) {
        known[count++] = "kernel";
        known[count++] = "stride";
        known[count++] = "pad";
    }
    if (keys & KEY_OUTPUT_PAD)
        known[count++] = "output_pad";
    if (keys & KEY_BIAS)
        known[count++] = "bias";
    if (keys & KEY_EPS) {
        known[count++] = "eps";
        known[count++] = "in_channels";
    }
    known[count] = NULL;
    return tree_only(r->tree, node, known, r->err);
}

/* A value for each dimension into the last places of out[3]; `otherwise` where the key is
 * absent. */
static enum status read_triple(const struct reader *r, tree_node node, const char *key,
                               int64_t low, int64_t high, const int otherwise[3],
                               int out[3])
{
    int64_t values[3];
    const int dimensions = r->network->dimensions;
    memcpy(out, otherwise, 3 * sizeof *out);
    if (!tree_has(node, key))
        return STATUS_OK;
    enum status status =
        tree_integers(r->tree, node, key, low, high, (size_t)dimensions, values, r->err);
    if (status == STATUS_OK)
        for (int i = 0; i < dimensions; i++)
            out[3 - dimensions + i] = (int)values[i];
    return status;
}

/* Kernel, stride and pad. The stride of a pool is its kernel unless it is given. */
static enum status read_windows(const struct reader *r, tree_node node, struct layer *l)
{
    enum status status;
    static const int ones[3] = {1, 1, 1}, zeros[3] = {0, 0, 0};
    const bool pool = l->type == LAYER_MAX_POOL || l->type == LAYER_AVG_POOL;

    if (!tree_has(node, "kernel"))
        return complain(r, l->line, "layer %s: 'kernel' is missing", l->name);
    TRY(read_triple(r, node, "kernel", 1, LAYER_KERNEL_MAX, ones, l->kernel));
    TRY(read_triple(r, node, "stride", 1, LAYER_KERNEL_MAX, pool ? l->kernel : ones,
                    l->stride));
    TRY(read_triple(r, node, "pad", 0, LAYER_KERNEL_MAX, zeros, l->pad));
    TRY(read_triple(r, node, "output_pad", 0, LAYER_KERNEL_MAX, zeros, l->output_pad));
    for (int i = 0; i < 3; i++) {
        if (pool && l->pad[i] > l->kernel[i] / 2)
            return complain(r, l->line, "layer %s: pad %d is more than half of kernel %d",
                            l->name, l->pad[i], l->kernel[i]);
        if (l->output_pad[i] >= l->stride[i] && l->output_pad[i] > 0)
            return complain(r, l->line,
                            "layer %s: output_pad %d is not less than stride %d", l->name,
                            l->output_pad[i], l->stride[i]);
    }
out:
    return status;
}

/* The value of a name among those before layer `index`, or -1. */
static int find_value(const struct network *n, int index, const char *name)
{
    if (strcmp(name, "input") == 0)
        return 0;
    for (int i = 0; i < index; i++)
        if (strcmp(n->layers[i].name, name) == 0)
            return i + 1;
    return -1;
}

static enum status read_inputs(const struct reader *r, tree_node node, int index,
                               struct layer *l)
{
    enum status status = STATUS_OK;
    const char *names[LAYER_INPUTS_MAX];
    size_t count = 1;

    if (kinds[l->type].keys & KEY_INPUTS) {
        TRY(tree_texts(r->tree, node, "inputs", LAYER_INPUTS_MAX, names, &count, r->err));
        if (count < 1)
            return complain(r, l->line, "layer %s: 'inputs' is empty", l->name);
    } else if (tree_has(node, "input")) {
        TRY(tree_text(r->tree, node, "input", &names[0], r->err));
    } else {
        l->inputs[0] = index;
        l->input_count = 1;
        return STATUS_OK;
    }
    l->input_count = (int)count;
    for (size_t i = 0; i < count; i++) {
        l->inputs[i] = find_value(r->network, index, names[i]);
        if (l->inputs[i] < 0)
            return complain(r, l->line,
                            "layer %s: its input \"%s\" is no layer before it", l->name,
                            names[i]);
    }
out:
    return status;
}

static enum status read_name(const struct reader *r, tree_node node, int index,
                             struct layer *l)
{
    enum status status;
    const char *name = NULL;
    char own[64];

    if (tree_has(node, "name") || kinds[l->type].has_tensors)
        TRY(tree_text(r->tree, node, "name", &name, r->err));
    if (!name) {
        snprintf(own, sizeof own, "%s at line %d", kinds[l->type].name, l->line);
        name = own;
    }
    /* Layers of one line may share a made-up name: nothing can refer to it. */
    if (name != own && find_value(r->network, index, name) >= 0)
        return complain(r, l->line, "layer %s: a layer of this name stands before it",
                        name);
    status = text_new(name, &l->name, r->err);
out:
    return status;
}

static enum status read_layer(const struct reader *r, tree_node node, int index)
{
    enum status status;
    struct layer *l = &r->network->layers[index];
    int64_t number;

    l->line = tree_line(node);
    TRY(read_type(r, node, l));
    const unsigned keys = kinds[l->type].keys;
    TRY(read_name(r, node, index, l));
    TRY(check_keys(r, node, keys));
    TRY(read_inputs(r, node, index, l));
    if (keys & KEY_CHANNELS) {
        TRY(tree_integer(r->tree, node, "channels", 1, LAYER_CHANNELS_MAX, &number,
                         r->err));
        l->channels = (int)number;
    }
    if (tree_has(node, "in_channels")) {
        TRY(tree_integer(r->tree, node, "in_channels", 1, INT32_MAX, &number, r->err));
        l->in_channels = (int)number;
    }
    if (keys & KEY_KERNEL)
        TRY(read_windows(r, node, l));
    l->bias = (keys & KEY_BIAS) != 0;
    if (tree_has(node, "bias")) {
        TRY(tree_integer(r->tree, node, "bias", 0, 1, &number, r->err));
        l->bias = number != 0;
    }
    l->eps = default_eps;
    if (tree_has(node, "eps"))
        TRY(tree_number(r->tree, node, "eps", &l->eps, r->err));
    if (l->eps <= 0)
        return complain(r, l->line, "layer %s: eps = %g: must be above 0", l->name,
                        l->eps);
out:
    return status;
}

static enum status read_layers(const struct reader *r)
{
    enum status status;
    struct network *n = r->network;
    tree_node list, node;

    TRY(tree_list(r->tree, tree_root(r->tree), "layers", &list, r->err));
    size_t count = tree_length(list);
    if (count < 1 || count > LAYERS_MAX)
        return complain(r, tree_line(list), "layers: %zu of them; must be 1 to %d", count,
                        LAYERS_MAX);
    TRY(memory_new(count, sizeof *n->layers, "layers", (void **)&n->layers, r->err));
    for (size_t i = 0; i < count; i++) {
        TRY(tree_group_at(r->tree, list, i, &node, r->err));
        n->layer_count = (int)i + 1;
        TRY(read_layer(r, node, (int)i));
    }
out:
    return status;
}

static enum status read_head(const struct reader *r)
{
    enum status status;
    static const char *const known[] = {
        "name", "dimensions", "input_channels", "crop", "divisor", "layers", NULL};
    struct network *n = r->network;
    tree_node root = tree_root(r->tree);
    const char *name;
    int64_t number;
    int crop[3] = {0, 0, 0};

    TRY(tree_only(r->tree, root, known, r->err));
    TRY(tree_text(r->tree, root, "name", &name, r->err));
    TRY(text_new(name, &n->name, r->err));
    TRY(tree_integer(r->tree, root, "dimensions", 2, 3, &number, r->err));
    n->dimensions = (int)number;
    TRY(tree_integer(r->tree, root, "input_channels", 1, LAYER_CHANNELS_MAX, &number,
                     r->err));
    n->input_channels = (int)number;
    n->divisor = 1;
    if (tree_has(root, "divisor")) {
        TRY(tree_integer(r->tree, root, "divisor", 1, 1024, &number, r->err));
        n->divisor = (int)number;
    }
    TRY(read_triple(r, root, "crop", 1, 1 << 20, crop, crop));
    for (int i = 0; i < 3; i++)
        n->crop[i] = crop[2] > 0 && crop[i] == 0 ? 1 : crop[i];
out:
    return status;
}

/* Follows the channels through the network, and the sizes when it takes one only: others
 * are held together when a plan is made. */
static enum status find_channels(struct network *n, struct error *err)
{
    enum status status;
    struct value_shape *shapes = NULL;
    const size_t count = (size_t)n->layer_count + 1;

    TRY(memory_new(count, sizeof *n->channels, n->path, (void **)&n->channels, err));
    TRY(memory_new(count, sizeof *shapes, n->path, (void **)&shapes, err));
    TRY(n->crop[2] > 0 ? network_shapes(n, n->crop, shapes, err)
                       : network_channels(n, shapes, err));
    for (size_t i = 0; i < count; i++)
        n->channels[i] = shapes[i].channels;
out:
    free(shapes);
    return status;
}

/* A layer that nothing reads is a mistake in an input further down. */
static enum status check_readers(const struct network *n, struct error *err)
{
    for (int i = 0; i + 1 < n->layer_count; i++) {
        bool read = false;
        for (int k = i + 1; k < n->layer_count; k++)
            for (int j = 0; j < n->layers[k].input_count; j++)
                read = read || n->layers[k].inputs[j] == i + 1;
        if (!read)
            return error_set(err, STATUS_JOB_CONFIG, "%s:%d: layer %s: no layer reads it",
                             n->path, n->layers[i].line, n->layers[i].name);
    }
    return STATUS_OK;
}

enum status network_init(struct network *n, const char *path, struct error *err)
{
    enum status status;
    struct reader r = {.network = n, .err = err};
    struct error unread; /* of an item, as files are by default; here it stops the job */
    char *text = NULL;
    size_t bytes;

    *n = (struct network){.path = NULL};
    TRY(text_new(path, &n->path, err));
    if (file_read(path, DESCRIPTION_BYTES_MAX, &text, &bytes, &unread) != STATUS_OK) {
        status = error_set(err, STATUS_JOB_CONFIG, "%s", unread.message);
        goto out;
    }
    n->content = hash128(text, bytes);
    TRY(tree_open(path, &r.tree, err));
    TRY(read_head(&r));
    TRY(read_layers(&r));
    TRY(check_readers(n, err));
    status = find_channels(n, err);
out:
    tree_close(r.tree);
    free(text);
    return status;
}

void network_release(struct network *n)
{
    for (int i = 0; i < n->layer_count; i++)
        free(n->layers[i].name);
    free(n->layers);
    free(n->channels);
    free(n->path);
    free(n->name);
    *n = (struct network){.path = NULL};
}
