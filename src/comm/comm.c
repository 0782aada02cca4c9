#include "comm/comm.h"

#include <sched.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/size.h"

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

enum status comm_init(struct comm *c, const char *io_driver, struct error *err)
{
    int provided;
    set_environment(io_driver);
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS)
        return error_set(err, STATUS_JOB_FAILED, "MPI cannot be started");
    c->mpi = MPI_COMM_WORLD;
    MPI_Comm_rank(c->mpi, &c->rank);
    MPI_Comm_size(c->mpi, &c->size);
    c->first = 0;
    c->all_compute = false;
    if (gethostname(c->host, sizeof c->host))
        snprintf(c->host, sizeof c->host, "unknown");
    c->host[sizeof c->host - 1] = '\0';
    log_identify(c->size > 1 ? c->rank : -1, c->host);
    return STATUS_OK;
}

void comm_finish(struct comm *c)
{
    c->mpi = MPI_COMM_NULL;
    MPI_Finalize();
}

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

void comm_group(const struct comm *c, int group, struct comm *out)
{
    *out = *c;
    out->all_compute = true;
    MPI_Comm_split(c->mpi, group < 0 ? MPI_UNDEFINED : group, c->rank, &out->mpi);
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
    if (c->mpi != MPI_COMM_NULL)
        MPI_Comm_free(&c->mpi);
}

enum status comm_agree(const struct comm *c, enum status status, struct error *err)
{
    struct {
        int code, rank;
    } mine = {(int)status, c->rank}, worst;
    /* MPI_MAXLOC takes the lowest rank of equals. */
    MPI_Allreduce(&mine, &worst, 1, MPI_2INT, MPI_MAXLOC, c->mpi);
    if (worst.code == STATUS_OK)
        return STATUS_OK;

    struct {
        char host[COMM_HOST_BYTES];
        struct error error;
    } message = {0};
    if (c->rank == worst.rank) {
        snprintf(message.host, sizeof message.host, "%s", c->host);
        message.error = *err;
    }
    MPI_Bcast(&message, sizeof message, MPI_BYTE, worst.rank, c->mpi);
    if (c->rank != worst.rank)
        error_set(err, (enum status)worst.code, "rank %d on %s: %s",
                  c->first + worst.rank, message.host, message.error.message);
    return (enum status)worst.code;
}

bool comm_same(const struct comm *c, uint64_t value)
{
    uint64_t both[2] = {value, ~value}, lowest[2];
    MPI_Allreduce(both, lowest, 2, MPI_UINT64_T, MPI_MIN, c->mpi);
    return lowest[0] == ~lowest[1]; /* the lowest is the highest */
}

int comm_lowest(const struct comm *c, int value)
{
    int lowest;
    MPI_Allreduce(&value, &lowest, 1, MPI_INT, MPI_MIN, c->mpi);
    return lowest;
}

enum { PIECE_BYTES = 1 << 28 };

void comm_or(const struct comm *c, uint8_t *bits, size_t count)
{
    for (size_t done = 0; done < count;) {
        size_t n = count - done < PIECE_BYTES ? count - done : PIECE_BYTES;
        MPI_Allreduce(MPI_IN_PLACE, bits + done, count_cast(n), MPI_UINT8_T, MPI_BOR,
                      c->mpi);
        done += n;
    }
}

void comm_share(const struct comm *c, void *data, size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        size_t n = bytes - done < PIECE_BYTES ? bytes - done : PIECE_BYTES;
        MPI_Bcast((char *)data + done, count_cast(n), MPI_BYTE, 0, c->mpi);
        done += n;
    }
}

void comm_gather(const struct comm *c, const void *mine, size_t bytes, void *all)
{
    int count = count_cast(bytes);
    MPI_Gather(mine, count, MPI_BYTE, all, count, MPI_BYTE, 0, c->mpi);
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
    int cores = CPU_COUNT(&mine.cores);
    return cores > sharing && sharing > 0 ? cores / sharing : 1;
}

_Noreturn void comm_abort(int exit_code)
{
    /* MPI_Abort may itself wait for something that hangs; then the alarm ends this
     * process, and the launcher the others. */
    alarm(10);
    MPI_Abort(MPI_COMM_WORLD, exit_code);
    _exit(exit_code);
}
