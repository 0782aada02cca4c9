/*
 * A view is cut into columns of one vector of channels, which go through the passes a
 * slice at a time. Where channels do not fill vectors but follow each other without gaps,
 * a column is every n-th vector of a row, n such that all begin with the same channel.
 */
#include "tensor/norm_lanes.h"

#include <string.h>

#include "tensor/passes.h"

enum { LANES_MOST = 16, CONSTANTS = 4 };

static float *slice_of(const struct view *v, int64_t z)
{
    return v->data + z * v->stride_d;
}

/* How views of the same voxels and channels are cut. */
struct cut {
    const struct passes *passes; /* NULL: vectors are not filled */
    bool run;                    /* rows without gaps, several voxels a vector */
    int columns;
    int64_t count; /* vectors of a row in each column */
};

static bool is_dense(const struct view *v)
{
    return v->stride_w == v->channels;
}

static int common_divisor(int a, int b)
{
    while (b) {
        const int rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

enum {
    CHANNELS_MOST = 256
}; /* whose sums are taken at a time; whole vectors of any width */

/* The widest vectors that are filled. Rows without gaps are not divided by channels. */
static struct cut cut_of(enum isa isa, const struct view *const *views, int count)
{
    const struct view *v = views[0];
    const int64_t row = v->width * v->channels;
    bool dense = v->channels <= CHANNELS_MOST;
    for (int i = 0; i < count; i++)
        dense = dense && is_dense(views[i]);
    for (int i = (int)isa; i >= ISA_PORTABLE; i--) {
        const struct passes *k = passes_of((enum isa)i);
        const int lanes = k->lanes;
        if (v->channels % lanes == 0)
            return (struct cut){k, false, v->channels / lanes, v->width};
        const int columns = v->channels / common_divisor(v->channels, lanes);
        if (dense && row % (lanes * columns) == 0)
            return (struct cut){k, true, columns, row / (lanes * columns)};
    }
    return (struct cut){.passes = NULL};
}

static int64_t step_of(const struct cut *c, const struct view *v)
{
    return c->run ? c->columns * c->passes->lanes : v->stride_w;
}

/* One pass over up to three views: in, gradient, to; NULL for none. Constants of each
 * channel; sums [2][channels] are added to when not NULL. */
static void run(const struct cut *cut, kernel_norm_function *pass,
                const struct view *const views[3],
                const float *const constants[CONSTANTS], double *sums)
{
    const struct view *in = views[0], *gradient = views[1], *to = views[2];
    const int lanes = cut->passes->lanes, channels = in->channels;
    float spread[CONSTANTS][LANES_MOST] = {{0}};
    for (int column = 0; column < cut->columns; column++) {
        const int first = column * lanes;
        double lane_sums[2 * LANES_MOST] = {0};
        struct kernel_norm k = {.rows = in->height,
                                .count = cut->count,
                                .in_row = in->stride_h,
                                .in_step = step_of(cut, in),
                                .sums = lane_sums};
        for (int i = 0; i < CONSTANTS; i++) {
            for (int l = 0; l < lanes && constants[i]; l++)
                spread[i][l] = constants[i][(first + l) % channels];
            k.constants[i] = spread[i];
        }
        for (int64_t z = 0; z < in->depth; z++) {
            k.in = slice_of(in, z) + first;
            if (gradient) {
                k.gradient = slice_of(gradient, z) + first;
                k.gradient_row = gradient->stride_h;
                k.gradient_step = step_of(cut, gradient);
            }
            if (to) {
                k.to = slice_of(to, z) + first;
                k.to_row = to->stride_h;
                k.to_step = step_of(cut, to);
            }
            pass(&k);
        }
        for (int l = 0; l < lanes && sums; l++) {
            sums[(first + l) % channels] += lane_sums[l];
            sums[channels + (first + l) % channels] += lane_sums[lanes + l];
        }
    }
}

/* The same with sums in two arrays, which are written. */
static void run_sums(const struct cut *cut, kernel_norm_function *pass,
                     const struct view *const views[3],
                     const float *const constants[CONSTANTS], double *first,
                     double *second)
{
    const int channels = views[0]->channels;
    for (int from = 0; from < channels; from += CHANNELS_MOST) {
        const int some =
            channels - from < CHANNELS_MOST ? channels - from : CHANNELS_MOST;
        double sums[2 * CHANNELS_MOST] = {0};
        struct view parts[3];
        const struct view *part[3] = {NULL, NULL, NULL};
        const float *constant[CONSTANTS];
        struct cut columns = *cut;
        columns.columns = cut->run ? cut->columns : some / cut->passes->lanes;
        for (int i = 0; i < 3; i++)
            if (views[i]) {
                parts[i] = view_channels(*views[i], from, some);
                part[i] = &parts[i];
            }
        for (int i = 0; i < CONSTANTS; i++)
            constant[i] = constants[i] ? constants[i] + from : NULL;
        run(&columns, pass, part, constant, sums);
        memcpy(first + from, sums, (size_t)some * sizeof *sums);
        if (second)
            memcpy(second + from, sums + some, (size_t)some * sizeof *sums);
    }
}

void norm_lanes_sums(enum isa isa, const struct view *in, double *sums, double *squares)
{
    const struct view *const views[3] = {in, NULL, NULL};
    const struct cut cut = cut_of(isa, views, 1);
    if (cut.passes)
        run_sums(&cut, cut.passes->norm_squares, views, (const float *[CONSTANTS]){NULL},
                 sums, squares);
    else
        batch_norm_sums(in, sums, squares);
}

bool norm_lanes_totals(enum isa isa, const struct view *in, double *sums)
{
    const struct view *const views[3] = {in, NULL, NULL};
    const struct cut cut = cut_of(isa, views, 1);
    if (cut.passes)
        run_sums(&cut, cut.passes->norm_totals, views, (const float *[CONSTANTS]){NULL},
                 sums, NULL);
    return cut.passes;
}

void norm_lanes_forward(enum isa isa, const float *scale, const float *shift,
                        const struct view *in, const struct view *out)
{
    const struct view *const both[2] = {in, out}, *const views[3] = {in, NULL, out};
    const struct cut cut = cut_of(isa, both, 2);
    if (cut.passes)
        run(&cut, cut.passes->norm_scale, views, (const float *[CONSTANTS]){scale, shift},
            NULL);
    else
        batch_norm_forward(scale, shift, in, out);
}

void norm_lanes_backward_sums(enum isa isa, const struct view *in,
                              const struct view *gradient, const float *mean,
                              const float *inverse, double *sums, double *products)
{
    const struct view *const views[3] = {in, gradient, NULL};
    const struct cut cut = cut_of(isa, views, 2);
    if (cut.passes)
        run_sums(&cut, cut.passes->norm_products, views,
                 (const float *[CONSTANTS]){mean, inverse}, sums, products);
    else
        batch_norm_backward_sums(in, gradient, mean, inverse, sums, products);
}

/* The plain way. */
static void backward_relu(const struct view *in, const struct view *to, double *sums)
{
    relu_backward(in, to, to);
    memset(sums, 0, (size_t)to->channels * sizeof *sums);
    for (int64_t z = 0; z < to->depth; z++)
        for (int64_t y = 0; y < to->height; y++)
            for (int64_t x = 0; x < to->width; x++)
                for (int c = 0; c < to->channels; c++)
                    sums[c] +=
                        (double)slice_of(to, z)[y * to->stride_h + x * to->stride_w + c];
}

void norm_lanes_backward(enum isa isa, const struct view *in, const struct view *gradient,
                         const float *mean, const float *first, const float *second,
                         const float *scale, const struct view *to, double *sums)
{
    const struct view *const views[3] = {in, gradient, to};
    const struct cut cut = cut_of(isa, views, 3);
    const float *const constants[CONSTANTS] = {mean, first, second, scale};
    if (cut.passes && sums) {
        run_sums(&cut, cut.passes->norm_back[1], views, constants, sums, NULL);
    } else if (cut.passes) {
        run(&cut, cut.passes->norm_back[0], views, constants, NULL);
    } else {
        batch_norm_backward(in, gradient, mean, first, second, scale, to);
        if (sums)
            backward_relu(in, to, sums);
    }
}
