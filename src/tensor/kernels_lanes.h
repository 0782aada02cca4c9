/*
 * The source of all kernels, for LANES floats a vector and REGISTERS vector registers,
 * both defined by the file that includes this one. Rows first, Winograd's transforms in
 * kernels_transform.h.
 *
 * The sums of a span (voxels x vectors) live in `acc` from the first tap to the
 * last: every loop over them has a constant bound and is unrolled, so that the compiler
 * keeps them in registers. A row that the tile does not divide ends with a tile that
 * overlaps the one before: it stores the same bits again, and there is no code for
 * remainders. What is left of the registers holds the weights of several inputs, so
 * that an address serves several multiply-adds.
 */
#include "tensor/kernels.h"

#define INLINE static inline __attribute__((always_inline))

/* Under AddressSanitizer every load carries a check, and unrolled they would take minutes
 * to compile. */
#ifdef __SANITIZE_ADDRESS__
#define UNROLL(times)
#else
#define PRAGMA(text) _Pragma(#text)
#define UNROLL(times) PRAGMA(GCC unroll times)
#endif

enum {
    ACCUMULATORS = REGISTERS * 3 / 4,
    SPARE = (REGISTERS - ACCUMULATORS) / 2,
};

typedef float vector __attribute__((vector_size(LANES * 4)));
typedef int32_t mask __attribute__((vector_size(LANES * 4)));
typedef int64_t vector_of_pairs __attribute__((vector_size(LANES * 4)));

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

/* x - 0 is x for every x (0 + x is not, for x = -0), so this costs no arithmetic. */
INLINE vector broadcast(const float *p)
{
    return *p - (vector){0};
}

INLINE vector broadcast_pair(const float *p)
{
    int64_t both;
    memcpy(&both, p, sizeof both);
    return (vector)(both - (vector_of_pairs){0});
}

/* The lanes of one parity, the others zero. */
INLINE vector lanes_of_parity(vector v, int parity)
{
    mask m;
    for (int i = 0; i < LANES; i++)
        m[i] = i % 2 == parity ? -1 : 0;
    return (vector)((mask)v & m);
}

/* Sums of lanes 2i and 2i + 1, in lane i; the upper half is of no use. */
INLINE vector add_pairs(vector v)
{
#ifdef __clang__ /* has no shuffle by a vector; makes one of this loop */
    vector sums = v;
    for (int i = 0; i < LANES / 2; i++)
        sums[i] = v[2 * i] + v[2 * i + 1];
    return sums;
#else
    mask swap, gather;
    for (int i = 0; i < LANES; i++) {
        swap[i] = i ^ 1;
        gather[i] = 2 * i % LANES;
    }
    return __builtin_shuffle(v + __builtin_shuffle(v, swap), gather);
#endif
}

/* NaN goes through, as it does through the reference. */
INLINE vector at_least(vector v, float floor)
{
    vector low = floor - (vector){0};
    mask below = v < low;
    return (vector)((below & (mask)low) | (~below & (mask)v));
}

INLINE void store_some(float *p, vector v, int channels)
{
    if (channels >= LANES)
        store(p, v);
    else if (channels == LANES / 2)
        memcpy(p, &v, sizeof v / 2);
    else
        for (int i = 0; i < channels; i++)
            p[i] = v[i];
}

/* The epilogue of one vector of channels, in registers. */
struct finish {
    vector bias, scale, shift;
    float floor;
};

INLINE struct finish finish_of(const struct kernel_epilogue *e, int first)
{
    return (struct finish){load(e->bias + first), load(e->scale + first),
                           load(e->shift + first), e->floor};
}

INLINE vector finished(struct finish f, vector sum)
{
    return at_least(sum + f.bias, f.floor) * f.scale + f.shift;
}

/* acc[r][v] += in[r*step + i] * weights[i][v] for i < run. */
INLINE void accumulate(vector *acc, const int voxels, const int vectors, const float *in,
                       int64_t step, int64_t run, const float *weights)
{
    const int unroll = SPARE / vectors;
    vector w[SPARE];
    int64_t i = 0;
    for (; i + unroll <= run; i += unroll) {
        const float *p = in + i;
        UNROLL(8)
        for (int u = 0; u < unroll * vectors; u++)
            w[u] = load(weights + u * LANES);
        weights += unroll * vectors * LANES;
        UNROLL(24)
        for (int r = 0; r < voxels; r++) {
            UNROLL(8)
            for (int u = 0; u < unroll; u++) {
                UNROLL(2)
                for (int v = 0; v < vectors; v++)
                    acc[r * vectors + v] += broadcast(p + u) * w[u * vectors + v];
            }
            p += step;
        }
    }
    for (; i < run; i++) {
        const float *p = in + i;
        UNROLL(24)
        for (int r = 0; r < voxels; r++) {
            UNROLL(2)
            for (int v = 0; v < vectors; v++)
                acc[r * vectors + v] += broadcast(p) * load(weights + v * LANES);
            p += step;
        }
        weights += vectors * LANES;
    }
}

/* One input float, of the given parity among the pairs. */
INLINE void accumulate_single(vector *acc, const int voxels, const float *in,
                              int64_t step, const float *weights, int parity)
{
    vector w = lanes_of_parity(load(weights), parity);
    UNROLL(24)
    for (int r = 0; r < voxels; r++)
        acc[r] += broadcast(in + r * step) * w;
}

/* The same with pairs: `first` is the place of in[0] among the floats of the (kz, ky)
 * that `weights` is for. */
INLINE void accumulate_pairs(vector *acc, const int voxels, const float *in, int64_t step,
                             int64_t run, const float *weights, int64_t first)
{
    weights += first / 2 * LANES;
    if (first % 2) {
        accumulate_single(acc, voxels, in, step, weights, 1);
        weights += LANES;
        in++;
        run--;
    }
    vector w[SPARE];
    int64_t i = 0;
    for (; i + 2 * SPARE <= run; i += 2 * SPARE, weights += SPARE * LANES) {
        const float *p = in + i;
        UNROLL(8)
        for (int u = 0; u < SPARE; u++)
            w[u] = load(weights + u * LANES);
        UNROLL(24)
        for (int r = 0; r < voxels; r++) {
            UNROLL(8)
            for (int u = 0; u < SPARE; u++)
                acc[r] += broadcast_pair(p + 2 * u) * w[u];
            p += step;
        }
    }
    for (; i + 2 <= run; i += 2, weights += LANES) {
        const float *p = in + i;
        w[0] = load(weights);
        UNROLL(24)
        for (int r = 0; r < voxels; r++) {
            acc[r] += broadcast_pair(p) * w[0];
            p += step;
        }
    }
    if (i < run)
        accumulate_single(acc, voxels, in + i, step, weights, 0);
}

INLINE void clear(vector *acc, const int sums)
{
    UNROLL(24)
    for (int i = 0; i < sums; i++)
        acc[i] = (vector){0};
}

/* acc += the sums of one span over all taps. */
INLINE void accumulate_taps(vector *acc, const int voxels, const int vectors,
                            const bool pairs, const struct kernel_rows *k,
                            const float *in, const float *weights)
{
    int64_t run = k->run;
    for (int64_t z = 0; z < k->taps[0]; z++)
        for (int64_t y = 0; y < k->taps[1]; y++) {
            const float *p = in + z * k->strides[0] + y * k->strides[1];
            for (int64_t x = 0; x < k->taps[2]; x++, p += k->strides[2]) {
                if (pairs) {
                    accumulate_pairs(acc, voxels, p, k->in_step, run, weights, x * run);
                } else {
                    accumulate(acc, voxels, vectors, p, k->in_step, run, weights);
                    weights += run * vectors * LANES;
                }
            }
            if (pairs)
                weights += (k->taps[2] * run + 1) / 2 * LANES;
        }
}

/* Stores one span of finished outputs. */
INLINE void store_finished(const vector *acc, const int voxels, const int vectors,
                           const bool pairs, const struct kernel_rows *k, float *out)
{
    UNROLL(2)
    for (int v = 0; v < vectors; v++) {
        struct finish f = finish_of(&k->epilogue, v * LANES);
        int channels = k->channels - v * LANES;
        UNROLL(24)
        for (int r = 0; r < voxels; r++) {
            vector sum = pairs ? add_pairs(acc[r]) : acc[r * vectors + v];
            store_some(out + r * k->out_step + v * LANES, finished(f, sum), channels);
        }
    }
}

INLINE void store_sums(const vector *acc, const int voxels, const int vectors,
                       const struct kernel_rows *k, float *out)
{
    UNROLL(24)
    for (int r = 0; r < voxels; r++, out += k->out_step) {
        UNROLL(2)
        for (int v = 0; v < vectors; v++)
            store(out + v * LANES, acc[r * vectors + v]);
    }
}

/* `product`: one tap, bare sums. */
INLINE void do_rows(const int voxels, const int vectors, const bool pairs,
                    const bool product, const struct kernel_rows *k)
{
    const float *in = k->in, *weights = k->weights;
    float *out = k->out;
    for (int64_t row = 0; row < k->rows; row++) {
        for (int64_t done = 0; done < k->width; done += voxels) {
            int64_t x = done + voxels <= k->width ? done : k->width - voxels;
            const float *p = in + x * k->in_step;
            vector acc[ACCUMULATORS];
            clear(acc, voxels * vectors);
            if (!product) {
                accumulate_taps(acc, voxels, vectors, pairs, k, p, weights);
                store_finished(acc, voxels, vectors, pairs, k, out + x * k->out_step);
                continue;
            }
            if (pairs)
                accumulate_pairs(acc, voxels, p, k->in_step, k->run, weights, 0);
            else
                accumulate(acc, voxels, vectors, p, k->in_step, k->run, weights);
            store_sums(acc, voxels, vectors, k, out + x * k->out_step);
        }
        in += k->in_row;
        weights += k->weights_row;
        out += k->out_row;
    }
}

#define ROW(name, voxels, vectors, pairs, product)                                       \
    static void name##_##voxels##_##vectors(const struct kernel_rows *rows)              \
    {                                                                                    \
        do_rows(voxels, vectors, pairs, product, rows);                                  \
    }

#define ROWS_OF_FEW(name, vectors, pairs, product)                                       \
    ROW(name, 6, vectors, pairs, product)                                                \
    ROW(name, 4, vectors, pairs, product)                                                \
    ROW(name, 3, vectors, pairs, product)                                                \
    ROW(name, 2, vectors, pairs, product)                                                \
    ROW(name, 1, vectors, pairs, product)

#define ROWS_OF_MORE(name, vectors, pairs, product)                                      \
    ROW(name, 12, vectors, pairs, product)                                               \
    ROW(name, 8, vectors, pairs, product)

ROWS_OF_FEW(convolve, 1, false, false)
ROWS_OF_FEW(convolve, 2, false, false)
ROWS_OF_FEW(convolve_pairs, 1, true, false)
ROWS_OF_FEW(multiply, 1, false, true)
ROWS_OF_FEW(multiply, 2, false, true)
ROWS_OF_FEW(multiply_pairs, 1, true, true)
ROWS_OF_MORE(convolve, 1, false, false)
ROWS_OF_MORE(convolve_pairs, 1, true, false)
ROWS_OF_MORE(multiply, 1, false, true)
ROWS_OF_MORE(multiply_pairs, 1, true, true)
#if REGISTERS >= 32
ROWS_OF_MORE(convolve, 2, false, false)
ROWS_OF_MORE(multiply, 2, false, true)
ROW(convolve, 24, 1, false, false)
ROW(convolve_pairs, 24, 1, true, false)
ROW(multiply, 24, 1, false, true)
ROW(multiply_pairs, 24, 1, true, true)
#define ROW_24(name) name##_24_1
#define ROW_12(name) name##_12_2
#define ROW_8(name) name##_8_2
#else
#define ROW_24(name) NULL
#define ROW_12(name) NULL
#define ROW_8(name) NULL
#endif

/* In the order of kernel_spans. */
#define ROWS_1(name)                                                                     \
    {                                                                                    \
        ROW_24(name), name##_12_1, name##_8_1, name##_6_1, name##_4_1, name##_3_1,       \
            name##_2_1, name##_1_1                                                       \
    }
#define ROWS_2(name)                                                                     \
    {                                                                                    \
        NULL, ROW_12(name), ROW_8(name), name##_6_2, name##_4_2, name##_3_2, name##_2_2, \
            name##_1_2                                                                   \
    }

#include "tensor/kernels_output.h"

#include "tensor/kernels_outer.h"

#include "tensor/kernels_quads.h"

#define INPUT_LANES LANES
#define INPUT_NAME(name) name
#include "tensor/kernels_input.h"

#if LANES == 16
#define NARROW_LANES 8
#define NARROW(name) name##_narrow
#undef INPUT_LANES
#undef INPUT_NAME
#define INPUT_LANES NARROW_LANES
#define INPUT_NAME NARROW
#include "tensor/kernels_input.h"
#else
#define NARROW_LANES LANES
#define NARROW(name) name
#endif

#include "tensor/kernels_windows.h"

#define PEAK_LANES LANES
#define PEAK_NAME(name) name
#include "tensor/kernels_peaks.h"
PEAKS_OF(3, 3, 1)
PEAKS_OF(1, 3, 1)
PEAKS_OF(1, 1, 1)
PEAKS_OF(1, 3, 2)
PEAKS_OF(1, 1, 2)
PEAKS_OF(1, 3, 3)
PEAKS_OF(1, 1, 3)
#if REGISTERS >= 32
PEAKS_OF(3, 3, 2)
PEAKS_OF(3, 3, 3)
#define PEAKS_3_3(name) name##_3_3_3, name##_3_3_2
#else
#define PEAKS_3_3(name) NULL, NULL
#endif

#define HALF(name) name##_half
#undef PEAK_LANES
#undef PEAK_NAME
#define PEAK_LANES (LANES / 2)
#define PEAK_NAME HALF
#include "tensor/kernels_peaks.h"
#if REGISTERS >= 32
PEAKS_OF(3, 3, 3)
#define PEAKS_HALVES(name) name##_3_3_3_half
#else
#define PEAKS_HALVES(name) NULL
#endif
PEAKS_OF(3, 3, 1)
PEAKS_OF(1, 3, 1)
PEAKS_OF(1, 1, 1)

#define SINGLE(name) name##_single
#undef PEAK_LANES
#undef PEAK_NAME
#define PEAK_LANES 1
#define PEAK_NAME SINGLE
#include "tensor/kernels_peaks.h"
PEAKS_OF(3, 3, 1)
PEAKS_OF(1, 3, 1)
PEAKS_OF(1, 1, 1)

#define PEAKS_TABLE(name)                                                                \
    {                                                                                    \
        {PEAKS_3_3(name), PEAKS_HALVES(name), name##_3_3_1, name##_3_3_1_half,           \
         name##_3_3_1_single},                                                           \
            {name##_1_3_3, name##_1_3_2,      NULL,                                      \
             name##_1_3_1, name##_1_3_1_half, name##_1_3_1_single},                      \
        {                                                                                \
            name##_1_1_3, name##_1_1_2, NULL, name##_1_1_1, name##_1_1_1_half,           \
                name##_1_1_1_single                                                      \
        }                                                                                \
    }

const struct kernels KERNELS = {
    .lanes = LANES,
    .accumulators = ACCUMULATORS,
    .convolve = {ROWS_1(convolve), ROWS_2(convolve)},
    .convolve_pairs = ROWS_1(convolve_pairs),
    .multiply = {ROWS_1(multiply), ROWS_2(multiply)},
    .multiply_pairs = ROWS_1(multiply_pairs),
    .narrow_lanes = NARROW_LANES,
    .input = {input_2d, input_3d},
    .input_narrow = {NARROW(input_2d), NARROW(input_3d)},
    .output = {output_2d, output_3d},
    .output_pairs = {output_pairs_2d, output_pairs_3d},
    .outer = {{OUTER_LINE_1, OUTER_LINE_2}, {OUTER_LINES_1, OUTER_LINES_2}},
    .outer_pairs = {OUTER_LINE_PAIRS, OUTER_LINES_PAIRS},
    .windows = windows,
    .quad_input = quad_input,
    .quad_gradient = quad_gradient,
    .quad_output = quad_output,
    .quad_output_pairs = quad_output_pairs,
    .products = {products_1, products_2},
    .products_span = {PRODUCTS_SPAN_1, PRODUCTS_SPAN_2},
    .quad_points = quad_points,
    .quad_weights = quad_weights,
    .peak_pieces = {3 * LANES, 2 * LANES, 3 * LANES / 2, LANES, LANES / 2, 1},
    .gather = PEAKS_TABLE(gather),
    .scatter = PEAKS_TABLE(scatter),
};
