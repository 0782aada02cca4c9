#include "tensor/conv_tiles.h"

#include <string.h>

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

struct tiles tiles_make(int edge, bool deep, int64_t depth, int64_t height, int64_t width)
{
    return (struct tiles){.edge = edge,
                          .deep = deep,
                          .grid = {deep ? (depth + edge - 1) / edge : depth,
                                   (height + edge - 1) / edge,
                                   (width + edge - 1) / edge}};
}

int64_t tiles_count(const struct tiles *t)
{
    return t->grid[0] * t->grid[1] * t->grid[2];
}

struct stretch tiles_stretch(const struct tiles *t, const struct view *out, int64_t tile,
                             int64_t most)
{
    const int64_t *grid = t->grid, edge = t->edge;
    const int64_t x = tile % grid[2];
    struct stretch s = {.z = tile / grid[2] / grid[1] * (t->deep ? edge : 1),
                        .y = tile / grid[2] % grid[1] * edge,
                        .x = x * edge,
                        .count = smaller(out->width / edge - x, most)};
    s.whole = s.count > 0 && s.y + edge <= out->height &&
              (!t->deep || s.z + edge <= out->depth);
    if (!s.whole)
        s.count = 1;
    return s;
}

void tiles_copy_input(const struct tiles *t, const struct stretch *s,
                      const struct view *in, const struct view *out, const float *from,
                      int64_t padded, float *border)
{
    const int64_t window = t->edge + TILE_OVERLAP, depth = t->deep ? window : 1;
    const int64_t last_z = t->deep ? smaller(depth, out->depth - s->z + TILE_OVERLAP) : 1,
                  last_y = smaller(window, out->height - s->y + TILE_OVERLAP),
                  last_x = smaller(window, out->width - s->x + TILE_OVERLAP);
    memset(border, 0, (size_t)(depth * window * window * padded) * sizeof *border);
    for (int64_t z = 0; z < last_z; z++)
        for (int64_t y = 0; y < last_y; y++)
            for (int64_t x = 0; x < last_x; x++)
                memcpy(border + ((z * window + y) * window + x) * padded,
                       from + z * in->stride_d + y * in->stride_h + x * in->stride_w,
                       (size_t)in->channels * sizeof *border);
}

void tiles_paste_output(const struct tiles *t, const struct stretch *s,
                        const struct view *out, const float *border, int64_t padded,
                        float *to)
{
    const int64_t edge = t->edge;
    const int64_t last_z = t->deep ? smaller(edge, out->depth - s->z) : 1,
                  last_y = smaller(edge, out->height - s->y),
                  last_x = smaller(edge, out->width - s->x);
    for (int64_t z = 0; z < last_z; z++)
        for (int64_t y = 0; y < last_y; y++)
            for (int64_t x = 0; x < last_x; x++)
                memcpy(to + z * out->stride_d + y * out->stride_h + x * out->stride_w,
                       border + ((z * edge + y) * edge + x) * padded,
                       (size_t)out->channels * sizeof *border);
}
