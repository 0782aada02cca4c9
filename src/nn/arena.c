#include "nn/arena.h"

#include "base/size.h"

enum { ALIGNMENT_FLOATS = 16 };

bool arena_item_size(struct arena_item *i, const int64_t size[3], int channels,
                     int halo_d, int halo)
{
    size_t floats = (size_t)channels;
    bool fits = true;
    for (int axis = 0; axis < 3; axis++)
        fits = fits &&
               size_multiply(floats,
                             (size_t)size[axis] + 2 * (size_t)(axis == 0 ? halo_d : halo),
                             &floats);
    if (!fits || floats > (size_t)INT64_MAX / 64)
        return false;
    i->floats =
        (int64_t)((floats + ALIGNMENT_FLOATS - 1) & ~(size_t)(ALIGNMENT_FLOATS - 1));
    return true;
}

static bool lives_meet(const struct arena_item *a, const struct arena_item *b)
{
    return a->born <= b->dies && b->born <= a->dies;
}

bool arena_shared(const struct arena_item *a, const struct arena_item *b)
{
    return a->offset < b->offset + b->floats && b->offset < a->offset + a->floats;
}

/* The lowest offset at which an item meets none of the placed ones that live with it. */
static void place_item(struct arena_item *item, struct arena_item *const *placed,
                       int count)
{
    item->offset = 0;
    for (int i = 0; i < count;) {
        if (lives_meet(item, placed[i]) && arena_shared(item, placed[i])) {
            item->offset = placed[i]->offset + placed[i]->floats;
            i = 0;
        } else {
            i++;
        }
    }
}

static int compare_items(const void *a, const void *b)
{
    const struct arena_item *x = *(struct arena_item *const *)a,
                            *y = *(struct arena_item *const *)b;
    if (x->floats != y->floats)
        return x->floats > y->floats ? -1 : 1;
    return x->born - y->born;
}

int64_t arena_place(struct arena_item **items, int count)
{
    int64_t floats = 0;
    if (count > 0)
        qsort(items, (size_t)count, sizeof *items, compare_items);
    for (int i = 0; i < count; i++) {
        place_item(items[i], items, i);
        if (items[i]->offset + items[i]->floats > floats)
            floats = items[i]->offset + items[i]->floats;
    }
    return floats;
}
