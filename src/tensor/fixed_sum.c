/*
 * The conversion is written so that any compiler makes vectors of it: adding 1.5 * 2^52
 * to a double below 2^51 leaves the nearest integer in its low bits. Scaling is by powers
 * of two, so it is exact, and the result is the same on every machine.
 */
#include "tensor/fixed_sum.h"

#include <math.h>
#include <string.h>

#include "base/status.h"

enum { BITS = 44 }; /* of the largest addend: 2^44 * FIXED_SUM_TERMS = 2^62 */

int fixed_sum_magnitude(const float *values, size_t count)
{
    uint32_t most = 0; /* floats without their sign are ordered as integers */
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        bits &= 0x7fffffffu;
        most = bits > most ? bits : most;
    }
    float largest;
    int exponent;
    memcpy(&largest, &most, sizeof largest);
    if (!isfinite(largest))
        return FIXED_SUM_NOT_FINITE;
    if (largest == 0)
        return FIXED_SUM_ZERO;
    frexpf(largest, &exponent);
    return exponent;
}

void fixed_sum_add(int64_t *sums, const float *values, size_t count, int magnitude)
{
    CHECK(magnitude != FIXED_SUM_NOT_FINITE);
    if (magnitude == FIXED_SUM_ZERO)
        return;
    const double scale = ldexp(1, BITS - magnitude), to_integer = 0x1.8p52;
    int64_t zero;
    memcpy(&zero, &to_integer, sizeof zero);
    for (size_t i = 0; i < count; i++) {
        double shifted = (double)values[i] * scale + to_integer;
        int64_t bits;
        memcpy(&bits, &shifted, sizeof bits);
        sums[i] += bits - zero;
    }
}

void fixed_sum_value(const int64_t *sums, size_t count, int magnitude, float *out)
{
    const double unit = magnitude == FIXED_SUM_ZERO ? 0 : ldexp(1, magnitude - BITS);
    for (size_t i = 0; i < count; i++)
        out[i] = (float)((double)sums[i] * unit);
}
