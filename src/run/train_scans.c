#include "run/train_scans.h"

#include "base/log.h"
#include "base/memory.h"
#include "cache/cache.h"

enum { BOOK_STRIDE = 10, TEXTS = 3 };

/* A scan as it is sent; its texts follow those of the scans before it. */
struct record {
    int32_t subset, role, cached, unused;
    struct hash128 voxels;
    struct geometry geometry;
};

/* The subset that validates a fold: the next that has scans. */
static int validation_subset(const struct dataset *d, int64_t fold)
{
    bool has[DATASET_SUBSETS] = {false};
    for (size_t i = 0; i < d->count; i++)
        has[d->scans[i].subset] = true;
    int subset = (int)((fold + 1) % DATASET_SUBSETS);
    while (!has[subset] && subset != fold)
        subset = (subset + 1) % DATASET_SUBSETS;
    return subset;
}

static enum scan_role role_of(const struct settings *s, const struct dataset *d,
                              int validates, size_t i)
{
    const int64_t fold = s->train.fold;
    if (fold < 0)
        return i % BOOK_STRIDE == 0 && d->count > 1 ? SCAN_VALIDATES : SCAN_TRAINS;
    if (d->scans[i].subset == fold)
        return SCAN_TESTS;
    return d->scans[i].subset == validates ? SCAN_VALIDATES : SCAN_TRAINS;
}

static const char *mask_of(const struct dataset *masks, const char *seriesuid)
{
    const int64_t i = dataset_find(masks, seriesuid);
    return i < 0 ? "" : masks->scans[i].path;
}

static enum status look_up(const struct settings *s, const struct dataset *d,
                           struct record *records, struct error *err)
{
    enum status status;
    struct cache *cache = NULL;
    const struct cache_options o = {.folder = s->cache.dir};
    const int validates = validation_subset(d, s->train.fold);
    TRY(cache_open(&o, &cache, err));
    for (size_t i = 0; i < d->count; i++) {
        struct record *r = &records[i];
        *r = (struct record){.subset = d->scans[i].subset,
                             .role = role_of(s, d, validates, i)};
        r->cached = cache_find(cache, d->scans[i].seriesuid, d->scans[i].subset, NULL,
                               &r->voxels, &r->geometry);
    }
out:
    cache_close(cache);
    return status;
}

/* *out = count, records, texts. */
static enum status pack(const struct settings *s, const struct dataset *d,
                        const struct dataset *masks, char **out, size_t *bytes,
                        struct error *err)
{
    enum status status;
    char *packed = NULL;
    size_t n = sizeof(uint64_t) + d->count * sizeof(struct record);
    for (size_t i = 0; i < d->count; i++)
        n += strlen(d->scans[i].seriesuid) + strlen(d->scans[i].path) +
             strlen(mask_of(masks, d->scans[i].seriesuid)) + TEXTS;
    TRY(memory_new(n, 1, "scans", (void **)&packed, err));
    *(uint64_t *)(void *)packed = d->count;
    TRY(look_up(s, d, (struct record *)(void *)(packed + sizeof(uint64_t)), err));
    char *p = packed + sizeof(uint64_t) + d->count * sizeof(struct record);
    for (size_t i = 0; i < d->count; i++) {
        const char *texts[TEXTS] = {d->scans[i].seriesuid, d->scans[i].path,
                                    mask_of(masks, d->scans[i].seriesuid)};
        for (int k = 0; k < TEXTS; k++)
            p = stpcpy(p, texts[k]) + 1;
    }
    *out = packed;
    *bytes = n;
    packed = NULL;
out:
    free(packed);
    return status;
}

static enum status unpack(struct train_scans *t, struct error *err)
{
    enum status status;
    t->count = *(const uint64_t *)(const void *)t->packed;
    const struct record *records =
        (const struct record *)(const void *)(t->packed + sizeof(uint64_t));
    const char *p = (const char *)(records + t->count);
    TRY(memory_new(t->count, sizeof *t->items, "scans", (void **)&t->items, err));
    for (size_t i = 0; i < t->count; i++) {
        struct train_scan *scan = &t->items[i];
        const char **texts[TEXTS] = {&scan->seriesuid, &scan->path, &scan->mask_path};
        scan->subset = records[i].subset;
        scan->role = (enum scan_role)records[i].role;
        scan->cached = records[i].cached;
        scan->voxels = records[i].voxels;
        scan->geometry = records[i].geometry;
        for (int k = 0; k < TEXTS; k++, p += strlen(p) + 1)
            *texts[k] = p;
    }
out:
    return status;
}

/* Rank 0: all that the others have to know. */
static enum status gather(const struct settings *s, const struct dataset *d, char **out,
                          size_t *bytes, struct error *err)
{
    enum status status = STATUS_OK;
    struct dataset masks = {.count = 0};
    if (s->train.fold >= 0 && !d->has_subsets)
        return error_set(err, STATUS_JOB_CONFIG,
                         "train.fold = %lld: %s has no subsets to divide it by",
                         (long long)s->train.fold, s->dataset.root);
    if (s->dataset.masks[0])
        TRY(dataset_init(&masks, s->dataset.masks, NULL, err));
    TRY(pack(s, d, &masks, out, bytes, err));
out:
    dataset_release(&masks);
    return status;
}

static enum status check(const struct train_scans *t, const struct comm *c,
                         struct error *err)
{
    size_t counts[SCAN_TESTS + 1] = {0}, lacking = 0;
    for (size_t i = 0; i < t->count; i++) {
        lacking += !t->items[i].cached;
        counts[t->items[i].role] += t->items[i].cached;
    }
    if (counts[SCAN_TRAINS] == 0)
        return error_set(err, STATUS_JOB_CONFIG,
                         "no scan is left to train on: %zu validate, %zu are tested on, "
                         "%zu could not be prepared",
                         counts[SCAN_VALIDATES], counts[SCAN_TESTS], lacking);
    if (c->rank == 0)
        log_info("%zu scans train, %zu validate, %zu are left alone%s",
                 counts[SCAN_TRAINS], counts[SCAN_VALIDATES], counts[SCAN_TESTS],
                 lacking ? "; some could not be prepared" : "");
    return STATUS_OK;
}

enum status train_scans_init(struct train_scans *t, const struct comm *c,
                             const struct settings *s, const struct dataset *dataset,
                             struct error *err)
{
    enum status status = STATUS_OK;
    size_t bytes = 0;
    *t = (struct train_scans){.count = 0};
    if (c->rank == 0)
        status = gather(s, dataset, &t->packed, &bytes, err);
    TRY(comm_agree(c, status, err));
    comm_share(c, &bytes, sizeof bytes);
    if (c->rank > 0)
        status = memory_new(bytes, 1, "scans", (void **)&t->packed, err);
    TRY(comm_agree(c, status, err));
    comm_share(c, t->packed, bytes);
    TRY(comm_agree(c, unpack(t, err), err));
    TRY(check(t, c, err));
out:
    return status;
}

void train_scans_release(struct train_scans *t)
{
    free(t->items);
    free(t->packed);
    *t = (struct train_scans){.count = 0};
}
