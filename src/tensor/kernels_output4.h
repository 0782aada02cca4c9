/*
 * The output transform of F(4x4, 3x3), A^T m A, and the epilogue. Row k of A^T holds the
 * k-th powers of the points. With pairs both partial sums go through the transform, which
 * is linear, and are added at its end.
 */

/* One axis, from 6 values to 4. */
INLINE void output_6(const vector m[6], vector out[4])
{
    const float a = (float)POINT_A, b = (float)POINT_B, a2 = (float)(POINT_A * POINT_A),
                b2 = (float)(POINT_B * POINT_B),
                a3 = (float)(POINT_A * POINT_A * POINT_A),
                b3 = (float)(POINT_B * POINT_B * POINT_B);
    const vector even_a = m[1] + m[2], odd_a = m[1] - m[2], even_b = m[3] + m[4],
                 odd_b = m[3] - m[4];
    out[0] = m[0] + (even_a + even_b);
    out[1] = a * odd_a + b * odd_b;
    out[2] = a2 * even_a + b2 * even_b;
    out[3] = (m[5] + a3 * odd_a) + b3 * odd_b;
}

/* One vector of channels, `stored` of them. */
INLINE void output4_vector(const struct kernel_tiles t, const int c, const int stored,
                           const bool pairs)
{
    const struct finish f = finish_of(&t.epilogue, c);
    const float *from = t.transformed + c;
    float *tile = t.data + c;
    for (int64_t i = 0; i < t.count; i++) {
        vector rows[6][4];
        UNROLL(6)
        for (int y = 0; y < 6; y++) {
            vector m[6];
            UNROLL(6)
            for (int x = 0; x < 6; x++)
                m[x] = load(from + (6 * y + x) * t.position_stride);
            output_6(m, rows[y]);
        }
        UNROLL(4)
        for (int x = 0; x < 4; x++) {
            vector m[6], sums[4];
            UNROLL(6)
            for (int y = 0; y < 6; y++)
                m[y] = rows[y][x];
            output_6(m, sums);
            UNROLL(4)
            for (int y = 0; y < 4; y++) {
                const vector sum = pairs ? add_pairs(sums[y]) : sums[y];
                float *to = tile + y * t.stride_h + x * t.stride_w;
                if (!pairs)
                    __builtin_prefetch(to + 4 * AHEAD_OUTPUT * t.stride_w, 1);
                store_some(to, finished(f, sum), stored);
            }
        }
        from += t.tile_stride;
        tile += 4 * t.stride_w;
    }
}

INLINE void output4_tiles(const struct kernel_tiles *t, const bool pairs)
{
    for (int c = 0; c < t->channels; c += LANES) {
        const int channels = t->channels - c;
        if (channels >= LANES)
            output4_vector(*t, c, LANES, pairs);
        else if (channels == LANES / 2)
            output4_vector(*t, c, LANES / 2, pairs);
        else
            output4_vector(*t, c, channels, pairs);
    }
}

static void output4(const struct kernel_tiles *t)
{
    output4_tiles(t, false);
}

static void output4_pairs(const struct kernel_tiles *t)
{
    output4_tiles(t, true);
}
