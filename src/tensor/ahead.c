#include "tensor/ahead.h"

_Thread_local struct ahead ahead;

void ahead_add(const float *from, int64_t floats)
{
    const size_t bytes = (size_t)floats * sizeof *from;
    if (ahead.count == AHEAD_RANGES || bytes > AHEAD_BYTES - ahead.bytes)
        return;
    ahead.bytes += bytes;
    ahead.ranges[ahead.count++] =
        (struct ahead_range){(const char *)from, (const char *)(from + floats)};
}

void ahead_clear(void)
{
    ahead.count = ahead.now = 0;
    ahead.bytes = 0;
}
