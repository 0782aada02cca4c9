#include "cache/cache.h"

#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "cache/lease.h"
#include "cache/node_copy.h"
#include "cache/scan_index.h"
#include "cache/scan_writer.h"
#include "cache/shelf.h"
#include "ct/dataset.h"

struct cache {
    char *folder, *local;
    int64_t quota_bytes, used_bytes; /* used: as far as this process knows */
    struct lease lease;
    int64_t opened_ns; /* by this node's clock */
    struct scan_index indexes[DATASET_SUBSETS];
    bool quota_passed, local_failed; /* was said */
};

static int64_t node_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- opening ---- */

static enum status make_folders(const char *folder, struct error *err)
{
    enum status status = STATUS_OK;
    char *scans;
    TRY(path_join(folder, "scans", &scans, err));
    status = folder_make(scans, err);
    free(scans);
out:
    return status;
}

static enum status init_indexes(struct cache *c, struct error *err)
{
    enum status status = STATUS_OK;
    for (int i = 0; i < DATASET_SUBSETS; i++) {
        char name[sizeof "subset0/index"], *path;
        snprintf(name, sizeof name, "subset%d/index", i);
        TRY(path_join(c->folder, name, &path, err));
        status = scan_index_init(&c->indexes[i], path, err);
        free(path);
        TRY(status);
    }
out:
    return status;
}

static enum status measure(struct cache *c, struct error *err)
{
    struct shelf s;
    enum status status = shelf_init(&s, c->folder, err);
    c->used_bytes = s.bytes;
    shelf_release(&s);
    return status;
}

enum status cache_open(const struct cache_options *o, struct cache **out,
                       struct error *err)
{
    enum status status = STATUS_OK;
    void *room;
    struct cache *c = NULL;
    if (!o->folder || !o->folder[0])
        return error_set(err, STATUS_JOB_CONFIG, "the folder of the cache is not given");
    TRY(memory_new(1, sizeof *c, o->folder, &room, err));
    c = room;
    c->quota_bytes = o->quota_bytes;
    c->opened_ns = node_clock_ns();
    TRY(text_new(o->folder, &c->folder, err));
    if (o->local && o->local[0])
        TRY(text_new(o->local, &c->local, err));
    TRY(make_folders(c->folder, err));
    if (c->local && make_folders(c->local, err) != STATUS_OK)
        TRY(error_prefix(err, "cache.local"));
    TRY(init_indexes(c, err));
    if (o->hold)
        TRY(lease_begin(&c->lease, c->folder, err));
    if (c->quota_bytes > 0)
        TRY(measure(c, err));
    *out = c;
    c = NULL;
out:
    cache_close(c);
    if (status == STATUS_STAGE_IO) { /* a folder that was given cannot be used */
        status = STATUS_JOB_CONFIG;
        if (err)
            err->code = status;
    }
    return status;
}

void cache_close(struct cache *c)
{
    if (!c)
        return;
    lease_end(&c->lease);
    for (int i = 0; i < DATASET_SUBSETS; i++)
        scan_index_release(&c->indexes[i]);
    free(c->folder);
    free(c->local);
    free(c);
}

/* ---- sources ---- */

static enum status volume_source_content(void *context, struct hash128 *out,
                                         struct error *err)
{
    return volume_content(context, out, err);
}

static enum status volume_source_slices(void *context, int64_t first, int64_t count,
                                        float *hu, struct error *err)
{
    return volume_read(context, first, count, hu, err);
}

enum status cache_source_of(struct volume *v, const char *seriesuid, int subset,
                            struct cache_source *out, struct error *err)
{
    *out = (struct cache_source){
        .seriesuid = seriesuid,
        .subset = subset,
        .geometry = volume_geometry(v),
        .context = v,
        .content = volume_source_content,
        .slices = volume_source_slices,
    };
    return volume_identity(v, &out->identity, err);
}

static enum status key_of(const struct cache_source *s, struct hash128 *key,
                          struct error *err)
{
    struct {
        char what[16];
        struct hash128 content;
        uint64_t numerics;
    } text = {.what = "volume cache", .numerics = CACHE_NUMERICS};
    enum status status = s->content(s->context, &text.content, err);
    if (status == STATUS_OK)
        *key = hash128(&text, sizeof text);
    return status;
}

/* ---- preparing ---- */

static enum status remember(struct cache *c, const struct cache_source *s,
                            struct hash128 key, struct error *err)
{
    struct scan_index *x = &c->indexes[s->subset];
    const struct scan_index_entry *known = scan_index_find(x, s->seriesuid, &s->identity);
    char *folder;
    if (known && hash_equal(known->key, key))
        return STATUS_OK;
    enum status status = path_folder(x->path, &folder, err);
    if (status != STATUS_OK)
        return status;
    status = folder_make(folder, err);
    free(folder);
    if (status != STATUS_OK)
        return status;
    const struct scan_index_entry e = {
        .identity = s->identity,
        .key = key,
        .geometry = *s->geometry,
        .seriesuid = (char *)s->seriesuid, /* read only */
    };
    return scan_index_add(x, &e, err);
}

/* Whether the file of a key is there and sound. What is wrong with one that is there goes
 * into out->repaired. */
static bool stands(const char *path, struct hash128 key, enum cache_trust trust,
                   struct cache_prepared *out)
{
    struct cached_scan *scan;
    struct error error = {0};
    if (trust == CACHE_REWRITE || !file_exists(path))
        return false;
    enum status status = cached_scan_open(path, key, &scan, &error);
    if (status == STATUS_OK) {
        out->file_bytes = cached_scan_file_bytes(scan);
        if (trust == CACHE_VERIFY)
            status = cached_scan_verify(scan, &error);
        cached_scan_close(scan);
    }
    if (status != STATUS_OK)
        snprintf(out->repaired, sizeof out->repaired, "%s", error.message);
    return status == STATUS_OK;
}

static void drop_local(const struct cache *c, struct hash128 key)
{
    char *path;
    if (!c->local || shelf_path(c->local, key, &path, NULL) != STATUS_OK)
        return;
    unlink(path);
    free(path);
}

/* Removes what is least recently used when there is more than the quota. */
static enum status keep_quota(struct cache *c, struct error *err)
{
    struct shelf_pruned pruned;
    if (c->quota_bytes <= 0 || c->used_bytes <= c->quota_bytes)
        return STATUS_OK;
    enum status status = shelf_prune(c->folder, c->quota_bytes, &pruned, err);
    if (status != STATUS_OK)
        return status;
    c->used_bytes = pruned.left_bytes;
    if (pruned.left_bytes > c->quota_bytes && !c->quota_passed) {
        c->quota_passed = true;
        log_warning("%s: %.2f GB are in use, more than cache.quota_gb = %.2f; nothing in "
                    "use is removed",
                    c->folder, (double)pruned.left_bytes * 1e-9,
                    (double)c->quota_bytes * 1e-9);
    }
    return STATUS_OK;
}

static enum status write_scan(struct cache *c, const struct cache_source *s,
                              const char *path, struct cache_prepared *out,
                              struct error *err)
{
    enum status status = STATUS_OK;
    struct file_identity made;
    TRY(scan_write(path, out->key, s, err));
    out->written = true;
    TRY(file_identify(path, &made, err));
    out->file_bytes = made.bytes;
    c->used_bytes += made.bytes;
    TRY(keep_quota(c, err));
out:
    return status;
}

enum status cache_prepare(struct cache *c, const struct cache_source *s,
                          enum cache_trust trust, struct cache_prepared *out,
                          struct error *err)
{
    enum status status = STATUS_OK;
    char *path = NULL;
    const struct scan_index_entry *known = NULL;
    CHECK(s->subset >= 0 && s->subset < DATASET_SUBSETS);
    *out = (struct cache_prepared){0};
    lease_look_in(&c->lease);
    if (trust == CACHE_TRUST)
        known = scan_index_find(&c->indexes[s->subset], s->seriesuid, &s->identity);
    if (known)
        out->key = known->key;
    else
        TRY(key_of(s, &out->key, err));
    TRY(shelf_path(c->folder, out->key, &path, err));
    if (stands(path, out->key, trust, out))
        shelf_touch(path);
    else
        TRY(write_scan(c, s, path, out, err));
    if (trust != CACHE_TRUST || out->written) /* what is doubted may be the copy */
        drop_local(c, out->key);
    TRY(remember(c, s, out->key, err));
out:
    free(path);
    return status;
}

bool cache_find(struct cache *c, const char *seriesuid, int subset,
                const struct hash128 *identity, struct hash128 *key,
                struct geometry *geometry)
{
    CHECK(subset >= 0 && subset < DATASET_SUBSETS);
    const struct scan_index_entry *e =
        scan_index_find(&c->indexes[subset], seriesuid, identity);
    if (!e)
        return false;
    *key = e->key;
    *geometry = e->geometry;
    return true;
}

/* ---- reading ---- */

/* The node's copy of a scan, made when it is not there or not sound. */
static enum status open_local(struct cache *c, struct hash128 key, const char *shared,
                              struct cached_scan **out, struct error *err)
{
    char *path;
    enum status status = shelf_path(c->local, key, &path, err);
    if (status != STATUS_OK)
        return status;
    if (cached_scan_open(path, key, out, NULL) != STATUS_OK) {
        TRY(node_copy(shared, path, err));
        shelf_touch(shared); /* a new copy looks like one that is marked already */
        TRY(cached_scan_open(path, key, out, err));
    }
out:
    free(path);
    return status;
}

/* Marks a scan as used, and its copy on this node with it: once for a cache that is held,
 * whose scans are all spared from its beginning on, else once a minute. Training opens
 * files thousands of times a second, and a file system keeps marks in one place. A mark
 * is compared with the clock that made it: the copy's with this node's. */
static void mark_used(const struct cache *c, const char *shared,
                      const struct cached_scan *s)
{
    static const int64_t minute_ns = INT64_C(60000000000);
    const int64_t used_ns = cached_scan_used_ns(s);
    const bool is_copy = strcmp(cached_scan_path(s), shared) != 0;
    const int64_t held_ns = is_copy ? c->opened_ns : c->lease.start_ns;
    if (c->lease.path ? used_ns >= held_ns : node_clock_ns() - used_ns < minute_ns)
        return;
    shelf_touch(shared);
    if (is_copy)
        shelf_touch(cached_scan_path(s));
}

enum status cache_open_scan(struct cache *c, struct hash128 key, struct cached_scan **out,
                            struct error *err)
{
    char *shared;
    struct error local = {0};
    enum status status = shelf_path(c->folder, key, &shared, err);
    if (status != STATUS_OK)
        return status;
    lease_look_in(&c->lease);
    if (c->local && open_local(c, key, shared, out, &local) == STATUS_OK)
        goto out;
    if (local.code != STATUS_OK && !status_is_item(local.code) && !c->local_failed) {
        c->local_failed = true;
        log_warning("cache.local is passed over: %s", local.message);
    }
    status = cached_scan_open(shared, key, out, err);
out:
    if (status == STATUS_OK)
        mark_used(c, shared, *out);
    free(shared);
    return status;
}
