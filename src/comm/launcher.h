/*
 * Open MPI's launcher: ended when it hangs while this process connects to it, and not
 * kept waiting when it leaves.
 *
 * When a rank dies in that moment, mpirun (4.1, with PMIx 4.2.2) now and then ends all
 * ranks and then waits for a lock of its own for ever, deaf to SIGTERM. No rank is left
 * to notice, so each leaves a process behind while it starts MPI: a few pages, asleep,
 * gone when MPI has started. If the rank dies before that, it looks on until the launcher
 * ends; one that has no child any more and stays is told of on its standard error, and
 * killed. By then the job has failed: a rank that dies here ends all of them.
 *
 * A launcher is a program of Open MPI 4 (mpirun, orted and their other names) that is the
 * parent; slurmstepd is none, nor is a script. Not collective; local to a host.
 */
#ifndef COMM_LAUNCHER_H
#define COMM_LAUNCHER_H

#include <sys/types.h>

struct launcher_guard {
    pid_t process; /* 0: nobody watches */
    int release;   /* the end of a pipe: a byte tells that all is well, its end that this
                      process died */
};

/* Starts the watch, before MPI and before any thread. Where it cannot be (no launcher, no
 * process left to have), there is none. */
void launcher_guard_begin(struct launcher_guard *g);

/* MPI has started. */
void launcher_guard_end(struct launcher_guard *g);

/* Before MPI is left: what is said to the launcher is sent at once. PMIx (4.2.2) takes
 * leave in small pieces, of which TCP keeps the last back until the others are
 * acknowledged, and the other side is in no hurry: 40 ms of each job. */
void launcher_send_at_once(void);

#endif
