/*
 * The output goes through in slabs: as many windows as make the convolution's part of it
 * fit into the second-level cache. Their size follows from the shape alone. Slabs begin
 * where windows do, so that Winograd cuts even ones into the same tiles as the whole.
 *
 * F(4,3) works slice by slice: each slab transforms the slices above and below it once
 * more. So its slabs are as deep as the output and few rows high, and begin where tiles
 * do.
 */
#include "tensor/conv_pool.h"

#include <math.h>

#include "tensor/kernels.h"

enum {
    SLAB_BYTES = 160 * 1024,
    DEEP_SLAB_BYTES = 256 * 1024,
    LINE_BYTES = 64,
};

bool conv_pool_serves(const struct pool_shape *s)
{
    int64_t voxels = 1;
    bool serves = true;
    for (int i = 0; i < 3; i++) {
        serves = serves && s->kernel[i] == s->stride[i] && s->pad[i] == 0;
        voxels *= s->kernel[i];
    }
    return serves && voxels < CONV_POOL_DEAD;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Windows along z and y that a slab has. */
struct slab {
    int64_t depth, height;
    size_t bytes;
};

static int64_t clamp(int64_t n, int64_t least, int64_t most)
{
    return smaller(n < least ? least : n, most);
}

/* The number of windows whose rows are whole tiles of F(4,3). */
static int64_t windows_of_tiles(const struct pool_shape *s)
{
    return s->kernel[1] % 4 == 0 ? 1 : s->kernel[1] % 2 == 0 ? 2 : 4;
}

static struct slab slab_of(const struct conv *c, const struct pool_shape *s,
                           int64_t depth, int64_t height, int64_t width)
{
    const int64_t row = s->kernel[0] * s->kernel[1] * s->kernel[2] * width *
                        c->shape.out_channels * (int64_t)sizeof(float);
    struct slab slab;
    if (c->algorithm == CONV_PLANES || c->algorithm == CONV_WINOGRAD_4) {
        const int64_t unit = windows_of_tiles(s);
        slab.height = clamp(DEEP_SLAB_BYTES / (row * depth) / unit * unit, unit, height);
        slab.depth = clamp(DEEP_SLAB_BYTES / (row * slab.height), 1, depth);
    } else {
        slab.depth = clamp(SLAB_BYTES / (row * height), 1, depth);
        slab.height = clamp(SLAB_BYTES / row, 1, height);
    }
    slab.bytes = (size_t)(row * slab.depth * slab.height);
    slab.bytes = (slab.bytes + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES;
    return slab;
}

size_t conv_pool_scratch_bytes(const struct conv *c, const struct pool_shape *s,
                               int64_t depth, int64_t height, int64_t width)
{
    const struct slab slab = slab_of(c, s, depth, height, width);
    return slab.bytes + conv_scratch_bytes(c, slab.depth * s->kernel[0],
                                           slab.height * s->kernel[1],
                                           width * s->kernel[2]);
}

/* What a part of the convolution's output, from (z, y, 0) on, reads. */
static struct view input_of(const struct conv_shape *s, const struct view *in,
                            const struct view *part, int64_t z, int64_t y)
{
    struct view v = *in;
    v.data += z * s->stride[0] * in->stride_d + y * s->stride[1] * in->stride_h;
    v.depth = (part->depth - 1) * s->stride[0] - 2 * s->pad[0] + s->kernel[0];
    v.height = (part->height - 1) * s->stride[1] - 2 * s->pad[1] + s->kernel[1];
    return v;
}

/* Pools a slab into `out`, whose first window it begins with. */
static void pool_slab(const struct kernels *k, const struct pool_shape *s,
                      const struct view *slab, const struct view *out, uint8_t *peaks,
                      int64_t peaks_slice, bool relu)
{
    struct kernel_windows w = {
        .count = out->width,
        .window = {s->kernel[0], s->kernel[1], s->kernel[2]},
        .stride_d = slab->stride_d,
        .stride_h = slab->stride_h,
        .stride_w = slab->stride_w,
        .channels = out->channels,
        .out_step = out->stride_w,
        .dead = relu ? 0 : -INFINITY,
    };
    for (int64_t z = 0; z < out->depth; z++)
        for (int64_t y = 0; y < out->height; y++) {
            w.in = conv_output(slab, z * s->kernel[0], y * s->kernel[1], 0);
            w.out = conv_output(out, z, y, 0);
            w.peaks =
                peaks ? peaks + z * peaks_slice + y * out->width * out->channels : NULL;
            k->windows(&w);
        }
}

void conv_pool_forward(const struct conv *c, const struct pool_shape *s,
                       const struct view *in, const struct view *out, uint8_t *peaks,
                       const struct conv_epilogue *e, void *scratch)
{
    const struct kernels *k = kernels_of(c->isa);
    const struct slab slab = slab_of(c, s, out->depth, out->height, out->width);
    const int64_t peaks_slice = out->height * out->width * out->channels;
    CHECK(!peaks || (!e->scale && !e->shift));
    for (int64_t z = 0; z < out->depth; z += slab.depth)
        for (int64_t y = 0; y < out->height; y += slab.height) {
            struct view to = *out;
            to.depth = smaller(slab.depth, out->depth - z);
            to.height = smaller(slab.height, out->height - y);
            to.data = conv_output(out, z, y, 0);
            struct view part =
                view_make(scratch, to.depth * s->kernel[0], to.height * s->kernel[1],
                          to.width * s->kernel[2], to.channels, 0, 0);
            struct view from =
                input_of(&c->shape, in, &part, z * s->kernel[0], y * s->kernel[1]);
            conv_forward(c, &from, &part, e, (char *)scratch + slab.bytes);
            pool_slab(k, s, &part, &to,
                      peaks ? peaks + z * peaks_slice + y * to.width * to.channels : NULL,
                      peaks_slice, e->relu);
        }
}
