/*
 * The scalar types that voxels are stored as, and their way to float HU.
 * Named as in MetaImage; MET_LONG and MET_ULONG have 4 bytes there on every machine.
 */
#ifndef CT_ELEMENT_H
#define CT_ELEMENT_H

#include <stdbool.h>
#include <stddef.h>

/* Turns count values as they stand in a file, of any alignment, into floats. */
typedef void element_convert(const void *raw, size_t count, float *hu);

struct element {
    const char *name; /* "MET_SHORT" */
    size_t bytes;
    bool whole; /* integers: never NaN or infinite */
    element_convert *native, *swapped;
};

/* The type of a name, or NULL. Lives as long as the program. */
const struct element *element_find(const char *name);

/* Whether this machine stores the most significant byte first. */
bool element_machine_is_msb(void);

#endif
