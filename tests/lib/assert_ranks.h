/*
 * cmocka under mpirun. An assertion that fails on one rank alone leaves the others
 * waiting in the next collective call; assert_all_ranks agrees before it fails, so all
 * leave the test together. Only rank 0 prints. Between collective calls the same number
 * of these on all ranks.
 *
 *     int main(int argc, char **argv)
 *     {
 *         ranks_start(&argc, &argv);
 *         return ranks_end(cmocka_run_group_tests(tests, NULL, NULL));
 *     }
 */
#ifndef ASSERT_RANKS_H
#define ASSERT_RANKS_H

#include <mpi.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Fails on all ranks when the condition is false on any. Collective. */
#define assert_all_ranks(condition)                                                      \
    ranks_assert((condition) ? true : false, #condition, __FILE__, __LINE__)

/* The same with a text that tells why, as an error message does. */
#define assert_all_ranks_text(condition, text)                                           \
    ranks_assert((condition) ? true : false, text, __FILE__, __LINE__)

static inline int ranks_rank(void)
{
    int rank;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    return rank;
}

static inline int ranks_size(void)
{
    int size;
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    return size;
}

static inline void ranks_assert(bool holds, const char *text, const char *file, int line)
{
    int mine = holds ? ranks_size() : ranks_rank(), lowest;
    char shared[1024] = "";

    MPI_Allreduce(&mine, &lowest, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
    if (lowest == ranks_size())
        return;
    snprintf(shared, sizeof shared, "%s", text);
    MPI_Bcast(shared, sizeof shared, MPI_CHAR, lowest, MPI_COMM_WORLD);
    if (ranks_rank() == 0)
        fprintf(stderr, "rank %d: %s:%d: %s\n", lowest, file, line, shared);
    _fail(file, line);
}

/* Starts MPI and silences cmocka on all ranks but the first. What a sanitizer says goes
 * to the original stderr of any rank, by its descriptor. */
static inline void ranks_start(int *argc, char ***argv)
{
    int provided;
    MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &provided);
    if (ranks_rank() == 0)
        return;
    FILE *nowhere = fopen("/dev/null", "w");
    if (nowhere)
        stdout = stderr = nowhere;
}

/* Ends MPI; returns the exit code of the test program. */
static inline int ranks_end(int failed)
{
    MPI_Finalize();
    return failed ? 1 : 0;
}

/* Makes a folder that all ranks know, under $TMPDIR or /tmp. Collective. */
static inline void ranks_folder(char *path, size_t bytes)
{
    const char *parent = getenv("TMPDIR");
    bool made = true;
    if (ranks_rank() == 0) {
        snprintf(path, bytes, "%s/pulmo-test-XXXXXX", parent ? parent : "/tmp");
        made = mkdtemp(path) != NULL;
    }
    assert_all_ranks(made);
    MPI_Bcast(path, (int)bytes, MPI_CHAR, 0, MPI_COMM_WORLD);
}

#endif
