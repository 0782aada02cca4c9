#include "stage/component.h"

#include "base/memory.h"

/* Voxels [begin, end) of a row. */
struct run {
    int64_t begin, end;
    int64_t component;
};

/* The runs of a slice: those of row y at starts[y] .. starts[y + 1]. */
struct run_slice {
    struct run *runs;
    size_t capacity, count;
    size_t *starts; /* [height + 1] */
};

struct labeller {
    int64_t height, z;
    struct run_slice now, before; /* of slice z and of slice z - 1 */
    struct component *components;
    size_t capacity, count;
};

/* Added to clipped HU, so that air weighs 1 and nothing weighs 0. */
static const double weight_offset = 1001;

enum status labeller_new(int64_t height, struct labeller **out, struct error *err)
{
    enum status status;
    struct labeller *l = NULL;
    const char *what = "runs of a slice";

    TRY(memory_new(1, sizeof *l, what, (void **)&l, err));
    l->height = height;
    TRY(memory_new((size_t)height + 1, sizeof *l->now.starts, what,
                   (void **)&l->now.starts, err));
    TRY(memory_new((size_t)height + 1, sizeof *l->before.starts, what,
                   (void **)&l->before.starts, err));
    *out = l;
    return STATUS_OK;
out:
    labeller_free(l);
    return status;
}

void labeller_free(struct labeller *l)
{
    if (!l)
        return;
    free(l->now.runs);
    free(l->now.starts);
    free(l->before.runs);
    free(l->before.starts);
    free(l->components);
    free(l);
}

static int64_t component_root(struct component *components, int64_t i)
{
    while (components[i].parent != i) {
        components[i].parent = components[components[i].parent].parent;
        i = components[i].parent;
    }
    return i;
}

/* The earlier root of two components, from now on that of both. */
static int64_t component_join(struct component *components, int64_t a, int64_t b)
{
    a = component_root(components, a);
    b = component_root(components, b);
    int64_t earlier = a < b ? a : b;
    components[a].parent = components[b].parent = earlier;
    return earlier;
}

/* Finds the runs of row y of a slice that touch run r, from *cursor on, and joins them
 * with what r has joined so far. *cursor moves to the first run that the next run of r's
 * row may touch. */
static void run_touch(struct component *components, struct run *r,
                      const struct run_slice *s, int64_t y, size_t *cursor)
{
    size_t end = s->starts[y + 1];

    while (*cursor < end && s->runs[*cursor].end <= r->begin)
        ++*cursor;
    for (size_t i = *cursor; i < end && s->runs[i].begin < r->end; i++) {
        int64_t other = s->runs[i].component;
        r->component = r->component < 0 ? component_root(components, other)
                                        : component_join(components, r->component, other);
    }
}

static void component_add(struct component *c, const struct run *r, int64_t z, int64_t y,
                          const float *hu)
{
    double weight = 0, moment = 0;

    for (int64_t x = r->begin; x < r->end; x++) {
        double w = hu[x] + weight_offset;
        weight += w;
        moment += w * (double)x;
    }
    c->voxels += r->end - r->begin;
    c->weight += weight;
    c->moment[0] += weight * (double)z;
    c->moment[1] += weight * (double)y;
    c->moment[2] += moment;
}

/* The first set voxel of a row from x on, or the width. Most rows are empty: eight at a
 * time. */
static int64_t row_next_set(const uint8_t *mask, int64_t x, int64_t width)
{
    uint64_t eight;

    for (; x + (int64_t)sizeof eight <= width; x += (int64_t)sizeof eight) {
        memcpy(&eight, mask + x, sizeof eight);
        if (eight)
            break;
    }
    while (x < width && !mask[x])
        x++;
    return x;
}

static enum status row_runs(struct run_slice *s, const uint8_t *mask, int64_t width,
                            struct error *err)
{
    enum status status;

    for (int64_t x = row_next_set(mask, 0, width); x < width;
         x = row_next_set(mask, x, width)) {
        TRY(memory_grow((void **)&s->runs, &s->capacity, s->count + 1, sizeof *s->runs,
                        "runs of a slice", err));
        struct run *r = &s->runs[s->count++];
        r->begin = x;
        r->component = -1;
        while (x < width && mask[x])
            x++;
        r->end = x;
    }
    return STATUS_OK;
out:
    return status;
}

static void labeller_next_slice(struct labeller *l)
{
    struct run_slice before = l->before;
    l->before = l->now;
    l->now = before;
    l->now.count = 0;
}

enum status labeller_row(struct labeller *l, int64_t z, int64_t y, const uint8_t *mask,
                         const float *hu, int64_t width, struct error *err)
{
    enum status status;
    struct run_slice *s = &l->now;

    if (z != l->z)
        labeller_next_slice(l);
    l->z = z;
    size_t first = s->count, above = y > 0 ? s->starts[y - 1] : 0;
    size_t before = l->before.starts[y];

    s->starts[y] = first;
    if (mask)
        TRY(row_runs(s, mask, width, err));
    s->starts[y + 1] = s->count;

    for (size_t i = first; i < s->count; i++) {
        struct run *r = &s->runs[i];
        if (y > 0)
            run_touch(l->components, r, s, y - 1, &above);
        run_touch(l->components, r, &l->before, y, &before);
        if (r->component < 0) {
            TRY(memory_grow((void **)&l->components, &l->capacity, l->count + 1,
                            sizeof *l->components, "components", err));
            r->component = (int64_t)l->count++;
            l->components[r->component] = (struct component){.parent = r->component};
        }
        component_add(&l->components[r->component], r, z, y, hu);
    }
    return STATUS_OK;
out:
    return status;
}

void labeller_finish(struct labeller *l, const struct component **out, size_t *count)
{
    for (size_t i = 0; i < l->count; i++) {
        struct component *c = &l->components[i];
        int64_t root = component_root(l->components, (int64_t)i);
        if (root == (int64_t)i)
            continue;
        struct component *r = &l->components[root];
        r->voxels += c->voxels;
        r->weight += c->weight;
        for (int axis = 0; axis < 3; axis++)
            r->moment[axis] += c->moment[axis];
    }
    *out = l->components;
    *count = l->count;
}
