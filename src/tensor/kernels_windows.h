/*
 * Max pooling of a row of windows (struct kernel_windows), with the number of the voxel
 * that had the maximum when that is wanted. Vectors have WINDOW_LANES channels: the small
 * layers of a network would leave half of longer ones empty.
 *
 * As max_pool_forward: a later voxel wins only when it is greater, so the first of equals
 * does.
 */

#if LANES > 8
#define WINDOW_LANES 8
#else
#define WINDOW_LANES LANES
#endif

typedef float window_vector __attribute__((vector_size(WINDOW_LANES * 4)));
typedef int32_t window_mask __attribute__((vector_size(WINDOW_LANES * 4)));
typedef uint8_t window_bytes __attribute__((vector_size(WINDOW_LANES)));

INLINE window_vector window_load(const float *p)
{
    window_vector v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE void window_lanes(const struct kernel_windows *k, const int depth,
                         const int height, const int width, const float *in, float *out,
                         uint8_t *peaks)
{
    window_vector best = window_load(in);
    window_mask peak = {0};
    UNROLL(2)
    for (int z = 0; z < depth; z++)
        UNROLL(2)
    for (int y = 0; y < height; y++)
        UNROLL(2)
    for (int x = 0; x < width; x++) {
        const window_vector v =
            window_load(in + z * k->stride_d + y * k->stride_h + x * k->stride_w);
        const window_mask above = v > best;
        best = (window_vector)((above & (window_mask)v) | (~above & (window_mask)best));
        if (peaks) {
            const window_mask number = (z * height + y) * width + x - (window_mask){0};
            peak = (above & number) | (~above & peak);
        }
    }
    memcpy(out, &best, sizeof best);
    if (!peaks)
        return;
    peak |= best <= k->dead - (window_vector){0};
    const window_bytes bytes = __builtin_convertvector(peak, window_bytes);
    memcpy(peaks, &bytes, sizeof bytes);
}

INLINE void window_channel(const struct kernel_windows *k, const float *in, float *out,
                           uint8_t *peak)
{
    float best = *in;
    int number = 0, n = 0;
    for (int z = 0; z < k->window[0]; z++)
        for (int y = 0; y < k->window[1]; y++)
            for (int x = 0; x < k->window[2]; x++, n++) {
                const float v = in[z * k->stride_d + y * k->stride_h + x * k->stride_w];
                number = v > best ? n : number;
                best = v > best ? v : best;
            }
    *out = best;
    if (peak)
        *peak = best <= k->dead ? 255 : (uint8_t)number;
}

INLINE void do_windows(const struct kernel_windows *k, const int depth, const int height,
                       const int width, const bool peaks)
{
    for (int64_t i = 0; i < k->count; i++) {
        const float *in = k->in + i * width * k->stride_w;
        float *out = k->out + i * k->out_step;
        uint8_t *numbers = peaks ? k->peaks + i * k->channels : NULL;
        int c = 0;
        for (; c + WINDOW_LANES <= k->channels; c += WINDOW_LANES)
            window_lanes(k, depth, height, width, in + c, out + c,
                         peaks ? numbers + c : NULL);
        for (; c < k->channels; c++)
            window_channel(k, in + c, out + c, peaks ? numbers + c : NULL);
    }
}

INLINE void choose_windows(const struct kernel_windows *k, const bool peaks)
{
    const int *w = k->window;
    const bool square = w[1] == 2 && w[2] == 2;
    if (square && w[0] == 2)
        do_windows(k, 2, 2, 2, peaks);
    else if (square && w[0] == 1)
        do_windows(k, 1, 2, 2, peaks);
    else
        do_windows(k, w[0], w[1], w[2], peaks);
}

static void windows(const struct kernel_windows *k)
{
    if (k->peaks)
        choose_windows(k, true);
    else
        choose_windows(k, false);
}
