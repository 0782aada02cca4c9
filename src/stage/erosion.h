/* Binary erosion of one row of a mask of 0 and 1, by the cross of direct neighbours. */
#ifndef STAGE_EROSION_H
#define STAGE_EROSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* out[x] = row[x] and its neighbours at x - 1 and x + 1, and above[x], below[x],
 * before[x] (the rows of y - 1, y + 1 and z - 1). The ends of the row have a neighbour
 * outside and become 0. True when anything is left. */
bool erosion_row(const uint8_t *row, const uint8_t *above, const uint8_t *below,
                 const uint8_t *before, size_t width, uint8_t *out);

/* out[x] &= after[x] (the row of z + 1). True when anything is left. */
bool erosion_row_after(const uint8_t *after, size_t width, uint8_t *out);

#endif
