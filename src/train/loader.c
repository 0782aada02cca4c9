/*
 * A ring of LOADER_BATCHES batches. `asked` and `taken` count batches since the start;
 * batch n lies in place n % LOADER_BATCHES. Threads take single examples, in order, from
 * the batches asked for; the rank waits until all examples of the batch it wants are
 * made. One lock guards everything but the voxels, which belong to the thread that makes
 * the example, and to the rank once the batch is taken.
 *
 * All that a thread touches lives in struct work, copies of the rank's lists too, and is
 * freed by whoever leaves last: after a deadline a thread may still be stuck in a read,
 * and come back when the rank has long let go of its own.
 */
#include "train/loader.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"
#include "train/maker.h"

struct batch {
    struct example_item *items;
    bool *done; /* of each item */
    float *inputs, *targets;
    int count, begun, made;
    int failed; /* lowest item that failed; -1: none */
    enum status status;
    struct error error;
};

struct work {
    struct loader_options options; /* scans and pool are those below */
    struct loader_scan *scans;
    char *seriesuids;
    struct pool pool; /* LIST_NODULE alone */
    pthread_mutex_t lock;
    pthread_cond_t asked_for, was_made;
    struct batch batches[LOADER_BATCHES];
    uint64_t asked, taken;
    uint64_t repairs; /* how often files may have been made anew so far */
    int holders;      /* threads, and the rank */
    bool closing;
};

struct loader {
    struct work *work;
    double waited;
    int32_t failed_scan;
    bool failed; /* a batch, since one was asked for */
};

/* ---- threads ---- */

static void batch_release(struct batch *b)
{
    free(b->items);
    free(b->done);
    free(b->inputs);
    free(b->targets);
}

/* Called with the lock held, which it gives back. */
static void work_leave(struct work *w)
{
    bool last = --w->holders == 0;
    pthread_mutex_unlock(&w->lock);
    if (!last)
        return;
    for (int i = 0; i < LOADER_BATCHES; i++)
        batch_release(&w->batches[i]);
    pool_release(&w->pool);
    free(w->scans);
    free(w->seriesuids);
    pthread_cond_destroy(&w->asked_for);
    pthread_cond_destroy(&w->was_made);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

/* The next example that nobody makes yet: the batch it stands in, or NULL. */
static struct batch *next_item(struct work *w, int *item)
{
    for (uint64_t n = w->taken; n < w->asked; n++) {
        struct batch *b = &w->batches[n % LOADER_BATCHES];
        if (b->begun < b->count) {
            *item = b->begun++;
            return b;
        }
    }
    return NULL;
}

static void note_failure(struct batch *b, int item, enum status status,
                         const struct error *err)
{
    if (status == STATUS_OK || (b->failed >= 0 && b->failed < item))
        return;
    b->failed = item;
    b->status = status;
    b->error = *err;
}

static void *thread_main(void *argument)
{
    struct work *w = argument;
    struct maker m;
    struct error err;
    enum status ready = maker_init(&m, &w->options, &err);
    int64_t input = example_input_floats(&w->options.example);
    int64_t target = example_target_floats(&w->options.example);

    pthread_mutex_lock(&w->lock);
    while (!w->closing) {
        int item;
        struct batch *b = next_item(w, &item);
        if (!b) {
            pthread_cond_wait(&w->asked_for, &w->lock);
            continue;
        }
        const uint64_t repairs = w->repairs;
        pthread_mutex_unlock(&w->lock);
        enum status status = ready;
        if (ready == STATUS_OK)
            status = maker_make(&m, &b->items[item], repairs, b->inputs + item * input,
                                b->targets + item * target, &err);
        pthread_mutex_lock(&w->lock);
        note_failure(b, item, status, &err);
        b->done[item] = true;
        if (++b->made == b->count)
            pthread_cond_signal(&w->was_made);
    }
    pthread_mutex_unlock(&w->lock);
    maker_release(&m);
    pthread_mutex_lock(&w->lock);
    pthread_cond_broadcast(&w->was_made); /* loader_free waits for threads to leave */
    work_leave(w);
    return NULL;
}

static enum status start_threads(struct work *w, struct error *err)
{
    pthread_attr_t detached;
    int failed = 0;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    for (int i = 0; i < w->options.threads && !failed; i++) {
        pthread_t thread;
        pthread_mutex_lock(&w->lock);
        w->holders++;
        failed = pthread_create(&thread, &detached, thread_main, w);
        if (failed)
            w->holders--;
        pthread_mutex_unlock(&w->lock);
    }
    pthread_attr_destroy(&detached);
    return failed ? error_set(err, STATUS_STAGE_MEMORY, "no thread to read with: %s",
                              strerror(failed))
                  : STATUS_OK;
}

/* ---- the rank ---- */

static enum status batch_init(struct batch *b, const struct loader_options *o,
                              struct error *err)
{
    enum status status;
    size_t samples = (size_t)o->samples;
    size_t inputs = (size_t)example_input_floats(&o->example) * samples;
    size_t targets = (size_t)example_target_floats(&o->example) * samples;
    TRY(memory_new(samples, sizeof *b->items, "a batch", (void **)&b->items, err));
    TRY(memory_new(samples, sizeof *b->done, "a batch", (void **)&b->done, err));
    TRY(memory_new(inputs, sizeof(float), "a batch", (void **)&b->inputs, err));
    TRY(memory_new(targets, sizeof(float), "a batch", (void **)&b->targets, err));
out:
    return status;
}

/* Copies the scans with their names, and the nodules. */
static enum status copy_lists(struct work *w, const struct loader_options *o,
                              struct error *err)
{
    enum status status;
    size_t bytes = 0;
    for (size_t i = 0; i < o->scan_count; i++)
        bytes += strlen(o->scans[i].seriesuid) + 1;
    TRY(memory_new(o->scan_count, sizeof *w->scans, "scans", (void **)&w->scans, err));
    TRY(memory_new(bytes, 1, "names of scans", (void **)&w->seriesuids, err));
    char *name = w->seriesuids;
    for (size_t i = 0; i < o->scan_count; i++) {
        w->scans[i] = o->scans[i];
        w->scans[i].seriesuid = name;
        const size_t length = strlen(o->scans[i].seriesuid) + 1;
        memcpy(name, o->scans[i].seriesuid, length);
        name += length;
    }
    w->options.scans = w->scans;
    w->options.pool = &w->pool;
    if (o->example.target != TARGET_BOXES)
        goto out;
    struct pool_place **places = &w->pool.places[LIST_NODULE];
    const size_t count = o->pool->counts[LIST_NODULE];
    TRY(memory_new(count, sizeof **places, "nodules", (void **)places, err));
    if (count > 0)
        memcpy(*places, o->pool->places[LIST_NODULE], count * sizeof **places);
    w->pool.counts[LIST_NODULE] = count;
out:
    return status;
}

static enum status work_new(const struct loader_options *o, struct work **out,
                            struct error *err)
{
    struct work *w;
    pthread_condattr_t clock;
    enum status status = memory_new(1, sizeof *w, "a loader", (void **)&w, err);
    if (status != STATUS_OK)
        return status;
    *out = w;
    w->options = *o;
    w->holders = 1;
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&w->asked_for, NULL);
    pthread_cond_init(&w->was_made, &clock);
    pthread_condattr_destroy(&clock);
    status = copy_lists(w, o, err);
    for (int i = 0; i < LOADER_BATCHES && status == STATUS_OK; i++)
        status = batch_init(&w->batches[i], o, err);
    return status;
}

enum status loader_new(const struct loader_options *o, struct loader **out,
                       struct error *err)
{
    enum status status;
    struct loader *l = NULL;
    CHECK(o->threads >= 1 && o->samples >= 0);
    TRY(memory_new(1, sizeof *l, "a loader", (void **)&l, err));
    l->failed_scan = -1;
    TRY(work_new(o, &l->work, err));
    TRY(start_threads(l->work, err));
out:
    if (status != STATUS_OK) {
        loader_free(l);
        l = NULL;
    }
    *out = l;
    return status;
}

static struct timespec in_seconds(double seconds)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    double whole = (double)(int64_t)seconds;
    t.tv_sec += (time_t)whole;
    t.tv_nsec += (long)(1e9 * (seconds - whole));
    if (t.tv_nsec >= 1000000000) {
        t.tv_nsec -= 1000000000;
        t.tv_sec++;
    }
    return t;
}

/* Waits for the threads to leave, a second at most: one that is stuck in a read goes when
 * it comes back. */
void loader_free(struct loader *l)
{
    if (!l)
        return;
    struct work *w = l->work;
    free(l);
    if (!w)
        return;
    const struct timespec end = in_seconds(1);
    pthread_mutex_lock(&w->lock);
    w->closing = true;
    pthread_cond_broadcast(&w->asked_for);
    while (w->holders > 1)
        if (pthread_cond_timedwait(&w->was_made, &w->lock, &end) == ETIMEDOUT)
            break;
    work_leave(w);
}

void loader_ask(struct loader *l, const struct example_item *items, int count)
{
    struct work *w = l->work;
    CHECK(count >= 0 && count <= w->options.samples);
    for (int i = 0; i < count; i++)
        CHECK(items[i].place.scan >= 0 &&
              (size_t)items[i].place.scan < w->options.scan_count);
    pthread_mutex_lock(&w->lock);
    CHECK(w->asked - w->taken < LOADER_BATCHES - 1);
    w->repairs += l->failed;
    l->failed = false;
    struct batch *b = &w->batches[w->asked % LOADER_BATCHES];
    if (count)
        memcpy(b->items, items, (size_t)count * sizeof *items);
    memset(b->done, 0, (size_t)count * sizeof *b->done);
    b->count = count;
    b->begun = b->made = 0;
    b->failed = -1;
    w->asked++;
    pthread_cond_broadcast(&w->asked_for);
    pthread_mutex_unlock(&w->lock);
}

/* Of the first item that is not made, in a batch that has one. */
static const char *awaited_scan(const struct work *w, const struct batch *b)
{
    int item = 0;
    while (b->done[item])
        item++;
    return w->scans[b->items[item].place.scan].seriesuid;
}

/* With the lock held. */
static enum status wait_for(struct work *w, const struct batch *b, struct error *err)
{
    const struct timespec end = in_seconds(w->options.deadline_s);
    while (b->made < b->count) {
        if (w->options.deadline_s <= 0)
            pthread_cond_wait(&w->was_made, &w->lock);
        else if (pthread_cond_timedwait(&w->was_made, &w->lock, &end) == ETIMEDOUT)
            return error_set(err, STATUS_STAGE_DEADLINE,
                             "training examples did not come within %g s; waiting for "
                             "scan %s",
                             w->options.deadline_s, awaited_scan(w, b));
    }
    return STATUS_OK;
}

enum status loader_take(struct loader *l, struct loader_batch *out, struct error *err)
{
    struct work *w = l->work;
    double begun = clock_seconds();
    pthread_mutex_lock(&w->lock);
    CHECK(w->taken < w->asked);
    struct batch *b = &w->batches[w->taken % LOADER_BATCHES];
    enum status status = wait_for(w, b, err);
    if (status == STATUS_OK) {
        w->taken++;
        l->failed_scan = -1;
        if (b->failed >= 0) {
            status = b->status;
            *err = b->error;
            l->failed_scan = b->items[b->failed].place.scan;
            l->failed = true;
        }
    }
    pthread_mutex_unlock(&w->lock);
    l->waited += clock_seconds() - begun;
    *out = (struct loader_batch){b->count, b->items, b->inputs, b->targets};
    return status;
}

int32_t loader_failed_scan(const struct loader *l)
{
    return l->failed_scan;
}

double loader_waited(const struct loader *l)
{
    return l->waited;
}
