/*
 * Winograd's output transform A^T m A along every axis, and the epilogue.
 *
 *   A^T = | 1  1  1  0 |
 *         | 0  1 -1 -1 |
 *
 * With pairs both partial sums go through the transform, which is linear, and are added
 * at its end: 8 times a tile instead of 64.
 */

/* sums[y][x] = one plane of 4 x 4 positions, transformed along x and y. */
INLINE void output_plane(const float *m, int64_t stride, vector sums[4])
{
    vector rows[4][2];
    UNROLL(4)
    for (int y = 0; y < 4; y++, m += 4 * stride) {
        vector b = load(m + stride), c = load(m + 2 * stride);
        rows[y][0] = load(m) + (b + c);
        rows[y][1] = (b - c) - load(m + 3 * stride);
    }
    UNROLL(2)
    for (int x = 0; x < 2; x++) {
        sums[x] = rows[0][x] + (rows[1][x] + rows[2][x]);
        sums[2 + x] = (rows[1][x] - rows[2][x]) - rows[3][x];
    }
}

/* sums[z][y][x] = the tile. */
INLINE void output_sums(const struct kernel_tiles *t, const float *m, const int depth,
                        vector sums[8])
{
    output_plane(m, t->position_stride, sums);
    if (depth == 1)
        return;
    vector plane[4];
    output_plane(m + 16 * t->position_stride, t->position_stride, plane);
    UNROLL(4)
    for (int i = 0; i < 4; i++) {
        sums[i] += plane[i];
        sums[4 + i] = plane[i];
    }
    output_plane(m + 32 * t->position_stride, t->position_stride, plane);
    UNROLL(4)
    for (int i = 0; i < 4; i++) {
        sums[i] += plane[i];
        sums[4 + i] -= plane[i];
    }
    output_plane(m + 48 * t->position_stride, t->position_stride, plane);
    UNROLL(4)
    for (int i = 0; i < 4; i++)
        sums[4 + i] -= plane[i];
}

INLINE void output_tiles(const struct kernel_tiles *t, const int depth, const bool pairs)
{
    const int voxels = depth == 1 ? 4 : 8;
    for (int c = 0; c < t->channels; c += LANES) {
        struct finish f = finish_of(&t->epilogue, c);
        const float *m = t->transformed + c;
        float *tile = t->data + c;
        for (int64_t i = 0; i < t->count; i++) {
            vector sums[8];
            output_sums(t, m, depth, sums);
            UNROLL(8)
            for (int k = 0; k < voxels; k++) {
                vector sum = pairs ? add_pairs(sums[k]) : sums[k];
                store_some(tile + k / 4 * t->stride_d + k / 2 % 2 * t->stride_h +
                               k % 2 * t->stride_w,
                           finished(f, sum), t->channels - c);
            }
            m += t->tile_stride;
            tile += 2 * t->stride_w;
        }
    }
}

static void output_2d(const struct kernel_tiles *t)
{
    output_tiles(t, 1, false);
}

static void output_3d(const struct kernel_tiles *t)
{
    output_tiles(t, 4, false);
}

static void output_pairs_2d(const struct kernel_tiles *t)
{
    output_tiles(t, 1, true);
}

static void output_pairs_3d(const struct kernel_tiles *t)
{
    output_tiles(t, 4, true);
}
