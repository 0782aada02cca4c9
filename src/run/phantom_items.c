#include "run/phantom_items.h"

#include "base/file.h"
#include "base/memory.h"
#include "phantom/roster.h"
#include "run/phantom_folder.h"

static enum status add_phantoms(struct phantom_items *l, const struct phantom_options *o,
                                struct error *err)
{
    enum status status = STATUS_OK;
    void *p;
    TRY(memory_new((size_t)o->scans, sizeof *l->items, "scans", &p, err));
    l->items = p;
    for (int64_t i = 0; i < o->scans; i++) {
        struct roster_scan scan = roster_scan(o->seed, (uint64_t)i);
        struct phantom_item *item = &l->items[l->count];
        TRY(text_new(scan.seriesuid, &item->seriesuid, err));
        item->index = (uint64_t)i;
        item->subset = scan.subset;
        l->count++;
    }
out:
    return status;
}

/* A name that CSV would have to quote cannot stand in a list of bare names. */
static bool is_plain(const char *seriesuid)
{
    return seriesuid[strcspn(seriesuid, ",\" \t\r\n")] == '\0';
}

static enum status add_tree(struct phantom_items *l, const struct phantom_options *o,
                            struct error *err)
{
    enum status status = STATUS_OK;
    void *p;
    TRY(dataset_init(&l->tree, o->implant, NULL, err));
    TRY(memory_new(l->tree.count, sizeof *l->items, "scans", &p, err));
    l->items = p;
    for (size_t i = 0; i < l->tree.count; i++) {
        const struct scan *scan = &l->tree.scans[i];
        struct phantom_item *item = &l->items[l->count];
        TRY(text_new(scan->seriesuid, &item->seriesuid, err));
        item->source = scan->path;
        item->subset = scan->subset;
        item->state = is_plain(scan->seriesuid) ? 0 : ITEM_BAD;
        l->count++;
    }
out:
    return status;
}

enum status phantom_items_init(struct phantom_items *l, const struct phantom_options *o,
                               struct error *err)
{
    *l = (struct phantom_items){0};
    enum status status = o->implant ? add_tree(l, o, err) : add_phantoms(l, o, err);
    for (size_t i = 0; i < l->count; i++)
        l->subsets[l->items[i].subset] = true;
    return status;
}

void phantom_items_release(struct phantom_items *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->items[i].seriesuid);
    free(l->items);
    dataset_release(&l->tree);
    *l = (struct phantom_items){0};
}

static enum status look(struct phantom_item *item, const struct phantom_options *o,
                        struct error *err)
{
    struct phantom_files files;
    enum status status =
        phantom_files_init(&files, o, item->subset, item->seriesuid, err);
    if (status == STATUS_OK) {
        if (file_exists(files.truth))
            item->state |= ITEM_TRUTH;
        if (phantom_files_complete(&files))
            item->state |= ITEM_VOLUMES;
    }
    phantom_files_release(&files);
    return status;
}

enum status phantom_items_look(struct phantom_items *l, const struct phantom_options *o,
                               const struct comm *c, struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < l->count && c->rank == 0 && status == STATUS_OK; i++)
        if (!(l->items[i].state & ITEM_BAD))
            status = look(&l->items[i], o, err);
    status = comm_agree(c, status, err);
    if (status != STATUS_OK)
        return status;
    uint8_t *states = calloc(l->count ? l->count : 1, 1);
    CHECK(states);
    for (size_t i = 0; i < l->count; i++)
        states[i] = l->items[i].state;
    comm_share(c, states, l->count);
    for (size_t i = 0; i < l->count; i++)
        l->items[i].state = states[i];
    free(states);
    return STATUS_OK;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

enum status phantom_items_listed(const struct phantom_items *l, const char ***out,
                                 size_t *count, struct error *err)
{
    void *p;
    enum status status = memory_new(l->count, sizeof **out, "seriesuids", &p, err);
    if (status != STATUS_OK)
        return status;
    *out = p;
    *count = 0;
    for (size_t i = 0; i < l->count; i++)
        if (l->items[i].state & ITEM_TRUTH)
            (*out)[(*count)++] = l->items[i].seriesuid;
    qsort(*out, *count, sizeof **out, by_text);
    return STATUS_OK;
}

size_t phantom_items_lacking(const struct phantom_items *l, uint8_t state)
{
    size_t lacking = 0;
    for (size_t i = 0; i < l->count; i++)
        lacking +=
            !(l->items[i].state & ITEM_BAD) && (l->items[i].state & state) != state;
    return lacking;
}
