#include "comm/comm.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/size.h"
#include "comm/guard.h"
#include "comm/launcher.h"

/* Whether MPI_Abort may be called: between start and end. */
static atomic_bool started;

/* A rank that waits must not take the core of one that works: without this, four ranks on
 * two cores wait a thousand times longer for each other. mpirun --oversubscribe sets it,
 * srun does not. */
static void set_environment(const char *io_driver)
{
    setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0);
    if (!strcmp(io_driver, "romio"))
        setenv("OMPI_MCA_io", "romio321", 1);
    else if (!strcmp(io_driver, "ompio"))
        setenv("OMPI_MCA_io", "ompio", 1);
}

bool comm_is_launched(void)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK",
                                        "PMI2_RANK"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (getenv(names[i]))
            return true;
    return false;
}

static void expired(void *context, const char *description, double seconds)
{
    const struct comm *c = context;
    char who[32] = "a rank";
    if (c->rank >= 0)
        snprintf(who, sizeof who, "rank %d", c->rank);
    log_error("%s on %s: %s has taken more than %.0f s: the job ends; the same command "
              "goes on from what is done",
              who, c->host, description, seconds);
    comm_abort(1);
}

static bool watch_start(const struct comm *c, const char *what)
{
    return watchdog_arm_idle(c->watchdog, c->start_patience, what);
}

enum status comm_init(struct comm *c, const char *io_driver, double patience,
                      double start, struct error *err)
{
    int provided;
    struct launcher_guard guard;
    *c = (struct comm){.mpi = MPI_COMM_NULL,
                       .rank = -1,
                       .patience = patience,
                       .start_patience = patience > start ? patience : start};
    if (gethostname(c->host, sizeof c->host))
        snprintf(c->host, sizeof c->host, "unknown");
    c->host[sizeof c->host - 1] = '\0';
    set_environment(io_driver);
    launcher_guard_begin(&guard);
    if (patience > 0) {
        enum status status = watchdog_start(expired, c, &c->watchdog, err);
        if (status != STATUS_OK)
            return status;
    }
    const bool watched = watch_start(c, "starting MPI with all ranks");
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS)
        return error_set(err, STATUS_JOB_FAILED, "MPI cannot be started");
    atomic_store(&started, true);
    launcher_guard_end(&guard);
    comm_unwatch(c, watched);
    c->mpi = MPI_COMM_WORLD;
    MPI_Comm_rank(c->mpi, &c->rank);
    MPI_Comm_size(c->mpi, &c->size);
    log_identify(c->size > 1 ? c->rank : -1, c->host);
    return STATUS_OK;
}

/* A process that is stopped on its last steps, when the others have left MPI, can do
 * nothing about itself, and the launcher would wait for it without end: the kernel kills
 * it, stopped or not. Never taken back, since nothing is left to do. */
static void end_at_last(double seconds)
{
    struct sigevent kill = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
    struct itimerspec end = {.it_value = {.tv_sec = (time_t)seconds + 1}};
    timer_t timer;
    if (timer_create(CLOCK_MONOTONIC, &kill, &timer) == 0)
        timer_settime(timer, 0, &end, NULL);
}

void comm_finish(struct comm *c)
{
    if (c->patience > 0)
        end_at_last(c->start_patience);
    const bool watched = watch_start(c, "leaving MPI with all ranks");
    atomic_store(&started, false);
    c->mpi = MPI_COMM_NULL;
    launcher_send_at_once();
    MPI_Finalize();
    comm_unwatch(c, watched);
    watchdog_stop(c->watchdog);
    c->watchdog = NULL;
}

/* ---- waits that nobody else watches ---- */

bool comm_watch(const struct comm *c, const char *what)
{
    return watchdog_arm_idle(c->watchdog, c->patience, what);
}

void comm_unwatch(const struct comm *c, bool watched)
{
    if (watched)
        watchdog_disarm(c->watchdog);
}

/* ---- what ranks do together ---- */

const char *comm_io_driver(void)
{
    const char *io = getenv("OMPI_MCA_io");
    return io ? io : "default";
}

const char *comm_library(void)
{
    static char version[MPI_MAX_LIBRARY_VERSION_STRING];
    int length;
    if (!version[0]) {
        MPI_Get_library_version(version, &length);
        version[strcspn(version, ",\n")] = '\0';
    }
    return version;
}

/* Open MPI's probe looks first and lets messages arrive afterwards, so that what has come
 * since the last one is seen by the second: alone it would wait until the caller's next
 * look. */
bool comm_probe(const struct comm *c, int peer, int tag, MPI_Status *status)
{
    int there = 0;
    for (int i = 0; i < 2 && !there; i++)
        MPI_Iprobe(peer, tag, c->mpi, &there, status);
    return there;
}

void comm_group(const struct comm *c, int group, struct comm *out)
{
    *out = *c;
    out->all_compute = true;
    const bool watched = comm_watch(c, "dividing the ranks into groups");
    MPI_Comm_split(c->mpi, group < 0 ? MPI_UNDEFINED : group, c->rank, &out->mpi);
    comm_unwatch(c, watched);
    if (group < 0)
        return;
    MPI_Comm_rank(out->mpi, &out->rank);
    MPI_Comm_size(out->mpi, &out->size);
    out->first = c->first + c->rank - out->rank; /* groups are neighbours */
}

void comm_workers(const struct comm *c, struct comm *out)
{
    comm_group(c, comm_computes(c) ? 0 : -1, out);
}

void comm_release(struct comm *c)
{
    if (c->mpi == MPI_COMM_NULL)
        return;
    const bool watched = comm_watch(c, "leaving a group of ranks");
    MPI_Comm_free(&c->mpi);
    comm_unwatch(c, watched);
}

/* Takes the worst failure's message from the rank that has it. */
static void hear_failure(const struct comm *c, enum status code, int rank,
                         struct error *err)
{
    struct {
        char host[COMM_HOST_BYTES];
        struct error error;
    } message = {0};
    if (c->rank == rank) {
        snprintf(message.host, sizeof message.host, "%s", c->host);
        message.error = *err;
    }
    MPI_Bcast(&message, sizeof message, MPI_BYTE, rank, c->mpi);
    if (c->rank != rank)
        error_set(err, code, "rank %d on %s: %s", c->first + rank, message.host,
                  message.error.message);
}

enum status comm_agree(const struct comm *c, enum status status, struct error *err)
{
    struct {
        int code, rank;
    } mine = {(int)status, c->rank}, worst;
    const bool watched = comm_watch(c, "waiting for all ranks to agree");
    /* MPI_MAXLOC takes the lowest rank of equals. */
    MPI_Allreduce(&mine, &worst, 1, MPI_2INT, MPI_MAXLOC, c->mpi);
    if (worst.code != STATUS_OK)
        hear_failure(c, (enum status)worst.code, worst.rank, err);
    comm_unwatch(c, watched);
    return (enum status)worst.code;
}

bool comm_same(const struct comm *c, uint64_t value)
{
    uint64_t both[2] = {value, ~value}, lowest[2];
    const bool watched = comm_watch(c, "comparing a value of all ranks");
    MPI_Allreduce(both, lowest, 2, MPI_UINT64_T, MPI_MIN, c->mpi);
    comm_unwatch(c, watched);
    return lowest[0] == ~lowest[1]; /* the lowest is the highest */
}

int comm_lowest(const struct comm *c, int value)
{
    int lowest;
    const bool watched = comm_watch(c, "comparing a value of all ranks");
    MPI_Allreduce(&value, &lowest, 1, MPI_INT, MPI_MIN, c->mpi);
    comm_unwatch(c, watched);
    return lowest;
}

enum { PIECE_BYTES = 1 << 28 };

void comm_or(const struct comm *c, uint8_t *bits, size_t count)
{
    const bool watched = comm_watch(c, "putting together what all ranks have");
    for (size_t done = 0; done < count;) {
        size_t n = count - done < PIECE_BYTES ? count - done : PIECE_BYTES;
        MPI_Allreduce(MPI_IN_PLACE, bits + done, count_cast(n), MPI_UINT8_T, MPI_BOR,
                      c->mpi);
        done += n;
    }
    comm_unwatch(c, watched);
}

void comm_share(const struct comm *c, void *data, size_t bytes)
{
    const bool watched = comm_watch(c, "waiting for what rank 0 shares");
    for (size_t done = 0; done < bytes;) {
        size_t n = bytes - done < PIECE_BYTES ? bytes - done : PIECE_BYTES;
        MPI_Bcast((char *)data + done, count_cast(n), MPI_BYTE, 0, c->mpi);
        done += n;
    }
    comm_unwatch(c, watched);
}

void comm_gather(const struct comm *c, const void *mine, size_t bytes, void *all)
{
    int count = count_cast(bytes);
    const bool watched = comm_watch(c, "gathering what all ranks have");
    MPI_Gather(mine, count, MPI_BYTE, all, count, MPI_BYTE, 0, c->mpi);
    comm_unwatch(c, watched);
}

int comm_threads(const struct comm *c, bool computes)
{
    struct {
        cpu_set_t cores;
        int computes;
    } mine = {.computes = computes}, *all;
    MPI_Comm host;
    int ranks, sharing = 0;

    CPU_ZERO(&mine.cores);
    sched_getaffinity(0, sizeof mine.cores, &mine.cores);
    const bool watched = comm_watch(c, "dividing the cores of a host");
    MPI_Comm_split_type(c->mpi, MPI_COMM_TYPE_SHARED, c->rank, MPI_INFO_NULL, &host);
    MPI_Comm_size(host, &ranks);
    all = calloc((size_t)ranks, sizeof *all);
    CHECK(all);
    MPI_Allgather(&mine, sizeof mine, MPI_BYTE, all, sizeof mine, MPI_BYTE, host);
    for (int i = 0; i < ranks; i++) {
        cpu_set_t both;
        CPU_AND(&both, &mine.cores, &all[i].cores);
        sharing += all[i].computes && CPU_COUNT(&both) > 0;
    }
    free(all);
    MPI_Comm_free(&host);
    comm_unwatch(c, watched);
    int cores = CPU_COUNT(&mine.cores);
    return cores > sharing && sharing > 0 ? cores / sharing : 1;
}

_Noreturn void comm_abort(int exit_code)
{
    /* Inside MPI_Init and MPI_Finalize it is the launcher that ends the others. */
    if (!atomic_load(&started))
        _exit(exit_code);
    /* MPI_Abort may itself wait for something that hangs; then the alarm ends this
     * process, and the launcher the others. */
    alarm(10);
    MPI_Abort(MPI_COMM_WORLD, exit_code);
    _exit(exit_code);
}
