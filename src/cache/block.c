/*
 * Every voxel of a slice waits for the one before it, so a slice cannot be restored by
 * vectors along a row. Slices do not depend on each other: eight of them go side by side,
 * one a lane. A row of eight slices is turned (8 x 8 at a time) so that the eight values
 * of one column stand together, run through the predictor, and turned back. What is left
 * costs a fifth of the entropy decoding before it (tests/bench/cache.c).
 */
#include "cache/block.h"

#include <string.h>

enum { LANES = BLOCK_DEPTH };

typedef int16_t lanes __attribute__((vector_size(LANES * 2)));
typedef uint16_t unsigned_lanes __attribute__((vector_size(LANES * 2)));
typedef uint8_t bytes __attribute__((vector_size(LANES)));

/* ---- there ---- */

static int median_prediction(int left, int above, int corner)
{
    int low = left < above ? left : above, high = left < above ? above : left;
    int slope = left + above - corner;
    return slope < low ? low : slope > high ? high : slope;
}

static int predict(const int16_t *voxel, ptrdiff_t row, int y, int x)
{
    if (y == 0)
        return x == 0 ? 0 : voxel[-1];
    if (x == 0)
        return voxel[-row];
    return median_prediction(voxel[-1], voxel[-row], voxel[-row - 1]);
}

void block_transform(const int16_t *voxels, ptrdiff_t plane, ptrdiff_t row,
                     const int size[3], unsigned char *low, unsigned char *high)
{
    for (int z = 0; z < size[0]; z++)
        for (int y = 0; y < size[1]; y++)
            for (int x = 0; x < size[2]; x++) {
                const int16_t *voxel = voxels + z * plane + y * row + x;
                int difference = *voxel - predict(voxel, row, y, x);
                unsigned folded = difference < 0 ? (unsigned)(-difference) * 2 - 1
                                                 : (unsigned)difference * 2;
                *low++ = (unsigned char)folded;
                *high++ = (unsigned char)(folded >> 8);
            }
}

/* ---- and back ---- */

/* Compilers make one instruction of each of these two loops, and none of a choice between
 * vectors. */
static inline lanes lanes_min(lanes a, lanes b)
{
    lanes r;
    for (int i = 0; i < LANES; i++)
        r[i] = a[i] < b[i] ? a[i] : b[i];
    return r;
}

static inline lanes lanes_max(lanes a, lanes b)
{
    lanes r;
    for (int i = 0; i < LANES; i++)
        r[i] = a[i] > b[i] ? a[i] : b[i];
    return r;
}

#define LOW_HALVES(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define HIGH_HALVES(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)

/* Interleaving row i with row i + 4 three times over turns 8 x 8 values. */
static inline void transpose(lanes v[LANES])
{
    for (int round = 0; round < 3; round++) {
        lanes w[LANES];
        for (int i = 0; i < LANES / 2; i++) {
            w[2 * i] = LOW_HALVES(v[i], v[i + LANES / 2]);
            w[2 * i + 1] = HIGH_HALVES(v[i], v[i + LANES / 2]);
        }
        memcpy(v, w, sizeof w);
    }
}

/* Eight differences, `count` of them from the planes and the rest 0. */
static inline lanes differences(const unsigned char *low, const unsigned char *high,
                                int count)
{
    bytes l = {0}, h = {0};
    if (count >= LANES) {
        memcpy(&l, low, LANES);
        memcpy(&h, high, LANES);
    } else {
        memcpy(&l, low, (size_t)count);
        memcpy(&h, high, (size_t)count);
    }
    unsigned_lanes folded = __builtin_convertvector(l, unsigned_lanes) |
                            __builtin_convertvector(h, unsigned_lanes) << 8;
    return (lanes)(folded >> 1 ^ -(folded & 1));
}

/* row[x] = the values of column x in eight slices, from their differences in place. */
static void predict_row(lanes *row, const lanes *above, int columns)
{
    lanes left = row[0], corner;
    if (!above) {
        for (int x = 1; x < columns; x++)
            row[x] = left = left + row[x];
        return;
    }
    row[0] = left = left + above[0];
    corner = above[0];
    for (int x = 1; x < columns; x++) {
        lanes up = above[x], low = lanes_min(left, up), high = lanes_max(left, up);
        left = row[x] + lanes_max(low, lanes_min(high, left + up - corner));
        corner = up;
        row[x] = left;
    }
}

void block_restore(const unsigned char *low, const unsigned char *high, const int size[3],
                   block_voxels out)
{
    lanes rows[2][BLOCK_COLUMNS];
    const int columns = size[2];
    const ptrdiff_t plane = (ptrdiff_t)size[1] * columns;
    for (int y = 0; y < size[1]; y++) {
        lanes *row = rows[y & 1];
        for (int x = 0; x < columns; x += LANES) {
            const int count = columns - x;
            const ptrdiff_t at = (ptrdiff_t)y * columns + x;
            for (int z = 0; z < LANES; z++)
                row[x + z] = z < size[0] ? differences(low + z * plane + at,
                                                       high + z * plane + at, count)
                                         : (lanes){0};
            transpose(row + x);
        }
        predict_row(row, y > 0 ? rows[(y - 1) & 1] : NULL, columns);
        for (int x = 0; x < columns; x += LANES) {
            lanes turned[LANES];
            memcpy(turned, row + x, sizeof turned);
            transpose(turned);
            for (int z = 0; z < LANES; z++)
                memcpy(&out[z][y][x], &turned[z], sizeof turned[z]);
        }
    }
}
