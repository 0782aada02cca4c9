/*
 * A peak of output channel o at voxel v with gradient g adds g * in[patch of v] to the
 * sums of o's weights, and g * weights of o to the patch of v in the gradient by the
 * input. A patch is kd * kh rows of kw * channels floats that are contiguous, here and
 * there: weights and sums are kept as [out][kz][ky][kx][in].
 *
 * Windows go through in groups of whole rows, small enough for the first-level cache:
 * first all that is read of `in`, then all that is added to `to`. Either goes channel by
 * channel, so that a channel's sums or weights stay in registers for all of its peaks. Of
 * a row the even windows come first: patches of neighbours overlap, and a load that meets
 * parts of two stores still on their way has to wait for both.
 */
#include "tensor/conv_peaks.h"

#include "base/memory.h"
#include "tensor/kernels.h"

/* Fewer windows than this do not pay for loading a channel's sums. */
enum { WINDOWS_A_GROUP = 24, LINE = 16 };

struct conv_peaks {
    struct conv_shape shape;
    int window[3];
    enum isa isa;
    int64_t run, patch; /* floats of a row of taps, of all of them */
    float *weights;     /* [out][kz][ky][kx][in] */
};

enum status conv_peaks_new(const struct conv_shape *s, const struct pool_shape *pool,
                           enum isa isa, const float *weights, struct conv_peaks **out,
                           struct error *err)
{
    enum status status;
    struct conv_peaks *p = NULL;
    void *memory;

    CHECK(conv_pool_serves(pool));
    TRY(memory_new(1, sizeof *p, "convolution", &memory, err));
    p = memory;
    p->shape = *s;
    p->isa = isa;
    p->run = (int64_t)s->kernel[2] * s->in_channels;
    p->patch = p->run * s->kernel[0] * s->kernel[1];
    memcpy(p->window, pool->kernel, sizeof p->window);
    TRY(memory_new((size_t)s->out_channels * (size_t)p->patch, sizeof(float),
                   "convolution weights", &memory, err));
    p->weights = memory;
    conv_peaks_set_weights(p, weights);
    *out = p;
    p = NULL;
out:
    conv_peaks_free(p);
    return status;
}

void conv_peaks_free(struct conv_peaks *p)
{
    if (!p)
        return;
    free(p->weights);
    free(p);
}

void conv_peaks_set_weights(struct conv_peaks *p, const float *weights)
{
    const int taps = conv_taps(&p->shape), channels = p->shape.in_channels;
    for (int o = 0; o < p->shape.out_channels; o++, weights += p->patch)
        for (int t = 0; t < taps; t++)
            for (int i = 0; i < channels; i++)
                p->weights[o * p->patch + t * channels + i] = weights[i * taps + t];
}

/* Rows of windows, along z and y, that are one group. */
static int64_t rows_a_group(int64_t rows, int64_t width)
{
    const int64_t some = (WINDOWS_A_GROUP + width - 1) / width;
    return some < rows ? some : rows;
}

/* How scratch is divided; sizes in floats. */
struct room {
    int64_t sums, bias, counts, places, values;
};

static int64_t round_up(int64_t floats)
{
    return (floats + LINE - 1) / LINE * LINE;
}

static struct room room_of(const struct conv_peaks *p, int64_t depth, int64_t height,
                           int64_t width)
{
    const int64_t most =
        p->shape.out_channels * rows_a_group(depth * height, width) * width;
    return (struct room){
        .sums = round_up(p->shape.out_channels * p->patch),
        .bias = round_up(2 * p->shape.out_channels),   /* doubles */
        .counts = round_up(2 * p->shape.out_channels), /* of 64 bits */
        .places = round_up(2 * most),                  /* of 64 bits */
        .values = round_up(most),
    };
}

size_t conv_peaks_scratch_bytes(const struct conv_peaks *p, int64_t depth, int64_t height,
                                int64_t width)
{
    const struct room r = room_of(p, depth, height, width);
    return (size_t)(r.sums + r.bias + r.counts + 2 * r.places + r.values) * sizeof(float);
}

/* A pass over all windows. */
struct pass {
    const struct conv_peaks *peaks;
    const struct view *in, *gradient, *to;
    const uint8_t *numbers;
    float *sums; /* NULL: not wanted */
    double *bias;
    /* The peaks of a group, `most` at most for each channel: where their patches begin in
     * `in` and in `to`, and their gradients. */
    int64_t *counts, *from, *onto, most; /* onto: from, where they are alike */
    float *values;
    int64_t from_voxel[CONV_POOL_DEAD + 1],
        onto_voxel[CONV_POOL_DEAD + 1]; /* of a window;
                                        dead: 0 */
    int64_t cleared; /* slices of `to` that hold zeros or sums, from the halo on */
};

/* Where the patch of voxel (z, y, x) of the output begins. */
static int64_t place_of(const struct conv_shape *s, const struct view *v, int64_t z,
                        int64_t y, int64_t x)
{
    return conv_input(s, v, z, y, x, 0, 0, 0) - v->data;
}

/* Whether places in one are places in the other. */
static bool is_alike(const struct view *a, const struct view *b)
{
    return a->stride_d == b->stride_d && a->stride_h == b->stride_h;
}

static void find_voxels(struct pass *p)
{
    const struct conv_shape *s = &p->peaks->shape;
    const int *w = p->peaks->window;
    int n = 0;
    for (int z = 0; z < w[0]; z++)
        for (int y = 0; y < w[1]; y++)
            for (int x = 0; x < w[2]; x++, n++) {
                p->from_voxel[n] =
                    place_of(s, p->in, z, y, x) - place_of(s, p->in, 0, 0, 0);
                if (p->to)
                    p->onto_voxel[n] =
                        place_of(s, p->to, z, y, x) - place_of(s, p->to, 0, 0, 0);
            }
}

/* A channel's windows of one row, even ones first. */
struct row {
    const float *values;
    const uint8_t *numbers;
    int64_t value_step, number_step, width;
    int64_t first, step; /* where the patch of a window's first voxel begins */
};

/* Lists those that are alive, and returns their number. Small, so that all of it stays in
 * registers. */
static int64_t list_row(const struct row *row, const int64_t *restrict voxels,
                        float *restrict values, int64_t *restrict places)
{
    int64_t count = 0;
    for (int64_t odd = 0; odd < 2; odd++) {
        const float *value = row->values + odd * row->value_step;
        const uint8_t *number = row->numbers + odd * row->number_step;
        const int64_t value_step = 2 * row->value_step, step = 2 * row->step,
                      number_step = 2 * row->number_step;
        int64_t place = row->first + odd * row->step;
        for (int64_t x = odd; x < row->width; x += 2) {
            values[count] = *value;
            places[count] = place + voxels[*number];
            count += *number != CONV_POOL_DEAD;
            value += value_step;
            number += number_step;
            place += step;
        }
    }
    return count;
}

/* The peaks of a channel in the windows of some rows; those with a gradient. */
static int64_t list_peaks(struct pass *p, int64_t first, int64_t rows, int channel)
{
    const struct conv_shape *s = &p->peaks->shape;
    const int *w = p->peaks->window;
    const struct view *g = p->gradient;
    const int64_t list = channel * p->most;
    int64_t count = 0;
    for (int64_t i = first; i < first + rows; i++) {
        const int64_t z = i / g->height, y = i % g->height;
        struct row row = {.values = conv_output(g, z, y, 0) + channel,
                          .numbers = p->numbers + i * g->width * g->channels + channel,
                          .value_step = g->stride_w,
                          .number_step = g->channels,
                          .width = g->width,
                          .step = w[2] * s->stride[2] * (int64_t)s->in_channels};
        if (p->onto != p->from) {
            row.first = place_of(s, p->to, z * w[0], y * w[1], 0);
            list_row(&row, p->onto_voxel, p->values + list + count,
                     p->onto + list + count);
        }
        row.first = place_of(s, p->in, z * w[0], y * w[1], 0);
        count += list_row(&row, p->from_voxel, p->values + list + count,
                          p->from + list + count);
    }
    return count;
}

/* The patches of a list, in pieces that kernels have registers for: 3, 2, one and a half,
 * 1 or half a vector, single floats. */
static void do_patches(const struct conv_peaks *p, const struct view *v, float *data,
                       const int64_t *places, const float *values, int64_t count,
                       float *weights, bool scatter)
{
    const struct kernels *k = kernels_of(p->isa);
    const int *taps = p->shape.kernel;
    const bool three = taps[1] == 3;
    const int grid = !three ? 2 : taps[0] == 3 ? 0 : 1;
    const int64_t z_step = grid == 0 ? 3 : 1, y_step = three ? 3 : 1;
    kernel_peaks_function *const *kernels = scatter ? k->scatter[grid] : k->gather[grid];
    for (int64_t z = 0; z < taps[0]; z += z_step)
        for (int64_t y = 0; y < taps[1]; y += y_step)
            for (int64_t done = 0; done < p->run;) {
                int piece = 0;
                while (!kernels[piece] || k->peak_pieces[piece] > p->run - done)
                    piece++;
                kernels[piece](&(struct kernel_peaks){
                    .count = count,
                    .places = places,
                    .values = values,
                    .data = data + z * v->stride_d + y * v->stride_h + done,
                    .stride_d = v->stride_d,
                    .stride_h = v->stride_h,
                    .weights = weights + (z * taps[1] + y) * p->run + done,
                    .weights_row = p->run,
                });
                done += k->peak_pieces[piece];
            }
}

/* Zeroes slices of `to`, halo included, up to the last that windows before `row` reach.
 */
static void clear_slices(struct pass *p, int64_t row)
{
    const struct conv_shape *s = &p->peaks->shape;
    const struct view *to = p->to;
    const int64_t last_window = (row - 1) / p->gradient->height,
                  last = ((last_window + 1) * p->peaks->window[0] - 1) * s->stride[0] -
                         s->pad[0] + s->kernel[0] - 1,
                  all = to->depth + 2 * to->halo_d;
    int64_t wanted = last + to->halo_d + 1;
    wanted =
        row >= p->gradient->depth * p->gradient->height || wanted > all ? all : wanted;
    if (wanted <= p->cleared)
        return;
    memset(to->data + (p->cleared - to->halo_d) * to->stride_d - to->halo * to->stride_h -
               to->halo * to->stride_w,
           0, (size_t)((wanted - p->cleared) * to->stride_d) * sizeof(float));
    p->cleared = wanted;
}

static void do_group(struct pass *p, int64_t first, int64_t rows)
{
    const struct conv_peaks *peaks = p->peaks;
    const int channels = peaks->shape.out_channels;
    if (p->to)
        clear_slices(p, first + rows);
    for (int o = 0; o < channels; o++) {
        const float *values = p->values + o * p->most;
        float sum = 0;
        p->counts[o] = list_peaks(p, first, rows, o);
        for (int64_t i = 0; i < p->counts[o]; i++)
            sum += values[i];
        p->bias[o] += (double)sum;
    }
    for (int o = 0; o < channels && p->sums; o++)
        do_patches(peaks, p->in, p->in->data, p->from + o * p->most,
                   p->values + o * p->most, p->counts[o], p->sums + o * peaks->patch,
                   false);
    for (int o = 0; o < channels && p->to; o++)
        do_patches(peaks, p->to, p->to->data, p->onto + o * p->most,
                   p->values + o * p->most, p->counts[o],
                   peaks->weights + o * peaks->patch, true);
}

/* From [out][k][in] to PyTorch's [out][in][k]. */
static void unpack(const struct conv_peaks *p, const float *sums, float *weights)
{
    const int taps = conv_taps(&p->shape), channels = p->shape.in_channels;
    for (int o = 0; o < p->shape.out_channels; o++, sums += p->patch)
        for (int i = 0; i < channels; i++)
            for (int t = 0; t < taps; t++)
                *weights++ = sums[t * channels + i];
}

void conv_peaks_backward(const struct conv_peaks *p, const struct view *in,
                         const struct view *gradient, const uint8_t *peaks,
                         float *weights, float *bias, const struct view *to,
                         void *scratch)
{
    const int64_t rows = gradient->depth * gradient->height,
                  some = rows_a_group(rows, gradient->width);
    const struct room r = room_of(p, gradient->depth, gradient->height, gradient->width);
    float *sums = scratch;
    struct pass pass = {.peaks = p,
                        .in = in,
                        .gradient = gradient,
                        .to = to,
                        .numbers = peaks,
                        .sums = weights ? sums : NULL};

    CHECK(in->channels == p->shape.in_channels && in->stride_w == in->channels);
    CHECK(gradient->channels == p->shape.out_channels);
    CHECK(!to || (to->channels == in->channels && to->stride_w == to->channels &&
                  to->halo_d >= p->shape.pad[0] && to->halo >= p->shape.pad[1] &&
                  to->halo >= p->shape.pad[2]));
    pass.bias = (double *)(sums + r.sums);
    pass.counts = (int64_t *)(sums + r.sums + r.bias);
    pass.from = (int64_t *)(sums + r.sums + r.bias + r.counts);
    pass.onto = to && !is_alike(in, to) ? pass.from + r.places / 2 : pass.from;
    pass.values = sums + r.sums + r.bias + r.counts + 2 * r.places;
    pass.most = some * gradient->width;
    memset(sums, 0, (size_t)(r.sums + r.bias) * sizeof *sums);
    find_voxels(&pass);
    for (int64_t row = 0; row < rows; row += some)
        do_group(&pass, row, rows - row < some ? rows - row : some);
    if (weights)
        unpack(p, sums, weights);
    for (int o = 0; o < p->shape.out_channels && bias; o++)
        bias[o] = (float)pass.bias[o];
    if (to)
        view_clear_halo(to);
}
