/* What a simulation waits for, the earliest first: a binary heap. The caller's memory. */
#ifndef RUN_ARRIVALS_H
#define RUN_ARRIVALS_H

#include <stdbool.h>
#include <stddef.h>

struct arrival {
    double time;
    int worker;
    bool silence; /* no message: it is noticed that the worker is gone */
};

struct arrivals {
    struct arrival *heap; /* room for all there may be */
    size_t count;
};

void arrivals_push(struct arrivals *a, struct arrival one);

/* The earliest; of several at one time that of the lowest worker. There is one. */
struct arrival arrivals_pop(struct arrivals *a);

#endif
