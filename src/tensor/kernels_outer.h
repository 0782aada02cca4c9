/*
 * Sums of outer products (struct kernel_outer): a span of input floats, times a vector or
 * two of the gradient's channels, for every voxel. The sums stay in registers over the
 * whole part of the tensor, and each load of the gradient serves them all.
 *
 * With pairs, half a vector of channels is spread so that lane 2c + p holds channel c,
 * and meets the input floats of parity p, two of which are broadcast at a time.
 */

typedef float half_vector __attribute__((vector_size(LANES * 2)));

#if LANES == 16
#define SPREAD 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7
#elif LANES == 8
#define SPREAD 0, 0, 1, 1, 2, 2, 3, 3
#else
#define SPREAD 0, 0, 1, 1
#endif

/* Lane 2c and 2c + 1 = p[c], for the lower half of the channels. */
INLINE vector load_spread(const float *p)
{
    half_vector half;
    memcpy(&half, p, sizeof half);
    return __builtin_shufflevector(half, half, SPREAD);
}

/* Adds the registers to memory. */
INLINE void add_sums(const vector *acc, const int lines, const int span,
                     const int vectors, const struct kernel_outer *k)
{
    for (int l = 0; l < lines; l++)
        for (int i = k->skip; i < span; i++)
            for (int v = 0; v < vectors; v++) {
                float *sum = k->sums + l * k->sums_line + i * k->sums_step + v * LANES;
                store(sum, load(sum) + acc[(l * span + i) * vectors + v]);
            }
}

INLINE void add_sums_of_pairs(const vector *acc, const int lines, const int span,
                              const struct kernel_outer *k)
{
    const int pairs = (span + 1) / 2;
    for (int l = 0; l < lines; l++)
        for (int i = k->skip; i < span; i++) {
            float *sum = k->sums + l * k->sums_line + i * k->sums_step;
            for (int c = 0; c < LANES / 2; c++)
                sum[c] += acc[l * pairs + i / 2][2 * c + i % 2];
        }
}

INLINE void do_outer(const int lines, const int span, const int vectors,
                     const struct kernel_outer *k)
{
    vector acc[ACCUMULATORS];
    clear(acc, lines * span * vectors);
    for (int64_t z = 0; z < k->slices; z++)
        for (int64_t y = 0; y < k->rows; y++) {
            const float *in = k->in + z * k->in_slice + y * k->in_row;
            const float *g = k->gradient + z * k->gradient_slice + y * k->gradient_row;
            ahead_ask();
            for (int64_t x = 0; x < k->width; x++) {
                vector w[2];
                UNROLL(2)
                for (int v = 0; v < vectors; v++)
                    w[v] = load(g + v * LANES);
                UNROLL(3)
                for (int l = 0; l < lines; l++) {
                    const float *p = in + l * k->in_line;
                    UNROLL(24)
                    for (int i = 0; i < span; i++) {
                        UNROLL(2)
                        for (int v = 0; v < vectors; v++)
                            acc[(l * span + i) * vectors + v] += broadcast(p + i) * w[v];
                    }
                }
                in += k->in_step;
                g += k->gradient_step;
            }
        }
    add_sums(acc, lines, span, vectors, k);
}

INLINE void do_outer_pairs(const int lines, const int span, const struct kernel_outer *k)
{
    const int pairs = (span + 1) / 2;
    vector acc[ACCUMULATORS];
    clear(acc, lines * pairs);
    for (int64_t z = 0; z < k->slices; z++)
        for (int64_t y = 0; y < k->rows; y++) {
            const float *in = k->in + z * k->in_slice + y * k->in_row;
            const float *g = k->gradient + z * k->gradient_slice + y * k->gradient_row;
            for (int64_t x = 0; x < k->width; x++) {
                const vector w = load_spread(g);
                UNROLL(3)
                for (int l = 0; l < lines; l++) {
                    const float *p = in + l * k->in_line;
                    UNROLL(12)
                    for (int i = 0; i < span / 2; i++)
                        acc[l * pairs + i] += broadcast_pair(p + 2 * i) * w;
                    if (span % 2)
                        acc[l * pairs + span / 2] += broadcast(p + span - 1) * w;
                }
                in += k->in_step;
                g += k->gradient_step;
            }
        }
    add_sums_of_pairs(acc, lines, span, k);
}

#define OUTER(lines, span, vectors)                                                      \
    static void outer_##lines##_##span##_##vectors(const struct kernel_outer *k)         \
    {                                                                                    \
        do_outer(lines, span, vectors, k);                                               \
    }

#define OUTER_PAIRS(lines, span)                                                         \
    static void outer_pairs_##lines##_##span(const struct kernel_outer *k)               \
    {                                                                                    \
        do_outer_pairs(lines, span, k);                                                  \
    }

OUTER(1, 12, 1)
OUTER(1, 9, 1)
OUTER(1, 8, 1)
OUTER(1, 6, 1)
OUTER(1, 4, 1)
OUTER(1, 3, 1)
OUTER(1, 2, 1)
OUTER(1, 1, 1)
OUTER(1, 6, 2)
OUTER(1, 4, 2)
OUTER(1, 3, 2)
OUTER(1, 2, 2)
OUTER(1, 1, 2)
OUTER(3, 4, 1)
OUTER(3, 3, 1)
OUTER(3, 2, 1)
OUTER(3, 1, 1)
OUTER(3, 2, 2)
OUTER(3, 1, 2)
OUTER_PAIRS(1, 24)
OUTER_PAIRS(1, 12)
OUTER_PAIRS(1, 9)
OUTER_PAIRS(1, 8)
OUTER_PAIRS(1, 6)
OUTER_PAIRS(1, 4)
OUTER_PAIRS(1, 3)
OUTER_PAIRS(1, 2)
OUTER_PAIRS(1, 1)
OUTER_PAIRS(3, 8)
OUTER_PAIRS(3, 6)
OUTER_PAIRS(3, 4)
OUTER_PAIRS(3, 3)
OUTER_PAIRS(3, 2)
OUTER_PAIRS(3, 1)
#if REGISTERS >= 32
OUTER(1, 24, 1)
OUTER(1, 12, 2)
OUTER(1, 9, 2)
OUTER(1, 8, 2)
OUTER(3, 8, 1)
OUTER(3, 6, 1)
OUTER(3, 4, 2)
OUTER(3, 3, 2)
#define OUTER_MANY(name) name
#else
#define OUTER_MANY(name) NULL
#endif

/* In the order of kernel_spans. */
#define OUTER_LINE_1                                                                     \
    {                                                                                    \
        OUTER_MANY(outer_1_24_1), outer_1_12_1, outer_1_9_1, outer_1_8_1, outer_1_6_1,   \
            outer_1_4_1, outer_1_3_1, outer_1_2_1, outer_1_1_1                           \
    }
#define OUTER_LINE_2                                                                     \
    {                                                                                    \
        NULL, OUTER_MANY(outer_1_12_2), OUTER_MANY(outer_1_9_2),                         \
            OUTER_MANY(outer_1_8_2), outer_1_6_2, outer_1_4_2, outer_1_3_2, outer_1_2_2, \
            outer_1_1_2                                                                  \
    }
#define OUTER_LINES_1                                                                    \
    {                                                                                    \
        NULL, NULL, NULL, OUTER_MANY(outer_3_8_1), OUTER_MANY(outer_3_6_1), outer_3_4_1, \
            outer_3_3_1, outer_3_2_1, outer_3_1_1                                        \
    }
#define OUTER_LINES_2                                                                    \
    {                                                                                    \
        NULL, NULL, NULL, NULL, NULL, OUTER_MANY(outer_3_4_2), OUTER_MANY(outer_3_3_2),  \
            outer_3_2_2, outer_3_1_2                                                     \
    }
#define OUTER_LINE_PAIRS                                                                 \
    {                                                                                    \
        outer_pairs_1_24, outer_pairs_1_12, outer_pairs_1_9, outer_pairs_1_8,            \
            outer_pairs_1_6, outer_pairs_1_4, outer_pairs_1_3, outer_pairs_1_2,          \
            outer_pairs_1_1                                                              \
    }
#define OUTER_LINES_PAIRS                                                                \
    {                                                                                    \
        NULL, NULL, NULL, outer_pairs_3_8, outer_pairs_3_6, outer_pairs_3_4,             \
            outer_pairs_3_3, outer_pairs_3_2, outer_pairs_3_1                            \
    }
