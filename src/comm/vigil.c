#include "comm/vigil.h"

#include "base/clock.h"
#include "comm/guard.h"

/* Few enough to cost nothing, and more than one may be late. */
enum { TOLD_PER_PATIENCE = 8 };

static const double look_seconds = 5e-3;

static void tell(const struct comm *c, int goes_on)
{
    const bool watched = comm_watch(c, "telling all ranks that rank 0 lives");
    for (int rank = 1; rank < c->size; rank++)
        MPI_Send(&goes_on, 1, MPI_INT, rank, COMM_TAG_VIGIL, c->mpi);
    comm_unwatch(c, watched);
}

void vigil_alive(const struct comm *c, double *told)
{
    const double now = clock_seconds();
    if (!c->watchdog)
        return; /* nobody loses patience */
    watchdog_touch(c->watchdog);
    if (now - *told < c->patience / TOLD_PER_PATIENCE)
        return;
    *told = now;
    tell(c, 1);
}

/* Asleep: rank 0 may need this core. */
static bool hear(const struct comm *c)
{
    int goes_on;
    while (!comm_probe(c, 0, COMM_TAG_VIGIL, MPI_STATUS_IGNORE))
        clock_sleep(look_seconds);
    MPI_Recv(&goes_on, 1, MPI_INT, 0, COMM_TAG_VIGIL, c->mpi, MPI_STATUS_IGNORE);
    return goes_on;
}

void vigil_end(const struct comm *c)
{
    if (c->rank == 0) {
        tell(c, 0);
        return;
    }
    /* Not before rank 0's own watch: its last word may be older than its last progress.
     */
    const double patience = c->patience * (1 + 2.0 / TOLD_PER_PATIENCE);
    bool goes_on = true;
    while (goes_on) {
        if (c->watchdog)
            watchdog_arm(c->watchdog, patience, "waiting for what rank 0 does alone");
        goes_on = hear(c);
    }
    if (c->watchdog)
        watchdog_disarm(c->watchdog);
}
