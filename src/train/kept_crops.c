/* Open addressing: twice as many slots as crops, so a search ends. */
#include "train/kept_crops.h"

#include "base/hash.h"
#include "base/memory.h"

enum { FREE = 0 };

struct kept_crops {
    size_t count, voxels, used;
    struct pool_place *places; /* [used] */
    int16_t *crops;            /* [used][voxels] */
    size_t slot_count;
    size_t *slots; /* FREE, or 1 + the number of a crop */
};

enum status kept_crops_new(size_t count, size_t voxels, struct kept_crops **out,
                           struct error *err)
{
    enum status status;
    struct kept_crops *k = NULL;
    TRY(memory_new(1, sizeof *k, "kept crops", (void **)&k, err));
    k->count = count;
    k->voxels = voxels;
    k->slot_count = 2 * count + 1;
    TRY(memory_new(count, sizeof *k->places, "kept crops", (void **)&k->places, err));
    TRY(memory_new(k->slot_count, sizeof *k->slots, "kept crops", (void **)&k->slots,
                   err));
    TRY(memory_new(count, voxels * sizeof *k->crops, "kept crops", (void **)&k->crops,
                   err));
out:
    if (status != STATUS_OK) {
        kept_crops_free(k);
        k = NULL;
    }
    *out = k;
    return status;
}

void kept_crops_free(struct kept_crops *k)
{
    if (!k)
        return;
    free(k->places);
    free(k->crops);
    free(k->slots);
    free(k);
}

/* The slot of a place, or the free one where it would stand. */
static size_t slot_of(const struct kept_crops *k, const struct pool_place *place)
{
    size_t slot = (size_t)(hash64(place, sizeof *place) % k->slot_count);
    while (k->slots[slot] != FREE &&
           memcmp(&k->places[k->slots[slot] - 1], place, sizeof *place) != 0)
        slot = slot + 1 < k->slot_count ? slot + 1 : 0;
    return slot;
}

int16_t *kept_crops_find(struct kept_crops *k, const struct pool_place *place,
                         bool *found)
{
    const size_t slot = slot_of(k, place);
    *found = k->slots[slot] != FREE;
    if (*found)
        return k->crops + (k->slots[slot] - 1) * k->voxels;
    return k->used < k->count ? k->crops + k->used * k->voxels : NULL;
}

void kept_crops_add(struct kept_crops *k, const struct pool_place *place)
{
    const size_t slot = slot_of(k, place);
    CHECK(k->slots[slot] == FREE && k->used < k->count);
    k->places[k->used] = *place;
    k->slots[slot] = ++k->used;
}
