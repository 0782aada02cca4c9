/*
 * The source of all kernels, for LANES floats a vector and REGISTERS vector registers,
 * both defined by the file that includes this one: what all of them use stands here, each
 * kind of kernel in a file of its own.
 */
#include "tensor/kernels.h"
#include "tensor/kernels_points.h"

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

/* How many tiles ahead of the one at work transforms of 4 x 4 tiles ask for memory: so
 * many rows at once the processor does not foresee. (Measured: docs/performance.md.) */
enum { AHEAD_INPUT = 6, AHEAD_OUTPUT = 3, AHEAD_QUADS = 2 };

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

#include "tensor/kernels_rows.h"

#include "tensor/kernels_output.h"
#include "tensor/kernels_output4.h"

#include "tensor/kernels_outer.h"

#include "tensor/kernels_quads.h"

#define INPUT_LANES LANES
#define INPUT_NAME(name) name
#include "tensor/kernels_input.h"
#include "tensor/kernels_input4.h"

#if LANES == 16
#define NARROW_LANES 8
#define NARROW(name) name##_narrow
#undef INPUT_LANES
#undef INPUT_NAME
#define INPUT_LANES NARROW_LANES
#define INPUT_NAME NARROW
#include "tensor/kernels_input.h"
#include "tensor/kernels_input4.h"
#else
#define NARROW_LANES LANES
#define NARROW(name) name
#endif

#include "tensor/kernels_windows.h"

#include "tensor/kernels_lines.h"

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
    .input4 = input4,
    .input4_narrow = NARROW(input4),
    .output4 = output4,
    .output4_pairs = output4_pairs,
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
    .lines = lines,
    .peak_pieces = {3 * LANES, 2 * LANES, 3 * LANES / 2, LANES, LANES / 2, 1},
    .gather = PEAKS_TABLE(gather),
    .scatter = PEAKS_TABLE(scatter),
};
