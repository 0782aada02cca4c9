/*
 * Plans of unusual networks against a naive evaluation: dense maps in PyTorch's order,
 * double arithmetic, one layer after another, nothing fused, shared or placed.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "nn/model.h"
#include "temporary_folder.h"
#include "weights_writer.h"

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

static uint64_t random_state = 1;

static float draw(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (float)(random_state >> 40) / (1 << 23) - 1.0f;
}

/* Weights: written to a file and used by the naive layers. */
struct weight {
    const char *name;
    int rank;
    hsize_t shape[5];
    float values[4096];
};

static struct weight weights[64];
static int weight_count;

static const float *weight_of(const char *layer, const char *suffix)
{
    char name[64];
    snprintf(name, sizeof name, "%s.%s", layer, suffix);
    for (int i = 0; i < weight_count; i++)
        if (strcmp(weights[i].name, name) == 0)
            return weights[i].values;
    return NULL;
}

static void add_weight(const char *name, int rank, const hsize_t *shape)
{
    assert_true(weight_count < (int)(sizeof weights / sizeof weights[0]));
    struct weight *w = &weights[weight_count++];
    size_t count = 1;
    w->name = name;
    w->rank = rank;
    for (int i = 0; i < rank; i++) {
        w->shape[i] = shape[i];
        count *= shape[i];
    }
    assert_true(count <= sizeof w->values / sizeof w->values[0]);
    for (size_t i = 0; i < count; i++)
        w->values[i] = strstr(name, "running_var") ? 1 + draw() / 2 : draw() / 2;
}

#define WEIGHT(name, rank, ...) add_weight(name, rank, (const hsize_t[]){__VA_ARGS__})
#define NORM(name, channels)                                                             \
    (WEIGHT(name ".weight", 1, channels), WEIGHT(name ".bias", 1, channels),             \
     WEIGHT(name ".running_mean", 1, channels),                                          \
     WEIGHT(name ".running_var", 1, channels))

static char *write_weights(void)
{
    char *path = temporary_path("weights.h5");
    hid_t file = weights_create(path);
    for (int i = 0; i < weight_count; i++)
        weights_write(file, weights[i].name, weights[i].rank, weights[i].shape,
                      weights[i].values);
    H5Fclose(file);
    return path;
}

/* A dense map, channel first. */
struct map {
    int channels, size[3];
    double *values;
};

static struct map maps[32];
static int map_count;

static struct map map_new(int channels, int depth, int height, int width)
{
    struct map m = {channels, {depth, height, width}, NULL};
    m.values = room((size_t)channels * (size_t)depth * (size_t)height * (size_t)width,
                    sizeof(double));
    maps[map_count++] = m;
    return m;
}

static void forget_maps(void)
{
    while (map_count > 0)
        free(maps[--map_count].values);
}

static int voxels(const struct map *m)
{
    return m->size[0] * m->size[1] * m->size[2];
}

static double *voxel(const struct map *m, int c, int z, int y, int x)
{
    return &m->values[((c * m->size[0] + z) * m->size[1] + y) * m->size[2] + x];
}

static bool inside(const struct map *m, int z, int y, int x)
{
    return z >= 0 && z < m->size[0] && y >= 0 && y < m->size[1] && x >= 0 &&
           x < m->size[2];
}

/* Kernel, stride, pad and output pad, z y x. */
struct window {
    int k[3], s[3], p[3], op[3];
};

#define EACH(m)                                                                          \
    for (int c = 0; c < (m).channels; c++)                                               \
        for (int z = 0; z < (m).size[0]; z++)                                            \
            for (int y = 0; y < (m).size[1]; y++)                                        \
                for (int x = 0; x < (m).size[2]; x++)
#define TAPS(w)                                                                          \
    for (int kz = 0; kz < (w).k[0]; kz++)                                                \
        for (int ky = 0; ky < (w).k[1]; ky++)                                            \
            for (int kx = 0; kx < (w).k[2]; kx++)

static struct map window_output(const struct map *in, int channels,
                                const struct window *w)
{
    int size[3];
    for (int i = 0; i < 3; i++)
        size[i] = (in->size[i] + 2 * w->p[i] - w->k[i]) / w->s[i] + 1;
    return map_new(channels, size[0], size[1], size[2]);
}

static struct map conv(struct map in, const char *name, int channels, struct window w)
{
    struct map out = window_output(&in, channels, &w);
    const float *weight = weight_of(name, "weight"), *bias = weight_of(name, "bias");
    EACH(out)
    {
        double sum = bias ? bias[c] : 0;
        for (int i = 0; i < in.channels; i++)
            TAPS(w)
            {
                int iz = z * w.s[0] - w.p[0] + kz, iy = y * w.s[1] - w.p[1] + ky;
                int ix = x * w.s[2] - w.p[2] + kx;
                if (inside(&in, iz, iy, ix))
                    sum += *voxel(&in, i, iz, iy, ix) *
                           weight[(((c * in.channels + i) * w.k[0] + kz) * w.k[1] + ky) *
                                      w.k[2] +
                                  kx];
            }
        *voxel(&out, c, z, y, x) = sum;
    }
    return out;
}

/* By scattering, as it is defined. */
static struct map conv_transpose(struct map in, const char *name, int channels,
                                 struct window w)
{
    int size[3];
    for (int i = 0; i < 3; i++)
        size[i] = (in.size[i] - 1) * w.s[i] - 2 * w.p[i] + w.k[i] + w.op[i];
    struct map out = map_new(channels, size[0], size[1], size[2]);
    const float *weight = weight_of(name, "weight"), *bias = weight_of(name, "bias");
    EACH(out)
    *voxel(&out, c, z, y, x) = bias ? bias[c] : 0;
    EACH(in)
    for (int o = 0; o < channels; o++)
        TAPS(w)
        {
            int oz = z * w.s[0] - w.p[0] + kz, oy = y * w.s[1] - w.p[1] + ky;
            int ox = x * w.s[2] - w.p[2] + kx;
            if (inside(&out, oz, oy, ox))
                *voxel(&out, o, oz, oy, ox) +=
                    *voxel(&in, c, z, y, x) *
                    weight[(((c * channels + o) * w.k[0] + kz) * w.k[1] + ky) * w.k[2] +
                           kx];
        }
    return out;
}

static struct map pool(struct map in, bool max, struct window w)
{
    struct map out = window_output(&in, in.channels, &w);
    EACH(out)
    {
        double most = -INFINITY, sum = 0;
        TAPS(w)
        {
            int iz = z * w.s[0] - w.p[0] + kz, iy = y * w.s[1] - w.p[1] + ky;
            int ix = x * w.s[2] - w.p[2] + kx;
            if (inside(&in, iz, iy, ix)) {
                most = fmax(most, *voxel(&in, c, iz, iy, ix));
                sum += *voxel(&in, c, iz, iy, ix);
            }
        }
        *voxel(&out, c, z, y, x) = max ? most : sum / (w.k[0] * w.k[1] * w.k[2]);
    }
    return out;
}

static struct map norm(struct map in, const char *name, double eps)
{
    struct map out = map_new(in.channels, in.size[0], in.size[1], in.size[2]);
    const float *mean = weight_of(name, "running_mean");
    const float *variance = weight_of(name, "running_var");
    EACH(in)
    *voxel(&out, c, z, y, x) = (*voxel(&in, c, z, y, x) - mean[c]) /
                                   sqrt(variance[c] + eps) *
                                   weight_of(name, "weight")[c] +
                               weight_of(name, "bias")[c];
    return out;
}

static struct map relu(struct map in)
{
    struct map out = map_new(in.channels, in.size[0], in.size[1], in.size[2]);
    EACH(in)
    *voxel(&out, c, z, y, x) = fmax(0, *voxel(&in, c, z, y, x));
    return out;
}

static struct map sigmoid(struct map in)
{
    struct map out = map_new(in.channels, in.size[0], in.size[1], in.size[2]);
    EACH(in)
    *voxel(&out, c, z, y, x) = 1 / (1 + exp(-*voxel(&in, c, z, y, x)));
    return out;
}

static struct map softmax(struct map in)
{
    struct map out = map_new(in.channels, in.size[0], in.size[1], in.size[2]);
    EACH(in)
    {
        double sum = 0;
        for (int i = 0; i < in.channels; i++)
            sum += exp(*voxel(&in, i, z, y, x));
        *voxel(&out, c, z, y, x) = exp(*voxel(&in, c, z, y, x)) / sum;
    }
    return out;
}

static struct map concat(int count, const struct map *parts)
{
    int channels = 0, first = 0;
    for (int i = 0; i < count; i++)
        channels += parts[i].channels;
    struct map out =
        map_new(channels, parts[0].size[0], parts[0].size[1], parts[0].size[2]);
    for (int i = 0; i < count; i++) {
        assert_memory_equal(parts[i].size, out.size, sizeof out.size);
        memcpy(voxel(&out, first, 0, 0, 0), parts[i].values,
               (size_t)(parts[i].channels * voxels(&out)) * sizeof(double));
        first += parts[i].channels;
    }
    return out;
}

static struct map linear(struct map in, const char *name, int channels)
{
    struct map out = map_new(channels, 1, 1, 1);
    int count = in.channels * voxels(&in);
    for (int o = 0; o < channels; o++) {
        out.values[o] = weight_of(name, "bias")[o];
        for (int i = 0; i < count; i++)
            out.values[o] += in.values[i] * weight_of(name, "weight")[o * count + i];
    }
    return out;
}

/* An input, as a map and as the planes of it. */
static struct map draw_input(int channels, int depth, int height, int width,
                             float *values, const float **planes)
{
    struct map m = map_new(channels, depth, height, width);
    for (int i = 0; i < channels * voxels(&m); i++) {
        values[i] = draw();
        m.values[i] = values[i];
    }
    for (int c = 0; c < channels; c++)
        planes[c] = values + c * voxels(&m);
    return m;
}

enum { FLOATS_MAX = 20000 };

/* The network on the input is `expected`, with every algorithm, and the same bits again
 * in a workspace that another input went through. */
static void check(const char *description, const struct map *in,
                  const float *const *planes, const struct map *expected)
{
    static float other[FLOATS_MAX], output[FLOATS_MAX], again[FLOATS_MAX];
    const float *other_planes[8];
    struct model *m;
    const int count = expected->channels * voxels(expected);

    for (int i = 0; i < in->channels * voxels(in); i++)
        other[i] = 1e6f * draw();
    for (int c = 0; c < in->channels; c++)
        other_planes[c] = other + c * voxels(in);
    ok(model_open(description, NULL, write_weights(), &m, &err));
    for (enum conv_algorithm a = CONV_AUTO; a <= CONV_LINES; a++) {
        const struct model_plan_options options = {.isa = isa_best(), .algorithm = a};
        struct model_plan *p;
        ok(model_plan_new(m, in->size[0], in->size[1], in->size[2], &options, &p, &err));
        assert_int_equal(model_plan_output_floats(p), count);
        const size_t bytes = model_plan_workspace_bytes(p);
        float *workspace = room(bytes, 1);
        for (size_t k = 0; k < bytes / sizeof *workspace; k++)
            workspace[k] = 1e3f; /* what another plan may have left */
        model_run(p, planes, output, workspace);
        for (int i = 0; i < count; i++)
            if (!(fabs(output[i] - expected->values[i]) <= 1e-4))
                fail_msg("%s: output %d is %g, expected %g", conv_algorithm_name(a), i,
                         (double)output[i], expected->values[i]);
        model_run(p, other_planes, again, workspace);
        model_run(p, planes, again, workspace);
        assert_memory_equal(output, again, (size_t)count * sizeof *output);
        free(workspace);
        model_plan_free(p);
    }
    model_free(m);
    forget_maps();
    weight_count = 0;
}

static void a_network_of_odd_layers_in_2d_is_its_naive_evaluation(void **state)
{
    (void)state;
    static float values[FLOATS_MAX];
    const float *planes[3];
    const struct window w_a = {{1, 3, 5}, {1, 2, 1}, {0, 1, 2}, {0}};
    const struct window point = {{1, 1, 1}, {1, 1, 1}, {0}, {0}};
    const struct window around = {{1, 3, 3}, {1, 1, 1}, {0, 1, 1}, {0}};
    const struct window shrink = {{1, 3, 3}, {1, 2, 2}, {0}, {0}};
    char *description = temporary_text(
        "odd.cfg",
        "name = \"odd\"; dimensions = 2; input_channels = 3; layers = (\n"
        "{ type = \"conv\"; name = \"a\"; channels = 5; kernel = [3, 5]; stride = [2, 1];"
        "  pad = [1, 2]; },\n"
        "{ type = \"relu\"; name = \"ra\"; },\n"
        "{ type = \"avg_pool\"; name = \"pa\"; kernel = 3; stride = 1; pad = 1; },\n"
        "{ type = \"conv\"; name = \"b\"; input = \"ra\"; channels = 4; kernel = 1; bias "
        "= 0; },\n"
        "{ type = \"batch_norm\"; name = \"nb\"; },\n"
        "{ type = \"relu\"; name = \"rb\"; },\n"
        "{ type = \"max_pool\"; name = \"mb\"; kernel = 3; stride = 1; pad = 1; },\n"
        "{ type = \"concat\"; name = \"three\"; inputs = [\"pa\", \"rb\", \"mb\"]; },\n"
        "{ type = \"conv\"; name = \"d\"; channels = 6; kernel = 3; stride = 2; },\n"
        "{ type = \"batch_norm\"; name = \"nd\"; eps = 1e-3; },\n"
        "{ type = \"conv_transpose\"; name = \"e\"; channels = 5; kernel = 3; stride = "
        "2; },\n"
        "{ type = \"concat\"; name = \"again\"; inputs = [\"e\", \"rb\"]; },\n"
        "{ type = \"concat\"; name = \"nested\"; inputs = [\"again\", \"e\", \"e\"]; },\n"
        "{ type = \"batch_norm\"; name = \"n\"; },\n"
        "{ type = \"relu\"; },\n"
        "{ type = \"conv\"; name = \"last\"; channels = 3; kernel = 1; },\n"
        "{ type = \"softmax\"; } );\n");

    WEIGHT("a.weight", 4, 5, 3, 3, 5), WEIGHT("a.bias", 1, 5);
    WEIGHT("b.weight", 4, 4, 5, 1, 1);
    NORM("nb", 4);
    WEIGHT("d.weight", 4, 6, 13, 3, 3), WEIGHT("d.bias", 1, 6);
    NORM("nd", 6);
    WEIGHT("e.weight", 4, 6, 5, 3, 3), WEIGHT("e.bias", 1, 5);
    NORM("n", 19);
    WEIGHT("last.weight", 4, 3, 19, 1, 1), WEIGHT("last.bias", 1, 3);

    struct map in = draw_input(3, 1, 14, 11, values, planes);
    struct map ra = relu(conv(in, "a", 5, w_a)), pa = pool(ra, false, around);
    struct map rb = relu(norm(conv(ra, "b", 4, point), "nb", 1e-5)),
               mb = pool(rb, true, around);
    struct map three = concat(3, (struct map[]){pa, rb, mb});
    struct map nd = norm(conv(three, "d", 6, shrink), "nd", 1e-3);
    struct map e = conv_transpose(nd, "e", 5, shrink);
    struct map again = concat(2, (struct map[]){e, rb});
    struct map nested = concat(3, (struct map[]){again, e, e});
    struct map out = softmax(conv(relu(norm(nested, "n", 1e-5)), "last", 3, point));
    check(description, &in, planes, &out);
}

/* So high that bands move what they still need, down one resolution and up again. */
static void a_high_map_in_bands_is_its_naive_evaluation(void **state)
{
    (void)state;
    static float values[FLOATS_MAX];
    const float *planes[2];
    const struct window around = {{1, 3, 3}, {1, 1, 1}, {0, 1, 1}, {0}};
    const struct window wide = {{1, 5, 5}, {1, 1, 1}, {0, 2, 2}, {0}};
    const struct window half = {{1, 2, 2}, {1, 2, 2}, {0}, {0}};
    const struct window point = {{1, 1, 1}, {1, 1, 1}, {0}, {0}};
    char *description = temporary_text(
        "high.cfg",
        "name = \"high\"; dimensions = 2; input_channels = 2; divisor = 2; layers = (\n"
        "{ type = \"conv\"; name = \"a\"; channels = 8; kernel = 3; pad = 1; },\n"
        "{ type = \"relu\"; },\n"
        "{ type = \"conv\"; name = \"b\"; channels = 8; kernel = 3; pad = 1; },\n"
        "{ type = \"relu\"; },\n"
        "{ type = \"conv\"; name = \"c\"; channels = 3; kernel = 5; pad = 2; },\n"
        "{ type = \"sigmoid\"; name = \"sc\"; },\n"
        "{ type = \"avg_pool\"; kernel = 2; },\n"
        "{ type = \"conv\"; name = \"d\"; channels = 4; kernel = 3; pad = 1; },\n"
        "{ type = \"conv\"; name = \"e\"; channels = 5; kernel = 3; pad = 1; },\n"
        "{ type = \"conv_transpose\"; name = \"up\"; channels = 5; kernel = 2; stride = "
        "2; "
        "},\n"
        "{ type = \"concat\"; inputs = [\"up\", \"sc\"]; },\n"
        "{ type = \"conv\"; name = \"f\"; channels = 8; kernel = 3; pad = 1; },\n"
        "{ type = \"relu\"; },\n"
        "{ type = \"conv\"; name = \"g\"; channels = 6; kernel = 3; pad = 1; },\n"
        "{ type = \"conv\"; name = \"last\"; channels = 1; kernel = 1; },\n"
        "{ type = \"sigmoid\"; } );\n");

    WEIGHT("a.weight", 4, 8, 2, 3, 3), WEIGHT("a.bias", 1, 8);
    WEIGHT("b.weight", 4, 8, 8, 3, 3), WEIGHT("b.bias", 1, 8);
    WEIGHT("c.weight", 4, 3, 8, 5, 5), WEIGHT("c.bias", 1, 3);
    WEIGHT("d.weight", 4, 4, 3, 3, 3), WEIGHT("d.bias", 1, 4);
    WEIGHT("e.weight", 4, 5, 4, 3, 3), WEIGHT("e.bias", 1, 5);
    WEIGHT("up.weight", 4, 5, 5, 2, 2), WEIGHT("up.bias", 1, 5);
    WEIGHT("f.weight", 4, 8, 8, 3, 3), WEIGHT("f.bias", 1, 8);
    WEIGHT("g.weight", 4, 6, 8, 3, 3), WEIGHT("g.bias", 1, 6);
    WEIGHT("last.weight", 4, 1, 6, 1, 1), WEIGHT("last.bias", 1, 1);

    struct map in = draw_input(2, 1, 202, 10, values, planes);
    struct map b = relu(conv(relu(conv(in, "a", 8, around)), "b", 8, around));
    struct map c = sigmoid(conv(b, "c", 3, wide));
    struct map d = conv(pool(c, false, half), "d", 4, around);
    struct map up = conv_transpose(conv(d, "e", 5, around), "up", 5, half);
    struct map f = relu(conv(concat(2, (struct map[]){up, c}), "f", 8, around));
    struct map out = sigmoid(conv(conv(f, "g", 6, around), "last", 1, point));
    check(description, &in, planes, &out);
}

static void a_network_of_odd_layers_in_3d_is_its_naive_evaluation(void **state)
{
    (void)state;
    static float values[FLOATS_MAX];
    const float *planes[2];
    const struct window block = {{3, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0}};
    const struct window half = {{2, 2, 2}, {2, 2, 2}, {0}, {0}};
    const struct window strided = {{2, 3, 3}, {1, 2, 2}, {0, 1, 1}, {0}};
    const struct window twice = {{3, 3, 3}, {2, 2, 2}, {1, 1, 1}, {1, 1, 1}};
    char *description = temporary_text(
        "odd3d.cfg",
        "name = \"odd3d\"; dimensions = 3; input_channels = 2; crop = [6, 8, 12]; layers "
        "= (\n"
        "{ type = \"batch_norm\"; name = \"n0\"; },\n"
        "{ type = \"conv\"; name = \"a\"; channels = 8; kernel = 3; pad = 1; },\n"
        "{ type = \"relu\"; name = \"ra\"; },\n"
        "{ type = \"max_pool\"; kernel = 2; },\n"
        "{ type = \"conv\"; name = \"b\"; channels = 8; kernel = 3; pad = 1; },\n"
        "{ type = \"relu\"; },\n"
        "{ type = \"batch_norm\"; name = \"nb\"; },\n"
        "{ type = \"conv_transpose\"; name = \"up\"; channels = 4; kernel = 3; stride = "
        "2; pad = 1;"
        "  output_pad = 1; },\n"
        "{ type = \"concat\"; inputs = [\"up\", \"ra\", \"input\"]; },\n"
        "{ type = \"conv\"; name = \"c\"; channels = 5; kernel = [2, 3, 3]; stride = [1, "
        "2, 2];"
        "  pad = [0, 1, 1]; },\n"
        "{ type = \"sigmoid\"; },\n"
        "{ type = \"avg_pool\"; kernel = 2; },\n"
        "{ type = \"flatten\"; },\n"
        "{ type = \"batch_norm\"; name = \"nf\"; },\n"
        "{ type = \"linear\"; name = \"l1\"; channels = 7; },\n"
        "{ type = \"relu\"; },\n"
        "{ type = \"linear\"; name = \"l2\"; channels = 3; } );\n");

    NORM("n0", 2);
    WEIGHT("a.weight", 5, 8, 2, 3, 3, 3), WEIGHT("a.bias", 1, 8);
    WEIGHT("b.weight", 5, 8, 8, 3, 3, 3), WEIGHT("b.bias", 1, 8);
    NORM("nb", 8);
    WEIGHT("up.weight", 5, 8, 4, 3, 3, 3), WEIGHT("up.bias", 1, 4);
    WEIGHT("c.weight", 5, 5, 14, 2, 3, 3), WEIGHT("c.bias", 1, 5);
    NORM("nf", 60);
    WEIGHT("l1.weight", 2, 7, 60), WEIGHT("l1.bias", 1, 7);
    WEIGHT("l2.weight", 2, 3, 7), WEIGHT("l2.bias", 1, 3);

    struct map in = draw_input(2, 6, 8, 12, values, planes);
    struct map ra = relu(conv(norm(in, "n0", 1e-5), "a", 8, block));
    struct map nb = norm(relu(conv(pool(ra, true, half), "b", 8, block)), "nb", 1e-5);
    struct map up = conv_transpose(nb, "up", 4, twice);
    struct map all = concat(3, (struct map[]){up, ra, in});
    struct map pooled = pool(sigmoid(conv(all, "c", 5, strided)), false, half);
    struct map flat = {60, {1, 1, 1}, pooled.values};
    struct map out = linear(relu(linear(norm(flat, "nf", 1e-5), "l1", 7)), "l2", 3);
    assert_int_equal(pooled.channels * voxels(&pooled), 60);
    check(description, &in, planes, &out);
}

static void a_size_that_the_network_cannot_take_is_named(void **state)
{
    (void)state;
    const struct model_plan_options options = {.isa = isa_best(), .algorithm = CONV_AUTO};
    struct model *m;
    struct model_plan *p;
    char *description = temporary_text(
        "n.cfg",
        "name = \"n\"; dimensions = 2; input_channels = 1; divisor = 4; layers = (\n"
        "{ type = \"conv\"; name = \"a\"; channels = 1; kernel = 9; } );\n");
    WEIGHT("a.weight", 4, 1, 1, 9, 9), WEIGHT("a.bias", 1, 1);
    ok(model_open(description, NULL, write_weights(), &m, &err));
    weight_count = 0;
    assert_int_equal(model_plan_new(m, 1, 64, 66, &options, &p, &err), STATUS_JOB_CONFIG);
    assert_non_null(
        strstr(err.message, "cannot take 1x64x66 voxels: sizes must be multiples of 4"));
    assert_int_equal(model_plan_new(m, 2, 64, 64, &options, &p, &err), STATUS_JOB_CONFIG);
    assert_non_null(strstr(err.message, "it is 2D"));
    assert_int_equal(model_plan_new(m, 1, 8, 8, &options, &p, &err), STATUS_JOB_CONFIG);
    assert_non_null(
        strstr(err.message, "n.cfg:2: layer a: an input of 1 x 8x8 is too small"));
    ok(model_plan_new(m, 1, 12, 16, &options, &p, &err));
    assert_int_equal(model_plan_output_floats(p), 4 * 8);
    assert_int_equal(model_plan_multiply_adds(p), 4 * 8 * 81);
    model_plan_free(p);
    model_free(m);
}

#define IN_A_FOLDER(test)                                                                \
    cmocka_unit_test_setup_teardown(test, temporary_folder_make, temporary_folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(a_network_of_odd_layers_in_2d_is_its_naive_evaluation),
        IN_A_FOLDER(a_high_map_in_bands_is_its_naive_evaluation),
        IN_A_FOLDER(a_network_of_odd_layers_in_3d_is_its_naive_evaluation),
        IN_A_FOLDER(a_size_that_the_network_cannot_take_is_named),
    };
    isa_use(isa_best());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
