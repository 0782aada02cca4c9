/*
 * Waiting scans stand in one queue a subset, largest first; a scan that a worker takes
 * joins the list of scans in work and leaves it when it is finished, quarantined, or all
 * its holders are gone. The tasks of its present stage are integers: TO_DO, DONE, or the
 * worker that has it.
 *
 *   WAITING ──schedule_next──> WORKING ──last schedule_done──> FINISHED
 *      │                          │
 *      └──schedule_quarantine─────┴────────────────────────> QUARANTINED
 *
 * Invariants:
 *   1. A task is given to at most one worker, and the task and the worker name each
 * other.
 *   2. remaining = tasks of the stage that are not DONE; to_do = those that are TO_DO.
 *   3. A scan stands in its queue at or behind the queue's head exactly while it is
 *      WAITING.
 *   4. to_give = the to_do of all scans together.
 */
#include "run/schedule.h"

#include "base/memory.h"

/* Of a task; from GIVEN on the worker that has it. */
enum task_state { DONE = -1, TO_DO = 0, GIVEN = 1 };

struct scan_plan {
    int64_t work;
    int32_t *tasks; /* of the present stage; NULL while it is PREPARE or OPEN */
    int64_t task_count, to_do, remaining;
    int32_t subset;
    int32_t single; /* the one task of PREPARE or OPEN: waiting scans need no allocation
                     */
    int32_t reader; /* that did the last slab, -1 */
    uint8_t state, stage;
};

struct queue {
    int64_t *scans; /* largest first */
    int64_t count, head;
    int64_t waiting_work;
};

struct assignment {
    struct task task;
    bool busy;
    bool helps;   /* with another's scan */
    int64_t scan; /* the scan it last worked on, -1 */
};

struct schedule {
    struct scan_plan *scans;
    int64_t count;
    struct queue *queues;
    int subsets;
    struct assignment *workers;
    int worker_count;
    int64_t *working; /* scans in work */
    size_t working_count, working_capacity;
    int64_t to_give;
    int64_t finished, quarantined, restored, work, work_finished, work_restored;
    bool prepares_alone;
};

/* --- queues --- */

struct queue_entry {
    int64_t scan, work;
};

static int by_work_descending(const void *a, const void *b)
{
    const struct queue_entry *x = a, *y = b;
    if (x->work != y->work)
        return x->work > y->work ? -1 : 1;
    return x->scan < y->scan ? -1 : x->scan > y->scan;
}

static enum status queue_fill(struct schedule *s, int subset, struct queue_entry *scratch,
                              struct error *err)
{
    struct queue *q = &s->queues[subset];
    for (int64_t i = 0; i < s->count; i++)
        if (s->scans[i].subset == subset)
            scratch[q->count++] = (struct queue_entry){i, s->scans[i].work};
    qsort(scratch, (size_t)q->count, sizeof *scratch, by_work_descending);
    enum status status = memory_new((size_t)q->count, sizeof *q->scans, "schedule",
                                    (void **)&q->scans, err);
    if (status != STATUS_OK)
        return status;
    for (int64_t i = 0; i < q->count; i++) {
        q->scans[i] = scratch[i].scan;
        q->waiting_work += scratch[i].work;
    }
    return STATUS_OK;
}

/* The next waiting scan of a queue, or -1. Scans that are no longer waiting are passed
 * over. */
static int64_t queue_first(struct schedule *s, struct queue *q)
{
    while (q->head < q->count && s->scans[q->scans[q->head]].state != SCAN_WAITING)
        q->head++;
    return q->head < q->count ? q->scans[q->head] : -1;
}

/* Subsets are dealt to workers in turn; more workers than subsets share one. */
static bool queue_is_own(const struct schedule *s, int subset, int worker)
{
    if (s->worker_count >= s->subsets)
        return worker % s->subsets == subset;
    return subset % s->worker_count == worker;
}

static int64_t waiting_scan_for(struct schedule *s, int worker)
{
    int64_t best = -1, most = -1;
    for (int own = 1; own >= 0 && best < 0; own--)
        for (int i = 0; i < s->subsets; i++) {
            struct queue *q = &s->queues[i];
            if (queue_is_own(s, i, worker) != own || q->waiting_work <= most)
                continue;
            int64_t scan = queue_first(s, q);
            if (scan >= 0) {
                best = scan;
                most = q->waiting_work;
            }
        }
    return best;
}

/* --- scans --- */

static void change_to_do(struct schedule *s, struct scan_plan *p, int64_t change)
{
    p->to_do += change;
    s->to_give += change;
}

static enum status scan_enter(struct schedule *s, struct scan_plan *p,
                              enum task_kind stage, int64_t tasks, struct error *err)
{
    free(p->tasks);
    p->tasks = NULL;
    p->stage = (uint8_t)stage;
    p->task_count = p->remaining = tasks;
    change_to_do(s, p, tasks - p->to_do);
    return memory_new((size_t)tasks, sizeof *p->tasks, "tasks of a scan",
                      (void **)&p->tasks, err);
}

static int32_t *task_state(struct scan_plan *p, int64_t part)
{
    return p->tasks ? &p->tasks[part] : &p->single;
}

static void leave_work(struct schedule *s, int64_t scan)
{
    for (size_t i = 0; i < s->working_count; i++)
        if (s->working[i] == scan) {
            memmove(&s->working[i], &s->working[i + 1],
                    (s->working_count - i - 1) * sizeof *s->working);
            s->working_count--;
            return;
        }
}

static void scan_end(struct schedule *s, int64_t scan, enum scan_state end)
{
    struct scan_plan *p = &s->scans[scan];
    if (p->state == SCAN_WAITING)
        s->queues[p->subset].waiting_work -= p->work;
    else
        leave_work(s, scan);
    p->state = (uint8_t)end;
    free(p->tasks);
    p->tasks = NULL;
    change_to_do(s, p, -p->to_do);
    p->remaining = p->task_count = 0;
    s->work_finished += p->work;
    s->finished += end == SCAN_FINISHED;
    s->quarantined += end == SCAN_QUARANTINED;
}

/* Takes a task of a scan: its owner from the front, a helper from the end, so that each
 * reads slices that follow one another. */
static bool give(struct schedule *s, int64_t scan, int worker, bool helps,
                 struct task *out)
{
    struct scan_plan *p = &s->scans[scan];
    if (p->to_do == 0)
        return false;
    int64_t part = helps ? p->task_count - 1 : 0;
    while (*task_state(p, part) != TO_DO)
        part += helps ? -1 : 1;
    *task_state(p, part) = GIVEN + worker;
    change_to_do(s, p, -1);
    *out = (struct task){(enum task_kind)p->stage, scan, part};
    s->workers[worker] = (struct assignment){*out, true, helps, scan};
    return true;
}

static int64_t working_scan_to_help(const struct schedule *s)
{
    int64_t best = -1, most = 0;
    for (size_t i = 0; i < s->working_count; i++) {
        const struct scan_plan *p = &s->scans[s->working[i]];
        if (p->to_do > most) {
            best = s->working[i];
            most = p->to_do;
        }
    }
    return best;
}

/* --- public --- */

enum status schedule_new(const struct schedule_scan *scans, size_t count, int subsets,
                         int workers, struct schedule **out, struct error *err)
{
    enum status status = STATUS_OK;
    struct schedule *s = NULL;
    struct queue_entry *scratch = NULL;

    CHECK(workers > 0 && subsets > 0);
    TRY(memory_new(1, sizeof *s, "schedule", (void **)&s, err));
    s->count = (int64_t)count;
    s->subsets = subsets;
    s->worker_count = workers;
    TRY(memory_new(count, sizeof *s->scans, "schedule", (void **)&s->scans, err));
    TRY(memory_new(count, sizeof *scratch, "schedule", (void **)&scratch, err));
    TRY(memory_new((size_t)subsets, sizeof *s->queues, "schedule", (void **)&s->queues,
                   err));
    TRY(memory_new((size_t)workers, sizeof *s->workers, "schedule", (void **)&s->workers,
                   err));
    for (size_t i = 0; i < count; i++) {
        CHECK(scans[i].subset >= 0 && scans[i].subset < subsets);
        s->scans[i] = (struct scan_plan){.subset = scans[i].subset,
                                         .work = scans[i].work,
                                         .reader = -1,
                                         .task_count = 1,
                                         .to_do = 1,
                                         .remaining = 1};
        s->work += scans[i].work;
    }
    s->to_give = s->count;
    for (int i = 0; i < subsets; i++)
        TRY(queue_fill(s, i, scratch, err));
    for (int i = 0; i < workers; i++)
        s->workers[i].scan = -1;
    *out = s;
    s = NULL;
out:
    free(scratch);
    schedule_free(s);
    return status;
}

void schedule_free(struct schedule *s)
{
    if (!s)
        return;
    for (int64_t i = 0; s->scans && i < s->count; i++)
        free(s->scans[i].tasks);
    for (int i = 0; s->queues && i < s->subsets; i++)
        free(s->queues[i].scans);
    free(s->scans);
    free(s->queues);
    free(s->workers);
    free(s->working);
    free(s);
}

void schedule_prepare(struct schedule *s, bool alone)
{
    s->prepares_alone = alone;
    for (int64_t i = 0; i < s->count; i++)
        s->scans[i].stage = TASK_PREPARE;
}

bool schedule_next(struct schedule *s, int worker, struct task *out)
{
    struct assignment *a = &s->workers[worker];
    CHECK(worker >= 0 && worker < s->worker_count && !a->busy);
    if (s->to_give == 0)
        return false;
    if (a->scan >= 0 && s->scans[a->scan].state == SCAN_WORKING &&
        give(s, a->scan, worker, a->helps, out))
        return true;

    int64_t scan = waiting_scan_for(s, worker);
    if (scan >= 0) {
        struct scan_plan *p = &s->scans[scan];
        struct error err;
        CHECK(memory_grow((void **)&s->working, &s->working_capacity,
                          s->working_count + 1, sizeof *s->working, "schedule",
                          &err) == STATUS_OK);
        s->working[s->working_count++] = scan;
        s->queues[p->subset].waiting_work -= p->work;
        p->state = SCAN_WORKING;
        return give(s, scan, worker, false, out);
    }
    scan = working_scan_to_help(s);
    return scan >= 0 && give(s, scan, worker, true, out);
}

/* The task and its worker name each other; only of a task whose stage is over (its scan
 * was quarantined) the worker has to be looked for. */
static void release_worker(struct schedule *s, struct scan_plan *p, const struct task *t)
{
    if (p->state < SCAN_FINISHED && p->stage == t->kind && t->part < p->task_count) {
        const int32_t state = *task_state(p, t->part);
        if (state >= GIVEN)
            s->workers[state - GIVEN].busy = false;
        return;
    }
    for (int i = 0; i < s->worker_count; i++) {
        struct assignment *a = &s->workers[i];
        if (a->busy && a->task.kind == t->kind && a->task.scan == t->scan &&
            a->task.part == t->part)
            a->busy = false;
    }
}

enum status schedule_done(struct schedule *s, const struct task *t, int64_t parts,
                          bool *scan_finished, struct error *err)
{
    struct scan_plan *p = &s->scans[t->scan];
    *scan_finished = false;
    release_worker(s, p, t);
    if (p->state >= SCAN_FINISHED || p->stage != t->kind || t->part >= p->task_count)
        return STATUS_OK;
    int32_t *state = task_state(p, t->part);
    if (*state == DONE)
        return STATUS_OK;
    if (*state == TO_DO)
        change_to_do(s, p, -1);
    if (t->kind == TASK_SEGMENT && t->part == p->task_count - 1)
        p->reader = *state >= GIVEN ? *state - GIVEN : -1;
    *state = DONE;
    if (--p->remaining > 0)
        return STATUS_OK;

    switch (t->kind) {
    case TASK_PREPARE:
        if (s->prepares_alone)
            break;
        p->stage = TASK_OPEN;
        p->single = TO_DO;
        p->remaining = 1;
        change_to_do(s, p, 1);
        return STATUS_OK;
    case TASK_OPEN:
        if (parts > 0)
            return scan_enter(s, p, TASK_SEGMENT, parts, err);
        return scan_enter(s, p, TASK_GROUP, 1, err);
    case TASK_SEGMENT:
        return scan_enter(s, p, TASK_GROUP, 1, err);
    case TASK_GROUP:
        if (parts > 0)
            return scan_enter(s, p, TASK_CLASSIFY, parts, err);
        break;
    case TASK_CLASSIFY:
        break;
    }
    scan_end(s, t->scan, SCAN_FINISHED);
    *scan_finished = true;
    return STATUS_OK;
}

int schedule_reader(const struct schedule *s, int64_t scan)
{
    const struct scan_plan *p = &s->scans[scan];
    const bool waits = scan < s->count && p->state == SCAN_WORKING &&
                       p->stage == TASK_GROUP && p->to_do > 0;
    return waits ? p->reader : -1;
}

void schedule_quarantine(struct schedule *s, int64_t scan)
{
    if (s->scans[scan].state < SCAN_FINISHED)
        scan_end(s, scan, SCAN_QUARANTINED);
}

void schedule_withdraw(struct schedule *s, int64_t scan)
{
    struct scan_plan *p = &s->scans[scan];
    CHECK(p->state == SCAN_FINISHED);
    p->state = SCAN_QUARANTINED;
    s->finished--;
    s->quarantined++;
}

void schedule_finish(struct schedule *s, int64_t scan)
{
    struct scan_plan *p = &s->scans[scan];
    if (p->state >= SCAN_FINISHED)
        return;
    s->restored++;
    s->work_restored += p->work;
    scan_end(s, scan, SCAN_FINISHED);
}

enum scan_state schedule_state(const struct schedule *s, int64_t scan)
{
    return (enum scan_state)s->scans[scan].state;
}

void schedule_release(struct schedule *s, int worker)
{
    struct assignment *a = &s->workers[worker];
    if (!a->busy)
        return;
    struct scan_plan *p = &s->scans[a->task.scan];
    a->busy = false;
    if (p->state == SCAN_WORKING && p->stage == a->task.kind) {
        *task_state(p, a->task.part) = TO_DO;
        change_to_do(s, p, 1);
    }
}

bool schedule_has_task(const struct schedule *s)
{
    return s->to_give > 0;
}

bool schedule_is_finished(const struct schedule *s)
{
    return s->finished + s->quarantined == s->count;
}

struct schedule_counts schedule_counts(const struct schedule *s)
{
    /* How much of a scan's work each stage is, in hundredths; measured on a real scan. */
    static const int before[] = {0, 1, 52, 54, 0}, share[] = {1, 51, 2, 46, 0};
    struct schedule_counts c = {
        .scans = s->count,
        .finished = s->finished,
        .quarantined = s->quarantined,
        .restored = s->restored,
        .work = s->work,
        .work_finished = s->work_finished,
        .work_restored = s->work_restored,
    };
    for (size_t i = 0; i < s->working_count; i++) {
        const struct scan_plan *p = &s->scans[s->working[i]];
        double part = (double)(p->task_count - p->remaining) / (double)p->task_count;
        c.work_finished += (int64_t)((before[p->stage] + share[p->stage] * part) / 100 *
                                     (double)p->work);
    }
    return c;
}
