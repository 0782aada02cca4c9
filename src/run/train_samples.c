/*
 * On what a network is trained, and on what it is validated. Of scans that are tested on
 * nothing is looked at, neither voxels nor lists.
 *
 * Validations: of a classifier the listed places of the validation scans; of the
 * malignancy model their nodules; of a segmenter of slices the whole slices that hold a
 * nodule (train_slices.c); of one in 3D crops around their nodules, and around as many
 * places that are none. Where train.validate_samples bounds them, non-nodules are left
 * out first, evenly through their list; hard negatives have their share of what is left.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "run/protocol.h"
#include "run/train_internal.h"

bool train_takes_part(const struct train_network *n, size_t i, enum scan_role role)
{
    const struct train_scan *scan = &n->work->scans.items[i];
    const bool masked =
        n->recipe.example.target != TARGET_MASK || n->work->loader_scans[i].has_mask;
    return scan->cached && scan->role == role && masked;
}

static enum status fill_pool(const struct train_network *n, enum scan_role role,
                             const struct pool_lists *lists, struct pool *out,
                             struct error *err)
{
    enum status status;
    struct pool_scan *scans;
    const size_t count = n->work->scans.count;
    TRY(memory_new(count, sizeof *scans, "scans", (void **)&scans, err));
    for (size_t i = 0; i < count; i++) {
        const struct train_scan *scan = &n->work->scans.items[i];
        scans[i] = (struct pool_scan){
            scan->seriesuid, train_takes_part(n, i, role) ? &scan->geometry : NULL};
    }
    status = pool_init(out, scans, count, lists, n->recipe.example.book, err);
    free(scans);
out:
    return status;
}

/* Up to `most` places of a list, evenly. */
static void take_items(struct train_network *n, enum sampler_list list, int label,
                       uint64_t most)
{
    const struct pool *p = &n->validation_pool;
    const uint64_t count = p->counts[list], taken = count < most ? count : most;
    for (uint64_t i = 0; i < taken; i++, n->item_count++)
        n->items[n->item_count] =
            (struct example_item){.place = p->places[list][i * count / taken],
                                  .sample = (uint64_t)n->item_count,
                                  .label = label};
}

static uint64_t rest(uint64_t most, int64_t taken)
{
    return most > (uint64_t)taken ? most - (uint64_t)taken : 0;
}

/* How many of so many non-nodules are hard. */
static uint64_t hard_among(const struct train_network *n, uint64_t others)
{
    const double share = n->work->job.settings->train.hard_share;
    const uint64_t *counts = n->validation_pool.counts;
    if (others >= counts[LIST_HARD] + counts[LIST_NON_NODULE])
        return counts[LIST_HARD];
    const uint64_t wanted = (uint64_t)((double)others * share);
    if (wanted > counts[LIST_HARD])
        return counts[LIST_HARD];
    return others - wanted > counts[LIST_NON_NODULE] ? others - counts[LIST_NON_NODULE]
                                                     : wanted;
}

static enum status fill_validation(struct train_network *n,
                                   const struct nodule_list *nodules, struct error *err)
{
    enum status status;
    const struct train_recipe *r = &n->recipe;
    const uint64_t *counts = n->validation_pool.counts;
    const uint64_t most =
        r->validate_samples > 0 ? (uint64_t)r->validate_samples : UINT64_MAX;
    n->still = r->example;
    n->still.augment = false;
    memcpy(n->still.window, n->still.crop, sizeof n->still.window);
    if (r->every == 0)
        return STATUS_OK;
    if (train_slices_wanted(n->stage, r))
        return train_slices_fill(n, nodules, err);
    TRY(memory_new(counts[LIST_NODULE] + counts[LIST_NON_NODULE] + counts[LIST_HARD],
                   sizeof *n->items, "validation", (void **)&n->items, err));
    if (n->stage == TRAIN_MALIGNANCY) {
        take_items(n, LIST_MALIGNANT, 1, most);
        take_items(n, LIST_BENIGN, 0, rest(most, n->item_count));
        goto out;
    }
    take_items(n, LIST_NODULE, 1, most);
    uint64_t others = rest(most, n->item_count);
    if (n->stage == TRAIN_SEGMENT && others > (uint64_t)n->item_count)
        others = (uint64_t)n->item_count;
    const uint64_t hard = hard_among(n, others);
    take_items(n, LIST_HARD, 0, hard);
    take_items(n, LIST_NON_NODULE, 0, others - hard);
out:
    return status;
}

/* Lists may know of nothing that is no nodule: then a segmenter learns background from
 * what is around nodules, as one of slices always does. */
static void settle_scheme(struct train_network *n)
{
    if (n->stage == TRAIN_SEGMENT && n->training_pool.counts[LIST_NON_NODULE] == 0)
        n->recipe.scheme = SAMPLER_NODULES;
}

static void report(const struct train_network *n)
{
    const struct pool *t = &n->training_pool;
    if (n->work->team.team.rank > 0)
        return;
    log_info("%s: %llu nodules (%llu malignant, %llu benign) and %llu non-nodules to "
             "train on, %lld samples of validation",
             n->name, (unsigned long long)t->counts[LIST_NODULE],
             (unsigned long long)t->counts[LIST_MALIGNANT],
             (unsigned long long)t->counts[LIST_BENIGN],
             (unsigned long long)t->counts[LIST_NON_NODULE], (long long)n->item_count);
    if (n->hard_list)
        log_info("%s: %llu hard negatives to learn from and %llu to validate on: what "
                 "%s names in these scans (%llu places) and no list of findings explains",
                 n->name, (unsigned long long)t->counts[LIST_HARD],
                 (unsigned long long)n->validation_pool.counts[LIST_HARD], n->hard_list,
                 (unsigned long long)(t->found + n->validation_pool.found));
    if (t->outside)
        log_warning("%s: %llu listed places lie outside their volumes and are left out",
                    n->name, (unsigned long long)t->outside);
    if (n->item_count == 0 && n->recipe.every > 0)
        log_warning("%s: no validation scan has a listed place: the last weights are "
                    "kept",
                    n->name);
}

enum status train_samples_init(struct train_network *n, struct error *err)
{
    enum status status = STATUS_OK;
    const struct settings *s = n->work->job.settings;
    struct nodule_list nodules = {.row_count = 0};
    struct nodule_list annotations = {.row_count = 0}, excluded = {.row_count = 0};
    struct candidate_list candidates = {.row_count = 0}, found = {.row_count = 0};
    const struct pool_lists lists = {
        &nodules, &candidates, n->hard_list ? &found : NULL, {&annotations, &excluded}};
    const char *list =
        s->dataset.malignancy[0] ? s->dataset.malignancy : s->dataset.annotations;
    TRY(nodule_list_init(&nodules, list, err));
    if (s->dataset.candidates[0])
        TRY(candidate_list_init(&candidates, s->dataset.candidates, err));
    if (n->hard_list) {
        TRY(place_list_init(&found, n->hard_list, err));
        /* The list of malignancies leaves some nodules out. */
        if (s->dataset.annotations[0])
            TRY(nodule_list_init(&annotations, s->dataset.annotations, err));
        if (s->dataset.excluded[0])
            TRY(nodule_list_init(&excluded, s->dataset.excluded, err));
    }
    TRY(fill_pool(n, SCAN_TRAINS, &lists, &n->training_pool, err));
    TRY(fill_pool(n, SCAN_VALIDATES, &lists, &n->validation_pool, err));
    settle_scheme(n);
    TRY(fill_validation(n, &nodules, err));
    report(n);
out:
    nodule_list_release(&nodules);
    nodule_list_release(&annotations);
    nodule_list_release(&excluded);
    candidate_list_release(&candidates);
    candidate_list_release(&found);
    return status;
}

/* ---- the cache ---- */

/* A volume into the cache, under a name of its index. */
static enum status prepare(struct cache *cache, const struct settings *s,
                           const char *path, const char *name, int subset,
                           const int64_t *size, enum cache_trust trust,
                           struct hash128 *key, struct error *err)
{
    enum status status;
    struct volume *v = NULL;
    struct cache_source source;
    struct cache_prepared made;
    const struct volume_options o = {.allow_outside = s->dataset.allow_outside};
    TRY(volume_open(path, &o, &v, err));
    const int64_t *has = volume_geometry(v)->size;
    if (memcmp(has, size, 3 * sizeof *size) != 0) {
        status = error_set(err, STATUS_ITEM_FORMAT,
                           "%s: %lld x %lld x %lld voxels, the scan has %lld x %lld x "
                           "%lld",
                           path, (long long)has[0], (long long)has[1], (long long)has[2],
                           (long long)size[0], (long long)size[1], (long long)size[2]);
        goto out;
    }
    TRY(cache_source_of(v, name, subset, &source, err));
    TRY(cache_prepare(cache, &source, trust, &made, err));
    *key = made.key;
out:
    volume_close(v);
    return status;
}

static enum status prepare_mask(struct train_work *w, struct cache *cache, size_t i,
                                enum cache_trust trust, struct hash128 *key,
                                struct error *err)
{
    const struct train_scan *scan = &w->scans.items[i];
    char *name;
    if (asprintf(&name, "%s.mask", scan->seriesuid) < 0)
        return error_set(err, STATUS_STAGE_MEMORY, "no memory for a name");
    enum status status = prepare(cache, w->job.settings, scan->mask_path, name,
                                 scan->subset, scan->geometry.size, trust, key, err);
    free(name);
    return status;
}

static enum status open_cache(const struct train_work *w, struct cache **out,
                              struct error *err)
{
    const struct settings *s = w->job.settings;
    const struct cache_options o = {.folder = s->cache.dir,
                                    .local = s->cache.local,
                                    .quota_bytes = (int64_t)(s->cache.quota_gb * 1e9)};
    return cache_open(&o, out, err);
}

/* The longest that a worker begins masks before it meets the others, one of whom may have
 * heard that all are to stop: less than the 30 s that Slurm leaves (KillWait). */
static const double most_seconds = 20;

enum { WORDS = 3 }; /* of a key: whether there is one, and its halves */

/* A worker's share of the masks. */
struct masks {
    struct cache *cache;
    int64_t next, end; /* scans */
    int64_t done;      /* of all: by all when they last met, and by this one since */
    int64_t *words;    /* of all scans */
};

static enum status prepare_next(struct train_work *w, struct masks *m, struct error *err)
{
    const int64_t i = m->next++;
    m->done++;
    const struct train_scan *scan = &w->scans.items[i];
    struct hash128 key;
    if (!scan->cached || scan->role == SCAN_TESTS || !scan->mask_path[0])
        return STATUS_OK;
    watchdog_arm(w->job.watchdog, w->job.settings->limits.deadline_s * PATIENCE_DEADLINES,
                 "preparing the mask %s", scan->mask_path);
    enum status status = prepare_mask(w, m->cache, (size_t)i, CACHE_TRUST, &key, err);
    watchdog_disarm(w->job.watchdog);
    if (status == STATUS_OK) {
        const int64_t of_one[WORDS] = {1, (int64_t)key.low, (int64_t)key.high};
        memcpy(m->words + i * WORDS, of_one, sizeof of_one);
    } else if (status_is_item(status)) {
        log_warning("scan %s is left out of the segmenter's training: %s",
                    scan->seriesuid, err->message);
        status = STATUS_OK;
    }
    return status;
}

/* For a part of a deadline, and what the last mask takes beyond it; no further once it
 * hears that it is to stop. */
static enum status prepare_some(struct train_work *w, struct masks *m, struct error *err)
{
    enum status status = STATUS_OK;
    const double begun = clock_seconds(),
                 part = w->job.settings->limits.deadline_s / PINGS_PER_DEADLINE,
                 most = part < most_seconds ? part : most_seconds;
    train_team_masks(&w->team, m->done, (int64_t)w->scans.count);
    while (m->next < m->end && status == STATUS_OK && !train_team_wanted(&w->team) &&
           clock_seconds() - begun < most) {
        status = prepare_next(w, m, err);
        train_team_masks(&w->team, m->done, (int64_t)w->scans.count);
    }
    return status;
}

/* Workers meet between the masks: one whose share is done, or who has none, waits for a
 * mask of another at a time, not for all of them. What one of them has heard stops all;
 * masks that are prepared are found in the cache by the next start. */
static enum status prepare_shares(struct train_work *w, struct masks *m,
                                  struct error *err)
{
    enum status status;
    const struct team *t = &w->team.team;
    enum { LEFT, STOPPING, SUMS };
    int64_t sums[SUMS];
    team_share_of(t, (int64_t)w->scans.count, &m->next, &m->end);
    do {
        status = prepare_some(w, m, err);
        sums[LEFT] = m->end - m->next;
        sums[STOPPING] = train_team_wanted(&w->team) != 0;
        TRY(t->agree(status, t->context, err));
        TRY(t->reducer.sum(sums, SUMS, t->reducer.context, err));
        m->done = (int64_t)w->scans.count - sums[LEFT];
        if (sums[STOPPING] > 0)
            return error_set(err, STATUS_JOB_INTERRUPTED, "stopped on request");
    } while (sums[LEFT] > 0);
    status = t->reducer.sum(m->words, w->scans.count * WORDS, t->reducer.context, err);
out:
    return status;
}

enum status train_masks_prepare(struct train_work *w, struct error *err)
{
    enum status status;
    const struct team *t = &w->team.team;
    struct masks m = {.cache = NULL};
    status = memory_new(w->scans.count * WORDS, sizeof *m.words, "keys of masks",
                        (void **)&m.words, err);
    if (status == STATUS_OK)
        status = open_cache(w, &m.cache, err);
    TRY(t->agree(status, t->context, err));
    TRY(prepare_shares(w, &m, err));
    for (size_t i = 0; i < w->scans.count; i++) {
        const int64_t *word = m.words + i * WORDS;
        w->loader_scans[i].has_mask = word[0] != 0;
        w->loader_scans[i].mask =
            (struct hash128){.low = (uint64_t)word[1], .high = (uint64_t)word[2]};
    }
out:
    cache_close(m.cache);
    free(m.words);
    return status;
}

enum status train_repair(void *context, int32_t scan, struct error *err)
{
    enum status status;
    struct train_work *w = context;
    const struct train_scan *s = &w->scans.items[scan];
    struct cache *cache = NULL;
    struct hash128 key;
    watchdog_arm(w->job.watchdog, w->job.settings->limits.deadline_s * PATIENCE_DEADLINES,
                 "making the cached file of scan %s again", s->seriesuid);
    TRY(open_cache(w, &cache, err));
    TRY(prepare(cache, w->job.settings, s->path, s->seriesuid, s->subset,
                s->geometry.size, CACHE_VERIFY, &key, err));
    if (!hash_equal(key, s->voxels))
        TRY(error_set(err, STATUS_STAGE_IO,
                      "%s has other voxels than when the training began", s->path));
    if (w->loader_scans[scan].has_mask) {
        TRY(prepare_mask(w, cache, (size_t)scan, CACHE_VERIFY, &key, err));
        if (!hash_equal(key, w->loader_scans[scan].mask))
            TRY(error_set(err, STATUS_STAGE_IO,
                          "the mask of %s has other voxels than when the training began",
                          s->path));
    }
out:
    cache_close(cache);
    return status;
}
