/*
 * Memory that a thread will use soon, asked for while its kernels compute.
 *
 * What a batch leaves behind does not stay in the cache from one phase to the next, and a
 * pass over a tensor does little but wait for it; a convolution leaves the memory idle
 * meanwhile. Whoever knows what comes next says so with ahead_add, and kernels that
 * compute ask for some of it with each row of theirs. Nothing but time depends on it.
 */
#ifndef TENSOR_AHEAD_H
#define TENSOR_AHEAD_H

#include <stddef.h>
#include <stdint.h>

enum {
    AHEAD_RANGES = 16,
    AHEAD_BYTES = 2 << 20, /* in all: more would be gone again before it is used */
    AHEAD_STEP = 40 * 64,  /* asked for at a time */
    AHEAD_LINE = 64
};

struct ahead_range {
    const char *next, *end;
};

struct ahead {
    struct ahead_range ranges[AHEAD_RANGES];
    int count, now;
    size_t bytes;
};

/* Of this thread. */
extern _Thread_local struct ahead ahead;

/* Adds a tensor to what the thread will ask for, unless that becomes too much. */
void ahead_add(const float *from, int64_t floats);

/* Forgets what has not been asked for. */
void ahead_clear(void);

/* For kernels, every some hundred cycles. Into the second cache: the first is theirs. */
static inline __attribute__((always_inline)) void ahead_ask(void)
{
    if (ahead.now == ahead.count)
        return;
    struct ahead_range *r = &ahead.ranges[ahead.now];
    const char *stop = r->end - r->next > AHEAD_STEP ? r->next + AHEAD_STEP : r->end;
    for (; r->next < stop; r->next += AHEAD_LINE)
        __builtin_prefetch(r->next, 0, 2);
    ahead.now += r->next >= r->end;
}

#endif
