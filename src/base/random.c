#include "base/random.h"

#include <math.h>
#include <string.h>

#include <Random123/philox.h>

#include "base/status.h"

enum { WORDS = 4, ROUNDS = 10 };

/* The key is the seed; the counter holds block number (word 0), b, and a mixed with the
 * use. Uses are small numbers in the top byte of a's high word: indices stay below 2^56.
 */
static void place(uint64_t seed, enum random_use use, uint64_t a, uint32_t key[2],
                  uint32_t high[2])
{
    CHECK(a >> 56 == 0);
    uint64_t mixed = a | (uint64_t)use << 56;
    key[0] = (uint32_t)seed;
    key[1] = (uint32_t)(seed >> 32);
    high[0] = (uint32_t)mixed;
    high[1] = (uint32_t)(mixed >> 32);
}

static void philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4])
{
    philox4x32_ctr_t c = {{counter[0], counter[1], counter[2], counter[3]}};
    philox4x32_key_t k = {{key[0], key[1]}};
    philox4x32_ctr_t r = philox4x32(c, k);
    for (int i = 0; i < WORDS; i++)
        out[i] = r.v[i];
}

struct random random_stream(uint64_t seed, enum random_use use, uint64_t a, uint64_t b)
{
    CHECK(b >> 32 == 0);
    struct random r = {.used = WORDS};
    place(seed, use, a, r.key, r.counter + 2);
    r.counter[1] = (uint32_t)b;
    return r;
}

void random_block(uint64_t seed, enum random_use use, uint64_t a, uint64_t b,
                  uint32_t out[4])
{
    uint32_t key[2], counter[4] = {(uint32_t)b, (uint32_t)(b >> 32)};
    place(seed, use, a, key, counter + 2);
    philox(key, counter, out);
}

/* The rounds of Random123's philox4x32 for blocks side by side, which its own code, a
 * block at a time, leaves no compiler a chance to make vectors of (nor does a loop that
 * is unrolled first). A test holds one against the other. */
void random_blocks(uint64_t seed, enum random_use use, uint64_t a, uint64_t b,
                   uint32_t out[WORDS][RANDOM_BLOCKS])
{
    uint32_t key[2], high[2];
    uint32_t w0[RANDOM_BLOCKS], w1[RANDOM_BLOCKS], w2[RANDOM_BLOCKS], w3[RANDOM_BLOCKS];
    place(seed, use, a, key, high);
    for (int k = 0; k < RANDOM_BLOCKS; k++) {
        w0[k] = (uint32_t)(b + (uint64_t)k);
        w1[k] = (uint32_t)((b + (uint64_t)k) >> 32);
        w2[k] = high[0];
        w3[k] = high[1];
    }
    for (int round = 0; round < ROUNDS; round++) {
#pragma GCC unroll 1
        for (int k = 0; k < RANDOM_BLOCKS; k++) {
            const uint64_t p = (uint64_t)PHILOX_M4x32_0 * w0[k];
            const uint64_t q = (uint64_t)PHILOX_M4x32_1 * w2[k];
            w0[k] = (uint32_t)(q >> 32) ^ w1[k] ^ key[0];
            w2[k] = (uint32_t)(p >> 32) ^ w3[k] ^ key[1];
            w1[k] = (uint32_t)q;
            w3[k] = (uint32_t)p;
        }
        key[0] += PHILOX_W32_0;
        key[1] += PHILOX_W32_1;
    }
    memcpy(out[0], w0, sizeof w0);
    memcpy(out[1], w1, sizeof w1);
    memcpy(out[2], w2, sizeof w2);
    memcpy(out[3], w3, sizeof w3);
}

uint32_t random_u32(struct random *r)
{
    if (r->used == WORDS) {
        philox(r->key, r->counter, r->block);
        r->counter[0]++;
        CHECK(r->counter[0] != 0); /* 2^34 numbers of one stream */
        r->used = 0;
    }
    return r->block[r->used++];
}

static uint64_t random_u64(struct random *r)
{
    uint64_t low = random_u32(r);
    return low | (uint64_t)random_u32(r) << 32;
}

uint64_t random_below(struct random *r, uint64_t n)
{
    CHECK(n > 0);
    uint64_t limit = UINT64_MAX - UINT64_MAX % n, x;
    do
        x = random_u64(r);
    while (x >= limit);
    return x % n;
}

double random_uniform(struct random *r)
{
    return (double)(random_u64(r) >> 11) * 0x1p-53;
}

double random_between(struct random *r, double low, double high)
{
    return low + (high - low) * random_uniform(r);
}

/* Box and Muller, the cosine half: two numbers in, one out, so that nothing is kept. */
double random_normal(struct random *r)
{
    double u = 1.0 - random_uniform(r), v = random_uniform(r);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

int random_chance(struct random *r, double probability)
{
    return random_uniform(r) < probability;
}
