/*
 * Winograd's input transform V = B^T d B along every axis, INPUT_LANES channels at a
 * time; included once for each vector length, INPUT_NAME(x) being the names.
 *
 *         | 1  0 -1  0 |
 *   B^T = | 0  1  1  0 |
 *         | 0 -1  1  0 |
 *         | 0  1  0 -1 |
 *
 * Neighbouring tiles of a row share two of their four columns of voxels: y and z are
 * transformed once for each column, then x for each tile.
 */
typedef float INPUT_NAME(input_vector) __attribute__((vector_size(INPUT_LANES * 4)));

/* One axis: 4 values, `step` apart. */
INLINE void INPUT_NAME(transform_4)(INPUT_NAME(input_vector) * v, const int step)
{
    INPUT_NAME(input_vector) a = v[0], b = v[step], c = v[2 * step], d = v[3 * step];
    v[0] = a - c;
    v[step] = b + c;
    v[2 * step] = c - b;
    v[3 * step] = b - d;
}

/* out[z][y] = a column of voxels, transformed along y, and along z when it is 4 deep. */
INLINE void INPUT_NAME(read_column)(const struct kernel_tiles *t, const float *p,
                                    const int depth, INPUT_NAME(input_vector) * out)
{
    UNROLL(4)
    for (int z = 0; z < depth; z++) {
        UNROLL(4)
        for (int y = 0; y < 4; y++)
            memcpy(&out[4 * z + y], p + z * t->stride_d + y * t->stride_h, sizeof out[0]);
        INPUT_NAME(transform_4)(out + 4 * z, 1);
    }
    if (depth == 4) {
        UNROLL(4)
        for (int y = 0; y < 4; y++)
            INPUT_NAME(transform_4)(out + y, 4);
    }
}

static void INPUT_NAME(input_3d)(const struct kernel_tiles *t)
{
    enum { DEPTH = 4, POINTS = 4 * DEPTH };
    for (int c = 0; c < t->channels; c += INPUT_LANES) {
        INPUT_NAME(input_vector) columns[4][POINTS];
        const float *p = t->data + c;
        float *out = t->transformed + c;
        INPUT_NAME(read_column)(t, p, DEPTH, columns[0]);
        INPUT_NAME(read_column)(t, p + t->stride_w, DEPTH, columns[1]);
        for (int64_t i = 0; i < t->count; i++) {
            /* Columns 0 and 1 of every other tile are columns 2 and 3 of the one before.
             */
            int left = i % 2 ? 2 : 0;
            INPUT_NAME(input_vector) *a = columns[left], *b = columns[left + 1];
            INPUT_NAME(input_vector) *c2 = columns[2 - left], *d = columns[3 - left];
            INPUT_NAME(read_column)(t, p + 2 * t->stride_w, DEPTH, c2);
            INPUT_NAME(read_column)(t, p + 3 * t->stride_w, DEPTH, d);
            UNROLL(16)
            for (int k = 0; k < POINTS; k++) {
                INPUT_NAME(input_vector) row[4] = {a[k], b[k], c2[k], d[k]};
                INPUT_NAME(transform_4)(row, 1);
                UNROLL(4)
                for (int x = 0; x < 4; x++)
                    memcpy(out + (4 * k + x) * t->position_stride, &row[x],
                           sizeof row[x]);
            }
            p += 2 * t->stride_w;
            out += t->tile_stride;
        }
    }
}

/* Of a plane the four columns stay in registers from tile to tile. */
static void INPUT_NAME(input_2d)(const struct kernel_tiles *t)
{
    for (int c = 0; c < t->channels; c += INPUT_LANES) {
        INPUT_NAME(input_vector) left[2][4], right[2][4];
        const float *p = t->data + c;
        float *out = t->transformed + c;
        INPUT_NAME(read_column)(t, p, 1, left[0]);
        INPUT_NAME(read_column)(t, p + t->stride_w, 1, left[1]);
        for (int64_t i = 0; i < t->count; i++) {
            p += 2 * t->stride_w;
            INPUT_NAME(read_column)(t, p, 1, right[0]);
            INPUT_NAME(read_column)(t, p + t->stride_w, 1, right[1]);
            UNROLL(4)
            for (int k = 0; k < 4; k++) {
                INPUT_NAME(input_vector)
                row[4] = {left[0][k], left[1][k], right[0][k], right[1][k]};
                INPUT_NAME(transform_4)(row, 1);
                UNROLL(4)
                for (int x = 0; x < 4; x++)
                    memcpy(out + (4 * k + x) * t->position_stride, &row[x],
                           sizeof row[x]);
                left[0][k] = right[0][k];
                left[1][k] = right[1][k];
            }
            out += t->tile_stride;
        }
    }
}
