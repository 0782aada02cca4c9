#include "base/hash.h"

#include <inttypes.h>
#include <xxhash.h>

struct hash {
    XXH3_state_t *state;
};

enum status hash_new(struct hash **out, struct error *err)
{
    struct hash *h = malloc(sizeof *h);
    if (h)
        h->state = XXH3_createState();
    if (!h || !h->state) {
        free(h);
        return error_set(err, STATUS_STAGE_MEMORY, "no memory for a hash");
    }
    XXH3_128bits_reset(h->state);
    *out = h;
    return STATUS_OK;
}

void hash_update(struct hash *h, const void *data, size_t bytes)
{
    XXH3_128bits_update(h->state, data, bytes);
}

struct hash128 hash_digest(const struct hash *h)
{
    XXH128_hash_t d = XXH3_128bits_digest(h->state);
    return (struct hash128){d.low64, d.high64};
}

void hash_free(struct hash *h)
{
    if (!h)
        return;
    XXH3_freeState(h->state);
    free(h);
}

uint64_t hash64(const void *data, size_t bytes)
{
    return XXH3_64bits(data, bytes);
}

struct hash128 hash128(const void *data, size_t bytes)
{
    XXH128_hash_t d = XXH3_128bits(data, bytes);
    return (struct hash128){d.low64, d.high64};
}

int hash_equal(struct hash128 a, struct hash128 b)
{
    return a.low == b.low && a.high == b.high;
}

void hash_hex(struct hash128 h, char text[HASH_HEX_BYTES])
{
    snprintf(text, HASH_HEX_BYTES, "%016" PRIx64 "%016" PRIx64, h.high, h.low);
}
