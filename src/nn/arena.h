/*
 * Tensors that share memory over time: which lives when, and where it lies. (Internal to
 * nn.)
 *
 * Tensors whose lives meet do not overlap; others may. Largest first, each as low as it
 * fits: for networks of tens of layers that is as good as the optimum.
 */
#ifndef NN_ARENA_H
#define NN_ARENA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

enum { ARENA_UNBORN = -1 };

struct arena_item {
    int born, dies; /* first and last moment of use; born ARENA_UNBORN: never */
    int64_t floats; /* rounded up to whole cache lines by arena_item_size */
    int64_t offset; /* in floats */
};

/* Takes the first or a further moment of use; moments come in order. */
static inline void arena_item_use(struct arena_item *i, int moment)
{
    if (i->born == ARENA_UNBORN)
        i->born = moment;
    i->dies = moment > i->dies ? moment : i->dies;
}

/* The floats of a tensor of `channels` with its halo; false when they do not fit. */
bool arena_item_size(struct arena_item *i, const int64_t size[3], int channels,
                     int halo_d, int halo);

/* Gives every item its offset (items are reordered) and returns the floats in all. */
int64_t arena_place(struct arena_item **items, int count);

/* Whether two placed items use the same bytes. */
bool arena_shared(const struct arena_item *a, const struct arena_item *b);

#endif
