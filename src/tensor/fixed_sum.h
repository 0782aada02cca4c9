/*
 * Sums of floats that are the same bits whatever the order of the addends, and whoever
 * adds which of them: gradients of samples over threads and ranks.
 *
 * An addend becomes a 64-bit integer, the sum of integers knows no order. The unit is
 * chosen from the largest magnitude among all addends, so that all have to be known
 * first: whoever sums agrees on the largest magnitude (an integer; the maximum over
 * ranks), then adds. An addend up to 2^-20 of the largest keeps every bit, and none is
 * off by more than 2^-45 of the largest; FIXED_SUM_TERMS addends cannot overflow. The
 * instruction set makes no difference but in speed.
 */
#ifndef TENSOR_FIXED_SUM_H
#define TENSOR_FIXED_SUM_H

#include <stddef.h>
#include <stdint.h>

#include "tensor/isa.h"

enum {
    FIXED_SUM_TERMS = 1 << 18,
    FIXED_SUM_ZERO = -1000,      /* magnitude of nothing but zeros */
    FIXED_SUM_NOT_FINITE = 1000, /* magnitude of anything with NaN or infinity */
};

/* The least e such that every |value| < 2^e, or one of the two above. */
int fixed_sum_magnitude(enum isa isa, const float *values, size_t count);

/* sums[i] += values[i], in units of the magnitude, which no value exceeds and which is
 * not FIXED_SUM_NOT_FINITE. */
void fixed_sum_add(enum isa isa, int64_t *sums, const float *values, size_t count,
                   int magnitude);

/* out[i] = sums[i] as a float, rounded once. */
void fixed_sum_value(const int64_t *sums, size_t count, int magnitude, float *out);

#endif
