/*
 * Messages on their way to the master stand in a heap, by the time at which they arrive;
 * a worker has one at most. Everything else follows from taking them one by one:
 *
 *   arrive ──> the master is free ──> entered ──> orders ──> the worker's next message
 *
 * Which tasks of a scan were entered is kept here too, apart from the schedule: a job
 * that starts again tells it to a new schedule as the ledger does, and at the end it
 * shows that each was entered once.
 */
#include "run/simulation.h"

#include <math.h>

#include "base/memory.h"
#include "base/random.h"
#include "run/arrivals.h"

enum { SUBSETS = 10 };

struct death {
    double time;
    int worker;
};

struct simulated_worker {
    struct task task;
    int host;
    bool dead, busy;
    int64_t scan;  /* whose voxels it has, -1: none */
    bool fetched;  /* the files' bytes have come over the network */
    float present; /* share of the voxels */
};

/* What was entered of a scan: SEGMENT tasks, GROUP, CLASSIFY tasks, a byte each. */
struct entered {
    uint8_t *parts; /* NULL before the first and after the last */
    bool finished, prepared;
};

struct simulation {
    const struct simulation_scan *scans;
    int64_t count;
    const struct simulation_cluster *cluster;
    struct schedule *schedule;
    struct simulated_worker *workers;
    int *numbers;   /* schedule's worker -> ours */
    int *places;    /* ours -> schedule's */
    uint64_t *idle; /* bits by the schedule's numbers */
    int alive, master_host;
    int retries, retries_left; /* in this allocation */
    struct entered *entered;
    struct arrivals arrivals;
    struct death *deaths;
    size_t death_count, next_death;
    double master_free, storage_free;
    struct simulation_result r;
};

/* --- a worker at a task --- */

/* Seconds until the voxels that a task needs are there. A compressed file is read from
 * its beginning; its bytes come over the network once for each worker. */
static double input_seconds(struct simulation *s, struct simulated_worker *w, double now)
{
    const struct simulation_scan *scan = &s->scans[w->task.scan];
    const struct simulation_cluster *c = s->cluster;
    double seconds = 0;
    if (w->scan != w->task.scan) {
        w->scan = w->task.scan;
        w->fetched = false;
        w->present = 0;
    }
    if (!w->fetched && c->storage_byte_s > 0) {
        s->storage_free =
            fmax(s->storage_free, now) + (double)scan->bytes * c->storage_byte_s;
        seconds = s->storage_free - now;
    }
    w->fetched = true;
    if (w->task.kind == TASK_OPEN || w->task.kind == TASK_PREPARE)
        return seconds;
    const float needed =
        w->task.kind == TASK_SEGMENT ? (float)(w->task.part + 1) / (float)scan->runs : 1;
    if (needed > w->present) {
        seconds = fmax(seconds, (double)scan->load * (double)(needed - w->present));
        w->present = needed;
    }
    return seconds;
}

/* A scan of a job that starts again: its files are what they were. */
static bool is_known(const struct simulation *s, int64_t scan)
{
    return s->entered[scan].finished || s->entered[scan].parts;
}

static double task_seconds(struct simulation *s, int number, double now)
{
    struct simulated_worker *w = &s->workers[number];
    const struct simulation_scan *scan = &s->scans[w->task.scan];
    const enum task_kind kind = w->task.kind;
    const double speed = s->cluster->speed ? s->cluster->speed[number] : 1;
    if ((kind == TASK_OPEN && is_known(s, w->task.scan)) ||
        (kind == TASK_PREPARE && s->entered[w->task.scan].prepared))
        return 0;
    const double input = input_seconds(s, w, now);
    const double all =
        input + (double)scan->serial[kind] + (double)scan->parallel[kind] / speed;
    s->r.input += input;
    s->r.busy += all;
    return all;
}

/* --- what was entered --- */

/* Where a task stands among the parts of its scan, -1: nowhere (PREPARE, OPEN). */
static int64_t part_index(const struct simulation_scan *scan, const struct task *t)
{
    if (t->kind == TASK_SEGMENT)
        return t->part;
    if (t->kind == TASK_GROUP)
        return scan->runs;
    return t->kind == TASK_CLASSIFY ? scan->runs + 1 + t->part : -1;
}

static int64_t parts_after(const struct simulation_scan *scan, enum task_kind kind)
{
    return kind == TASK_OPEN ? scan->runs : scan->batches;
}

/* The scan's last task was entered: each of its tasks has to have been, once. */
static void finish(struct simulation *s, int64_t scan)
{
    struct entered *e = &s->entered[scan];
    const int64_t parts = s->scans[scan].runs + 1 + s->scans[scan].batches;
    bool whole = !e->finished;
    for (int64_t i = 0; i < parts && s->cluster->last != TASK_PREPARE; i++)
        whole = whole && e->parts && e->parts[i] == 1;
    s->r.finished += whole;
    e->finished = true;
    free(e->parts);
    e->parts = NULL;
}

/* What an earlier launch entered, in the order of the stages. */
static enum status restore(struct simulation *s, int64_t scan, struct error *err)
{
    static const enum task_kind kinds[] = {TASK_SEGMENT, TASK_GROUP, TASK_CLASSIFY};
    const struct simulation_scan *of = &s->scans[scan];
    const struct entered *e = &s->entered[scan];
    enum status status = STATUS_OK;
    bool finished = false;
    if (e->finished) {
        schedule_finish(s->schedule, scan);
        return STATUS_OK;
    }
    for (int k = 0; k < 3; k++) {
        const int64_t parts = kinds[k] == TASK_SEGMENT ? of->runs
                              : kinds[k] == TASK_GROUP ? 1
                                                       : of->batches;
        for (int64_t i = 0; i < parts; i++) {
            const struct task t = {kinds[k], scan, i};
            if (e->parts[part_index(of, &t)])
                TRY(schedule_done(s->schedule, &t, of->batches, &finished, err));
        }
    }
    CHECK(!finished); /* the task that ended it was entered, and so is that it ended */
out:
    return status;
}

static enum status enter(struct simulation *s, const struct task *t, struct error *err)
{
    const struct simulation_scan *scan = &s->scans[t->scan];
    struct entered *e = &s->entered[t->scan];
    const int64_t index = part_index(scan, t);
    const bool known = is_known(s, t->scan);
    enum status status;
    bool finished;
    if (index >= 0) {
        if (!e->parts)
            TRY(memory_new((size_t)(scan->runs + 1 + scan->batches), 1, "simulation",
                           (void **)&e->parts, err));
        e->parts[index] += e->parts[index] < UINT8_MAX;
    }
    e->prepared |= t->kind == TASK_PREPARE;
    TRY(schedule_done(s->schedule, t, parts_after(scan, t->kind), &finished, err));
    if (t->kind == TASK_OPEN && known)
        status = restore(s, t->scan, err);
    if (finished)
        finish(s, t->scan);
out:
    return status;
}

/* --- the master --- */

/* The master is at work from `from` on for so long. Returns when it is free again. */
static double occupy(struct simulation *s, double from, double seconds)
{
    s->master_free = from + seconds;
    s->r.master_busy += seconds;
    return s->master_free;
}

static void send_order(struct simulation *s, int number, double now)
{
    const struct simulation_cluster *c = s->cluster;
    struct simulated_worker *w = &s->workers[number];
    const struct simulation_scan *scan = &s->scans[w->task.scan];
    const enum task_kind kind = w->task.kind;
    const double travel = c->alone ? 0 : c->latency_s;
    const double out = travel + (double)scan->order_bytes[kind] * c->byte_s;
    const double back = travel + (double)scan->result_bytes[kind] * c->byte_s;
    const double begin = occupy(s, now, c->order_s) + out;
    const int place = s->places[number];
    s->idle[place / 64] &= ~(1ULL << place % 64);
    w->busy = true;
    s->r.tasks++;
    arrivals_push(
        &s->arrivals,
        (struct arrival){begin + task_seconds(s, number, begin) + back, number, false});
}

static void give_task(struct simulation *s, int place, double now)
{
    struct simulated_worker *w = &s->workers[s->numbers[place]];
    if (!w->dead && schedule_next(s->schedule, place, &w->task))
        send_order(s, s->numbers[place], fmax(now, s->master_free));
}

/* To all who have none, in their order. */
static void give_tasks(struct simulation *s, double now)
{
    for (int i = 0; i < (s->alive + 63) / 64; i++)
        for (uint64_t left = s->idle[i]; left && schedule_has_task(s->schedule);
             left &= left - 1)
            give_task(s, i * 64 + __builtin_ctzll(left), now);
}

/* An idle master sleeps longer and longer, up to look_s: a message waits for half of it.
 */
static enum status take(struct simulation *s, struct arrival a, struct error *err)
{
    struct simulated_worker *w = &s->workers[a.worker];
    const double idle = a.time - s->master_free, look = s->cluster->look_s;
    double begin = s->master_free;
    if (idle > 0)
        begin = a.time + (s->cluster->alone ? 0 : fmin(idle, look) / 2);
    const double now = occupy(s, begin, s->cluster->enter_s);
    const int place = s->places[a.worker];
    w->busy = false;
    s->idle[place / 64] |= 1ULL << place % 64;
    const enum status status = enter(s, &w->task, err);
    if (status == STATUS_OK) {
        give_task(s, place, now);
        give_tasks(s, now);
    }
    s->r.seconds = now;
    return status;
}

/* --- losses --- */

static int by_time(const void *a, const void *b)
{
    const struct death *x = a, *y = b;
    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    return x->worker - y->worker;
}

/* A share of the workers, different ones, at times of their own. */
static enum status draw_deaths(struct simulation *s, const struct simulation_losses *l,
                               struct error *err)
{
    const int workers = s->cluster->workers;
    struct random r = random_stream(l->seed, RANDOM_LOSS, 0, 0);
    size_t wanted = (size_t)ceil(l->share * workers - 1e-9);
    enum status status = memory_new((size_t)workers, sizeof *s->deaths, "losses",
                                    (void **)&s->deaths, err);
    if (status != STATUS_OK)
        return status;
    for (int i = 0; i < workers; i++)
        s->deaths[i].worker = i;
    s->death_count = wanted < (size_t)workers ? wanted : (size_t)workers;
    for (size_t i = 0; i < s->death_count; i++) {
        const size_t k = i + random_below(&r, (size_t)workers - i);
        const int worker = s->deaths[k].worker;
        s->deaths[k].worker = s->deaths[i].worker;
        s->deaths[i] = (struct death){random_between(&r, 0, l->until_s), worker};
    }
    qsort(s->deaths, s->death_count, sizeof *s->deaths, by_time);
    return STATUS_OK;
}

/* A schedule for the workers that live. */
static enum status begin_schedule(struct simulation *s, struct error *err)
{
    const bool prepares = s->cluster->first == TASK_PREPARE;
    struct schedule_scan *plan = NULL;
    enum status status;
    schedule_free(s->schedule);
    s->schedule = NULL;
    s->alive = 0;
    memset(s->idle, 0, ((size_t)s->cluster->workers + 63) / 64 * sizeof *s->idle);
    for (int w = 0; w < s->cluster->workers; w++)
        if (!s->workers[w].dead) {
            s->places[w] = s->alive;
            s->idle[s->alive / 64] |= 1ULL << s->alive % 64;
            s->numbers[s->alive++] = w;
        }
    TRY(memory_new((size_t)s->count, sizeof *plan, "simulation", (void **)&plan, err));
    for (int64_t i = 0; i < s->count; i++)
        plan[i] = (struct schedule_scan){s->scans[i].subset, s->scans[i].bytes + 1};
    TRY(schedule_new(plan, (size_t)s->count, SUBSETS, s->alive > 0 ? s->alive : 1,
                     &s->schedule, err));
    if (prepares)
        schedule_prepare(s->schedule, s->cluster->last == TASK_PREPARE);
    s->r.started++;
out:
    free(plan);
    return status;
}

/* The schedule loses a worker: its task is anybody's again. */
static void notice(struct simulation *s, const struct arrival *a)
{
    s->r.interrupted += s->workers[a->worker].busy;
    schedule_release(s->schedule, s->places[a->worker]);
    give_tasks(s, fmax(a->time, s->master_free));
}

/* Queued again: the next allocation has all hosts. */
static void bring_back(struct simulation *s)
{
    for (int w = 0; w < s->cluster->workers; w++)
        s->workers[w].dead = false;
    s->master_host = 0;
    s->retries_left = s->retries;
}

/* All ranks end with it. Its host is left out of the next launch; where rank 0 was there,
 * a worker's place becomes the master's. */
static enum status start_again(struct simulation *s, int number, double now,
                               struct error *err)
{
    struct simulated_worker *all = s->workers;
    const int host = all[number].host;
    int left = 0, first = -1;
    const bool queued = s->retries_left-- == 0;
    for (int w = 0; w < s->cluster->workers; w++) {
        s->r.interrupted += all[w].busy;
        all[w].dead = !queued && (all[w].dead || all[w].host == host);
        all[w].busy = false;
        all[w].scan = -1;
        left += !all[w].dead;
        if (!all[w].dead && first < 0)
            first = w;
    }
    if (queued || left == 0) {
        bring_back(s);
    } else if (host == s->master_host) {
        s->master_host = all[first].host;
        all[first].dead = left > 1;
    }
    s->arrivals.count = 0;
    s->master_free = s->storage_free = now;
    const enum status status = begin_schedule(s, err);
    if (status == STATUS_OK && s->alive > 0)
        give_tasks(s, now);
    return status;
}

static enum status die(struct simulation *s, const struct death *d,
                       const struct simulation_losses *l, struct error *err)
{
    const double later = d->time + l->recover_s;
    if (s->workers[d->worker].dead)
        return STATUS_OK;
    s->r.lost++;
    if (!l->job_goes_on)
        return start_again(s, d->worker, later, err);
    s->workers[d->worker].dead = true;
    arrivals_push(&s->arrivals, (struct arrival){later, d->worker, true});
    return STATUS_OK;
}

/* --- from beginning to end --- */

static enum status go_through(struct simulation *s, const struct simulation_losses *l,
                              struct error *err)
{
    enum status status = STATUS_OK;
    give_tasks(s, 0);
    while (!schedule_is_finished(s->schedule)) {
        const struct death *d =
            s->next_death < s->death_count ? &s->deaths[s->next_death] : NULL;
        if (d && (!s->arrivals.count || d->time <= s->arrivals.heap[0].time)) {
            s->next_death++;
            TRY(die(s, d, l, err));
            continue;
        }
        if (!s->arrivals.count)
            break; /* nobody is left */
        const struct arrival a = arrivals_pop(&s->arrivals);
        if (a.silence)
            notice(s, &a);
        else if (!s->workers[a.worker].dead)
            TRY(take(s, a, err));
    }
out:
    return status;
}

static enum status simulation_init(struct simulation *s, struct error *err)
{
    const size_t workers = (size_t)s->cluster->workers;
    enum status status;
    TRY(memory_new(workers, sizeof *s->workers, "simulation", (void **)&s->workers, err));
    TRY(memory_new(workers, sizeof *s->numbers, "simulation", (void **)&s->numbers, err));
    TRY(memory_new(workers, sizeof *s->places, "simulation", (void **)&s->places, err));
    TRY(memory_new((workers + 63) / 64, sizeof *s->idle, "simulation", (void **)&s->idle,
                   err));
    TRY(memory_new(2 * workers, sizeof *s->arrivals.heap, "simulation",
                   (void **)&s->arrivals.heap, err));
    TRY(memory_new((size_t)s->count, sizeof *s->entered, "simulation",
                   (void **)&s->entered, err));
    for (size_t w = 0; w < workers; w++) {
        s->workers[w].scan = -1;
        s->workers[w].host = ((int)w + !s->cluster->alone) / (s->cluster->ranks_a_host);
    }
    status = begin_schedule(s, err);
out:
    return status;
}

static void simulation_release(struct simulation *s)
{
    for (int64_t i = 0; s->entered && i < s->count; i++)
        free(s->entered[i].parts);
    schedule_free(s->schedule);
    free(s->workers);
    free(s->numbers);
    free(s->places);
    free(s->idle);
    free(s->arrivals.heap);
    free(s->entered);
    free(s->deaths);
}

enum status simulation_run(const struct simulation_scan *scans, size_t count,
                           const struct simulation_cluster *cluster,
                           const struct simulation_losses *losses,
                           struct simulation_result *result, struct error *err)
{
    struct simulation s = {.scans = scans, .count = (int64_t)count, .cluster = cluster};
    enum status status;
    CHECK(cluster->workers > 0 && cluster->ranks_a_host > 0);
    TRY(simulation_init(&s, err));
    if (losses && losses->until_s > 0) {
        s.retries = s.retries_left = losses->retries;
        TRY(draw_deaths(&s, losses, err));
    }
    TRY(go_through(&s, losses, err));
    *result = s.r;
out:
    simulation_release(&s);
    return status;
}
