/*
 * A worker: does what the master orders until it is told to leave.
 */
#ifndef RUN_WORKER_H
#define RUN_WORKER_H

#include "base/status.h"
#include "base/watchdog.h"
#include "comm/comm.h"
#include "config/settings.h"
#include "run/detector.h"

/* What an ASSEMBLE message asks for, in its part. */
enum assemble_what { ASSEMBLE_STORE, ASSEMBLE_SCORE };

/* Joins the others in writing run.h5, or in the score. Collective. */
typedef enum status worker_assemble(void *context, enum assemble_what what,
                                    struct error *err);

struct worker {
    const struct comm *comm;
    const struct settings *settings;
    struct watchdog *watchdog;
    worker_assemble *assemble;
    void *context;
    double alive_time; /* when the master last heard of this worker */
    bool stop_sent, stop;
};

/* The poll function of the worker's detector; context is the struct worker. */
enum status worker_poll(void *context);

/* Serves until QUIT; *exit_code is what it says. Errors: STATUS_STAGE_DEADLINE when the
 * master falls silent (the job is then aborted by the caller). */
enum status worker_serve(struct worker *w, struct detector *detector, int *exit_code,
                         struct error *err);

#endif
