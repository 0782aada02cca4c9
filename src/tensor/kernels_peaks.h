/*
 * Patches around peaks (struct kernel_peaks), PEAK_LANES floats a vector; included once
 * for each vector length, PEAK_NAME(x) being the names.
 *
 * The sums of a gather, and the weights of a scatter, are in registers for all peaks.
 */
typedef float PEAK_NAME(peak_vector) __attribute__((vector_size(PEAK_LANES * 4)));

INLINE PEAK_NAME(peak_vector) PEAK_NAME(peak_load)(const float *p)
{
    PEAK_NAME(peak_vector) v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE void PEAK_NAME(do_peaks)(const struct kernel_peaks *k, const int depth,
                                const int height, const int vectors, const bool scatter)
{
    enum { MOST = 27 };
    const int rows = depth * height;
    PEAK_NAME(peak_vector) kept[MOST];
    UNROLL(9)
    for (int r = 0; r < rows; r++) {
        UNROLL(3)
        for (int v = 0; v < vectors; v++)
            kept[r * vectors + v] =
                scatter ? PEAK_NAME(peak_load)(k->weights + r * k->weights_row +
                                               v * PEAK_LANES)
                        : (PEAK_NAME(peak_vector)){0};
    }
    for (int64_t i = 0; i < k->count; i++) {
        const PEAK_NAME(peak_vector) value = k->values[i] - (PEAK_NAME(peak_vector)){0};
        float *p = k->data + k->places[i];
        UNROLL(3)
        for (int z = 0; z < depth; z++, p += k->stride_d) {
            UNROLL(3)
            for (int y = 0; y < height; y++) {
                UNROLL(3)
                for (int v = 0; v < vectors; v++) {
                    float *at = p + y * k->stride_h + v * PEAK_LANES;
                    PEAK_NAME(peak_vector) *keep = &kept[(z * height + y) * vectors + v];
                    PEAK_NAME(peak_vector) there = PEAK_NAME(peak_load)(at);
                    if (scatter) {
                        there += value * *keep;
                        memcpy(at, &there, sizeof there);
                    } else {
                        *keep += value * there;
                    }
                }
            }
        }
    }
    if (scatter)
        return;
    UNROLL(9)
    for (int r = 0; r < rows; r++) {
        UNROLL(3)
        for (int v = 0; v < vectors; v++) {
            float *sum = k->weights + r * k->weights_row + v * PEAK_LANES;
            kept[r * vectors + v] += PEAK_NAME(peak_load)(sum);
            memcpy(sum, &kept[r * vectors + v], sizeof kept[0]);
        }
    }
}

#define PEAKS(name, depth, height, vectors, scatter)                                     \
    static void PEAK_NAME(name##_##depth##_##height##_##vectors)(                        \
        const struct kernel_peaks *k)                                                    \
    {                                                                                    \
        PEAK_NAME(do_peaks)(k, depth, height, vectors, scatter);                         \
    }

#define PEAKS_OF(depth, height, vectors)                                                 \
    PEAKS(gather, depth, height, vectors, false)                                         \
    PEAKS(scatter, depth, height, vectors, true)
