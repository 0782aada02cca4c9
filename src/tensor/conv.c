/*
 * The front of the convolutions: which algorithm, and the checks that all of them rely
 * on.
 */
#include "tensor/quads.h"

#include "base/memory.h"
#include "base/size.h"

static const struct conv_backend *const backends[] = {
    [CONV_REFERENCE] = &conv_reference, [CONV_BLIS] = &conv_blis,
    [CONV_DIRECT] = &conv_direct,       [CONV_WINOGRAD] = &conv_winograd,
    [CONV_WINOGRAD_4] = &conv_quads,    [CONV_PLANES] = &conv_planes,
    [CONV_LINES] = &conv_lines,
};

const char *conv_algorithm_name(enum conv_algorithm a)
{
    return a == CONV_AUTO ? "auto" : backends[a]->name;
}

bool conv_algorithm_serves(enum conv_algorithm a, const struct conv_shape *s)
{
    return a == CONV_AUTO || backends[a]->serves(s);
}

/* Winograd where it saves more multiply-adds than its transforms cost. Those are paid by
 * the voxel and wait for memory, while a multiply-add is the cheaper the wider the
 * vectors: so the least number of multiply-adds an output voxel grows with the lanes.
 * Measured with tests/bench/kernels.c on Zen 5 over the layers of both networks of the
 * book: under AVX-512 8->16 in 3D (3456) runs 1.5 times faster by Winograd and 16->16 in
 * 2D (2304) no faster, under AVX2 2304 runs 1.1 times faster and 8->8 in 3D (1728) no
 * faster. Channels that do not fill vectors are copied first and always lose, and BLIS is
 * never ahead of both. */
static enum conv_algorithm choose(const struct conv_shape *s, enum isa isa)
{
    const int64_t least_a_lane = 200;
    int64_t work = (int64_t)conv_taps(s) * s->in_channels * s->out_channels;
    bool pays = s->in_channels % 8 == 0 && work >= least_a_lane * kernels_of(isa)->lanes;
    return pays && conv_winograd.serves(s) ? CONV_WINOGRAD : CONV_DIRECT;
}

enum conv_algorithm conv_training_algorithm(const struct conv_shape *s, enum isa isa)
{
    return quads_pay(s, isa) ? CONV_WINOGRAD_4 : CONV_AUTO;
}

/* F(4,3) where its tiles are at most a third larger than the map, and there are channels
 * to multiply; measured as above on every layer of the book's networks it is never slower
 * than the automatic choice then, with AVX-512 and with AVX2. */
enum conv_algorithm conv_inference_algorithm(const struct conv_shape *s, enum isa isa,
                                             int64_t height, int64_t width)
{
    const int64_t tiles = (height + 3) / 4 * ((width + 3) / 4);
    const bool pays = s->in_channels >= 7 && s->out_channels >= 8 &&
                      4 * height * width >= 3 * 16 * tiles;
    if (2 * s->out_channels <= kernels_of(isa)->lanes && conv_lines.serves(s))
        return CONV_LINES;
    return pays && conv_planes.serves(s) ? CONV_PLANES : CONV_AUTO;
}

static bool shape_is_valid(const struct conv_shape *s)
{
    bool valid = s->in_channels > 0 && s->out_channels > 0;
    for (int i = 0; i < 3; i++)
        valid = valid && s->kernel[i] > 0 && s->stride[i] > 0 && s->pad[i] >= 0;
    return valid;
}

enum status conv_new(const struct conv_shape *s, enum conv_algorithm a, enum isa isa,
                     const float *weights, struct conv **out, struct error *err)
{
    enum status status;
    void *memory = NULL;
    struct conv *c = NULL;

    CHECK(shape_is_valid(s));
    if (!conv_algorithm_serves(a, s))
        return error_set(
            err, STATUS_JOB_CONFIG,
            "convolution algorithm \"%s\" does not serve kernel %dx%dx%d, stride "
            "%dx%dx%d, pad %dx%dx%d",
            conv_algorithm_name(a), s->kernel[0], s->kernel[1], s->kernel[2],
            s->stride[0], s->stride[1], s->stride[2], s->pad[0], s->pad[1], s->pad[2]);

    TRY(memory_new(1, sizeof *c, "convolution", &memory, err));
    c = memory;
    c->shape = *s;
    c->isa = isa;
    c->algorithm = a == CONV_AUTO ? choose(s, isa) : a;
    c->backend = backends[c->algorithm];
    TRY(memory_new(c->backend->weights_floats(s, isa), sizeof(float),
                   "convolution weights", &memory, err));
    c->weights = memory;
    c->backend->pack(c, weights);
    *out = c;
    return STATUS_OK;
out:
    conv_free(c);
    return status;
}

void conv_free(struct conv *c)
{
    if (!c)
        return;
    free(c->weights);
    free(c);
}

void conv_set_weights(struct conv *c, const float *weights)
{
    memset(c->weights, 0,
           c->backend->weights_floats(&c->shape, c->isa) * sizeof *c->weights);
    c->backend->pack(c, weights);
}

enum conv_algorithm conv_algorithm(const struct conv *c)
{
    return c->algorithm;
}

size_t conv_scratch_bytes(const struct conv *c, int64_t depth, int64_t height,
                          int64_t width)
{
    return c->backend->scratch_bytes(c, depth, height, width);
}

/* Whether an axis of the output reads only voxels and halo of the input. */
static bool axis_fits(int64_t in, int64_t out, int halo, int kernel, int stride, int pad)
{
    return pad <= halo && (out - 1) * stride - pad + kernel <= in + halo;
}

bool conv_reads_within(const struct conv_shape *s, const struct view *in,
                       const struct view *out)
{
    return axis_fits(in->depth, out->depth, in->halo_d, s->kernel[0], s->stride[0],
                     s->pad[0]) &&
           axis_fits(in->height, out->height, in->halo, s->kernel[1], s->stride[1],
                     s->pad[1]) &&
           axis_fits(in->width, out->width, in->halo, s->kernel[2], s->stride[2],
                     s->pad[2]);
}

void conv_forward(const struct conv *c, const struct view *in, const struct view *out,
                  const struct conv_epilogue *e, void *scratch)
{
    const struct conv_shape *s = &c->shape;
    CHECK(in->channels == s->in_channels && out->channels == s->out_channels);
    CHECK(in->stride_w >= in->channels && out->stride_w >= out->channels);
    CHECK(conv_reads_within(s, in, out));
    c->backend->forward(c, in, out, e, scratch);
}

size_t conv_no_scratch(const struct conv *c, int64_t depth, int64_t height, int64_t width)
{
    (void)c, (void)depth, (void)height, (void)width;
    return 0;
}

size_t conv_weights_floats(const struct conv_shape *s, enum isa isa)
{
    (void)isa;
    return (size_t)s->out_channels * (size_t)s->in_channels * (size_t)conv_taps(s);
}

bool conv_serves_all(const struct conv_shape *s)
{
    (void)s;
    return true;
}
