/*
 * A transposed convolution is stride_d * stride_h * stride_w ordinary ones.
 *
 * Output voxels whose coordinates leave the same remainders modulo the stride (a phase)
 * take the same weights: along one axis, output o = m * stride + r takes k = k0, k0 +
 * stride, ... with k0 = (r + pad) mod stride, from input i = m + q, m + q - 1, ... with q
 * = (r + pad) / stride. That is a convolution of stride 1 with the phase's weights in
 * reverse order, written to every stride-th voxel: a view with longer strides. So the
 * fast kernels of conv.h serve, epilogue and all, and nothing is added up in memory.
 * Kernel 2 stride 2, the U-Net's, becomes four 1x1 convolutions.
 *
 * The input is handed over as a view that begins in the middle of the first output
 * voxel's taps, so that its convolution has the pad of a centred kernel, which the fast
 * ones want; what it reads of the halo is bounded by conv_transpose_halo.
 */
#include "tensor/conv_transpose.h"

#include "base/memory.h"

/* One axis of one phase. */
struct phase_axis {
    int remainder;   /* r */
    int first_tap;   /* k0 */
    int taps;        /* 0: no weight reaches this phase */
    int first_voxel; /* input coordinate of the first tap at m = 0 */
};

struct phase {
    struct phase_axis axis[3];
    struct conv *conv; /* NULL: no taps, the sum is 0 */
};

struct conv_transpose {
    struct conv_transpose_shape shape;
    float *scratch; /* the weights of one phase, while they are packed */
    int phase_count;
    struct phase phases[];
};

int64_t conv_transpose_size(const struct conv_transpose_shape *s, int axis, int64_t in)
{
    return (in - 1) * s->stride[axis] - 2 * (int64_t)s->pad[axis] + s->kernel[axis] +
           s->output_pad[axis];
}

int conv_transpose_halo(const struct conv_transpose_shape *s, int axis)
{
    int reach = s->kernel[axis] - 1 - s->pad[axis] + s->output_pad[axis];
    return reach > 0 ? reach / s->stride[axis] : 0;
}

static struct phase_axis phase_axis_make(const struct conv_transpose_shape *s, int i,
                                         int remainder)
{
    struct phase_axis a = {.remainder = remainder};
    a.first_tap = (remainder + s->pad[i]) % s->stride[i];
    if (a.first_tap < s->kernel[i])
        a.taps = (s->kernel[i] - a.first_tap + s->stride[i] - 1) / s->stride[i];
    a.first_voxel = (remainder + s->pad[i]) / s->stride[i] - (a.taps - 1);
    return a;
}

/* Weight index along an axis of tap j of a phase, counted from the phase's first input
 * voxel. */
static int phase_weight(const struct conv_transpose_shape *s, const struct phase *p,
                        int i, int j)
{
    return p->axis[i].first_tap + s->stride[i] * (p->axis[i].taps - 1 - j);
}

/* The weights of a phase as those of a convolution, [out][in][d][h][w]. */
static void phase_weights(const struct conv_transpose_shape *s, const struct phase *p,
                          const float *weights, float *out)
{
    const int *k = s->kernel;
    for (int o = 0; o < s->out_channels; o++)
        for (int c = 0; c < s->in_channels; c++) {
            const float *from =
                weights + ((int64_t)c * s->out_channels + o) * k[0] * k[1] * k[2];
            for (int z = 0; z < p->axis[0].taps; z++)
                for (int y = 0; y < p->axis[1].taps; y++)
                    for (int x = 0; x < p->axis[2].taps; x++)
                        *out++ = from[(phase_weight(s, p, 0, z) * k[1] +
                                       phase_weight(s, p, 1, y)) *
                                          k[2] +
                                      phase_weight(s, p, 2, x)];
        }
}

/* Of the convolution of a phase that has taps. */
static int phase_pad(const struct phase *p, int i)
{
    return p->axis[i].taps > 0 ? (p->axis[i].taps - 1) / 2 : 0;
}

static enum status phase_init(const struct conv_transpose_shape *s, enum conv_algorithm a,
                              enum isa isa, const float *weights, float *scratch,
                              struct phase *p, struct error *err)
{
    struct conv_shape shape = {.in_channels = s->in_channels,
                               .out_channels = s->out_channels};
    for (int i = 0; i < 3; i++) {
        shape.kernel[i] = p->axis[i].taps;
        shape.stride[i] = 1;
        shape.pad[i] = phase_pad(p, i);
        if (p->axis[i].taps == 0)
            return STATUS_OK;
    }
    phase_weights(s, p, weights, scratch);
    return conv_new(&shape, conv_algorithm_serves(a, &shape) ? a : CONV_AUTO, isa,
                    scratch, &p->conv, err);
}

enum status conv_transpose_new(const struct conv_transpose_shape *s,
                               enum conv_algorithm a, enum isa isa, const float *weights,
                               struct conv_transpose **out, struct error *err)
{
    enum status status;
    const char *what = "transposed convolution";
    struct conv_transpose *t = NULL;
    void *memory;
    const int count = s->stride[0] * s->stride[1] * s->stride[2];
    const size_t floats = (size_t)s->in_channels * (size_t)s->out_channels *
                          (size_t)s->kernel[0] * (size_t)s->kernel[1] *
                          (size_t)s->kernel[2];

    TRY(memory_new(1, sizeof *t + (size_t)count * sizeof *t->phases, what, &memory, err));
    t = memory;
    TRY(memory_new(floats, sizeof *t->scratch, what, &memory, err));
    t->scratch = memory;
    t->shape = *s;
    t->phase_count = count;
    for (int i = 0; i < count; i++) {
        struct phase *p = &t->phases[i];
        p->axis[0] = phase_axis_make(s, 0, i / (s->stride[1] * s->stride[2]));
        p->axis[1] = phase_axis_make(s, 1, i / s->stride[2] % s->stride[1]);
        p->axis[2] = phase_axis_make(s, 2, i % s->stride[2]);
        TRY(phase_init(s, a, isa, weights, t->scratch, p, err));
    }
    *out = t;
    t = NULL;
out:
    conv_transpose_free(t);
    return status;
}

void conv_transpose_free(struct conv_transpose *t)
{
    if (!t)
        return;
    for (int i = 0; i < t->phase_count; i++)
        conv_free(t->phases[i].conv);
    free(t->scratch);
    free(t);
}

void conv_transpose_set_weights(struct conv_transpose *t, const float *weights)
{
    for (int i = 0; i < t->phase_count; i++) {
        struct phase *p = &t->phases[i];
        if (!p->conv)
            continue;
        phase_weights(&t->shape, p, weights, t->scratch);
        conv_set_weights(p->conv, t->scratch);
    }
}

/* Number of output voxels of a phase along an axis. */
static int64_t phase_size(const struct conv_transpose_shape *s, const struct phase *p,
                          int i, int64_t out)
{
    return out <= p->axis[i].remainder
               ? 0
               : (out - 1 - p->axis[i].remainder) / s->stride[i] + 1;
}

size_t conv_transpose_scratch_bytes(const struct conv_transpose *t, int64_t depth,
                                    int64_t height, int64_t width)
{
    size_t most = 0;
    for (int i = 0; i < t->phase_count; i++) {
        const struct phase *p = &t->phases[i];
        if (!p->conv)
            continue;
        size_t bytes = conv_scratch_bytes(p->conv, phase_size(&t->shape, p, 0, depth),
                                          phase_size(&t->shape, p, 1, height),
                                          phase_size(&t->shape, p, 2, width));
        most = bytes > most ? bytes : most;
    }
    return most;
}

/* The voxels of a phase in the output. */
static struct view phase_output(const struct conv_transpose_shape *s,
                                const struct phase *p, const struct view *out)
{
    struct view v = *out;
    v.depth = phase_size(s, p, 0, out->depth);
    v.height = phase_size(s, p, 1, out->height);
    v.width = phase_size(s, p, 2, out->width);
    v.data += p->axis[0].remainder * out->stride_d +
              p->axis[1].remainder * out->stride_h + p->axis[2].remainder * out->stride_w;
    v.stride_d *= s->stride[0];
    v.stride_h *= s->stride[1];
    v.stride_w *= s->stride[2];
    v.halo_d = v.halo = 0;
    return v;
}

/* What a phase with this output reads. */
static struct view phase_input(const struct phase *p, const struct view *in,
                               const struct view *out)
{
    struct view v = *in;
    const int pad[3] = {phase_pad(p, 0), phase_pad(p, 1), phase_pad(p, 2)};
    v.data += (p->axis[0].first_voxel + pad[0]) * in->stride_d +
              (p->axis[1].first_voxel + pad[1]) * in->stride_h +
              (p->axis[2].first_voxel + pad[2]) * in->stride_w;
    v.depth = out->depth + p->axis[0].taps - 1 - 2 * pad[0];
    v.height = out->height + p->axis[1].taps - 1 - 2 * pad[1];
    v.width = out->width + p->axis[2].taps - 1 - 2 * pad[2];
    v.halo_d = pad[0];
    v.halo = pad[1] > pad[2] ? pad[1] : pad[2];
    return v;
}

static float epilogue_of(const struct conv_epilogue *e, int c, double sum)
{
    if (e->bias)
        sum += e->bias[c];
    if (e->relu && sum < 0)
        sum = 0;
    if (e->scale)
        sum *= e->scale[c];
    if (e->shift)
        sum += e->shift[c];
    return (float)sum;
}

static void fill(const struct view *out, const struct conv_epilogue *e)
{
    for (int64_t z = 0; z < out->depth; z++)
        for (int64_t y = 0; y < out->height; y++)
            for (int64_t x = 0; x < out->width; x++)
                for (int c = 0; c < out->channels; c++)
                    out->data[z * out->stride_d + y * out->stride_h + x * out->stride_w +
                              c] = epilogue_of(e, c, 0);
}

void conv_transpose_forward(const struct conv_transpose *t, const struct view *in,
                            const struct view *out, const struct conv_epilogue *e,
                            void *scratch)
{
    const struct conv_transpose_shape *s = &t->shape;
    CHECK(in->channels == s->in_channels && out->channels == s->out_channels);
    CHECK(in->halo_d >= conv_transpose_halo(s, 0) &&
          in->halo >= conv_transpose_halo(s, 1) && in->halo >= conv_transpose_halo(s, 2));
    CHECK(out->depth <= conv_transpose_size(s, 0, in->depth) &&
          out->height <= conv_transpose_size(s, 1, in->height) &&
          out->width <= conv_transpose_size(s, 2, in->width));
    for (int i = 0; i < t->phase_count; i++) {
        const struct phase *p = &t->phases[i];
        struct view to = phase_output(s, p, out);
        if (to.depth <= 0 || to.height <= 0 || to.width <= 0)
            continue;
        struct view from = phase_input(p, in, &to);
        if (p->conv)
            conv_forward(p->conv, &from, &to, e, scratch);
        else
            fill(&to, e);
    }
}

/* Whether weight k connects output o with an input along an axis, and which. */
static bool connects(const struct conv_transpose_shape *s, int axis, int64_t o, int k,
                     int64_t size, int64_t *i)
{
    int64_t shifted = o + s->pad[axis] - k;
    *i = shifted / s->stride[axis];
    return shifted >= 0 && shifted % s->stride[axis] == 0 && *i < size;
}

static double reference_sum(const struct conv_transpose_shape *s, const float *weights,
                            const struct view *in, int64_t z, int64_t y, int64_t x, int o)
{
    const int *k = s->kernel;
    double sum = 0;
    int64_t iz, iy, ix;
    for (int kz = 0; kz < k[0]; kz++)
        for (int ky = 0; ky < k[1]; ky++)
            for (int kx = 0; kx < k[2]; kx++) {
                if (!connects(s, 0, z, kz, in->depth, &iz) ||
                    !connects(s, 1, y, ky, in->height, &iy) ||
                    !connects(s, 2, x, kx, in->width, &ix))
                    continue;
                const float *voxel =
                    in->data + iz * in->stride_d + iy * in->stride_h + ix * in->stride_w;
                for (int c = 0; c < s->in_channels; c++)
                    sum += (double)voxel[c] *
                           weights[(((int64_t)c * s->out_channels + o) * k[0] + kz) *
                                       k[1] * k[2] +
                                   ky * k[2] + kx];
            }
    return sum;
}

void conv_transpose_reference(const struct conv_transpose_shape *s, const float *weights,
                              const struct view *in, const struct view *out,
                              const struct conv_epilogue *e)
{
    for (int64_t z = 0; z < out->depth; z++)
        for (int64_t y = 0; y < out->height; y++)
            for (int64_t x = 0; x < out->width; x++)
                for (int c = 0; c < out->channels; c++)
                    out->data[z * out->stride_d + y * out->stride_h + x * out->stride_w +
                              c] =
                        epilogue_of(e, c, reference_sum(s, weights, in, z, y, x, c));
}
