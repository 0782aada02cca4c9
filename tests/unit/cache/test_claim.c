/* Who works in a folder: one, whoever asks at the same time, and whatever the dead left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "cache/claim.h"
#include "temporary_folder.h"

enum { RIVALS = 8, ROUNDS = 6 };

/* A claim that another host has left. */
static void leave(const char *folder, int number, const char *text, time_t age)
{
    char path[512];
    struct error err;
    snprintf(path, sizeof path, "%s/owner.%d", folder, number);
    assert_int_equal(file_write(path, text, strlen(text), &err), STATUS_OK);
    const struct timespec then[2] = {{.tv_sec = time(NULL) - age},
                                     {.tv_sec = time(NULL) - age}};
    assert_int_equal(utimensat(AT_FDCWD, path, then, 0), 0);
}

static const char elsewhere[] = "host far\npid 7\njob 42\nstarted then\nboot another\n";

static int count_files(const char *folder)
{
    char path[512];
    int count = 0;
    for (int i = 1; i < 100; i++) {
        snprintf(path, sizeof path, "%s/owner.%d", folder, i);
        count += file_exists(path);
    }
    return count;
}

static void one_at_a_time(void **state)
{
    const char *folder = temporary_folder;
    (void)state;
    struct claim *a, *b;
    struct error err;
    assert_int_equal(claim_take(folder, &a, &err), STATUS_OK);
    assert_true(claim_is_held(a));
    assert_int_equal(claim_take(folder, &b, &err), STATUS_JOB_FAILED);
    assert_non_null(strstr(err.message, "another process is at work there: host "));
    claim_give_back(a);
    assert_int_equal(claim_take(folder, &b, &err), STATUS_OK);
    assert_int_equal(count_files(folder), 1);
    claim_give_back(b);
}

/* Each rival that gets it says so by a file that only one at a time may make. */
static int rival(const char *folder, int start, int end)
{
    char byte;
    struct claim *c;
    struct error err;
    if (read(start, &byte, 1) != 0)
        return 3;
    const enum status status = claim_take(folder, &c, &err);
    if (status == STATUS_JOB_FAILED)
        return 1;
    if (status != STATUS_OK || !claim_is_held(c))
        return 2;
    const int holder = open(temporary_path("holder"), O_CREAT | O_EXCL | O_WRONLY, 0666);
    if (holder < 0)
        return 2; /* somebody else holds it too */
    if (read(end, &byte, 1) != 0)
        return 3;
    close(holder);
    unlink(temporary_path("holder"));
    claim_give_back(c);
    return 0;
}

static void of_many_that_ask_at_once_one_gets_it(void **state)
{
    const char *folder = temporary_folder;
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        int start[2], end[2], got = 0, refused = 0;
        pid_t pids[RIVALS];
        if (round % 2) /* what a dead one left is taken over by one of them */
            leave(folder, 100 + round, elsewhere, 3600);
        assert_int_equal(pipe(start), 0);
        assert_int_equal(pipe(end), 0);
        for (int i = 0; i < RIVALS; i++) {
            pids[i] = fork();
            if (pids[i] == 0) {
                close(start[1]);
                close(end[1]);
                _exit(rival(folder, start[0], end[0]));
            }
        }
        close(start[1]); /* go */
        clock_sleep(0.3);
        close(end[1]);
        for (int i = 0; i < RIVALS; i++) {
            int status;
            assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
            assert_true(WIFEXITED(status));
            got += WEXITSTATUS(status) == 0;
            refused += WEXITSTATUS(status) == 1;
        }
        close(start[0]);
        close(end[0]);
        assert_int_equal(got + refused, RIVALS);
        assert_true(got >= 1); /* one that asks after it was given back gets it too */
    }
}

static void one_that_was_killed_is_in_nobodys_way(void **state)
{
    const char *folder = temporary_folder;
    (void)state;
    int ready[2];
    char byte;
    struct claim *c;
    struct error err;
    assert_int_equal(pipe(ready), 0);
    const pid_t pid = fork();
    if (pid == 0) {
        if (claim_take(folder, &c, &err) != STATUS_OK || write(ready[1], "r", 1) != 1)
            _exit(1);
        pause();
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(claim_take(folder, &c, &err), STATUS_JOB_FAILED);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_int_equal(claim_take(folder, &c, &err), STATUS_OK);
    claim_give_back(c);
    close(ready[0]);
    close(ready[1]);
}

static void age_tells_of_other_hosts(void **state)
{
    const char *folder = temporary_folder;
    (void)state;
    struct claim *c;
    struct error err;
    leave(folder, 4, elsewhere, 0);
    assert_int_equal(claim_take(folder, &c, &err), STATUS_JOB_FAILED);
    assert_non_null(strstr(err.message, "host far, pid 7, job 42, started then, last"));
    leave(folder, 4, elsewhere, -86400); /* a clock that went back makes nobody dead */
    assert_int_equal(claim_take(folder, &c, &err), STATUS_JOB_FAILED);
    leave(folder, 4, "", 0); /* made, and not yet written */
    assert_int_equal(claim_take(folder, &c, &err), STATUS_JOB_FAILED);
    leave(folder, 4, "", 3600);
    assert_int_equal(claim_take(folder, &c, &err), STATUS_OK);
    claim_give_back(c);
    leave(folder, 9, elsewhere, 3600);
    assert_int_equal(claim_take(folder, &c, &err), STATUS_OK);
    assert_true(claim_is_held(c));
    assert_int_equal(count_files(folder), 1);

    leave(folder, 11, elsewhere, 0); /* it was itself taken for dead */
    assert_false(claim_is_held(c));
    claim_give_back(c);
    assert_int_equal(claim_take(folder, &c, &err), STATUS_JOB_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_at_a_time, temporary_folder_make,
                                        temporary_folder_remove),
        cmocka_unit_test_setup_teardown(of_many_that_ask_at_once_one_gets_it,
                                        temporary_folder_make, temporary_folder_remove),
        cmocka_unit_test_setup_teardown(one_that_was_killed_is_in_nobodys_way,
                                        temporary_folder_make, temporary_folder_remove),
        cmocka_unit_test_setup_teardown(age_tells_of_other_hosts, temporary_folder_make,
                                        temporary_folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
