#include "ct/element.h"

#include <byteswap.h>
#include <stdint.h>

#include "base/status.h"

/* One loop a type and byte order: the order is decided once a slab, and the compiler
 * vectorises what is left. Values pass through memcpy, so raw needs no alignment. */
#define CONVERT(function, type, bits_type, order)                                        \
    static void function(const void *raw, size_t count, float *hu)                       \
    {                                                                                    \
        const unsigned char *bytes = raw;                                                \
        for (size_t i = 0; i < count; i++) {                                             \
            bits_type bits;                                                              \
            type value;                                                                  \
            memcpy(&bits, bytes + i * sizeof bits, sizeof bits);                         \
            bits = order(bits);                                                          \
            memcpy(&value, &bits, sizeof value);                                         \
            hu[i] = (float)value;                                                        \
        }                                                                                \
    }

#define AS_IT_IS(bits) (bits)
#define CONVERT_BOTH(name, type, bits_type, swap)                                        \
    CONVERT(name##_native, type, bits_type, AS_IT_IS)                                    \
    CONVERT(name##_swapped, type, bits_type, swap)

CONVERT_BOTH(int8, int8_t, uint8_t, AS_IT_IS)
CONVERT_BOTH(uint8, uint8_t, uint8_t, AS_IT_IS)
CONVERT_BOTH(int16, int16_t, uint16_t, bswap_16)
CONVERT_BOTH(uint16, uint16_t, uint16_t, bswap_16)
CONVERT_BOTH(int32, int32_t, uint32_t, bswap_32)
CONVERT_BOTH(uint32, uint32_t, uint32_t, bswap_32)
CONVERT_BOTH(int64, int64_t, uint64_t, bswap_64)
CONVERT_BOTH(uint64, uint64_t, uint64_t, bswap_64)
CONVERT_BOTH(float32, float, uint32_t, bswap_32)
CONVERT_BOTH(float64, double, uint64_t, bswap_64)

static const struct element ELEMENTS[] = {
    {"MET_CHAR", 1, true, int8_native, int8_swapped},
    {"MET_UCHAR", 1, true, uint8_native, uint8_swapped},
    {"MET_SHORT", 2, true, int16_native, int16_swapped},
    {"MET_USHORT", 2, true, uint16_native, uint16_swapped},
    {"MET_INT", 4, true, int32_native, int32_swapped},
    {"MET_UINT", 4, true, uint32_native, uint32_swapped},
    {"MET_LONG", 4, true, int32_native, int32_swapped},
    {"MET_ULONG", 4, true, uint32_native, uint32_swapped},
    {"MET_LONG_LONG", 8, true, int64_native, int64_swapped},
    {"MET_ULONG_LONG", 8, true, uint64_native, uint64_swapped},
    {"MET_FLOAT", 4, false, float32_native, float32_swapped},
    {"MET_DOUBLE", 8, false, float64_native, float64_swapped},
};

const struct element *element_find(const char *name)
{
    for (size_t i = 0; i < sizeof ELEMENTS / sizeof *ELEMENTS; i++)
        if (strcmp(ELEMENTS[i].name, name) == 0)
            return &ELEMENTS[i];
    return NULL;
}

bool element_machine_is_msb(void)
{
    return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
}
