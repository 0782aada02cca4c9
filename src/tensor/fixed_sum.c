/* Its loops over all values are in passes_lanes.h. */
#include "tensor/fixed_sum.h"

#include <math.h>
#include <string.h>

#include "base/status.h"
#include "tensor/passes.h"

enum { BITS = 44 }; /* of the largest addend: 2^44 * FIXED_SUM_TERMS = 2^62 */

int fixed_sum_magnitude(enum isa isa, const float *values, size_t count)
{
    const uint32_t most = passes_of(isa)->fixed_most(values, count);
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

void fixed_sum_add(enum isa isa, int64_t *sums, const float *values, size_t count,
                   int magnitude)
{
    CHECK(magnitude != FIXED_SUM_NOT_FINITE);
    if (magnitude != FIXED_SUM_ZERO)
        passes_of(isa)->fixed_add(sums, values, count, ldexp(1, BITS - magnitude));
}

void fixed_sum_value(const int64_t *sums, size_t count, int magnitude, float *out)
{
    const double unit = magnitude == FIXED_SUM_ZERO ? 0 : ldexp(1, magnitude - BITS);
    for (size_t i = 0; i < count; i++)
        out[i] = (float)((double)sums[i] * unit);
}
