/*
 * A sum of doubles without any rounding, hence without any order: batch statistics and
 * losses, which are few, but whose magnitude nobody knows beforehand.
 *
 * The sum is one long integer in units of 2^-128, as limbs that weigh 2^32 each and are
 * signed 64 bits wide: sums of ranks are sums of limbs, without carries, and a limb takes
 * 2^31 addends. What an addend holds below 2^-128 is cut off. An addend that is not
 * finite or too large makes the sum NaN.
 */
#ifndef TENSOR_EXACT_SUM_H
#define TENSOR_EXACT_SUM_H

#include <stdint.h>

enum { EXACT_SUM_DIGITS = 7, EXACT_SUM_LIMBS = EXACT_SUM_DIGITS + 1 };

/* Zeroed: the sum of nothing. The last limb counts the addends that had no place. */
struct exact_sum {
    int64_t limbs[EXACT_SUM_LIMBS];
};

void exact_sum_add(struct exact_sum *s, double value);

/* The same double for the same addends in any order. */
double exact_sum_value(const struct exact_sum *s);

#endif
