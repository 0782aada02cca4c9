/* Shapes: what each layer gives for what it takes, in PyTorch's arithmetic. */
#include <limits.h>

#include "nn/network.h"
#include "tensor/conv_transpose.h"

/* Numbers of one value: beyond any memory, and small enough that no product below
 * overflows. */
static const int64_t voxels_max = (int64_t)1 << 50;

void value_shape_text(const struct value_shape *s, int dimensions,
                      char text[SHAPE_TEXT_BYTES])
{
    const long long z = s->size[0], y = s->size[1], x = s->size[2];
    if (s->vector)
        snprintf(text, SHAPE_TEXT_BYTES, "%d", s->channels);
    else if (dimensions == 2)
        snprintf(text, SHAPE_TEXT_BYTES, "%d x %lldx%lld", s->channels, y, x);
    else
        snprintf(text, SHAPE_TEXT_BYTES, "%d x %lldx%lldx%lld", s->channels, z, y, x);
}

struct conv_transpose_shape layer_transpose_shape(const struct layer *l, int in_channels)
{
    struct conv_transpose_shape s = {.in_channels = in_channels,
                                     .out_channels = l->channels};
    memcpy(s.kernel, l->kernel, sizeof s.kernel);
    memcpy(s.stride, l->stride, sizeof s.stride);
    memcpy(s.pad, l->pad, sizeof s.pad);
    memcpy(s.output_pad, l->output_pad, sizeof s.output_pad);
    return s;
}

struct pool_shape layer_pool_shape(const struct layer *l)
{
    struct pool_shape s;
    memcpy(s.kernel, l->kernel, sizeof s.kernel);
    memcpy(s.stride, l->stride, sizeof s.stride);
    memcpy(s.pad, l->pad, sizeof s.pad);
    return s;
}

static enum status refuse(const struct network *n, const struct layer *l,
                          struct error *err, const char *what)
{
    return error_set(err, STATUS_JOB_CONFIG, "%s:%d: layer %s: %s", n->path, l->line,
                     l->name, what);
}

static enum status window_shape(const struct network *n, const struct layer *l,
                                struct value_shape *s, struct error *err)
{
    char in[SHAPE_TEXT_BYTES], what[SHAPE_TEXT_BYTES + 64];
    const struct conv_transpose_shape t = layer_transpose_shape(l, s->channels);
    value_shape_text(s, n->dimensions, in);
    if (s->size[2] == 0) /* network_channels: only the channels are known */
        return STATUS_OK;
    for (int i = 0; i < 3; i++) {
        int64_t room = s->size[i] + 2 * (int64_t)l->pad[i] - l->kernel[i];
        s->size[i] = l->type == LAYER_CONV_TRANSPOSE
                         ? conv_transpose_size(&t, i, s->size[i])
                     : room < 0 ? 0
                                : room / l->stride[i] + 1;
        if (s->size[i] < 1) {
            snprintf(what, sizeof what, "an input of %s is too small for its kernel", in);
            return refuse(n, l, err, what);
        }
    }
    return STATUS_OK;
}

static enum status concat_shape(const struct network *n, const struct layer *l,
                                const struct value_shape *shapes, struct value_shape *s,
                                struct error *err)
{
    char a[SHAPE_TEXT_BYTES], b[SHAPE_TEXT_BYTES], what[2 * SHAPE_TEXT_BYTES + 64];
    int64_t channels = 0;
    for (int i = 0; i < l->input_count; i++) {
        const struct value_shape *part = &shapes[l->inputs[i]];
        channels += part->channels;
        if (memcmp(part->size, s->size, sizeof s->size) != 0 ||
            part->vector != s->vector) {
            value_shape_text(s, n->dimensions, a);
            value_shape_text(part, n->dimensions, b);
            snprintf(what, sizeof what, "its inputs differ in size: %s and %s", a, b);
            return refuse(n, l, err, what);
        }
    }
    if (channels > LAYER_CHANNELS_MAX)
        return refuse(n, l, err, "too many channels");
    s->channels = (int)channels;
    return STATUS_OK;
}

static enum status flatten_shape(const struct network *n, const struct layer *l,
                                 struct value_shape *s, struct error *err)
{
    int64_t length = s->size[0] * s->size[1] * s->size[2] * s->channels;
    if (length > INT_MAX)
        return refuse(n, l, err, "the vector is too long");
    *s = (struct value_shape){.size = {1, 1, 1}, .channels = (int)length, .vector = true};
    return STATUS_OK;
}

static enum status layer_shape(const struct network *n, const struct layer *l,
                               const struct value_shape *shapes, struct value_shape *s,
                               struct error *err)
{
    *s = shapes[l->inputs[0]];
    if (l->in_channels && l->in_channels != s->channels) {
        char what[96];
        snprintf(what, sizeof what, "takes %d channels, but its input has %d",
                 l->in_channels, s->channels);
        return refuse(n, l, err, what);
    }
    switch (l->type) {
    case LAYER_CONV:
    case LAYER_CONV_TRANSPOSE:
    case LAYER_MAX_POOL:
    case LAYER_AVG_POOL:
        if (s->vector)
            return refuse(n, l, err, "its input is a vector, not a map");
        if (l->channels)
            s->channels = l->channels;
        return window_shape(n, l, s, err);
    case LAYER_CONCAT:
        return concat_shape(n, l, shapes, s, err);
    case LAYER_LINEAR:
        if (!s->vector)
            return refuse(n, l, err,
                          "its input is a map, not a vector: flatten it first");
        s->channels = l->channels;
        return STATUS_OK;
    case LAYER_FLATTEN:
        return flatten_shape(n, l, s, err);
    case LAYER_BATCH_NORM:
    case LAYER_RELU:
    case LAYER_SOFTMAX:
    case LAYER_SIGMOID:
        return STATUS_OK;
    }
    return STATUS_OK;
}

static bool within_bounds(const struct value_shape *s)
{
    int64_t voxels = s->channels;
    for (int i = 0; i < 3; i++) {
        if (s->size[i] > voxels_max / voxels)
            return false;
        voxels *= s->size[i];
    }
    return true;
}

enum status network_channels(const struct network *n, struct value_shape *shapes,
                             struct error *err)
{
    enum status status = STATUS_OK;
    shapes[0] = (struct value_shape){.channels = n->input_channels};
    for (int i = 0; i < n->layer_count && status == STATUS_OK; i++) {
        if (n->layers[i].type == LAYER_FLATTEN)
            return refuse(
                n, &n->layers[i], err,
                "a network that flattens takes one size only: 'crop' is missing");
        status = layer_shape(n, &n->layers[i], shapes, &shapes[i + 1], err);
    }
    return status;
}

enum status network_shapes(const struct network *n, const int64_t size[3],
                           struct value_shape *shapes, struct error *err)
{
    shapes[0] = (struct value_shape){.channels = n->input_channels};
    for (int i = 0; i < 3; i++) {
        bool used = i >= 3 - n->dimensions;
        int64_t unit = used ? n->divisor : 1;
        if (size[i] < 1 || size[i] % unit != 0 || (!used && size[i] != 1))
            return error_set(
                err, STATUS_JOB_CONFIG,
                "%s: network %s cannot take %lldx%lldx%lld voxels: %s %d", n->path,
                n->name, (long long)size[0], (long long)size[1], (long long)size[2],
                used ? "sizes must be multiples of" : "it is 2D, depth must be",
                used ? n->divisor : 1);
        shapes[0].size[i] = size[i];
        if (n->crop[2] > 0 && size[i] != n->crop[i])
            return error_set(
                err, STATUS_JOB_CONFIG,
                "%s: network %s takes %lldx%lldx%lld voxels, not %lldx%lldx%lld", n->path,
                n->name, (long long)n->crop[0], (long long)n->crop[1],
                (long long)n->crop[2], (long long)size[0], (long long)size[1],
                (long long)size[2]);
    }
    for (int i = 0; i < n->layer_count; i++) {
        enum status status =
            within_bounds(&shapes[i])
                ? layer_shape(n, &n->layers[i], shapes, &shapes[i + 1], err)
                : refuse(n, &n->layers[i], err, "what stands before it is too large");
        if (status != STATUS_OK)
            return status;
    }
    if (!within_bounds(&shapes[n->layer_count]))
        return refuse(n, &n->layers[n->layer_count - 1], err, "its output is too large");
    return STATUS_OK;
}
