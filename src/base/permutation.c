#include "base/permutation.h"

#include "base/status.h"

enum { ROUNDS = 8, MAX_BITS = 48 };

void permutation_init(struct permutation *p, uint64_t n, uint64_t seed,
                      enum random_use use, uint64_t a)
{
    CHECK(n > 0 && n <= (uint64_t)1 << MAX_BITS);
    *p = (struct permutation){.n = n, .seed = seed, .a = a, .use = use, .half_bits = 1};
    while ((uint64_t)1 << (2 * p->half_bits) < n)
        p->half_bits++;
}

/* The round's number stands above every half (24 bits): each round has words of its own. */
static uint64_t mix(const struct permutation *p, int round, uint64_t half)
{
    uint32_t words[4];
    random_block(p->seed, p->use, p->a, (uint64_t)(round + 1) << 56 | half, words);
    return words[0];
}

static uint64_t shuffle(const struct permutation *p, uint64_t x)
{
    uint64_t mask = ((uint64_t)1 << p->half_bits) - 1;
    uint64_t left = x >> p->half_bits, right = x & mask;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t next = left ^ (mix(p, round, right) & mask);
        left = right;
        right = next;
    }
    return left << p->half_bits | right;
}

uint64_t permutation_at(const struct permutation *p, uint64_t i)
{
    CHECK(i < p->n);
    do
        i = shuffle(p, i);
    while (i >= p->n);
    return i;
}
