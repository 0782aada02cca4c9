/* What the measuring programs share: time that does not count others on the machine, and
 * memory. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <time.h>

#include "base/memory.h"

static inline double seconds_of(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Seconds that this thread had a core, or all threads of the process together. */
static inline double core_seconds(void)
{
    return seconds_of(CLOCK_THREAD_CPUTIME_ID);
}

static inline double process_seconds(void)
{
    return seconds_of(CLOCK_PROCESS_CPUTIME_ID);
}

/* Zeroed, aligned memory; there is no measuring without it. */
static inline void *room(size_t count, size_t bytes)
{
    void *memory = NULL;
    CHECK(memory_new(count, bytes, "benchmark", &memory, NULL) == STATUS_OK);
    return memory;
}

#endif
