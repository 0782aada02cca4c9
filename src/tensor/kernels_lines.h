/*
 * Direct convolution of one input channel (struct kernel_lines): lanes are voxels of a
 * line, and the sums of LINE_CHANNELS output channels for some vectors of them stay in
 * registers. They are transposed to channels-last order at the end: three times, vectors
 * i and i + 4 interleave to vectors 2i and 2i + 1, which turns rows of voxels into rows
 * of channels.
 */
#if LANES == 16
#define LOWER_HALVES 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define UPPER_HALVES 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif LANES == 8
#define LOWER_HALVES 0, 8, 1, 9, 2, 10, 3, 11
#define UPPER_HALVES 4, 12, 5, 13, 6, 14, 7, 15
#else
#define LOWER_HALVES 0, 4, 1, 5
#define UPPER_HALVES 2, 6, 3, 7
#endif

enum { LINE_CHANNELS = KERNEL_LINE_CHANNELS };

INLINE void transpose_line(vector v[LINE_CHANNELS])
{
    UNROLL(3)
    for (int stage = 0; stage < 3; stage++) {
        vector from[LINE_CHANNELS];
        UNROLL(8)
        for (int i = 0; i < LINE_CHANNELS; i++)
            from[i] = v[i];
        UNROLL(4)
        for (int i = 0; i < LINE_CHANNELS / 2; i++) {
            v[2 * i] = __builtin_shufflevector(from[i], from[i + 4], LOWER_HALVES);
            v[2 * i + 1] = __builtin_shufflevector(from[i], from[i + 4], UPPER_HALVES);
        }
    }
}

/* Stores `voxels` voxels of transposed sums. */
INLINE void store_line(const struct kernel_lines *k, const vector v[LINE_CHANNELS],
                       float *out, int64_t voxels)
{
    if (k->out_step == LINE_CHANNELS && k->channels == LINE_CHANNELS && voxels == LANES) {
        UNROLL(8)
        for (int i = 0; i < LINE_CHANNELS; i++)
            store(out + i * LANES, v[i]);
        return;
    }
    float values[LINE_CHANNELS * LANES];
    memcpy(values, v, sizeof values);
    for (int64_t x = 0; x < voxels; x++)
        memcpy(out + x * k->out_step, values + x * LINE_CHANNELS,
               (size_t)k->channels * sizeof *out);
}

/* The sums of `vectors` vectors of voxels from `in` on. */
INLINE void do_line(const struct kernel_lines *k, const int vectors, const float *in,
                    float *out, int64_t voxels)
{
    vector acc[LINE_CHANNELS * 3];
    const float *w = k->weights;
    clear(acc, LINE_CHANNELS * vectors);
    for (int64_t z = 0; z < k->taps[0]; z++)
        for (int64_t y = 0; y < k->taps[1]; y++) {
            const float *p = in + z * k->strides[0] + y * k->strides[1];
            for (int64_t x = 0; x < k->taps[2]; x++, p++, w += LINE_CHANNELS) {
                vector line[3];
                UNROLL(3)
                for (int v = 0; v < vectors; v++)
                    line[v] = load(p + v * LANES);
                UNROLL(8)
                for (int o = 0; o < LINE_CHANNELS; o++) {
                    UNROLL(3)
                    for (int v = 0; v < vectors; v++)
                        acc[v * LINE_CHANNELS + o] += broadcast(w + o) * line[v];
                }
            }
        }
    UNROLL(3)
    for (int v = 0; v < vectors; v++) {
        vector *sums = acc + v * LINE_CHANNELS;
        const struct kernel_epilogue *e = &k->epilogue;
        UNROLL(8)
        for (int o = 0; o < LINE_CHANNELS; o++)
            sums[o] = at_least(sums[o] + broadcast(e->bias + o), e->floor) *
                          broadcast(e->scale + o) +
                      broadcast(e->shift + o);
        transpose_line(sums);
        store_line(k, sums, out + v * LANES * k->out_step, voxels);
    }
}

/* A line that whole vectors do not divide ends with one that overlaps the one before. */
static void lines(const struct kernel_lines *k)
{
    enum { MOST = REGISTERS >= 32 ? 3 : 1 };
    for (int64_t row = 0; row < k->rows; row++) {
        const float *in = k->in + row * k->in_row;
        float *out = k->out + row * k->out_row;
        int64_t x = 0;
        for (; x + MOST * LANES <= k->width; x += MOST * LANES)
            do_line(k, MOST, in + x, out + x * k->out_step, LANES);
        for (; x < k->width; x += LANES) {
            if (x + LANES > k->width && k->width >= LANES)
                x = k->width - LANES;
            do_line(k, 1, in + x, out + x * k->out_step,
                    k->width < LANES ? k->width : LANES);
        }
    }
}
