/*
 * The source of passes.h, for LANES floats a vector. Sums of a norm are in double; the
 * order of a lane's addends is that of the voxels.
 *
 * The conversions of fixed_sum.h: adding 1.5 * 2^52 to a double below 2^51 leaves the
 * nearest integer in its low bits. Scaling is by powers of two, so it is exact, and the
 * result the same with every instruction set.
 */
#include <stdbool.h>
#include <string.h>

#include "tensor/passes.h"

#define INLINE static inline __attribute__((always_inline))

/* How far ahead memory is asked for: rows are short, and what reads them is soon done. */
enum { AHEAD = 2048 };

typedef float vector __attribute__((vector_size(LANES * 4)));
typedef float half_vector __attribute__((vector_size(LANES * 2)));
typedef int32_t mask __attribute__((vector_size(LANES * 4)));
typedef double wide_vector __attribute__((vector_size(LANES * 4)));
typedef int64_t wide_integers __attribute__((vector_size(LANES * 4)));

INLINE vector load(const float *p)
{
    vector v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE void store(float *p, vector v)
{
    memcpy(p, &v, sizeof v);
}

/* LANES / 2 floats as doubles. */
INLINE wide_vector widen(const float *p)
{
    half_vector half;
    memcpy(&half, p, sizeof half);
    return __builtin_convertvector(half, wide_vector);
}

/* Two sums a lane, each as two: every other vector adds to the other one, since an
 * addition waits for the one before. */
struct norm_sums {
    wide_vector first[2][2], second[2][2];
};

INLINE void norm_add(const struct kernel_norm *k, const struct norm_sums *s)
{
    for (int half = 0; half < 2; half++) {
        const wide_vector first = s->first[0][half] + s->first[1][half],
                          second = s->second[0][half] + s->second[1][half];
        for (int i = 0; i < LANES / 2; i++) {
            k->sums[half * LANES / 2 + i] += first[i];
            k->sums[LANES + half * LANES / 2 + i] += second[i];
        }
    }
}

/* One vector, of x, and of x^2 when `squares`. */
INLINE void norm_add_one(const float *p, const int turn, const bool squares,
                         struct norm_sums *s)
{
    for (int half = 0; half < 2; half++) {
        const wide_vector v = widen(p + half * (LANES / 2));
        s->first[turn][half] += v;
        if (squares)
            s->second[turn][half] += v * v;
    }
}

INLINE void do_norm_sums(const struct kernel_norm *k, const bool squares)
{
    struct norm_sums s = {{{{0}}}, {{{0}}}};
    for (int64_t y = 0; y < k->rows; y++) {
        const float *p = k->in + y * k->in_row;
        int64_t x = 0;
        for (; x + 2 <= k->count; x += 2, p += 2 * k->in_step) {
            norm_add_one(p, 0, squares, &s);
            norm_add_one(p + k->in_step, 1, squares, &s);
        }
        if (x < k->count)
            norm_add_one(p, 0, squares, &s);
    }
    norm_add(k, &s);
}

static void norm_totals(const struct kernel_norm *k)
{
    do_norm_sums(k, false);
}

static void norm_squares(const struct kernel_norm *k)
{
    do_norm_sums(k, true);
}

/* One vector, of the gradient g, and of g * (x - mean) * inverse. */
INLINE void norm_add_product(const float *p, const float *g, vector mean, vector inverse,
                             const int turn, struct norm_sums *s)
{
    __builtin_prefetch(p + AHEAD);
    __builtin_prefetch(g + AHEAD);
    const vector product = load(g) * ((load(p) - mean) * inverse);
    half_vector halves[2];
    memcpy(halves, &product, sizeof halves);
    for (int half = 0; half < 2; half++) {
        s->first[turn][half] += widen(g + half * (LANES / 2));
        s->second[turn][half] += __builtin_convertvector(halves[half], wide_vector);
    }
}

static void norm_products(const struct kernel_norm *k)
{
    const vector mean = load(k->constants[0]), inverse = load(k->constants[1]);
    struct norm_sums s = {{{{0}}}, {{{0}}}};
    for (int64_t y = 0; y < k->rows; y++) {
        const float *p = k->in + y * k->in_row, *g = k->gradient + y * k->gradient_row;
        int64_t x = 0;
        for (; x + 2 <= k->count;
             x += 2, p += 2 * k->in_step, g += 2 * k->gradient_step) {
            norm_add_product(p, g, mean, inverse, 0, &s);
            norm_add_product(p + k->in_step, g + k->gradient_step, mean, inverse, 1, &s);
        }
        if (x < k->count)
            norm_add_product(p, g, mean, inverse, 0, &s);
    }
    norm_add(k, &s);
}

static void norm_scale(const struct kernel_norm *k)
{
    const vector scale = load(k->constants[0]), shift = load(k->constants[1]);
    for (int64_t y = 0; y < k->rows; y++) {
        const float *p = k->in + y * k->in_row;
        float *to = k->to + y * k->to_row;
        for (int64_t x = 0; x < k->count; x++, p += k->in_step, to += k->to_step) {
            __builtin_prefetch(p + AHEAD);
            __builtin_prefetch(to + AHEAD, 1);
            store(to, load(p) * scale + shift);
        }
    }
}

/* (g - first - (x - mean) * second) * scale, and with `relu` 0 where x is not above 0;
 * then also the sums of that, of a row in single precision. */
INLINE void do_norm_back(const struct kernel_norm *k, const bool relu)
{
    const vector mean = load(k->constants[0]), first = load(k->constants[1]),
                 second = load(k->constants[2]), scale = load(k->constants[3]);
    for (int64_t y = 0; y < k->rows; y++) {
        const float *p = k->in + y * k->in_row, *g = k->gradient + y * k->gradient_row;
        float *to = k->to + y * k->to_row;
        vector sum = {0};
        for (int64_t x = 0; x < k->count; x++) {
            __builtin_prefetch(p + AHEAD);
            __builtin_prefetch(g + AHEAD);
            const vector v = load(p);
            vector out = (load(g) - first - (v - mean) * second) * scale;
            if (relu) {
                const mask dead = v <= (vector){0};
                out = (vector)((mask)out & ~dead);
                sum += out;
            }
            store(to, out);
            p += k->in_step;
            g += k->gradient_step;
            to += k->to_step;
        }
        for (int l = 0; l < LANES && relu; l++)
            k->sums[l] += (double)sum[l];
    }
}

static void norm_back(const struct kernel_norm *k)
{
    do_norm_back(k, false);
}

static void norm_back_relu(const struct kernel_norm *k)
{
    do_norm_back(k, true);
}

/* Channels that do not fill vectors go one by one. */
static void norm_fold(struct kernel_fold *f)
{
    vector products = {0}, sums = {0};
    for (int64_t k = 0; k < f->taps; k++) {
        const float *w = f->weights + k * f->stride, *b = f->boxes + k * f->count;
        float *v = f->values + k * f->stride;
        int64_t o = 0;
        for (; o + LANES <= f->count; o += LANES) {
            const vector weights = load(w + o), boxes = load(b + o), values = load(v + o);
            products += weights * values;
            sums += weights * boxes;
            store(v + o, values * f->scale + boxes * f->shift);
        }
        for (; o < f->count; o++) {
            f->sums[0] += (double)w[o] * (double)v[o];
            f->sums[1] += (double)w[o] * (double)b[o];
            v[o] = v[o] * f->scale + b[o] * f->shift;
        }
    }
    for (int l = 0; l < LANES; l++) {
        f->sums[0] += (double)products[l];
        f->sums[1] += (double)sums[l];
    }
}

/* The largest of the values' bits without their signs: floats are ordered as integers. */
static uint32_t fixed_most(const float *values, size_t count)
{
    int32_t most = 0;
    mask largest = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        mask bits;
        memcpy(&bits, values + i, sizeof bits);
        bits &= 0x7fffffff - (mask){0};
        const mask above = bits > largest;
        largest = (above & bits) | (~above & largest);
    }
    for (int l = 0; l < LANES; l++)
        most = largest[l] > most ? largest[l] : most;
    for (; i < count; i++) {
        int32_t bits;
        memcpy(&bits, values + i, sizeof bits);
        bits &= 0x7fffffff;
        most = bits > most ? bits : most;
    }
    return (uint32_t)most;
}

static void fixed_add(int64_t *sums, const float *values, size_t count, double scale)
{
    const double to_integer = 0x1.8p52;
    int64_t zero;
    memcpy(&zero, &to_integer, sizeof zero);
    size_t i = 0;
    for (; i + LANES / 2 <= count; i += LANES / 2) {
        const wide_vector shifted = widen(values + i) * scale + to_integer;
        wide_integers sum;
        memcpy(&sum, sums + i, sizeof sum);
        sum += (wide_integers)shifted - zero;
        memcpy(sums + i, &sum, sizeof sum);
    }
    for (; i < count; i++) {
        const double shifted = (double)values[i] * scale + to_integer;
        int64_t bits;
        memcpy(&bits, &shifted, sizeof bits);
        sums[i] += bits - zero;
    }
}

const struct passes PASSES = {
    .lanes = LANES,
    .norm_fold = norm_fold,
    .norm_totals = norm_totals,
    .norm_squares = norm_squares,
    .norm_products = norm_products,
    .norm_scale = norm_scale,
    .norm_back = {norm_back, norm_back_relu},
    .fixed_most = fixed_most,
    .fixed_add = fixed_add,
};
