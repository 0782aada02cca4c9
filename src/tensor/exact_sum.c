#include "tensor/exact_sum.h"

#include <math.h>
#include <string.h>

enum {
    DIGIT_BITS = 32,
    MANTISSA_BITS = 53,
    LOWEST = -128,
    HIGHEST = 94,
    EXPONENT_MASK = 0x7ff,
    EXPONENT_BIAS = 1022, /* of a mantissa in [1/2, 1) */
};

/* The parts of a double are taken from its bits: there are many sums. */
void exact_sum_add(struct exact_sum *s, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    const int biased = (int)(bits >> (MANTISSA_BITS - 1)) & EXPONENT_MASK;
    const int exponent = biased - EXPONENT_BIAS;
    if (biased == 0) /* zero, or far below the lowest digit */
        return;
    if (biased == EXPONENT_MASK || exponent > HIGHEST) {
        s->limbs[EXACT_SUM_DIGITS]++;
        return;
    }
    const uint64_t leading = (uint64_t)1 << (MANTISSA_BITS - 1);
    bits = (bits & (leading - 1)) | leading;
    int place = exponent - MANTISSA_BITS - LOWEST;
    if (place < 0) {
        bits = place > -MANTISSA_BITS ? bits >> -place : 0;
        place = 0;
    }
    /* Up to 84 bits in three digits. */
    const int shift = place % DIGIT_BITS;
    const uint64_t low = bits << shift, high = shift > 0 ? bits >> (64 - shift) : 0;
    const int64_t sign = value < 0 ? -1 : 1;
    int64_t *limb = s->limbs + place / DIGIT_BITS;
    limb[0] += sign * (int64_t)(low & UINT32_MAX);
    limb[1] += sign * (int64_t)(low >> DIGIT_BITS);
    limb[2] += sign * (int64_t)high; /* zero where this is the limb behind the digits */
}

/* Carries make the digits unique, so that their sum from the top down is too. */
double exact_sum_value(const struct exact_sum *s)
{
    int64_t digits[EXACT_SUM_DIGITS], carry = 0;
    if (s->limbs[EXACT_SUM_DIGITS] != 0)
        return NAN;
    for (int i = 0; i < EXACT_SUM_DIGITS; i++) {
        digits[i] = s->limbs[i] + carry;
        carry = 0;
        if (i + 1 < EXACT_SUM_DIGITS) {
            carry = digits[i] >> DIGIT_BITS;
            digits[i] -= carry * ((int64_t)1 << DIGIT_BITS);
        }
    }
    double sum = 0;
    for (int i = EXACT_SUM_DIGITS - 1; i >= 0; i--)
        sum += ldexp((double)digits[i], i * DIGIT_BITS + LOWEST);
    return sum;
}
