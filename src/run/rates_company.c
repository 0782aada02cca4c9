#include "run/rates_company.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

int rates_company_size(int cores)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    if (count > cores)
        count = cores;
    if (count > RATES_COMPANY + 1)
        count = RATES_COMPANY + 1;
    return count > 1 ? count - 1 : 0;
}

/* What it would warn of, the process that measures says once. */
static void fall_silent(void)
{
    const int nowhere = open("/dev/null", O_WRONLY);
    if (nowhere < 0)
        return;
    dup2(nowhere, STDOUT_FILENO);
    dup2(nowhere, STDERR_FILENO);
}

void rates_company_start(struct rates_company *c, int count,
                         int (*work)(int index, void *context), void *context)
{
    const pid_t parent = getpid();
    *c = (struct rates_company){.count = 0};
    for (int i = 0; i < count && i < RATES_COMPANY; i++) {
        const pid_t process = fork();
        if (process < 0)
            return;
        if (process == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            fall_silent();
            while (getppid() == parent && work(i, context) == 0)
                ;
            _exit(0);
        }
        c->processes[c->count++] = process;
    }
}

void rates_company_end(struct rates_company *c)
{
    for (int i = 0; i < c->count; i++)
        kill(c->processes[i], SIGKILL);
    for (int i = 0; i < c->count; i++)
        while (waitpid(c->processes[i], NULL, 0) < 0 && errno == EINTR)
            ;
    c->count = 0;
}
