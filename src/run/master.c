/*
 * One loop: take a message, enter what it brings, give the sender its next task, and give
 * tasks to workers who found none earlier. Workers are numbered from 0; worker w is rank
 * w + 1, or rank w where the master is worker 0 and works between the messages.
 *
 *   worker:  IDLE ──order──> BUSY ──done, failed, given up──> IDLE
 *
 * Stopping (a signal, too many quarantined scans, a failure that concerns all) sends STOP
 * to the busy, takes no result for new work, and ends when everybody is idle.
 */
#include "run/master.h"

#include <sched.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "comm/message.h"
#include "run/interrupt.h"
#include "run/protocol.h"

static const double sleep_shortest = 50e-6, sync_seconds = 2, watch_seconds = 50e-3,
                    dense_seconds = 200e-6, last_seconds = 2;

struct peer {
    bool ready, busy, told_to_stop;
    struct task task;
    double heard, pinged;
};

struct loop {
    struct master *m;
    struct peer *peers;
    int first; /* rank of worker 0 */
    int count, busy;
    enum status stopping; /* why; STATUS_OK while going on */
    struct error reason;
    double synced, watched;
    double taken;         /* when the last message came */
    bool dense;           /* soon after the one before */
    const char *own_scan; /* that the master works on itself; NULL: none */
};

void master_tell(const struct master *m, int kind, int part, const void *payload,
                 size_t bytes)
{
    struct message message = {.kind = kind,
                              .part = part,
                              .bytes = bytes,
                              .payload = (void *)(uintptr_t)payload};
    for (int rank = 1; rank < m->comm->size; rank++) {
        watchdog_arm(m->watchdog, m->settings->limits.deadline_s * PATIENCE_DEADLINES,
                     "sending a message to rank %d", rank);
        message_send(m->comm, rank, &message);
        watchdog_disarm(m->watchdog);
    }
}

static void stop(struct loop *l, const struct error *reason)
{
    if (l->stopping >= reason->code)
        return; /* the worst reason stays */
    l->stopping = reason->code;
    memcpy(&l->reason, reason, sizeof l->reason);
}

/* What progress says the job is doing. */
static const char *at_work(const struct master *m)
{
    return m->settings->stages.detect ? "detect" : "prepare";
}

static void stop_when_asked(struct loop *l)
{
    struct error reason;
    if (!interrupt_wanted() || l->stopping)
        return;
    log_info("asked to stop: what is done is kept, the same command goes on from there");
    error_set(&reason, STATUS_JOB_INTERRUPTED, "stopped on request");
    stop(l, &reason);
}

/* --- the journal --- */

/* Its disk may hang, and a master alone has no workers who would notice. Returns what
 * leave_journal has to know. */
static bool go_to_journal(const struct master *m)
{
    return watchdog_arm_idle(m->watchdog,
                             m->settings->limits.deadline_s * PATIENCE_DEADLINES,
                             "reading or writing the journal");
}

static void leave_journal(const struct master *m, bool watched)
{
    if (watched)
        watchdog_disarm(m->watchdog);
}

static enum status sync_journal(const struct master *m, struct error *err)
{
    const bool watched = go_to_journal(m);
    const enum status status = ledger_sync(m->ledger, err);
    leave_journal(m, watched);
    return status;
}

static enum status find_order(const struct master *m, const struct task *t,
                              struct order *order, void **payload, struct error *err)
{
    const bool watched = go_to_journal(m);
    const enum status status = ledger_order(m->ledger, t, order, payload, err);
    leave_journal(m, watched);
    return status;
}

/* --- results --- */

/* Stops the job when more scans are quarantined than limits.quarantine puts up with. */
static void hold_quarantine(struct loop *l)
{
    const struct master *m = l->m;
    struct error err;
    size_t count;
    const struct quarantined *q = ledger_quarantined(m->ledger, &count);
    if ((int64_t)count <= m->quarantine_limit)
        return;
    error_set(
        &err, STATUS_JOB_FAILED,
        "%zu scans are quarantined, limits.quarantine allows %lld; the last: %s, %s: %s",
        count, (long long)m->quarantine_limit, q[count - 1].seriesuid, q[count - 1].stage,
        q[count - 1].reason);
    stop(l, &err);
}

/* A bad scan is set aside; any other failure stops the job. */
static void fail(struct loop *l, const struct task *t, const char *stage,
                 const struct error *error)
{
    struct master *m = l->m;
    struct error err;
    const char *uid = m->dataset->scans[t->scan].seriesuid;

    if (!status_is_item(error->code)) {
        struct error reason = *error;
        error_prefix(&reason, "scan %s, %s", uid, stage);
        stop(l, &reason);
        return;
    }
    if (schedule_state(m->schedule, t->scan) == SCAN_QUARANTINED)
        return;
    log_warning("scan %s is quarantined in stage %s: %s", uid, stage, error->message);
    if (ledger_quarantine(m->ledger, t->scan, uid, stage, error->message, &err) !=
        STATUS_OK) {
        stop(l, &err);
        return;
    }
    hold_quarantine(l);
}

static void enter(struct loop *l, const struct task *t, const void *payload, size_t bytes)
{
    struct error err;
    const bool watched = go_to_journal(l->m);
    if (ledger_enter(l->m->ledger, t, payload, bytes, &err) != STATUS_OK)
        stop(l, &err);
    leave_journal(l->m, watched);
}

static void sync_now_and_then(struct loop *l)
{
    struct error err;
    double now = clock_seconds();
    if (now - l->synced < sync_seconds)
        return;
    l->synced = now;
    if (sync_journal(l->m, &err) != STATUS_OK)
        stop(l, &err);
    progress_show(l->m->progress, schedule_counts(l->m->schedule), at_work(l->m), false);
}

/* --- a master with workers --- */

static void send_order(struct loop *l, int worker, const struct task *t)
{
    struct master *m = l->m;
    struct order order;
    struct error err;
    void *payload = NULL;
    struct message message = {.kind = SAYS_ORDER};

    enum status status = find_order(m, t, &order, &payload, &err);
    if (status == STATUS_OK) {
        size_t bytes;
        status = order_pack(&order, &message.payload, &bytes, &err);
        message.bytes = bytes;
    }
    free(payload);
    if (status != STATUS_OK) {
        schedule_release(m->schedule, worker);
        stop(l, &err);
        return;
    }
    watchdog_arm(m->watchdog, m->settings->limits.deadline_s * PATIENCE_DEADLINES,
                 "sending a task of scan %s to rank %d", order.seriesuid,
                 l->first + worker);
    message_send(m->comm, l->first + worker, &message);
    watchdog_disarm(m->watchdog);
    free(message.payload);
    struct peer *p = &l->peers[worker];
    p->task = *t;
    p->busy = true;
    p->told_to_stop = false;
    p->heard = p->pinged = clock_seconds();
    l->busy++;
}

static void give_task(struct loop *l, int worker)
{
    struct task task;
    const struct peer *p = &l->peers[worker];
    if (p->ready && !p->busy && !l->stopping &&
        schedule_next(l->m->schedule, worker, &task))
        send_order(l, worker, &task);
}

/* The sender of a scan's result comes first: it has the voxels that the next task of its
 * scan needs; or who has all of them. Then those who found none earlier. */
static void give_tasks(struct loop *l, int sender, int64_t scan)
{
    const int reader = schedule_reader(l->m->schedule, scan);
    if (reader >= 0)
        give_task(l, reader);
    give_task(l, sender);
    for (int w = 0; w < l->count && schedule_has_task(l->m->schedule); w++)
        give_task(l, w);
}

static void handle(struct loop *l, const struct message *message)
{
    int worker = message->peer - l->first;
    struct peer *p = &l->peers[worker];
    struct task task = p->task;
    p->heard = clock_seconds();
    switch (message->kind) {
    case SAYS_READY:
        p->ready = true;
        return;
    case SAYS_ALIVE:
        return;
    case SAYS_STOP_WANTED: {
        struct error reason;
        log_info("rank %d was asked to stop", message->peer);
        error_set(&reason, STATUS_JOB_INTERRUPTED, "stopped on request");
        stop(l, &reason);
        return;
    }
    case SAYS_DONE:
        enter(l, &task, message->payload, message->bytes);
        break;
    case SAYS_FAILED: {
        struct failure failure;
        CHECK(message->bytes == sizeof failure);
        memcpy(&failure, message->payload, sizeof failure);
        fail(l, &task, failure.stage, &failure.error);
        break;
    }
    case SAYS_GIVEN_UP:
        break;
    default:
        CHECK(!"a message that no worker sends");
    }
    schedule_release(l->m->schedule, worker);
    p->busy = false;
    l->busy--;
}

/* A worker at work says so every second; reading may keep it for one deadline. */
static void watch_workers(struct loop *l)
{
    const struct master *m = l->m;
    double now = clock_seconds(), deadline = m->settings->limits.deadline_s;
    for (int w = 1 - l->first; w < l->count; w++) { /* all but the master */
        struct peer *p = &l->peers[w];
        struct message message = {.kind = SAYS_PING};
        if (p->busy && l->stopping && !p->told_to_stop) {
            message.kind = SAYS_STOP;
            p->told_to_stop = true;
            message_send(m->comm, l->first + w, &message);
        }
        if ((p->busy || !p->ready) && now - p->heard > deadline * PATIENCE_DEADLINES) {
            log_error(
                "rank %d has not been heard of for %.0f s%s%s: the job ends; the same "
                "command goes on from what is done",
                l->first + w, now - p->heard, p->busy ? ", at work on scan " : "",
                p->busy ? m->dataset->scans[p->task.scan].seriesuid : "");
            /* The disk may be what it waits for, too. */
            watchdog_arm(m->watchdog, last_seconds, "writing the journal");
            ledger_sync(m->ledger, NULL);
            comm_abort(1);
        }
        if (!p->busy && now - p->pinged > deadline / PINGS_PER_DEADLINE) {
            p->pinged = now;
            message_send(m->comm, l->first + w, &message);
        }
    }
}

/* A master that was itself held up (a slow disk, a stopped process) has messages it has
 * not read: nobody is called silent for that time. */
static void forgive(struct loop *l, double held_up)
{
    for (int w = 0; w < l->count; w++)
        l->peers[w].heard += held_up;
}

/* What must not wait for a quiet moment, since with many workers there may be none:
 * signals, deadlines, the journal. Between messages at most every watch_seconds. */
static void keep_watch(struct loop *l, bool quiet)
{
    double now = clock_seconds(), since = now - l->watched;
    if (!quiet && since < watch_seconds)
        return;
    if (since > l->m->settings->limits.deadline_s / PINGS_PER_DEADLINE)
        forgive(l, since);
    l->watched = now;
    stop_when_asked(l);
    watch_workers(l);
    sync_now_and_then(l);
}

static void note_arrival(struct loop *l)
{
    const double now = clock_seconds();
    l->dense = now - l->taken < dense_seconds;
    l->taken = now;
}

static bool hear(struct loop *l)
{
    struct message message;
    if (!message_take(l->m->comm, MPI_ANY_SOURCE, &message))
        return false;
    note_arrival(l);
    handle(l, &message);
    free(message.payload);
    const int sender = message.peer - l->first;
    give_tasks(l, sender, l->peers[sender].task.scan);
    return true;
}

/* --- the master's own tasks --- */

static void arm_own(const struct loop *l)
{
    const struct master *m = l->m;
    watchdog_arm(m->watchdog, m->settings->limits.deadline_s * PATIENCE_DEADLINES,
                 "working on scan %s", l->own_scan);
}

static void do_own(struct loop *l, struct detector *detector, const struct task *t)
{
    struct master *m = l->m;
    struct order order;
    struct error err = {0};
    void *needed = NULL, *made = NULL;
    size_t bytes;
    const char *stage = "load";
    if (find_order(m, t, &order, &needed, &err) != STATUS_OK) {
        stop(l, &err);
    } else {
        l->own_scan = order.seriesuid;
        arm_own(l);
        enum status status = detector_do(detector, &order, &made, &bytes, &stage, &err);
        watchdog_disarm(m->watchdog);
        if (status == STATUS_OK)
            enter(l, t, made, bytes);
        else if (status != STATUS_JOB_INTERRUPTED)
            fail(l, t, stage, &err);
    }
    schedule_release(m->schedule, 0);
    free(needed);
    free(made);
}

enum status master_poll(void *context)
{
    struct master *m = context;
    struct loop *l = m->loop;
    watchdog_touch(m->watchdog);
    progress_show(m->progress, schedule_counts(m->schedule), at_work(m), false);
    if (!l)
        return interrupt_wanted() ? STATUS_JOB_INTERRUPTED : STATUS_OK;
    while (hear(l))
        ;
    keep_watch(l, false);
    arm_own(l); /* sending disarmed it */
    return l->stopping ? STATUS_JOB_INTERRUPTED : STATUS_OK;
}

/* --- a master with workers --- */

/* Between two looks. While messages come one upon the other the next is there sooner than
 * a sleep would end: the core is only offered to others. Else it sleeps, longer and
 * longer. */
static double wait_a_little(const struct loop *l, double pause)
{
    if (l->dense && clock_seconds() - l->taken < dense_seconds) {
        sched_yield();
        return pause;
    }
    clock_sleep(pause);
    return pause * 2 < MASTER_SLEEP_LONGEST ? pause * 2 : MASTER_SLEEP_LONGEST;
}

/* Whether there was a task for the master itself. */
static bool work_too(struct loop *l, struct detector *detector)
{
    struct task task;
    if (!detector || l->stopping || !schedule_next(l->m->schedule, 0, &task))
        return false;
    do_own(l, detector, &task);
    give_tasks(l, 0, task.scan);
    return true;
}

static enum status lead(struct loop *l, struct detector *detector, struct error *err)
{
    struct master *m = l->m;
    enum status status = STATUS_OK;
    double pause = sleep_shortest;
    l->first = comm_first_worker(m->comm);
    l->count = comm_worker_count(m->comm);
    TRY(memory_new((size_t)l->count, sizeof *l->peers, "workers", (void **)&l->peers,
                   err));
    m->loop = l;
    l->watched = clock_seconds();
    for (int w = 0; w < l->count; w++)
        l->peers[w].heard = l->peers[w].pinged = l->watched;

    while (l->busy > 0 || (!l->stopping && !schedule_is_finished(m->schedule))) {
        const bool taken = hear(l);
        keep_watch(l, !taken && !l->dense);
        if (taken || work_too(l, detector))
            pause = sleep_shortest;
        else
            pause = wait_a_little(l, pause);
    }
out:
    m->loop = NULL;
    free(l->peers);
    return status;
}

/* --- a master alone --- */

static void work_alone(struct loop *l, struct detector *detector)
{
    struct task task;
    while (!schedule_is_finished(l->m->schedule)) {
        stop_when_asked(l);
        if (l->stopping)
            break;
        CHECK(schedule_next(l->m->schedule, 0, &task));
        do_own(l, detector, &task);
        sync_now_and_then(l);
    }
}

enum status master_run(struct master *m, struct detector *detector, struct error *err)
{
    struct loop l = {.m = m, .synced = clock_seconds()};
    enum status status = STATUS_OK;
    progress_show(m->progress, schedule_counts(m->schedule), at_work(m), false);
    hold_quarantine(&l); /* what the data set left out before any work */
    if (m->comm->size == 1)
        work_alone(&l, detector);
    else
        TRY(lead(&l, detector, err));
    TRY(sync_journal(m, err));
    if (l.stopping) {
        *err = l.reason;
        status = l.stopping;
    }
out:
    return status;
}
