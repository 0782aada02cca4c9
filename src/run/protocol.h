/* clang-format off */
/*
 * What master and workers say to each other.
 *
 *   worker                                   master
 *   READY, DONE, FAILED, GIVEN_UP  ────────> records it, answers with ORDER when there
 *                                            is a task
 *   ALIVE (each second while at work) ─────> notes the time
 *   STOP_WANTED (it got a signal)  ────────> stops everybody
 *                                  <──────── ORDER: a task
 *                                  <──────── STOP: give up the task, stay
 *                                  <──────── PING (to the idle): the master lives
 *                                  <──────── ASSEMBLE: join the collective writing of
 *                                            run.h5, or the score (part)
 *                                  <──────── QUIT: leave, part is the exit code
 *
 * Every wait has a deadline: a worker that hears nothing, and a master that hears nothing
 * of a worker at work, name the other and end the job.
 */
/* clang-format on */
#ifndef RUN_PROTOCOL_H
#define RUN_PROTOCOL_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "run/detector.h"

enum message_kind {
    SAYS_READY = 1,
    SAYS_DONE,   /* item scan, part task part; payload: task kind (int32 x 2), record */
    SAYS_FAILED, /* payload: struct failure */
    SAYS_GIVEN_UP,
    SAYS_ALIVE,
    SAYS_STOP_WANTED,
    SAYS_ORDER,
    SAYS_STOP,
    SAYS_PING,
    SAYS_ASSEMBLE,
    SAYS_QUIT,
    SAYS_TRAINING, /* payload: struct trainer_progress and the name of the stage */
    SAYS_MASKS,    /* payload: scans looked at, all scans (int64 x 2) */
    SAYS_TRAINED,
};

struct failure {
    struct task task;
    char stage[16];
    struct error error;
};

/* *out = an order as a payload, to be freed; and back: texts and payload of `o` lead into
 * it. */
enum status order_pack(const struct order *o, void **out, size_t *bytes,
                       struct error *err);
void order_unpack(const void *payload, size_t bytes, struct order *o);

/* What a worker waits longer than for, in deadlines: reading may take one before it is
 * given up. */
enum { PATIENCE_DEADLINES = 2, PINGS_PER_DEADLINE = 4 };

/* How long an idle rank waits for the master's word, in seconds: until after the master's
 * own patience, whose last word may be a ping old, since it may be a rank that stands
 * still which the master waits for and will name. */
static inline double protocol_idle_patience(double deadline_s)
{
    return deadline_s * (PATIENCE_DEADLINES + 2.0 / PINGS_PER_DEADLINE);
}

#endif
