#include "run/interrupt.h"

#include <signal.h>
#include <string.h>

static volatile sig_atomic_t wanted;

static void want(int signal_number)
{
    (void)signal_number;
    wanted = 1;
}

void interrupt_install(void)
{
    static const int signals[] = {SIGUSR1, SIGTERM, SIGINT};
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = want;
    action.sa_flags = SA_RESTART;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file size limit is a write error, named as such */
}

void interrupt_raise(void)
{
    wanted = 1;
}

bool interrupt_wanted(void)
{
    return wanted;
}
