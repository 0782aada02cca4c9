/* Products and casts of sizes that come from files: every one of them is checked. */
#ifndef BASE_SIZE_H
#define BASE_SIZE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* *out = a * b; false when the product does not fit. */
static inline bool size_multiply(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

/* *out = a + b; false when the sum does not fit. */
static inline bool size_add(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

/* A count for an MPI call. Larger messages are split by the caller: exceeding int is a
 * bug. */
static inline int count_cast(size_t n)
{
    CHECK(n <= INT_MAX);
    return (int)n;
}

#endif
