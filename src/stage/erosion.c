#include "stage/erosion.h"

/* Plain loops over bytes without a branch, which the compiler turns into vectors. */

bool erosion_row(const uint8_t *row, const uint8_t *above, const uint8_t *below,
                 const uint8_t *before, size_t width, uint8_t *restrict out)
{
    uint8_t any = 0;

    out[0] = out[width - 1] = 0;
    for (size_t x = 1; x + 1 < width; x++) {
        uint8_t left = row[x - 1] & row[x] & row[x + 1] & above[x] & below[x] & before[x];
        out[x] = left;
        any |= left;
    }
    return any != 0;
}

bool erosion_row_after(const uint8_t *after, size_t width, uint8_t *restrict out)
{
    uint8_t any = 0;

    for (size_t x = 0; x < width; x++) {
        out[x] &= after[x];
        any |= out[x];
    }
    return any != 0;
}
