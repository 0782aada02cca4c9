#include "run/arrivals.h"

static bool is_earlier(const struct arrival *a, const struct arrival *b)
{
    return a->time != b->time ? a->time < b->time : a->worker < b->worker;
}

void arrivals_push(struct arrivals *a, struct arrival one)
{
    size_t i = a->count++;
    for (; i > 0 && is_earlier(&one, &a->heap[(i - 1) / 2]); i = (i - 1) / 2)
        a->heap[i] = a->heap[(i - 1) / 2];
    a->heap[i] = one;
}

struct arrival arrivals_pop(struct arrivals *a)
{
    const struct arrival first = a->heap[0], last = a->heap[--a->count];
    size_t i = 0;
    for (size_t child = 1; child < a->count; child = 2 * i + 1) {
        if (child + 1 < a->count && is_earlier(&a->heap[child + 1], &a->heap[child]))
            child++;
        if (!is_earlier(&a->heap[child], &last))
            break;
        a->heap[i] = a->heap[child];
        i = child;
    }
    a->heap[i] = last;
    return first;
}
