/* Ranks that agree, and messages that come whole. */
#include "assert_ranks.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/memory.h"
#include "comm/comm.h"
#include "comm/message.h"
#include "comm/vigil.h"

static struct comm world(void)
{
    struct comm c = {.mpi = MPI_COMM_WORLD, .rank = ranks_rank(), .size = ranks_size()};
    snprintf(c.host, sizeof c.host, "host%d", c.rank);
    return c;
}

static void the_worst_failure_of_any_rank_is_told_to_all(void **state)
{
    (void)state;
    struct comm c = world();
    struct error err = {0};
    int last = c.size - 1;
    enum status status = STATUS_OK;
    if (c.rank == 0)
        status = error_set(&err, STATUS_ITEM_IO, "a small thing");
    if (c.rank == last)
        status = error_set(&err, STATUS_STAGE_IO, "disk %d is full", last);
    status = comm_agree(&c, status, &err);
    assert_all_ranks(status == STATUS_STAGE_IO);
    assert_all_ranks_text(strstr(err.message, "is full"), err.message);
    if (c.rank != last) {
        char host[32];
        snprintf(host, sizeof host, "on host%d", last);
        status = strstr(err.message, host) ? STATUS_OK : STATUS_JOB_FAILED;
    }
    assert_all_ranks_text(c.rank == last || status == STATUS_OK, err.message);
}

static void of_equal_failures_the_lowest_rank_speaks(void **state)
{
    (void)state;
    struct comm c = world();
    struct error err = {0};
    error_set(&err, STATUS_JOB_FAILED, "rank %d says", c.rank);
    assert_all_ranks(comm_agree(&c, STATUS_JOB_FAILED, &err) == STATUS_JOB_FAILED);
    assert_all_ranks_text(strstr(err.message, "rank 0 says"), err.message);
}

static void without_failures_all_go_on(void **state)
{
    (void)state;
    struct comm c = world();
    struct error err = {0};
    assert_all_ranks(comm_agree(&c, STATUS_OK, &err) == STATUS_OK);
}

static void a_difference_on_one_rank_is_seen_by_all(void **state)
{
    (void)state;
    struct comm c = world();
    assert_all_ranks(comm_same(&c, UINT64_MAX));
    assert_all_ranks(comm_same(&c, 0));
    assert_all_ranks(comm_same(&c, c.rank == c.size - 1 ? 8 : 7) == (c.size == 1));
    assert_all_ranks(comm_lowest(&c, 10 - c.rank) == 11 - c.size);
}

static void bits_and_bytes_reach_all_ranks(void **state)
{
    (void)state;
    struct comm c = world();
    uint8_t bits[4] = {(uint8_t)(1 << c.rank), 0, 0, 128}, shared[100000];
    comm_or(&c, bits, sizeof bits);
    assert_all_ranks(bits[0] == (1 << c.size) - 1 && bits[3] == 128);
    for (size_t i = 0; i < sizeof shared; i++)
        shared[i] = c.rank == 0 ? (uint8_t)(i * 7) : 0;
    comm_share(&c, shared, sizeof shared);
    bool same = true;
    for (size_t i = 0; i < sizeof shared; i++)
        same = same && shared[i] == (uint8_t)(i * 7);
    assert_all_ranks(same);
}

static void take_from_anyone(const struct comm *c, struct message *m)
{
    double start = clock_seconds();
    while (!message_take(c, MPI_ANY_SOURCE, m)) {
        CHECK(clock_seconds() - start < 60);
        clock_sleep(1e-4);
    }
}

/* Each rank sends rank 0 three messages of its own, of sizes that MPI sends in different
 * ways. */
static void messages_come_whole_and_in_order(void **state)
{
    (void)state;
    enum { MESSAGES = 3 };
    static const uint64_t sizes[MESSAGES] = {0, 100, 3000000};
    struct comm c = world();
    struct error err;
    bool good = true;
    if (c.rank > 0)
        for (int i = 0; i < MESSAGES; i++) {
            struct message m = {
                .kind = i, .part = c.rank, .item = 1LL << 40, .bytes = sizes[i]};
            CHECK(memory_new(sizes[i], 1, "test", &m.payload, &err) == STATUS_OK);
            memset(m.payload, c.rank + i, sizes[i]);
            message_send(&c, 0, &m);
            free(m.payload);
        }
    int next[64] = {0};
    for (int i = 0; c.rank == 0 && i < MESSAGES * (c.size - 1); i++) {
        struct message m;
        take_from_anyone(&c, &m);
        good =
            good && m.kind == next[m.peer]++ && m.part == m.peer && m.item == 1LL << 40;
        good = good && m.bytes == sizes[m.kind] && (m.payload != NULL) == (m.bytes > 0);
        for (uint64_t k = 0; good && k < m.bytes; k++)
            good = ((uint8_t *)m.payload)[k] == m.peer + m.kind;
        free(m.payload);
    }
    assert_all_ranks(good);
}

static void note_expired(void *context, const char *description, double seconds)
{
    (void)description;
    (void)seconds;
    atomic_store((atomic_bool *)context, true);
}

/* Whether a rank lost patience with rank 0, which works alone for so many seconds and
 * says so every `pause`. */
static bool loses_patience(struct comm *c, double patience, double seconds, double pause)
{
    atomic_bool lost = false;
    struct error err;
    double told = 0;
    CHECK(watchdog_start(note_expired, &lost, &c->watchdog, &err) == STATUS_OK);
    c->patience = patience;
    for (double start = clock_seconds();
         c->rank == 0 && clock_seconds() - start < seconds; clock_sleep(pause))
        vigil_alive(c, &told);
    vigil_end(c);
    watchdog_stop(c->watchdog);
    c->watchdog = NULL;
    return atomic_load(&lost);
}

static void rank_0_may_work_alone_as_long_as_it_says_that_it_lives(void **state)
{
    (void)state;
    struct comm c = world();
    assert_all_ranks(!loses_patience(&c, 2, 2.6, 0.05));
    assert_all_ranks(loses_patience(&c, 0.1, 1, 1) == (c.rank > 0));
    vigil_end(&c); /* without a watchdog */
}

static void every_rank_has_a_thread_and_no_core_is_given_twice(void **state)
{
    (void)state;
    struct comm c = world();
    int threads = comm_threads(&c, c.rank > 0 || c.size == 1);
    assert_all_ranks(threads >= 1);
    assert_all_ranks(threads <= 1024);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_worst_failure_of_any_rank_is_told_to_all),
        cmocka_unit_test(of_equal_failures_the_lowest_rank_speaks),
        cmocka_unit_test(without_failures_all_go_on),
        cmocka_unit_test(a_difference_on_one_rank_is_seen_by_all),
        cmocka_unit_test(bits_and_bytes_reach_all_ranks),
        cmocka_unit_test(messages_come_whole_and_in_order),
        cmocka_unit_test(rank_0_may_work_alone_as_long_as_it_says_that_it_lives),
        cmocka_unit_test(every_rank_has_a_thread_and_no_core_is_given_twice),
    };
    ranks_start(&argc, &argv);
    return ranks_end(cmocka_run_group_tests(tests, NULL, NULL));
}
