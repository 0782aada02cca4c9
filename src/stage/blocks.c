#include "stage/blocks.h"

#include "base/status.h"

static int64_t round_up(int64_t n, int64_t step)
{
    return (n + step - 1) / step * step;
}

void blocks_init(struct blocks *b, int64_t size, const struct blocks_options *o)
{
    CHECK(size > 0 && o->divisor > 0 && o->least <= o->most && o->least >= 0);
    CHECK(o->most % o->divisor == 0 && o->overlap % o->divisor == 0);
    CHECK(o->overlap >= 0 && o->most >= 2 * (o->overlap + o->divisor));
    const int64_t step = o->most - o->overlap;
    *b = (struct blocks){.size = size, .divisor = o->divisor, .count = 1};
    b->padded = round_up(size > o->least ? size : o->least, o->divisor);
    if (b->padded > o->most)
        b->count = (b->padded - o->overlap + step - 1) / step;
    const int64_t all = b->padded + (b->count - 1) * o->overlap;
    b->length = round_up((all + b->count - 1) / b->count, o->divisor);
}

int64_t blocks_start(const struct blocks *b, int64_t i)
{
    CHECK(i >= 0 && i < b->count);
    if (b->count == 1)
        return 0;
    return i * (b->padded - b->length) / (b->count - 1) / b->divisor * b->divisor;
}

int64_t blocks_first(const struct blocks *b, int64_t voxel)
{
    int64_t i = 0;
    while (i + 1 < b->count && blocks_start(b, i) + b->length <= voxel)
        i++;
    return i;
}

/* The weight of block i > 0 at a voxel that block i - 1 covers too. */
static float rise(const struct blocks *b, int64_t i, int64_t voxel)
{
    const int64_t start = blocks_start(b, i);
    const int64_t overlap = blocks_start(b, i - 1) + b->length - start;
    return (float)(2 * (voxel - start) + 1) / (float)(2 * overlap);
}

void blocks_weights(const struct blocks *b, int64_t i, float *weight)
{
    const int64_t start = blocks_start(b, i);
    const int64_t before = i > 0 ? blocks_start(b, i - 1) + b->length : start;
    const int64_t after = i + 1 < b->count ? blocks_start(b, i + 1) : start + b->length;
    CHECK(before <= after); /* at most two blocks cover a voxel */
    for (int64_t k = 0; k < b->length; k++) {
        const int64_t voxel = start + k;
        weight[k] = voxel < before   ? rise(b, i, voxel)
                    : voxel >= after ? 1 - rise(b, i + 1, voxel)
                                     : 1;
    }
}
