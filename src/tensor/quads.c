#include "tensor/quads.h"

bool quads_serve(const struct conv_shape *s)
{
    bool serves = true;
    for (int i = 0; i < 3; i++)
        serves = serves && s->stride[i] == 1 && s->kernel[i] == (i ? 3 : 1) &&
                 s->pad[i] == (i ? 1 : 0);
    return serves;
}

bool quads_pay(const struct conv_shape *s, enum isa isa)
{
    const int lanes = kernels_of(isa)->lanes;
    return quads_serve(s) && s->in_channels % lanes == 0 && s->out_channels % lanes == 0;
}

struct quads quads_of(int64_t depth, int64_t height, int64_t width)
{
    struct quads q = {.height = height, .width = width};
    q.rows = (height + QUAD_SIDE - 1) / QUAD_SIDE;
    q.columns = (width + QUAD_SIDE - 1) / QUAD_SIDE;
    q.tiles = depth * q.rows * q.columns;
    return q;
}

int64_t quads_stride(int64_t floats)
{
    return (floats + 2 * QUAD_LINE - 1) / (2 * QUAD_LINE) * (2 * QUAD_LINE) + QUAD_LINE;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Tiles of one row that lie inside the map (`whole`), or a single one that does not. */
struct stretch {
    int64_t z, y, x; /* first voxel */
    int64_t count;
    bool whole;
};

static struct stretch stretch_at(const struct quads *q, int64_t tile, int64_t most)
{
    struct stretch s;
    const int64_t column = tile % q->columns;
    s.x = QUAD_SIDE * column;
    s.y = tile / q->columns % q->rows * QUAD_SIDE;
    s.z = tile / q->columns / q->rows;
    s.count = smaller(q->width / QUAD_SIDE - column, most);
    s.whole = s.count > 0 && s.y + QUAD_SIDE <= q->height;
    if (!s.whole)
        s.count = 1;
    return s;
}

/* What of a tile lies in the map and, when `around`, the voxels around the map. */
static struct view part_of(const struct quads_pass *p, const struct stretch *s,
                           const struct view *map)
{
    const int64_t around = p->side > QUAD_SIDE;
    struct view v = *map;
    v.data +=
        s->z * v.stride_d + (s->y - around) * v.stride_h + (s->x - around) * v.stride_w;
    v.depth = 1;
    v.height = smaller(p->side, p->quads->height + 2 * around - s->y);
    v.width = smaller(p->side, p->quads->width + 2 * around - s->x);
    return v;
}

static void copy(const struct view *from, const struct view *to)
{
    for (int64_t y = 0; y < from->height; y++)
        for (int64_t x = 0; x < from->width; x++)
            memcpy(to->data + y * to->stride_h + x * to->stride_w,
                   from->data + y * from->stride_h + x * from->stride_w,
                   (size_t)from->channels * sizeof(float));
}

/* The border tile, with the channels of `part`. */
static struct view border_of(const struct quads_pass *p, const struct view *part)
{
    struct view border = view_make(p->border, 1, p->side, p->side, p->channels, 0, 0);
    border.channels = part->channels;
    border.height = part->height;
    border.width = part->width;
    return border;
}

static struct kernel_tiles tiles_of(const struct quads_pass *p, const struct view *map,
                                    int channels, int64_t count, float *transformed)
{
    return (struct kernel_tiles){
        .count = count,
        .transformed = transformed,
        .position_stride = p->stride,
        .tile_stride = p->channels,
        .data = map->data,
        .stride_d = map->stride_d,
        .stride_h = map->stride_h,
        .stride_w = map->stride_w,
        .channels = channels,
        .epilogue = p->epilogue,
    };
}

void quads_read(const struct quads_pass *p, const struct view *from, int64_t first,
                int64_t count, float *transformed)
{
    const bool filled = from->channels == p->channels;
    for (int64_t done = 0; done < count;) {
        const struct stretch s =
            stretch_at(p->quads, first + done, filled ? count - done : 1);
        struct view part = part_of(p, &s, from);
        if (!s.whole || !filled) {
            const struct view border = border_of(p, &part);
            memset(p->border, 0,
                   (size_t)(p->side * p->side * p->channels) * sizeof *p->border);
            copy(&part, &border);
            part = border;
        }
        const struct kernel_tiles t =
            tiles_of(p, &part, p->channels, s.count, transformed + done * p->channels);
        p->transform(&t);
        done += s.count;
    }
}

void quads_write(const struct quads_pass *p, const struct view *to, int64_t first,
                 int64_t count, float *transformed)
{
    for (int64_t done = 0; done < count;) {
        const struct stretch s = stretch_at(p->quads, first + done, count - done);
        const struct view part = part_of(p, &s, to), border = border_of(p, &part);
        const struct kernel_tiles t = tiles_of(p, s.whole ? &part : &border, to->channels,
                                               s.count, transformed + done * p->channels);
        p->transform(&t);
        if (!s.whole)
            copy(&border, &part);
        done += s.count;
    }
}
