/*
 * Rows of sums (struct kernel_rows): direct convolution, and the products of Winograd's.
 *
 * The sums of a span (voxels x vectors) live in `acc` from the first tap to the
 * last: every loop over them has a constant bound and is unrolled, so that the compiler
 * keeps them in registers. A row that the tile does not divide ends with a tile that
 * overlaps the one before: it stores the same bits again, and there is no code for
 * remainders. What is left of the registers holds the weights of several inputs, so
 * that an address serves several multiply-adds.
 */
/* acc[r][v] += in[r*step + i] * weights[i][v] for i < run. */
INLINE void accumulate(vector *acc, const int voxels, const int vectors, const float *in,
                       int64_t step, int64_t run, const float *weights)
{
    const int unroll = SPARE / vectors;
    vector w[SPARE];
    int64_t i = 0;
    for (; i + unroll <= run; i += unroll) {
        const float *p = in + i;
        UNROLL(8)
        for (int u = 0; u < unroll * vectors; u++)
            w[u] = load(weights + u * LANES);
        weights += unroll * vectors * LANES;
        UNROLL(24)
        for (int r = 0; r < voxels; r++) {
            UNROLL(8)
            for (int u = 0; u < unroll; u++) {
                UNROLL(2)
                for (int v = 0; v < vectors; v++)
                    acc[r * vectors + v] += broadcast(p + u) * w[u * vectors + v];
            }
            p += step;
        }
    }
    for (; i < run; i++) {
        const float *p = in + i;
        UNROLL(24)
        for (int r = 0; r < voxels; r++) {
            UNROLL(2)
            for (int v = 0; v < vectors; v++)
                acc[r * vectors + v] += broadcast(p) * load(weights + v * LANES);
            p += step;
        }
        weights += vectors * LANES;
    }
}

/* One input float, of the given parity among the pairs. */
INLINE void accumulate_single(vector *acc, const int voxels, const float *in,
                              int64_t step, const float *weights, int parity)
{
    vector w = lanes_of_parity(load(weights), parity);
    UNROLL(24)
    for (int r = 0; r < voxels; r++)
        acc[r] += broadcast(in + r * step) * w;
}

/* The same with pairs: `first` is the place of in[0] among the floats of the (kz, ky)
 * that `weights` is for. */
INLINE void accumulate_pairs(vector *acc, const int voxels, const float *in, int64_t step,
                             int64_t run, const float *weights, int64_t first)
{
    weights += first / 2 * LANES;
    if (first % 2) {
        accumulate_single(acc, voxels, in, step, weights, 1);
        weights += LANES;
        in++;
        run--;
    }
    vector w[SPARE];
    int64_t i = 0;
    for (; i + 2 * SPARE <= run; i += 2 * SPARE, weights += SPARE * LANES) {
        const float *p = in + i;
        UNROLL(8)
        for (int u = 0; u < SPARE; u++)
            w[u] = load(weights + u * LANES);
        UNROLL(24)
        for (int r = 0; r < voxels; r++) {
            UNROLL(8)
            for (int u = 0; u < SPARE; u++)
                acc[r] += broadcast_pair(p + 2 * u) * w[u];
            p += step;
        }
    }
    for (; i + 2 <= run; i += 2, weights += LANES) {
        const float *p = in + i;
        w[0] = load(weights);
        UNROLL(24)
        for (int r = 0; r < voxels; r++) {
            acc[r] += broadcast_pair(p) * w[0];
            p += step;
        }
    }
    if (i < run)
        accumulate_single(acc, voxels, in + i, step, weights, 0);
}

INLINE void clear(vector *acc, const int sums)
{
    UNROLL(24)
    for (int i = 0; i < sums; i++)
        acc[i] = (vector){0};
}

/* acc += the sums of one span over all taps. */
INLINE void accumulate_taps(vector *acc, const int voxels, const int vectors,
                            const bool pairs, const struct kernel_rows *k,
                            const float *in, const float *weights)
{
    int64_t run = k->run;
    for (int64_t z = 0; z < k->taps[0]; z++)
        for (int64_t y = 0; y < k->taps[1]; y++) {
            const float *p = in + z * k->strides[0] + y * k->strides[1];
            for (int64_t x = 0; x < k->taps[2]; x++, p += k->strides[2]) {
                if (pairs) {
                    accumulate_pairs(acc, voxels, p, k->in_step, run, weights, x * run);
                } else {
                    accumulate(acc, voxels, vectors, p, k->in_step, run, weights);
                    weights += run * vectors * LANES;
                }
            }
            if (pairs)
                weights += (k->taps[2] * run + 1) / 2 * LANES;
        }
}

/* acc += the sums of one span over slices of a product, which begin at `slice`. */
INLINE void accumulate_slices(vector *acc, const int voxels, const int vectors,
                              const bool pairs, const struct kernel_rows *k,
                              const int64_t *slice, const float *in, const float *weights)
{
    int z = 0;
    do {
        const float *p = in + slice[z];
        if (pairs)
            accumulate_pairs(acc, voxels, p, k->in_step, k->run, weights, 0);
        else
            accumulate(acc, voxels, vectors, p, k->in_step, k->run, weights);
        weights += (pairs ? (k->run + 1) / 2 : k->run * vectors) * LANES;
    } while (++z < k->slices);
}

/* low += in * low_weights and high += in * high_weights, one vector a voxel: what is
 * broadcast serves two sums, since one vector a voxel waits for loads. In the order of
 * accumulate and accumulate_pairs, so with the same bits. */
INLINE void accumulate_both(vector *low, vector *high, const int voxels, const bool pairs,
                            const struct kernel_rows *k, const float *in,
                            const float *low_weights, const float *high_weights)
{
    enum { AT_ONCE = SPARE / 2 };
    const int floats = pairs ? 2 : 1;
    const int64_t run = k->run;
    int64_t i = 0;
    for (; i + AT_ONCE * floats <= run; i += AT_ONCE * floats) {
        const float *p = in + i;
        vector w[2 * AT_ONCE];
        UNROLL(4)
        for (int u = 0; u < AT_ONCE; u++) {
            w[2 * u] = load(low_weights + u * LANES);
            w[2 * u + 1] = load(high_weights + u * LANES);
        }
        UNROLL(12)
        for (int r = 0; r < voxels; r++, p += k->in_step) {
            UNROLL(4)
            for (int u = 0; u < AT_ONCE; u++) {
                const vector v =
                    pairs ? broadcast_pair(p + u * floats) : broadcast(p + u * floats);
                low[r] += v * w[2 * u];
                high[r] += v * w[2 * u + 1];
            }
        }
        low_weights += AT_ONCE * LANES;
        high_weights += AT_ONCE * LANES;
    }
    if (i == run)
        return;
    if (pairs) {
        accumulate_pairs(low, voxels, in + i, k->in_step, run - i, low_weights, 0);
        accumulate_pairs(high, voxels, in + i, k->in_step, run - i, high_weights, 0);
    } else {
        accumulate(low, voxels, 1, in + i, k->in_step, run - i, low_weights);
        accumulate(high, voxels, 1, in + i, k->in_step, run - i, high_weights);
    }
}

/* Stores one span of finished outputs. */
INLINE void store_finished(const vector *acc, const int voxels, const int vectors,
                           const bool pairs, const struct kernel_rows *k, float *out)
{
    UNROLL(2)
    for (int v = 0; v < vectors; v++) {
        struct finish f = finish_of(&k->epilogue, v * LANES);
        int channels = k->channels - v * LANES;
        UNROLL(24)
        for (int r = 0; r < voxels; r++) {
            vector sum = pairs ? add_pairs(acc[r]) : acc[r * vectors + v];
            store_some(out + r * k->out_step + v * LANES, finished(f, sum), channels);
        }
    }
}

INLINE void store_sums(const vector *acc, const int voxels, const int vectors,
                       const struct kernel_rows *k, float *out)
{
    UNROLL(24)
    for (int r = 0; r < voxels; r++, out += k->out_step) {
        UNROLL(2)
        for (int v = 0; v < vectors; v++)
            store(out + v * LANES, acc[r * vectors + v]);
    }
}

/* One row of an output; `slice`: NULL, or where the slices of a product begin. */
INLINE void do_row(const int voxels, const int vectors, const bool pairs,
                   const struct kernel_rows *k, const int64_t *slice, const float *in,
                   const float *weights, float *out)
{
    for (int64_t done = 0; done < k->width; done += voxels) {
        int64_t x = done + voxels <= k->width ? done : k->width - voxels;
        const float *p = in + x * k->in_step;
        vector acc[ACCUMULATORS];
        clear(acc, voxels * vectors);
        if (slice) {
            accumulate_slices(acc, voxels, vectors, pairs, k, slice, p, weights);
            store_sums(acc, voxels, vectors, k, out + x * k->out_step);
        } else {
            accumulate_taps(acc, voxels, vectors, pairs, k, p, weights);
            store_finished(acc, voxels, vectors, pairs, k, out + x * k->out_step);
        }
    }
}

/* Two neighbouring outputs of a product's row: all input slices but the first and the
 * last go into both. */
INLINE void do_both(const int voxels, const bool pairs, const struct kernel_rows *k,
                    const float *in, const float *weights, float *out)
{
    const int64_t step = (pairs ? (k->run + 1) / 2 : k->run) * LANES;
    for (int64_t done = 0; done < k->width; done += voxels) {
        const int64_t x = done + voxels <= k->width ? done : k->width - voxels;
        const float *p = in + x * k->in_step, *w = weights;
        vector acc[ACCUMULATORS], *low = acc, *high = acc + voxels;
        clear(acc, 2 * voxels);
        if (pairs)
            accumulate_pairs(low, voxels, p + k->slice[0], k->in_step, k->run, w, 0);
        else
            accumulate(low, voxels, 1, p + k->slice[0], k->in_step, k->run, w);
        for (int z = 1; z < k->slices; z++, w += step)
            accumulate_both(low, high, voxels, pairs, k, p + k->slice[z], w + step, w);
        p += k->slice[k->slices];
        if (pairs)
            accumulate_pairs(high, voxels, p, k->in_step, k->run, w, 0);
        else
            accumulate(high, voxels, 1, p, k->in_step, k->run, w);
        store_sums(low, voxels, 1, k, out + x * k->out_step);
        store_sums(high, voxels, 1, k, out + k->out_slice + x * k->out_step);
    }
}

INLINE void do_rows(const int voxels, const int vectors, const bool pairs,
                    const bool product, const struct kernel_rows *k)
{
    const float *in = k->in, *weights = k->weights;
    float *out = k->out;
    const int half = 2 * voxels > ACCUMULATORS ? voxels / 2 : voxels;
    const bool both = product && vectors == 1 && k->depth == 2;
    for (int64_t row = 0; row < k->rows; row++) {
        ahead_ask();
        if (both) {
            do_both(half, pairs, k, in, weights, out);
        } else if (product) {
            int z = 0;
            do
                do_row(voxels, vectors, pairs, k, k->slice + z, in, weights,
                       out + z * k->out_slice);
            while (++z < k->depth);
        } else {
            do_row(voxels, vectors, pairs, k, NULL, in, weights, out);
        }
        in += k->in_row;
        weights += k->weights_row;
        out += k->out_row;
    }
}

#define ROW(name, voxels, vectors, pairs, product)                                       \
    static void name##_##voxels##_##vectors(const struct kernel_rows *rows)              \
    {                                                                                    \
        do_rows(voxels, vectors, pairs, product, rows);                                  \
    }

#define ROWS_OF_FEW(name, vectors, pairs, product)                                       \
    ROW(name, 6, vectors, pairs, product)                                                \
    ROW(name, 4, vectors, pairs, product)                                                \
    ROW(name, 3, vectors, pairs, product)                                                \
    ROW(name, 2, vectors, pairs, product)                                                \
    ROW(name, 1, vectors, pairs, product)

#define ROWS_OF_MORE(name, vectors, pairs, product)                                      \
    ROW(name, 12, vectors, pairs, product)                                               \
    ROW(name, 9, vectors, pairs, product)                                                \
    ROW(name, 8, vectors, pairs, product)

ROWS_OF_FEW(convolve, 1, false, false)
ROWS_OF_FEW(convolve, 2, false, false)
ROWS_OF_FEW(convolve_pairs, 1, true, false)
ROWS_OF_FEW(multiply, 1, false, true)
ROWS_OF_FEW(multiply, 2, false, true)
ROWS_OF_FEW(multiply_pairs, 1, true, true)
ROWS_OF_MORE(convolve, 1, false, false)
ROWS_OF_MORE(convolve_pairs, 1, true, false)
ROWS_OF_MORE(multiply, 1, false, true)
ROWS_OF_MORE(multiply_pairs, 1, true, true)
#if REGISTERS >= 32
ROWS_OF_MORE(convolve, 2, false, false)
ROWS_OF_MORE(multiply, 2, false, true)
ROW(convolve, 24, 1, false, false)
ROW(convolve_pairs, 24, 1, true, false)
ROW(multiply, 24, 1, false, true)
ROW(multiply_pairs, 24, 1, true, true)
#define ROW_24(name) name##_24_1
#define ROW_12(name) name##_12_2
#define ROW_9(name) name##_9_2
#define ROW_8(name) name##_8_2
#else
#define ROW_24(name) NULL
#define ROW_12(name) NULL
#define ROW_9(name) NULL
#define ROW_8(name) NULL
#endif

/* In the order of kernel_spans. */
#define ROWS_1(name)                                                                     \
    {                                                                                    \
        ROW_24(name), name##_12_1, name##_9_1, name##_8_1, name##_6_1, name##_4_1,       \
            name##_3_1, name##_2_1, name##_1_1                                           \
    }
#define ROWS_2(name)                                                                     \
    {                                                                                    \
        NULL, ROW_12(name), ROW_9(name), ROW_8(name), name##_6_2, name##_4_2,            \
            name##_3_2, name##_2_2, name##_1_2                                           \
    }
