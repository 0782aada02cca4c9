/*
 * A random order of 0 .. n-1 that is never written down: element i is computed when asked
 * for, so that an epoch of a million samples needs no memory, goes on from any place, and
 * is the same on every rank.
 *
 * A balanced Feistel network over the next power of four, its rounds keyed by Philox,
 * walked until the value falls below n (Black and Rogaway, "Ciphers with arbitrary finite
 * domains", 2002).
 */
#ifndef BASE_PERMUTATION_H
#define BASE_PERMUTATION_H

#include <stdint.h>

#include "base/random.h"

struct permutation {
    uint64_t n, seed, a;
    enum random_use use;
    int half_bits;
};

/* The order (seed, use, a) of n elements, 0 < n <= 2^48. Plain data. */
void permutation_init(struct permutation *p, uint64_t n, uint64_t seed,
                      enum random_use use, uint64_t a);

/* What stands at place i < n. */
uint64_t permutation_at(const struct permutation *p, uint64_t i);

#endif
