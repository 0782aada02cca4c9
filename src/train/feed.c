#include "train/feed.h"

#include "base/log.h"
#include "base/memory.h"

enum status feed_init(struct feed *f, const struct feed_options *o, int64_t first,
                      struct error *err)
{
    *f = (struct feed){.options = *o, .next_asked = first, .next_taken = first};
    return memory_new((size_t)o->samples, sizeof *f->items, "a batch", (void **)&f->items,
                      err);
}

void feed_release(struct feed *f)
{
    free(f->items);
    f->items = NULL;
}

static void ask_ahead(struct feed *f)
{
    while (f->next_asked - f->next_taken < LOADER_BATCHES - 1) {
        const int count =
            f->options.fill(f->options.fill_context, f->next_asked, f->items);
        if (count == FEED_END)
            return;
        loader_ask(f->options.loader, f->items, count);
        f->next_asked++;
    }
}

void feed_drain(struct feed *f)
{
    struct loader_batch ignored;
    struct error ignored_error;
    for (; f->next_taken < f->next_asked; f->next_asked--)
        if (loader_take(f->options.loader, &ignored, &ignored_error) ==
            STATUS_STAGE_DEADLINE)
            return; /* not taken, and the next would wait as long */
}

/* Whether a failed batch may be had after the scan's file is made again. */
static bool can_repair(const struct feed *f, enum status status)
{
    return f->options.repair && status_is_item(status) &&
           loader_failed_scan(f->options.loader) >= 0;
}

enum status feed_take(struct feed *f, struct loader_batch *out, struct error *err)
{
    enum status status;
    for (int repairs = 0;; repairs++) {
        ask_ahead(f);
        CHECK(f->next_taken < f->next_asked);
        status = loader_take(f->options.loader, out, err);
        if (status == STATUS_STAGE_DEADLINE)
            return status; /* not taken: its thread is left behind */
        f->next_taken++;
        if (status == STATUS_OK || repairs == f->options.repairs ||
            !can_repair(f, status))
            return status;
        log_warning("the cached file is made again: %s", err->message);
        const int32_t scan = loader_failed_scan(f->options.loader);
        feed_drain(f);
        if (f->next_asked != f->next_taken)
            return status; /* a deadline passed meanwhile */
        f->next_asked = --f->next_taken;
        TRY(f->options.repair(f->options.repair_context, scan, err));
    }
out:
    return status;
}
