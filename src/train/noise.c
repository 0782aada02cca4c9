/*
 * Box and Muller on halves of random words, blocks of them at a time, in loops that
 * compilers make vectors of: no calls, no branches. Logarithm, sine and cosine are short
 * series in float, good to a few units in the last place, which is far more than noise
 * needs. They are written here since the C library's differ between its versions and
 * processors, and models would with them. Nothing is contracted (src/CMakeLists.txt).
 * Sixteen bits for the radius end the normal distribution at 4.9 deviations.
 *
 * The words are those of the sample's stream beyond those of its transform.
 */
#include "train/noise.h"

#include <math.h>
#include <string.h>

#include "base/random.h"
#include "train/augment.h"

enum { WORDS = 4, GROUP = 2 * WORDS * RANDOM_BLOCKS };

static inline float float_of(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static inline uint32_t bits_of(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

/* The natural logarithm of u, normal and positive. u = 2^e m, sqrt(1/2) <= m < sqrt(2);
 * log m = 2 artanh s, s = (m - 1) / (m + 1). */
static inline float log_of(float u)
{
    const uint32_t least = 0x3f3504f3; /* sqrt(1/2) */
    const uint32_t from_least = bits_of(u) - least;
    const int32_t exponent = (int32_t)from_least >> 23;
    const float m = float_of((from_least & 0x7fffff) + least), f = m - 1;
    const float s = f / (2 + f), q = s * s;
    const float tail = q * (1.0f / 3 + q * (1.0f / 5 + q * (1.0f / 7 + q * (1.0f / 9))));
    return (float)exponent * 0.693147181f + 2 * (s + s * tail);
}

/* Cosine and sine of (turn + 1/2) 2^-16 turns: Taylor's series within an eighth of a turn
 * of the next quarter. */
static inline void turn_of(uint32_t turn, float *cosine, float *sine)
{
    const uint32_t quarter = (turn + (1u << 13)) >> 14;
    const float from = (float)((int32_t)turn - (int32_t)(quarter << 14)) + 0.5f;
    const float x = from * 9.58737993e-5f, q = x * x; /* 2 pi / 2^16 */
    const float s =
        x +
        x * q * (-1.0f / 6 + q * (1.0f / 120 + q * (-1.0f / 5040 + q * (1.0f / 362880))));
    const float c =
        1 + q * (-1.0f / 2 + q * (1.0f / 24 + q * (-1.0f / 720 + q * (1.0f / 40320))));
    const uint32_t odd = -(quarter & 1), sin_bits = bits_of(s), cos_bits = bits_of(c);
    *cosine =
        float_of(((cos_bits & ~odd) | (sin_bits & odd)) ^ ((quarter + 1) & 2) << 30);
    *sine = float_of(((sin_bits & ~odd) | (cos_bits & odd)) ^ (quarter & 2) << 30);
}

static void draw_group(float deviation, uint64_t seed, uint64_t stream, uint64_t block,
                       float normal[WORDS][2][RANDOM_BLOCKS])
{
    uint32_t words[WORDS][RANDOM_BLOCKS];
    random_blocks(seed, RANDOM_AUGMENT, stream, block, words);
    for (int w = 0; w < WORDS; w++)
        for (int k = 0; k < RANDOM_BLOCKS; k++) {
            const float u = ((float)(int32_t)(words[w][k] >> 16) + 0.5f) * 0x1p-16f;
            const float radius = deviation * sqrtf(-2 * log_of(u));
            float c, s;
            turn_of(words[w][k] & 0xffff, &c, &s);
            normal[w][0][k] = radius * c;
            normal[w][1][k] = radius * s;
        }
}

void noise_add(double deviation, uint64_t seed, uint64_t epoch, uint64_t sample,
               float *values, int64_t count)
{
    const uint64_t stream = augment_stream(epoch, sample);
    uint64_t block = (uint64_t)1 << 32;
    for (int64_t i = 0; i < count; i += GROUP, block += RANDOM_BLOCKS) {
        float normal[WORDS][2][RANDOM_BLOCKS];
        draw_group((float)deviation, seed, stream, block, normal);
        const float *n = &normal[0][0][0];
        const int64_t left = count - i < GROUP ? count - i : GROUP;
        for (int64_t k = 0; k < left; k++)
            values[i + k] += n[k];
    }
}
