/*
 * All that the thread touches lies in struct reading, which has two holders: the rank and
 * the thread. A request is handed over under the lock; while it is BUSY only the thread
 * touches volume and window. Whoever leaves last frees it.
 *
 *   IDLE ──rank: request──> BUSY ──thread: answer──> IDLE
 *                             └──rank: deadline──> ABANDONED ──thread comes back──> freed
 * by it IDLE ──rank: free──> CLOSING ──thread──> freed by it
 */
#include "run/scan_reader.h"

#include <math.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/size.h"
#include "ct/volume.h"

static const float hu_low = -1000, hu_high = 1000;

enum request { REQUEST_OPEN, REQUEST_IDENTITY, REQUEST_CONTENT, REQUEST_SLICES };
enum reading_state { IDLE, BUSY, ABANDONED, CLOSING };

struct reading {
    pthread_mutex_t lock;
    pthread_cond_t asked, answered;
    enum reading_state state;

    enum request request;
    char *path;
    int64_t first, count; /* of REQUEST_SLICES */
    enum status status;
    struct error error;
    struct hash128 hash;

    struct volume_options options;
    int64_t memory_bytes;
    struct volume *volume;
    float *hu;        /* slices [window_first, window_first + window_room) */
    uint8_t *present; /* whole volume: one a slice; NULL for a moving window */
    int64_t window_first, window_count, window_room;
};

struct scan_reader {
    struct scan_reader_options options;
    struct reading *reading; /* NULL before the first scan and after an abandonment */
    char *path;              /* of the open scan, NULL */
    struct geometry geometry;
    double waited;
};

/* --- the thread's side --- */

static void reading_close(struct reading *r)
{
    volume_close(r->volume);
    free(r->hu);
    free(r->present);
    r->volume = NULL;
    r->hu = NULL;
    r->present = NULL;
    r->window_first = r->window_count = r->window_room = 0;
}

static void reading_free(struct reading *r)
{
    reading_close(r);
    free(r->path);
    pthread_cond_destroy(&r->asked);
    pthread_cond_destroy(&r->answered);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

static size_t plane_voxels(const struct reading *r)
{
    const struct geometry *g = volume_geometry(r->volume);
    return (size_t)g->size[1] * (size_t)g->size[2];
}

/* Reads slices into their place and clips them. */
static enum status fill(struct reading *r, int64_t first, int64_t count)
{
    size_t plane = plane_voxels(r);
    float *hu = r->hu + (size_t)(first - r->window_first) * plane;
    enum status status = volume_read(r->volume, first, count, hu, &r->error);
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < plane * (size_t)count; i++) {
        float v = hu[i] < hu_low ? hu_low : hu[i];
        hu[i] = v > hu_high ? hu_high : v;
    }
    return STATUS_OK;
}

/* A volume that is kept whole: reads the slices that are not there yet. What lies before
 * them in a compressed stream is kept as it comes by. */
static enum status fill_missing(struct reading *r, int64_t first, int64_t count)
{
    enum { PIECE = 16 };
    int64_t from = volume_is_compressed(r->volume) ? 0 : first, end = first + count;
    for (int64_t z = from; z < end; z++) {
        int64_t n = 0;
        while (z + n < end && n < PIECE && !r->present[z + n])
            n++;
        if (n == 0)
            continue;
        enum status status = fill(r, z, n);
        if (status != STATUS_OK)
            return status;
        memset(r->present + z, 1, (size_t)n);
        z += n - 1;
    }
    return STATUS_OK;
}

/* A volume that is not: moves the window forward, keeping what both need. */
static enum status move_window(struct reading *r, int64_t first, int64_t count)
{
    size_t plane = plane_voxels(r);
    int64_t end = first + count, window_end = r->window_first + r->window_count;
    if (first >= r->window_first && end <= window_end)
        return STATUS_OK;
    if (count > r->window_room) {
        free(r->hu);
        r->window_count = r->window_room = 0;
        r->hu = calloc(plane * (size_t)count, sizeof *r->hu);
        if (!r->hu)
            return error_set(&r->error, STATUS_ITEM_LIMIT,
                             "%s: no memory for %lld slices of %zu voxels", r->path,
                             (long long)count, plane);
        r->window_room = count;
        window_end = 0;
    }
    int64_t kept = 0;
    if (r->window_count > 0 && first >= r->window_first && first < window_end) {
        kept = window_end - first;
        memmove(r->hu, r->hu + (size_t)(first - r->window_first) * plane,
                (size_t)kept * plane * sizeof *r->hu);
    }
    r->window_first = first;
    r->window_count = kept;
    enum status status = fill(r, first + kept, count - kept);
    if (status == STATUS_OK)
        r->window_count = count;
    return status;
}

/* Reads from the first slice on until it fails too, so that r->error is the first of a
 * volume with several: what is said of a bad scan must not depend on which of its slabs
 * came first. */
static void find_first_failure(struct reading *r)
{
    int64_t end = r->first + r->count;
    for (int64_t z = 0, n; z < end; z += n) {
        n = end - z < r->window_room ? end - z : r->window_room;
        if (!r->present)
            r->window_first = z;
        if (fill(r, z, n) != STATUS_OK)
            break;
    }
    r->window_count = 0;
}

static enum status read_slices(struct reading *r)
{
    int64_t depth = volume_geometry(r->volume)->size[0];
    enum status status;
    size_t plane = plane_voxels(r);
    if (!r->hu &&
        (double)plane * (double)depth * sizeof *r->hu <= (double)r->memory_bytes) {
        r->hu = calloc(plane * (size_t)depth, sizeof *r->hu);
        r->present = calloc((size_t)depth, 1);
        if (!r->hu || !r->present)
            return error_set(&r->error, STATUS_ITEM_LIMIT,
                             "%s: no memory for its %zu voxels", r->path,
                             plane * (size_t)depth);
        r->window_room = depth;
    }
    if (r->present)
        status = fill_missing(r, r->first, r->count);
    else
        status = move_window(r, r->first, r->count);
    if ((status == STATUS_ITEM_IO || status == STATUS_ITEM_FORMAT) && r->first > 0)
        find_first_failure(r);
    return status;
}

static enum status serve(struct reading *r)
{
    switch (r->request) {
    case REQUEST_OPEN:
        reading_close(r);
        return volume_open(r->path, &r->options, &r->volume, &r->error);
    case REQUEST_IDENTITY:
        return volume_identity(r->volume, &r->hash, &r->error);
    case REQUEST_CONTENT:
        return volume_content(r->volume, &r->hash, &r->error);
    case REQUEST_SLICES:
        return read_slices(r);
    }
    CHECK(!"a request that is none");
}

static void *reading_thread(void *argument)
{
    struct reading *r = argument;
    pthread_mutex_lock(&r->lock);
    for (;;) {
        while (r->state == IDLE)
            pthread_cond_wait(&r->asked, &r->lock);
        if (r->state != BUSY)
            break;
        pthread_mutex_unlock(&r->lock);
        enum status status = serve(r);
        pthread_mutex_lock(&r->lock);
        r->status = status;
        if (r->state != BUSY)
            break;
        r->state = IDLE;
        pthread_cond_signal(&r->answered);
    }
    pthread_mutex_unlock(&r->lock);
    reading_free(r);
    return NULL;
}

/* --- the rank's side --- */

static enum status reading_start(const struct scan_reader_options *o,
                                 struct reading **out, struct error *err)
{
    struct reading *r;
    pthread_t thread;
    pthread_condattr_t monotonic;
    enum status status = memory_new(1, sizeof *r, "reader", (void **)&r, err);
    if (status != STATUS_OK)
        return status;
    r->options.allow_outside = o->allow_outside;
    r->memory_bytes = o->memory_bytes;
    pthread_mutex_init(&r->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&r->asked, &monotonic);
    pthread_cond_init(&r->answered, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (pthread_create(&thread, NULL, reading_thread, r)) {
        reading_free(r);
        return error_set(err, STATUS_STAGE_MEMORY, "a reading thread cannot be started");
    }
    pthread_detach(thread);
    *out = r;
    return STATUS_OK;
}

/* Lets go of the thread: at once when it is idle, for ever when it hangs. */
static void reading_leave(struct scan_reader *s)
{
    struct reading *r = s->reading;
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    r->state = r->state == BUSY ? ABANDONED : CLOSING;
    pthread_cond_signal(&r->asked);
    pthread_mutex_unlock(&r->lock);
    s->reading = NULL;
    free(s->path);
    s->path = NULL;
}

/* Waits a little for the answer; the lock is held. */
static void wait_a_little(struct reading *r)
{
    enum { WAIT_NS = 20000000 };
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += WAIT_NS;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(&r->answered, &r->lock, &until);
}

static enum status ask(struct scan_reader *s, enum request request, const char *what,
                       struct error *err)
{
    struct reading *r = s->reading;
    enum status status = STATUS_OK;
    double start = clock_seconds();

    pthread_mutex_lock(&r->lock);
    r->request = request;
    r->state = BUSY;
    pthread_cond_signal(&r->asked);
    while (r->state == BUSY && status == STATUS_OK) {
        wait_a_little(r);
        if (r->state != BUSY)
            break;
        if (clock_seconds() - start > s->options.deadline_s) {
            status = error_set(err, STATUS_ITEM_DEADLINE,
                               "%s: %s: no answer from the file system for %g s", r->path,
                               what, s->options.deadline_s);
        } else {
            pthread_mutex_unlock(&r->lock);
            status = s->options.poll(s->options.context);
            pthread_mutex_lock(&r->lock);
            if (status != STATUS_OK)
                error_set(err, status, "asked to stop");
        }
    }
    if (status == STATUS_OK && r->status != STATUS_OK) {
        status = r->status;
        *err = r->error;
    }
    bool hangs = r->state == BUSY;
    pthread_mutex_unlock(&r->lock);
    if (hangs)
        reading_leave(s);
    s->waited += clock_seconds() - start;
    return status;
}

enum status scan_reader_new(const struct scan_reader_options *o, struct scan_reader **out,
                            struct error *err)
{
    enum status status = memory_new(1, sizeof **out, "reader", (void **)out, err);
    if (status == STATUS_OK)
        (*out)->options = *o;
    return status;
}

void scan_reader_free(struct scan_reader *r)
{
    if (!r)
        return;
    reading_leave(r);
    free(r->path);
    free(r);
}

enum status scan_reader_open(struct scan_reader *r, const char *path, struct error *err)
{
    enum status status = STATUS_OK;
    if (r->path && !strcmp(r->path, path))
        return STATUS_OK;
    free(r->path);
    r->path = NULL;
    if (!r->reading)
        TRY(reading_start(&r->options, &r->reading, err));
    free(r->reading->path);
    r->reading->path = NULL;
    TRY(text_new(path, &r->reading->path, err));
    TRY(ask(r, REQUEST_OPEN, "opening it", err));
    r->geometry = *volume_geometry(r->reading->volume);
    TRY(text_new(path, &r->path, err));
out:
    return status;
}

const struct geometry *scan_reader_geometry(const struct scan_reader *r)
{
    return &r->geometry;
}

int64_t scan_reader_file_bytes(const struct scan_reader *r)
{
    return volume_file_bytes(r->reading->volume);
}

enum status scan_reader_identity(struct scan_reader *r, struct hash128 *out,
                                 struct error *err)
{
    enum status status = ask(r, REQUEST_IDENTITY, "looking at its files", err);
    if (status == STATUS_OK)
        *out = r->reading->hash;
    return status;
}

enum status scan_reader_content(struct scan_reader *r, struct hash128 *out,
                                struct error *err)
{
    enum status status = ask(r, REQUEST_CONTENT, "reading all of it", err);
    if (status == STATUS_OK)
        *out = r->reading->hash;
    return status;
}

enum status scan_reader_slices(struct scan_reader *r, int64_t first, int64_t count,
                               struct slices *out, struct error *err)
{
    char what[96];
    struct reading *g = r->reading;
    g->first = first;
    g->count = count;
    snprintf(what, sizeof what, "reading slices %lld to %lld", (long long)first,
             (long long)(first + count - 1));
    enum status status = ask(r, REQUEST_SLICES, what, err);
    if (status != STATUS_OK)
        return status;
    size_t plane = (size_t)r->geometry.size[1] * (size_t)r->geometry.size[2];
    *out = (struct slices){.hu = g->hu + (size_t)(first - g->window_first) * plane,
                           .first = first,
                           .count = count};
    memcpy(out->size, r->geometry.size, sizeof out->size);
    return STATUS_OK;
}

double scan_reader_waited(const struct scan_reader *r)
{
    return r->waited;
}
