/* Allocation that says what it was for when it fails, and what a process used at its
 * peak. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* *out = zeroed room for count items of item_bytes each, aligned to 64 bytes; the caller
 * frees it with free(). `what` names it in the message. A count of 0 gives a valid
 * pointer. Errors: STATUS_STAGE_MEMORY, also when the product overflows. */
enum status memory_new(size_t count, size_t item_bytes, const char *what, void **out,
                       struct error *err);

/* Grows *items (as realloc does, contents kept, new part zeroed) so that it holds at
 * least `needed` items; *capacity is the current number. Doubles, so that appending is
 * linear. */
enum status memory_grow(void **items, size_t *capacity, size_t needed, size_t item_bytes,
                        const char *what, struct error *err);

/* The largest resident size of this process so far, in bytes. */
int64_t memory_peak_bytes(void);

/* A copy of text, the caller's to free. */
enum status text_new(const char *text, char **out, struct error *err);

#endif
