#include "run/worker.h"

#include "base/clock.h"
#include "base/log.h"
#include "comm/message.h"
#include "run/interrupt.h"
#include "run/protocol.h"

/* A worker between two tasks waits for the answer of a master who looks every
 * millisecond; one that has waited for long may take its time. */
static const double alive_seconds = 1, sleep_shortest = 50e-6, sleep_soon = 200e-6,
                    sleep_longest = 2e-3, soon_seconds = 20e-3;

static void say(struct worker *w, int kind, void *payload, size_t bytes)
{
    struct message message = {.kind = kind, .payload = payload, .bytes = bytes};
    watchdog_arm(w->watchdog, w->settings->limits.deadline_s * PATIENCE_DEADLINES,
                 "sending a result to the master");
    message_send(w->comm, 0, &message);
    watchdog_disarm(w->watchdog);
    w->alive_time = clock_seconds();
}

static void pass_on_signal(struct worker *w)
{
    if (interrupt_wanted() && !w->stop_sent) {
        w->stop_sent = true;
        say(w, SAYS_STOP_WANTED, NULL, 0);
    }
}

enum status worker_poll(void *context)
{
    struct worker *w = context;
    struct message message;
    pass_on_signal(w);
    if (clock_seconds() - w->alive_time > alive_seconds)
        say(w, SAYS_ALIVE, NULL, 0);
    /* To a worker at work the master says STOP, or a PING that was under way. */
    while (message_take(w->comm, 0, &message)) {
        w->stop |= message.kind == SAYS_STOP;
        free(message.payload);
    }
    return w->stop ? STATUS_JOB_INTERRUPTED : STATUS_OK;
}

static void do_order(struct worker *w, struct detector *detector, const struct message *m)
{
    struct order order;
    struct failure failure = {0};
    const char *stage;
    void *made;
    size_t bytes;

    order_unpack(m->payload, m->bytes, &order);
    w->stop = false;
    enum status status =
        detector_do(detector, &order, &made, &bytes, &stage, &failure.error);
    if (status == STATUS_OK) {
        say(w, SAYS_DONE, made, bytes);
        free(made);
    } else if (status == STATUS_JOB_INTERRUPTED) {
        say(w, SAYS_GIVEN_UP, NULL, 0);
    } else {
        failure.task = order.task;
        failure.error.code = status;
        snprintf(failure.stage, sizeof failure.stage, "%s", stage);
        say(w, SAYS_FAILED, &failure, sizeof failure);
    }
}

/* Waits for a message, asleep, for as long as the master may be silent. */
static enum status wait(struct worker *w, struct message *m, struct error *err)
{
    double start = clock_seconds(), pause = sleep_shortest;
    const double patience = protocol_idle_patience(w->settings->limits.deadline_s);
    while (!message_take(w->comm, 0, m)) {
        pass_on_signal(w);
        if (clock_seconds() - start > patience)
            return error_set(
                err, STATUS_STAGE_DEADLINE,
                "rank %d on %s: nothing heard from the master for %.0f s while "
                "waiting for a task",
                w->comm->rank, w->comm->host, patience);
        clock_sleep(pause);
        double longest =
            clock_seconds() - start < soon_seconds ? sleep_soon : sleep_longest;
        pause = pause * 2 < longest ? pause * 2 : longest;
    }
    return STATUS_OK;
}

enum status worker_serve(struct worker *w, struct detector *detector, int *exit_code,
                         struct error *err)
{
    enum status status = STATUS_OK;
    bool leave = false;
    say(w, SAYS_READY, NULL, 0);
    while (!leave) {
        struct message m;
        TRY(wait(w, &m, err));
        switch (m.kind) {
        case SAYS_ORDER:
            do_order(w, detector, &m);
            break;
        case SAYS_ASSEMBLE:
            /* A failure here is the failure of all; the master says how it ends. */
            if (w->assemble(w->context, (enum assemble_what)m.part, err) != STATUS_OK)
                log_warning("%s", err->message);
            break;
        case SAYS_QUIT:
            *exit_code = m.part;
            leave = true;
            break;
        default:
            break; /* STOP that came late, PING */
        }
        free(m.payload);
    }
out:
    return status;
}
