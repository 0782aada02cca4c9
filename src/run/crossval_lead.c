/* clang-format off */
/*
 * Handing out the folds. Rank 0 of several leads and runs none itself; its workers stand
 * in groups, each of which runs one fold at a time as a job of its own on its own
 * communicator, its first rank being the leader of that job.
 *
 *   rank 0                                   ranks of a group
 *   ORDER (item: the fold)         ────────> all of them: run it
 *   notes what and when            <──────── its leader: TRAINING (payload: a line)
 *   notes it, orders the next      <──────── its leader: DONE (part: the exit code)
 *   stops all groups               <──────── all that wait: STOP_WANTED (got a signal)
 *   STOP                           ────────> its leader: as if it had got a signal
 *   PING                           ────────> all that wait: rank 0 lives
 *   QUIT (payload: struct error)   ────────> all: the folds are merged, or why not
 *
 * A fold that fails leaves the others going; settings that are wrong are so for all.
 */
/* clang-format on */
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "comm/message.h"
#include "run/crossval_groups.h"
#include "run/crossval_internal.h"
#include "run/interrupt.h"
#include "run/protocol.h"

static const double look_seconds = 20e-3, told_seconds = 1;

/* Leaders are silent while they read lists and close files, each of which has a watchdog
 * of its own. */
enum { LEADER_DEADLINES = 2 * PATIENCE_DEADLINES };

static double deadline_of(const struct crossval *c)
{
    return c->job->settings->limits.deadline_s;
}

/* ---- a fold, on the ranks of its group ---- */

static void send_line(struct crossval *c, const char *line)
{
    const double now = clock_seconds();
    struct message m;
    while (message_take(c->job->comm, 0, &m)) {
        if (m.kind == SAYS_STOP)
            interrupt_raise();
        free(m.payload);
    }
    if (now - c->told < told_seconds)
        return;
    c->told = now;
    m = (struct message){.kind = SAYS_TRAINING,
                         .payload = (void *)(uintptr_t)line,
                         .bytes = strlen(line) + 1};
    message_send(c->job->comm, 0, &m);
}

void crossval_tell(void *context, const char *line)
{
    struct crossval *c = context;
    if (c->job->comm->rank > 0) {
        send_line(c, line);
        return;
    }
    snprintf(c->line, sizeof c->line, "%s", line);
    crossval_look(c);
}

/* Its exit code. */
static int run_fold(struct crossval *c, const struct comm *group, int fold)
{
    struct part part;
    struct error err;
    int exit_code = 1;
    enum status status = crossval_fold(c->job->asked, fold, &part, &err);
    if (comm_agree(group, status, &err) == STATUS_OK)
        exit_code = job_run_within(group, &part.settings, &c->around);
    else if (group->rank == 0)
        log_error("%s", err.message);
    free(part.folder);
    return exit_code;
}

/* ---- those who are led ---- */

static void say(struct crossval *c, int kind, int part)
{
    const struct message m = {.kind = kind, .part = part};
    watchdog_arm(c->job->watchdog, deadline_of(c) * PATIENCE_DEADLINES,
                 "cross-validation: sending a message to rank 0");
    message_send(c->job->comm, 0, &m);
    watchdog_disarm(c->job->watchdog);
}

/* Waits for a message, asleep, for as long as rank 0 may be silent. */
static void wait(struct crossval *c, struct message *m)
{
    const double start = clock_seconds(),
                 patience = protocol_idle_patience(deadline_of(c));
    bool said = false;
    while (!message_take(c->job->comm, 0, m)) {
        if (interrupt_wanted() && !said)
            say(c, SAYS_STOP_WANTED, 0);
        said |= interrupt_wanted();
        if (clock_seconds() - start > patience) {
            log_error("rank %d on %s: nothing heard from rank 0 for %.0f s while waiting "
                      "for a fold: the job ends; the same command goes on from what is "
                      "done",
                      c->job->comm->rank, c->job->comm->host, patience);
            comm_abort(1);
        }
        clock_sleep(look_seconds);
    }
}

static enum status serve(struct crossval *c, struct error *err)
{
    for (;;) {
        struct message m;
        wait(c, &m);
        if (m.kind == SAYS_QUIT) {
            CHECK(m.bytes == sizeof *err);
            memcpy(err, m.payload, sizeof *err);
            free(m.payload);
            return err->code;
        }
        free(m.payload);
        if (m.kind != SAYS_ORDER)
            continue; /* PING, or STOP that came late */
        const int exit_code = run_fold(c, &c->group, (int)m.item);
        if (c->group.rank == 0)
            say(c, SAYS_DONE, exit_code);
    }
}

/* ---- rank 0 ---- */

/* Amid other work (a merge) that goes on being watched. */
static void tell_ranks(const struct crossval *c, const struct crossval_group *g,
                       int count, const struct message *m)
{
    for (int rank = g->first; rank < g->first + count; rank++) {
        char what[80];
        snprintf(what, sizeof what, "cross-validation: sending a message to rank %d",
                 rank);
        const bool watched = watchdog_arm_idle(c->job->watchdog,
                                               deadline_of(c) * PATIENCE_DEADLINES, what);
        message_send(c->job->comm, rank, m);
        if (watched)
            watchdog_disarm(c->job->watchdog);
    }
}

static void describe_running(const struct crossval *c, char *out, size_t bytes)
{
    size_t used = 0;
    snprintf(out, bytes, "%s", c->line);
    for (int i = 0; c->peers && i < c->group_count && used < bytes; i++)
        if (c->peers[i].fold >= 0)
            used +=
                (size_t)snprintf(out + used, bytes - used, "%sfold %d: %s",
                                 used ? "; " : "", c->peers[i].fold, c->peers[i].line);
}

static void ping(struct crossval *c)
{
    const struct message m = {.kind = SAYS_PING};
    const double now = clock_seconds();
    if (now - c->pinged < deadline_of(c) / PINGS_PER_DEADLINE)
        return;
    c->pinged = now;
    for (int i = 0; c->peers && i < c->group_count; i++)
        if (c->peers[i].fold < 0)
            tell_ranks(c, &c->peers[i], c->peers[i].size, &m);
}

void crossval_look(struct crossval *c)
{
    char running[300];
    struct progress_folds p = {.done_now = c->done_now, .line = running};
    for (int k = 0; k < SETTINGS_SUBSETS; k++) {
        p.folds += c->folds[k] != FOLD_NONE;
        p.done += c->folds[k] == FOLD_DONE;
        p.failed += c->folds[k] == FOLD_FAILED;
        p.running += c->folds[k] == FOLD_RUNS;
    }
    describe_running(c, running, sizeof running);
    progress_folds(c->job->progress, &p, false);
    ping(c);
}

static void take_exit_code(struct crossval *c, int fold, int exit_code,
                           struct error *stopping)
{
    c->folds[fold] = FOLD_WAITS;
    if (exit_code == 0 || exit_code == 3) {
        c->folds[fold] = FOLD_DONE;
        c->done_now++;
    } else if (exit_code == status_exit_code(STATUS_JOB_INTERRUPTED)) {
        error_set(stopping, STATUS_JOB_INTERRUPTED, "stopped on request");
    } else {
        c->folds[fold] = FOLD_FAILED;
        log_error("fold %d failed with exit code %d", fold, exit_code);
        if (exit_code == status_exit_code(STATUS_JOB_CONFIG) && !stopping->code)
            error_set(stopping, STATUS_JOB_CONFIG,
                      "fold %d was refused: the others are not begun", fold);
    }
}

static int next_fold(const struct crossval *c)
{
    for (int k = 0; k < SETTINGS_SUBSETS; k++)
        if (c->folds[k] == FOLD_WAITS)
            return k;
    return -1;
}

static void hand_out(struct crossval *c)
{
    for (int i = 0; i < c->group_count; i++) {
        struct crossval_group *g = &c->peers[i];
        const int fold = next_fold(c);
        if (g->fold >= 0 || fold < 0)
            continue;
        const struct message m = {.kind = SAYS_ORDER, .item = fold};
        g->fold = fold;
        g->told_to_stop = false;
        g->heard = clock_seconds();
        g->line[0] = '\0';
        c->folds[fold] = FOLD_RUNS;
        tell_ranks(c, g, g->size, &m);
        log_info("fold %d: rank%s %d to %d", fold, g->size > 1 ? "s" : "", g->first,
                 g->first + g->size - 1);
    }
}

static void hear(struct crossval *c, const struct message *m, struct error *stopping)
{
    struct crossval_group *g = c->peers;
    while (m->peer >= g->first + g->size)
        g++;
    g->heard = clock_seconds();
    if (m->kind == SAYS_STOP_WANTED && !stopping->code)
        error_set(stopping, STATUS_JOB_INTERRUPTED, "stopped on request");
    if (m->kind == SAYS_TRAINING && m->payload)
        snprintf(g->line, sizeof g->line, "%s", (const char *)m->payload);
    if (m->kind == SAYS_DONE) {
        take_exit_code(c, g->fold, m->part, stopping);
        g->fold = -1;
    }
}

/* Stops the groups when that is wanted, and ends the job when one has fallen silent.
 * Returns how many run. */
static int watch(struct crossval *c, const struct error *stopping, double held_up)
{
    const struct message stop = {.kind = SAYS_STOP};
    const double now = clock_seconds(), patience = deadline_of(c) * LEADER_DEADLINES;
    int running = 0;
    for (int i = 0; i < c->group_count; i++) {
        struct crossval_group *g = &c->peers[i];
        if (g->fold < 0)
            continue;
        running++;
        if (held_up > deadline_of(c) / PINGS_PER_DEADLINE)
            g->heard += held_up; /* there are messages that were not read */
        if (stopping->code == STATUS_JOB_INTERRUPTED && !g->told_to_stop) {
            g->told_to_stop = true;
            tell_ranks(c, g, 1, &stop);
        }
        if (now - g->heard > patience) {
            log_error("rank %d has not been heard of for %.0f s, at work on fold %d: the "
                      "job ends; the same command goes on from what is done",
                      g->first, now - g->heard, g->fold);
            comm_abort(1);
        }
    }
    return running;
}

/* Until no fold runs and none is to be begun. */
static void lead(struct crossval *c, struct error *stopping)
{
    double looked = clock_seconds();
    int running;
    do {
        struct message m;
        bool taken = message_take(c->job->comm, MPI_ANY_SOURCE, &m);
        if (taken) {
            hear(c, &m, stopping);
            free(m.payload);
        }
        if (interrupt_wanted() && !stopping->code) {
            log_info("asked to stop: what is done is kept, the same command goes on from "
                     "there");
            error_set(stopping, STATUS_JOB_INTERRUPTED, "stopped on request");
        }
        if (!stopping->code)
            hand_out(c);
        const double now = clock_seconds();
        running = watch(c, stopping, now - looked);
        looked = now;
        crossval_look(c);
        if (!taken && running)
            clock_sleep(look_seconds);
    } while (running || (!stopping->code && next_fold(c) >= 0));
}

static void run_alone(struct crossval *c, struct error *stopping)
{
    for (int fold = next_fold(c); fold >= 0 && !stopping->code; fold = next_fold(c)) {
        c->folds[fold] = FOLD_RUNS;
        log_info("fold %d", fold);
        take_exit_code(c, fold, run_fold(c, c->job->comm, fold), stopping);
        crossval_look(c);
    }
}

/* The groups as rank 0 sees them. */
static enum status list_groups(struct crossval *c, struct error *err)
{
    enum status status = STATUS_OK;
    const int workers = c->job->comm->size - 1;
    TRY(memory_new((size_t)c->group_count, sizeof *c->peers, "groups", (void **)&c->peers,
                   err));
    for (int w = workers - 1; w >= 0; w--) {
        struct crossval_group *g =
            &c->peers[crossval_group_of(w, c->group_count, workers)];
        g->first = w + 1;
        g->size++;
        g->fold = -1;
    }
out:
    return status;
}

enum status crossval_run_folds(struct crossval *c, crossval_merge *merge,
                               struct error *err)
{
    enum status status = STATUS_OK;
    const struct comm *world = c->job->comm;
    if (world->rank == 0 && world->size > 1)
        status = list_groups(c, err);
    TRY(comm_agree(world, status, err));
    if (world->rank > 0)
        return serve(c, err);

    memset(err, 0, sizeof *err);
    if (world->size == 1)
        run_alone(c, err);
    else
        lead(c, err);
    if (!err->code)
        merge(c, err);
    struct message quit = {.kind = SAYS_QUIT, .payload = err, .bytes = sizeof *err};
    for (int i = 0; c->peers && i < c->group_count; i++)
        tell_ranks(c, &c->peers[i], c->peers[i].size, &quit);
    status = err->code;
out:
    return status;
}
