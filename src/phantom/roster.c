#include "phantom/roster.h"

#include <inttypes.h>

#include "base/hash.h"
#include "base/random.h"

/* Share of scans that are of a patient who was there before, and how far back. */
static const double AGAIN = 0.04;
enum { RECENT = 12, STREAM_OF_ROSTER = 1 };

/* value = value * 2^32 + word would be the way in; this is the way out: divides a number
 * of four words by ten and returns the remainder. */
static unsigned divide_by_ten(uint32_t words[4])
{
    uint64_t rest = 0;
    for (int i = 0; i < 4; i++) {
        uint64_t part = rest << 32 | words[i];
        words[i] = (uint32_t)(part / 10);
        rest = part % 10;
    }
    return (unsigned)rest;
}

/* "2.25." and a number of 128 bits: an UUID written as an OID. */
static void name_series(uint64_t seed, uint64_t index, char name[ROSTER_NAME_BYTES])
{
    char key[64], digits[ROSTER_NAME_BYTES];
    int n = snprintf(key, sizeof key, "phantom %" PRIu64 " %" PRIu64, seed, index);
    struct hash128 h = hash128(key, (size_t)n);
    uint32_t words[4] = {(uint32_t)(h.high >> 32), (uint32_t)h.high,
                         (uint32_t)(h.low >> 32), (uint32_t)h.low};
    char *first = digits + sizeof digits - 1;
    *first = '\0';
    do
        *--first = (char)('0' + divide_by_ten(words));
    while (words[0] | words[1] | words[2] | words[3]);
    snprintf(name, ROSTER_NAME_BYTES, "2.25.%s", first);
}

/* Which scan this one is a second scan of, if any, as far as its own numbers say. */
static uint64_t look_back(uint64_t seed, uint64_t index)
{
    struct random r = random_stream(seed, RANDOM_SCANNER, index, STREAM_OF_ROSTER);
    if (index == 0 || !random_chance(&r, AGAIN))
        return index;
    return index - 1 - random_below(&r, index < RECENT ? index : RECENT);
}

struct roster_scan roster_scan(uint64_t seed, uint64_t index)
{
    struct roster_scan s = {.index = index, .subset = (int)(index % ROSTER_SUBSETS)};
    uint64_t before = look_back(seed, index);
    /* Nobody is scanned three times by way of a second scan. */
    s.patient = look_back(seed, before) == before ? before : index;
    name_series(seed, index, s.seriesuid);
    snprintf(s.patient_name, sizeof s.patient_name, "PHANTOM-%" PRIu64 "-%04" PRIu64,
             seed, s.patient);
    return s;
}
