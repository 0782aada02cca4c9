#include "train/maker.h"

#include "base/memory.h"

static void open_scan_close(struct open_scan *s)
{
    if (s->voxels)
        cached_scan_close(s->voxels);
    if (s->mask)
        cached_scan_close(s->mask);
    free(s->boxes);
    *s = (struct open_scan){.scan = -1};
}

enum status maker_init(struct maker *m, const struct loader_options *o, struct error *err)
{
    enum status status;
    const int share = OPEN_SCANS / o->threads;
    *m = (struct maker){.options = o,
                        .most_open = share > LEAST_OPEN_SCANS ? share : LEAST_OPEN_SCANS};
    for (int i = 0; i < OPEN_SCANS; i++)
        m->scans[i].scan = -1;
    TRY(cache_open(&o->cache, &m->cache, err));
    TRY(example_maker_new(&o->example, &m->example, err));
out:
    return status;
}

void maker_release(struct maker *m)
{
    for (int i = 0; i < OPEN_SCANS; i++)
        open_scan_close(&m->scans[i]);
    example_maker_free(m->example);
    if (m->cache)
        cache_close(m->cache);
}

/* The nodules of a scan stand together in the pool, which is sorted by scan. */
static void nodules_of(const struct pool *p, int32_t scan, uint64_t *first,
                       uint64_t *count)
{
    uint64_t low = 0, high = p->counts[LIST_NODULE];
    const struct pool_place *places = p->places[LIST_NODULE];
    while (low < high) {
        uint64_t middle = (low + high) / 2;
        if (places[middle].scan < scan)
            low = middle + 1;
        else
            high = middle;
    }
    *first = low;
    for (*count = 0; low < p->counts[LIST_NODULE] && places[low].scan == scan; low++)
        (*count)++;
}

static enum status open_targets(struct maker *m, struct open_scan *s, struct error *err)
{
    enum status status = STATUS_OK;
    const struct loader_options *o = m->options;
    if (o->example.target == TARGET_MASK && o->scans[s->scan].has_mask)
        TRY(cache_open_scan(m->cache, o->scans[s->scan].mask, &s->mask, err));
    if (o->example.target == TARGET_BOXES) {
        uint64_t first, count;
        nodules_of(o->pool, s->scan, &first, &count);
        TRY(memory_new(count, sizeof *s->boxes, "boxes of nodules", (void **)&s->boxes,
                       err));
        TRY(example_boxes(m->example, s->voxels, o->pool->places[LIST_NODULE] + first,
                          count, s->boxes, err));
        s->box_count = count;
    }
out:
    return status;
}

/* The scan, opened in the place of the one that was used longest ago. What was opened
 * before the last repair may be the file that was damaged. */
static enum status find_scan(struct maker *m, int32_t scan, uint64_t repairs,
                             struct open_scan **out, struct error *err)
{
    enum status status = STATUS_OK;
    struct open_scan *oldest = m->scans;
    for (int i = 0; i < m->most_open; i++) {
        struct open_scan *s = &m->scans[i];
        if (s->repairs != repairs)
            open_scan_close(s);
        if (s->scan == scan) {
            s->used = ++m->clock;
            *out = s;
            return STATUS_OK;
        }
        if (s->used < oldest->used)
            oldest = s;
    }
    open_scan_close(oldest);
    oldest->scan = scan;
    oldest->repairs = repairs;
    TRY(cache_open_scan(m->cache, m->options->scans[scan].voxels, &oldest->voxels, err));
    TRY(open_targets(m, oldest, err));
    oldest->used = ++m->clock;
    *out = oldest;
out:
    if (status != STATUS_OK)
        open_scan_close(oldest);
    return status;
}

/* A scan that failed is closed: its file may be made anew. */
enum status maker_make(struct maker *m, const struct example_item *item, uint64_t repairs,
                       float *input, float *target, struct error *err)
{
    enum status status;
    struct open_scan *s = NULL;
    int32_t scan = item->place.scan;
    TRY(find_scan(m, scan, repairs, &s, err));
    TRY(example_make(m->example,
                     &(struct example_scan){s->voxels, s->mask, s->boxes, s->box_count},
                     item, input, target, err));
out:
    if (status != STATUS_OK) {
        if (s)
            open_scan_close(s);
        error_prefix(err, "%s", m->options->scans[scan].seriesuid);
    }
    return status;
}
