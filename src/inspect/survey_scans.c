/*
 * The part of a survey that looks at every scan, shared over the ranks: each reads its
 * own and keeps what it finds; when all have agreed that they are through, the others
 * send theirs to rank 0 in pieces of PIECE_SCANS, one rank after the other.
 */
#include <math.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/watchdog.h"
#include "comm/message.h"
#include "inspect/survey.h"

enum { PIECE_SCANS = 128, EXIT_FAILED = 1 };

static const double look_seconds = 0.002;

/* What a rank found of its own scans: the k-th is scan rank + k * size. */
struct share {
    struct scan_facts *facts;
    char **reasons;
    size_t count;
};

static void share_release(struct share *s)
{
    for (size_t i = 0; i < s->count; i++)
        free(s->reasons[i]);
    free(s->reasons);
    free(s->facts);
}

static size_t share_count(const struct comm *c, size_t scans, int rank)
{
    return (size_t)rank < scans ? (scans - (size_t)rank - 1) / (size_t)c->size + 1 : 0;
}

static void expired(void *context, const char *description, double seconds)
{
    const struct comm *c = context;
    log_error("%s on %s has taken more than %.0f s", description, c->host, seconds);
    comm_abort(EXIT_FAILED);
}

static enum status read_share(struct share *mine, const struct survey *v,
                              const struct comm *c, const struct settings *s,
                              struct watchdog *w, struct error *err)
{
    enum status status = STATUS_OK;
    size_t count = share_count(c, v->dataset.count, c->rank);
    TRY(memory_new(count, sizeof *mine->facts, "headers", (void **)&mine->facts, err));
    TRY(memory_new(count, sizeof *mine->reasons, "headers", (void **)&mine->reasons,
                   err));
    mine->count = count;
    for (size_t k = 0; k < count; k++) {
        const char *path = v->dataset.scans[(size_t)c->rank + k * (size_t)c->size].path;
        struct error bad;
        watchdog_arm(w, s->limits.deadline_s, "reading %s", path);
        status = scan_facts_read(path, s->dataset.allow_outside, v->deep, &mine->facts[k],
                                 &bad);
        if (status_is_item(status))
            status = text_new(bad.message, &mine->reasons[k], err);
        else
            *err = bad;
        TRY(status);
        if (c->rank == 0 && v->deep)
            log_progress(k + 1 == count, "voxels: %zu of %zu scans",
                         (k + 1) * (size_t)c->size, v->dataset.count);
    }
out:
    watchdog_disarm(w);
    return status;
}

/* A piece is `count` facts, then for each scan its reason and a NUL ("": it is fine). */
static enum status send_piece(const struct comm *c, const struct share *mine,
                              size_t first, size_t count, struct error *err)
{
    size_t bytes = count * sizeof *mine->facts;
    char *payload, *p;
    for (size_t k = first; k < first + count; k++)
        bytes += (mine->reasons[k] ? strlen(mine->reasons[k]) : 0) + 1;
    enum status status = memory_new(bytes, 1, "message", (void **)&payload, err);
    if (status != STATUS_OK)
        return status;
    memcpy(payload, mine->facts + first, count * sizeof *mine->facts);
    p = payload + count * sizeof *mine->facts;
    for (size_t k = first; k < first + count; k++) {
        size_t n = mine->reasons[k] ? strlen(mine->reasons[k]) : 0;
        if (n)
            memcpy(p, mine->reasons[k], n);
        p += n + 1; /* the room was zeroed */
    }
    struct message m = {.item = (int64_t)first,
                        .part = (int32_t)count,
                        .bytes = bytes,
                        .payload = payload};
    message_send(c, 0, &m);
    free(payload);
    return STATUS_OK;
}

/* Moves one scan's findings to their place in the survey. */
static void place(struct survey *v, size_t scan, const struct scan_facts *facts,
                  char *reason)
{
    CHECK(scan < v->dataset.count);
    v->facts[scan] = *facts;
    v->reasons[scan] = reason;
}

static enum status take_piece(struct survey *v, const struct comm *c,
                              const struct message *m, struct error *err)
{
    enum status status = STATUS_OK;
    const struct scan_facts *facts = m->payload;
    const char *text = (const char *)(facts + m->part);
    for (size_t k = 0; k < (size_t)m->part; k++) {
        char *reason = NULL;
        if (*text)
            TRY(text_new(text, &reason, err));
        place(v, (size_t)m->peer + ((size_t)m->item + k) * (size_t)c->size, &facts[k],
              reason);
        text += strlen(text) + 1;
    }
out:
    return status;
}

/* All pieces are taken even after a failure: their senders wait for that. */
static enum status take_from(struct survey *v, const struct comm *c, int peer,
                             struct watchdog *w, struct error *err)
{
    enum status status = STATUS_OK;
    size_t count = share_count(c, v->dataset.count, peer);
    for (size_t taken = 0; taken < count;) {
        struct message m;
        if (!message_take(c, peer, &m)) {
            clock_sleep(look_seconds);
            continue;
        }
        watchdog_touch(w);
        taken += (size_t)m.part;
        if (status == STATUS_OK)
            status = take_piece(v, c, &m, err);
        free(m.payload);
    }
    return status;
}

static enum status gather(struct survey *v, const struct comm *c, struct share *mine,
                          const struct settings *s, struct watchdog *w, struct error *err)
{
    enum status status = STATUS_OK;
    watchdog_arm(w, s->limits.deadline_s, "gathering what the ranks found");
    if (c->rank > 0) {
        for (size_t k = 0; k < mine->count && status == STATUS_OK; k += PIECE_SCANS) {
            size_t left = mine->count - k;
            status = send_piece(c, mine, k, left < PIECE_SCANS ? left : PIECE_SCANS, err);
        }
        if (status != STATUS_OK) { /* rank 0 would wait for the rest */
            log_error("%s", err->message);
            comm_abort(EXIT_FAILED);
        }
    } else {
        for (size_t k = 0; k < mine->count; k++) {
            place(v, k * (size_t)c->size, &mine->facts[k], mine->reasons[k]);
            mine->reasons[k] = NULL;
        }
        for (int peer = 1; peer < c->size; peer++) {
            enum status one = take_from(v, c, peer, w, err);
            status = status == STATUS_OK ? one : status;
        }
    }
    watchdog_disarm(w);
    return status;
}

enum status survey_read_scans(struct survey *v, const struct comm *c,
                              const struct settings *s, struct error *err)
{
    enum status status = STATUS_OK;
    struct share mine = {0};
    struct watchdog *w = NULL;
    if (c->rank == 0) {
        status = memory_new(v->dataset.count, sizeof *v->facts, "headers",
                            (void **)&v->facts, err);
        if (status == STATUS_OK)
            status = memory_new(v->dataset.count, sizeof *v->reasons, "headers",
                                (void **)&v->reasons, err);
    }
    if (status == STATUS_OK)
        status = watchdog_start(expired, (void *)(uintptr_t)c, &w, err);
    if (status == STATUS_OK)
        status = read_share(&mine, v, c, s, w, err);
    TRY(comm_agree(c, status, err));
    status = gather(v, c, &mine, s, w, err);
    TRY(comm_agree(c, status, err));
out:
    watchdog_stop(w);
    share_release(&mine);
    return status;
}
