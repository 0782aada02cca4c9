/*
 * Winograd's transforms of F(4x4, 3x3), which makes 4 x 4 voxels of 6 x 6 with 36
 * products instead of 144. Its points are 0, +-5/8, +-3/2 and infinity: of those that
 * floats hold exactly they lose the fewest digits of all that were tried
 * (docs/performance.md), and they are far better than the usual 0, +-1, +-2.
 *
 * With a = 5/8, b = 3/2 and N_i the product of a point's distances to the others, the
 * rows for the points 0, a, -a, b, -b, infinity are
 *
 *   input    B^T   coefficients of x (x^2 - a^2) (x^2 - b^2) / (x - point)
 *   weights  G     (1, point, point^2) / N_i
 *   output   A^T   columns (1, point, point^2, point^3)
 *
 * A gradient by the weights is the adjoint: A on the gradient, B^T on the input, G^T on
 * the sums of their products.
 */

#define QUAD_A 0.625
#define QUAD_B 1.5
#define QUAD_AA (QUAD_A * QUAD_A)
#define QUAD_BB (QUAD_B * QUAD_B)
/* 1 / N_i */
#define QUAD_N0 (1 / (QUAD_AA * QUAD_BB))
#define QUAD_NA (1 / (2 * QUAD_AA * (QUAD_AA - QUAD_BB)))
#define QUAD_NB (1 / (2 * QUAD_BB * (QUAD_BB - QUAD_AA)))

enum { QUAD = 4, QUAD_WIDE = 6 };

typedef double wide_vector __attribute__((vector_size(LANES * 4)));

/* LANES / 2 floats as doubles. */
INLINE wide_vector widen(const float *p)
{
    half_vector half;
    memcpy(&half, p, sizeof half);
    return __builtin_convertvector(half, wide_vector);
}

/* B^T along one axis: 6 values, `step` apart. */
INLINE void quad_input_axis(vector *v, const int step)
{
    const float a = (float)QUAD_A, b = (float)QUAD_B, aa = (float)QUAD_AA,
                bb = (float)QUAD_BB;
    const vector d0 = v[0], d1 = v[step], d2 = v[2 * step], d3 = v[3 * step],
                 d4 = v[4 * step], d5 = v[5 * step];
    const vector even_a = d4 - bb * d2, odd_a = d3 - bb * d1;
    const vector even_b = d4 - aa * d2, odd_b = d3 - aa * d1;
    v[0] = aa * bb * d0 + (d4 - (aa + bb) * d2);
    v[step] = even_a + a * odd_a;
    v[2 * step] = even_a - a * odd_a;
    v[3 * step] = even_b + b * odd_b;
    v[4 * step] = even_b - b * odd_b;
    v[5 * step] = aa * bb * d1 + (d5 - (aa + bb) * d3);
}

/* A along one axis: 6 values from 4. */
INLINE void quad_gradient_axis(const vector *y, const int step, vector *out,
                               const int out_step)
{
    const float a = (float)QUAD_A, b = (float)QUAD_B, aa = (float)QUAD_AA,
                bb = (float)QUAD_BB;
    const vector y0 = y[0], y1 = y[step], y2 = y[2 * step], y3 = y[3 * step];
    const vector even_a = y0 + aa * y2, odd_a = y1 + aa * y3;
    const vector even_b = y0 + bb * y2, odd_b = y1 + bb * y3;
    out[0] = y0;
    out[out_step] = even_a + a * odd_a;
    out[2 * out_step] = even_a - a * odd_a;
    out[3 * out_step] = even_b + b * odd_b;
    out[4 * out_step] = even_b - b * odd_b;
    out[5 * out_step] = y3;
}

/* A^T along one axis: 4 values from 6. */
INLINE void quad_output_axis(const vector *m, const int step, vector *out,
                             const int out_step)
{
    const float a = (float)QUAD_A, b = (float)QUAD_B, aa = (float)QUAD_AA,
                bb = (float)QUAD_BB;
    const vector sum_a = m[step] + m[2 * step], difference_a = m[step] - m[2 * step];
    const vector sum_b = m[3 * step] + m[4 * step],
                 difference_b = m[3 * step] - m[4 * step];
    out[0] = m[0] + (sum_a + sum_b);
    out[out_step] = a * difference_a + b * difference_b;
    out[2 * out_step] = aa * sum_a + bb * sum_b;
    out[3 * out_step] = m[5 * step] + (aa * a * difference_a + bb * b * difference_b);
}

/* G^T along one axis: 3 values from 6. */
INLINE void quad_weights_axis(const vector *m, const int step, vector *out,
                              const int out_step)
{
    const float a = (float)QUAD_A, b = (float)QUAD_B;
    const vector sum_a = (float)QUAD_NA * (m[step] + m[2 * step]),
                 difference_a = (float)(QUAD_NA * QUAD_A) * (m[step] - m[2 * step]);
    const vector sum_b = (float)QUAD_NB * (m[3 * step] + m[4 * step]),
                 difference_b = (float)(QUAD_NB * QUAD_B) * (m[3 * step] - m[4 * step]);
    out[0] = (float)QUAD_N0 * m[0] + (sum_a + sum_b);
    out[out_step] = difference_a + difference_b;
    out[2 * out_step] = m[5 * step] + (a * a * sum_a + b * b * sum_b);
}

/* Asks for the input of a tile further on in the row, and for that of the one below into
 * the second cache. */
INLINE void quad_ask(const struct kernel_tiles *t, const float *tile)
{
    const float *next = tile + QUAD * AHEAD_QUADS * t->stride_w,
                *below = tile + QUAD_WIDE * t->stride_h;
    UNROLL(4)
    for (int x = 0; x < QUAD; x++) {
        UNROLL(4)
        for (int y = 0; y < QUAD; y++)
            __builtin_prefetch(below + y * t->stride_h + x * t->stride_w, 0, 2);
        UNROLL(6)
        for (int y = 0; y < QUAD_WIDE; y++)
            __builtin_prefetch(next + y * t->stride_h + (2 + x) * t->stride_w);
    }
}

/* All six columns of a tile are transformed, though neighbours share two: kept from tile
 * to tile they would not stay in registers. */
static void quad_input(const struct kernel_tiles *t)
{
    for (int c = 0; c < t->channels; c += LANES) {
        const float *p = t->data + c;
        float *out = t->transformed + c;
        for (int64_t i = 0; i < t->count; i++) {
            vector columns[QUAD_WIDE][QUAD_WIDE];
            quad_ask(t, p);
            UNROLL(6)
            for (int x = 0; x < QUAD_WIDE; x++) {
                vector column[QUAD_WIDE];
                UNROLL(6)
                for (int y = 0; y < QUAD_WIDE; y++)
                    column[y] = load(p + x * t->stride_w + y * t->stride_h);
                quad_input_axis(column, 1);
                UNROLL(6)
                for (int y = 0; y < QUAD_WIDE; y++)
                    columns[x][y] = column[y];
            }
            UNROLL(6)
            for (int y = 0; y < QUAD_WIDE; y++) {
                vector row[QUAD_WIDE];
                UNROLL(6)
                for (int x = 0; x < QUAD_WIDE; x++)
                    row[x] = columns[x][y];
                quad_input_axis(row, 1);
                UNROLL(6)
                for (int x = 0; x < QUAD_WIDE; x++)
                    store(out + (QUAD_WIDE * y + x) * t->position_stride, row[x]);
            }
            p += QUAD * t->stride_w;
            out += t->tile_stride;
        }
    }
}

static void quad_gradient(const struct kernel_tiles *t)
{
    for (int c = 0; c < t->channels; c += LANES) {
        const float *p = t->data + c;
        float *out = t->transformed + c;
        for (int64_t i = 0; i < t->count; i++) {
            vector columns[QUAD][QUAD_WIDE];
            UNROLL(4)
            for (int x = 0; x < QUAD; x++) {
                vector column[QUAD];
                UNROLL(4)
                for (int y = 0; y < QUAD; y++)
                    column[y] = load(p + x * t->stride_w + y * t->stride_h);
                quad_gradient_axis(column, 1, columns[x], 1);
            }
            UNROLL(6)
            for (int y = 0; y < QUAD_WIDE; y++) {
                vector row[QUAD_WIDE];
                quad_gradient_axis(&columns[0][y], QUAD_WIDE, row, 1);
                UNROLL(6)
                for (int x = 0; x < QUAD_WIDE; x++)
                    store(out + (QUAD_WIDE * y + x) * t->position_stride, row[x]);
            }
            p += QUAD * t->stride_w;
            out += t->tile_stride;
        }
    }
}

/* With pairs both partial sums go through the transform and are added at its end.
 * `whole`: vectors are stored whole. */
INLINE void quad_output_vector(const struct kernel_tiles *t, const int c,
                               const bool pairs, const bool whole)
{
    const struct finish f = finish_of(&t->epilogue, c);
    const float *m = t->transformed + c;
    float *tile = t->data + c;
    for (int64_t i = 0; i < t->count; i++) {
        vector rows[QUAD_WIDE][QUAD];
        UNROLL(6)
        for (int y = 0; y < QUAD_WIDE; y++) {
            vector row[QUAD_WIDE];
            UNROLL(6)
            for (int x = 0; x < QUAD_WIDE; x++)
                row[x] = load(m + (QUAD_WIDE * y + x) * t->position_stride);
            quad_output_axis(row, 1, rows[y], 1);
        }
        UNROLL(4)
        for (int x = 0; x < QUAD; x++) {
            vector column[QUAD];
            quad_output_axis(&rows[0][x], QUAD, column, 1);
            UNROLL(4)
            for (int y = 0; y < QUAD; y++) {
                float *to = tile + x * t->stride_w + y * t->stride_h;
                if (!pairs)
                    __builtin_prefetch(to + QUAD * AHEAD_OUTPUT * t->stride_w, 1);
                const vector out = finished(f, pairs ? add_pairs(column[y]) : column[y]);
                if (whole)
                    store(to, out);
                else
                    store_some(to, out, t->channels - c);
            }
        }
        m += t->tile_stride;
        tile += QUAD * t->stride_w;
    }
}

INLINE void do_quad_output(const struct kernel_tiles *t, const bool pairs)
{
    int c = 0;
    for (; !pairs && c + LANES <= t->channels; c += LANES)
        quad_output_vector(t, c, false, true);
    for (; c < t->channels; c += LANES)
        quad_output_vector(t, c, pairs, false);
}

static void quad_output(const struct kernel_tiles *t)
{
    do_quad_output(t, false);
}

static void quad_output_pairs(const struct kernel_tiles *t)
{
    do_quad_output(t, true);
}

/* G along one axis in double: 6 values from 3. */
INLINE void quad_points_axis(const wide_vector *g, const int step, wide_vector *out,
                             const int out_step)
{
    const wide_vector even_a = QUAD_NA * (g[0] + QUAD_AA * g[2 * step]),
                      odd_a = QUAD_NA * QUAD_A * g[step];
    const wide_vector even_b = QUAD_NB * (g[0] + QUAD_BB * g[2 * step]),
                      odd_b = QUAD_NB * QUAD_B * g[step];
    out[0] = QUAD_N0 * g[0];
    out[out_step] = even_a + odd_a;
    out[2 * out_step] = even_a - odd_a;
    out[3 * out_step] = even_b + odd_b;
    out[4 * out_step] = even_b - odd_b;
    out[5 * out_step] = g[2 * step];
}

/* points[k * stride] = the transformed weights[9][LANES], for k < 36. */
static void quad_points(const float *weights, float *points, int64_t stride)
{
    for (int half = 0; half < LANES; half += LANES / 2) {
        wide_vector g[9], rows[3][QUAD_WIDE];
        for (int k = 0; k < 9; k++)
            g[k] = widen(weights + k * LANES + half);
        for (int y = 0; y < 3; y++)
            quad_points_axis(g + 3 * y, 1, rows[y], 1);
        for (int x = 0; x < QUAD_WIDE; x++) {
            wide_vector column[QUAD_WIDE];
            quad_points_axis(&rows[0][x], QUAD_WIDE, column, 1);
            for (int y = 0; y < QUAD_WIDE; y++) {
                const half_vector point = __builtin_convertvector(column[y], half_vector);
                memcpy(points + (QUAD_WIDE * y + x) * stride + half, &point,
                       sizeof point);
            }
        }
    }
}

/* weights[k * weights_stride] = G^T sums G for `count` floats, whole vectors, of sums
 * whose positions are `stride` apart. */
static void quad_weights(const float *sums, int64_t stride, int64_t count, float *weights,
                         int64_t weights_stride)
{
    for (int64_t i = 0; i < count; i += LANES) {
        vector rows[QUAD_WIDE][3];
        UNROLL(6)
        for (int y = 0; y < QUAD_WIDE; y++) {
            vector row[QUAD_WIDE];
            UNROLL(6)
            for (int x = 0; x < QUAD_WIDE; x++)
                row[x] = load(sums + (QUAD_WIDE * y + x) * stride + i);
            quad_weights_axis(row, 1, rows[y], 1);
        }
        UNROLL(3)
        for (int x = 0; x < 3; x++) {
            vector column[3];
            quad_weights_axis(&rows[0][x], 3, column, 1);
            UNROLL(3)
            for (int y = 0; y < 3; y++)
                store(weights + (3 * y + x) * weights_stride + i, column[y]);
        }
    }
}

#if REGISTERS >= 32
#define PRODUCTS_SPAN_1 16
#define PRODUCTS_SPAN_2 8
#else
#define PRODUCTS_SPAN_1 8
#define PRODUCTS_SPAN_2 4
#endif

INLINE void do_products(const int span, const int vectors,
                        const struct kernel_products *k)
{
    for (int64_t position = 0; position < k->positions; position++) {
        const float *in = k->in + position * k->in_position,
                    *g = k->gradient + position * k->gradient_position;
        float *sums = k->sums + position * k->sums_position;
        vector acc[ACCUMULATORS];
        clear(acc, span * vectors);
        ahead_ask();
        for (int64_t t = 0; t < k->count; t++) {
            vector w[2];
            UNROLL(2)
            for (int v = 0; v < vectors; v++)
                w[v] = load(g + v * LANES);
            UNROLL(16)
            for (int i = 0; i < span; i++) {
                UNROLL(2)
                for (int v = 0; v < vectors; v++)
                    acc[i * vectors + v] += broadcast(in + i) * w[v];
            }
            in += k->in_step;
            g += k->gradient_step;
        }
        UNROLL(16)
        for (int i = 0; i < span; i++) {
            UNROLL(2)
            for (int v = 0; v < vectors; v++) {
                float *sum = sums + i * k->sums_step + v * LANES;
                if (k->add)
                    acc[i * vectors + v] += load(sum);
                store(sum, acc[i * vectors + v]);
            }
        }
    }
}

static void products_1(const struct kernel_products *k)
{
    do_products(PRODUCTS_SPAN_1, 1, k);
}

static void products_2(const struct kernel_products *k)
{
    do_products(PRODUCTS_SPAN_2, 2, k);
}
