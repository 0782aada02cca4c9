/*
 * The ranks of a job: who they are, where they run, and how they agree.
 *
 * With a patience (that of `pulmo run`) no wait is for ever: what the ranks' common
 * watchdog does not watch for a caller (their start and end, an agreement) it watches for
 * itself, and when the time passes the job ends, naming the wait. Without (`pulmo check`,
 * `pulmo phantom`) ranks wait for each other as long as it takes.
 *
 * Local work ends in comm_agree before the next collective call, so that a failure of one
 * rank is the failure of all, with its message, and nobody waits for a rank that left.
 * Funneled: only the thread that called comm_init calls MPI.
 */
#ifndef COMM_COMM_H
#define COMM_COMM_H

#include <mpi.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "base/watchdog.h"

enum { COMM_HOST_BYTES = 64 };

struct comm {
    MPI_Comm mpi;
    int rank, size;
    int first;        /* added to ranks in messages: that of its first rank among all */
    bool all_compute; /* rank 0 leads and works too; else it leads alone, unless it is the
                         only rank */
    char host[COMM_HOST_BYTES];
    struct watchdog *watchdog; /* of the process; NULL: ranks wait as long as it takes */
    double patience;           /* seconds, where a caller says nothing else */
    double start_patience;     /* to start and to leave MPI */
};

/* Whether a launcher started this process (mpirun, or srun with any PMI). Otherwise it is
 * the only rank, and what is wrong can be said without MPI. */
bool comm_is_launched(void);

/* Starts MPI; `io_driver` "auto", "romio" or "ompio" is chosen before it starts. Waiting
 * ranks yield their core. `patience`: how long ranks wait for each other, in seconds; 0:
 * as long as it takes, without a watchdog. `start`: the least that they wait for all to
 * start and to leave MPI, which takes its time on a busy machine, however short
 * `patience` is. Collective. */
enum status comm_init(struct comm *c, const char *io_driver, double patience,
                      double start, struct error *err);

/* Ends MPI, then the watchdog. The process has to end within the time for leaving MPI: it
 * is killed then. Collective. */
void comm_finish(struct comm *c);

/* The name of the MPI-IO driver and of the MPI library in use, for provenance. */
const char *comm_io_driver(void);
const char *comm_library(void);

/* Whether this rank computes; the ranks that do are workers 0, 1, ... in their order. */
static inline bool comm_computes(const struct comm *c)
{
    return c->rank > 0 || c->size == 1 || c->all_compute;
}

/* The rank of worker 0. */
static inline int comm_first_worker(const struct comm *c)
{
    return c->size > 1 && !c->all_compute;
}

static inline int comm_worker_count(const struct comm *c)
{
    return c->size - comm_first_worker(c);
}

/* Whether a message with that tag has come from `peer` (or from any: MPI_ANY_SOURCE), and
 * which, unless `status` is MPI_STATUS_IGNORE. Point to point; not collective. */
bool comm_probe(const struct comm *c, int peer, int tag, MPI_Status *status);

/* *out = those with the same `group` from 0 on, all of which compute; with a negative one
 * `out` has nobody in it. Collective; comm_release is, among those in it. */
void comm_group(const struct comm *c, int group, struct comm *out);

/* *out = those that compute. On a rank that does not `out` has nobody in it. Collective,
 * as is comm_release. */
void comm_workers(const struct comm *c, struct comm *out);
void comm_release(struct comm *c);

/* The worst status of all ranks, on all ranks; of equals the lowest rank's. err takes its
 * message, "rank R on HOST: " before it when it is another's. Collective. */
enum status comm_agree(const struct comm *c, enum status status, struct error *err);

/* Whether all ranks hold the same value. Collective. */
bool comm_same(const struct comm *c, uint64_t value);

/* The lowest value of all ranks. Collective. */
int comm_lowest(const struct comm *c, int value);

/* Bitwise or of arrays over all ranks, in place. Collective. */
void comm_or(const struct comm *c, uint8_t *bits, size_t count);

/* Rank 0's bytes to all, in pieces that fit an int. Collective. */
void comm_share(const struct comm *c, void *data, size_t bytes);

/* The same few bytes of each rank to rank 0: all[size * bytes] there, ignored elsewhere.
 * Collective. */
void comm_gather(const struct comm *c, const void *mine, size_t bytes, void *all);

/* Threads for this rank: the cores it may run on, divided by the computing ranks of its
 * host that may run on any of them. `computes`: this rank does. At least 1. Collective.
 */
int comm_threads(const struct comm *c, bool computes);

/* Ends all ranks at once, from any thread. The one place of MPI_Abort. */
_Noreturn void comm_abort(int exit_code);

#endif
