#include "base/memory.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include "base/size.h"

static const size_t ALIGNMENT = 64, LARGE = 8 << 20, LARGE_PAGE = 2 << 20;

enum status memory_new(size_t count, size_t item_bytes, const char *what, void **out,
                       struct error *err)
{
    size_t bytes;
    if (!size_multiply(count, item_bytes, &bytes) || !size_add(bytes, ALIGNMENT, &bytes))
        return error_set(err, STATUS_STAGE_MEMORY,
                         "%s: %zu items of %zu bytes are too many", what, count,
                         item_bytes);
    bytes &= ~(ALIGNMENT - 1);
    if (bytes == 0)
        bytes = ALIGNMENT;
    const size_t page = bytes >= LARGE ? LARGE_PAGE : ALIGNMENT;
    size_t room; /* whole pages, as aligned_alloc wants it; what is beyond bytes stays
                    cold */
    if (!size_add(bytes, page - 1, &room))
        return error_set(err, STATUS_STAGE_MEMORY, "%s: no memory for %zu bytes", what,
                         bytes);
    void *p = aligned_alloc(page, room & ~(page - 1));
    if (!p)
        return error_set(err, STATUS_STAGE_MEMORY, "%s: no memory for %zu bytes", what,
                         bytes);
    /* All of it is touched below, so large pages take no more memory, and passes over
     * large tensors take fewer page walks. It is advice: that it fails does not matter.
     */
    if (page == LARGE_PAGE)
        (void)madvise(p, bytes & ~(page - 1), MADV_HUGEPAGE);
    memset(p, 0, bytes);
    *out = p;
    return STATUS_OK;
}

enum status memory_grow(void **items, size_t *capacity, size_t needed, size_t item_bytes,
                        const char *what, struct error *err)
{
    if (needed <= *capacity)
        return STATUS_OK;
    size_t room = *capacity ? *capacity : 16, bytes;
    while (room < needed)
        if (!size_multiply(room, 2, &room))
            return error_set(err, STATUS_STAGE_MEMORY, "%s: %zu items are too many", what,
                             needed);
    if (!size_multiply(room, item_bytes, &bytes))
        return error_set(err, STATUS_STAGE_MEMORY, "%s: %zu items are too many", what,
                         room);
    char *p = realloc(*items, bytes);
    if (!p)
        return error_set(err, STATUS_STAGE_MEMORY, "%s: no memory for %zu bytes", what,
                         bytes);
    memset(p + *capacity * item_bytes, 0, (room - *capacity) * item_bytes);
    *items = p;
    *capacity = room;
    return STATUS_OK;
}

int64_t memory_peak_bytes(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage))
        return 0;
    return (int64_t)usage.ru_maxrss * 1024;
}

enum status text_new(const char *text, char **out, struct error *err)
{
    *out = strdup(text);
    if (!*out)
        return error_set(err, STATUS_STAGE_MEMORY, "no memory for %zu bytes of text",
                         strlen(text));
    return STATUS_OK;
}
