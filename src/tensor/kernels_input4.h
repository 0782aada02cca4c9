/*
 * The input transform of F(4x4, 3x3), V = B^T d B, INPUT_LANES channels at a time;
 * included once for each vector length, INPUT_NAME(x) being the names. Row p of B^T holds
 * the coefficients of the product of (x - q) over all points q but p.
 *
 * Neighbouring tiles of a row share two of their six columns of voxels: y is transformed
 * once for each column, then x for each tile. Memory is asked for ahead, but not that of
 * narrow vectors, whose maps are small.
 */

/* One axis: 6 values. */
INLINE void INPUT_NAME(transform_6)(INPUT_NAME(input_vector) * v)
{
    const float a = (float)POINT_A, b = (float)POINT_B, a2 = (float)(POINT_A * POINT_A),
                b2 = (float)(POINT_B * POINT_B),
                sum = (float)(POINT_A * POINT_A + POINT_B * POINT_B);
    const INPUT_NAME(input_vector) even_a = v[4] - b2 * v[2], odd_a = v[3] - b2 * v[1],
                                   even_b = v[4] - a2 * v[2], odd_b = v[3] - a2 * v[1];
    v[0] = (v[0] + v[4]) - sum * v[2];
    v[5] = (v[1] + v[5]) - sum * v[3];
    v[1] = even_a + a * odd_a;
    v[2] = even_a - a * odd_a;
    v[3] = even_b + b * odd_b;
    v[4] = even_b - b * odd_b;
}

/* A column of voxels, transformed along y. */
INLINE void INPUT_NAME(read_column_6)(int64_t stride_h, const float *p,
                                      INPUT_NAME(input_vector) * out)
{
    UNROLL(6)
    for (int y = 0; y < 6; y++)
        memcpy(&out[y], p + y * stride_h, sizeof out[0]);
    INPUT_NAME(transform_6)(out);
}

/* One vector of channels. */
INLINE void INPUT_NAME(input4_vector)(const struct kernel_tiles t, const int c)
{
    INPUT_NAME(input_vector) columns[6][6];
    const float *p = t.data + c;
    float *out = t.transformed + c;
    INPUT_NAME(read_column_6)(t.stride_h, p, columns[0]);
    INPUT_NAME(read_column_6)(t.stride_h, p + t.stride_w, columns[1]);
    for (int64_t i = 0; i < t.count; i++) {
        UNROLL(6)
        for (int y = 0; y < 6 && INPUT_LANES == LANES; y++) {
            UNROLL(4)
            for (int x = 2; x < 6; x++)
                __builtin_prefetch(p + y * t.stride_h +
                                   (4 * AHEAD_INPUT + x) * t.stride_w);
        }
        UNROLL(4)
        for (int x = 2; x < 6; x++)
            INPUT_NAME(read_column_6)(t.stride_h, p + x * t.stride_w, columns[x]);
        UNROLL(6)
        for (int y = 0; y < 6; y++) {
            INPUT_NAME(input_vector) row[6];
            UNROLL(6)
            for (int x = 0; x < 6; x++)
                row[x] = columns[x][y];
            columns[0][y] = row[4];
            columns[1][y] = row[5];
            INPUT_NAME(transform_6)(row);
            UNROLL(6)
            for (int x = 0; x < 6; x++)
                memcpy(out + (6 * y + x) * t.position_stride, &row[x], sizeof row[x]);
        }
        p += 4 * t.stride_w;
        out += t.tile_stride;
    }
}

static void INPUT_NAME(input4)(const struct kernel_tiles *t)
{
    for (int c = 0; c < t->channels; c += INPUT_LANES)
        INPUT_NAME(input4_vector)(*t, c);
}
