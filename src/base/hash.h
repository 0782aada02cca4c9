/*
 * XXH3 hashes of 64 and 128 bits, for keys of results and checksums of records. They tell
 * different content apart and find damage; they are no protection against intent.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct hash128 {
    uint64_t low, high;
};

enum { HASH_HEX_BYTES = 33 };

/* A hash of data that comes in pieces. hash_new gives it to the caller, hash_free ends
 * it. */
struct hash;

enum status hash_new(struct hash **out, struct error *err);
void hash_update(struct hash *h, const void *data, size_t bytes);
struct hash128 hash_digest(const struct hash *h);
void hash_free(struct hash *h);

/* The hash of data that is all there. */
uint64_t hash64(const void *data, size_t bytes);
struct hash128 hash128(const void *data, size_t bytes);

int hash_equal(struct hash128 a, struct hash128 b);

/* 32 hexadecimal digits and a NUL, high half first. */
void hash_hex(struct hash128 h, char text[HASH_HEX_BYTES]);

#endif
