#include "comm/launcher.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

/* How long a launcher may stay without a child: it takes 0.1 s where all is well. */
static const double patience_seconds = 5;
enum { LOOK_MS = 200 };

/* The guard's name, in place of its rank's command line. */
static const char title[] = "pulmo: guard of a launcher";

/* ---- processes ---- */

/* Parent and state of a process; false: it is gone. */
static bool process_look(pid_t pid, pid_t *parent, char *state)
{
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    const size_t n = fread(line, 1, sizeof line - 1, f);
    fclose(f);
    line[n] = '\0';
    const char *after = strrchr(line, ')'); /* the name before it may hold anything */
    int number;
    if (!after || sscanf(after + 1, " %c %d", state, &number) != 2)
        return false;
    *parent = number;
    return true;
}

/* Whether it has work, or is held up: a child that lives, or stopped itself. */
static bool is_busy(pid_t launcher)
{
    pid_t parent;
    char state;
    bool busy = process_look(launcher, &parent, &state) && (state == 'T' || state == 't');
    DIR *all = opendir("/proc");
    if (!all)
        return true; /* nothing is known */
    for (const struct dirent *e; !busy && (e = readdir(all));)
        if (isdigit((unsigned char)e->d_name[0]))
            busy = process_look((pid_t)strtol(e->d_name, NULL, 10), &parent, &state) &&
                   parent == launcher && state != 'Z' && state != 'X';
    closedir(all);
    return busy;
}

static bool is_launcher(pid_t pid)
{
    static const char *const names[] = {"mpirun", "mpiexec", "orte", "prte"};
    char path[64], name[64] = "";
    snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    const bool known = fgets(name, sizeof name, f);
    fclose(f);
    for (size_t i = 0; known && i < sizeof names / sizeof *names; i++)
        if (!strncmp(name, names[i], strlen(names[i])))
            return true;
    return false;
}

/* ---- the guard: a process that has one thread and no file but these two ---- */

static void close_others(unsigned a, unsigned b)
{
    const unsigned low = a < b ? a : b, high = a < b ? b : a;
    if (low > 0)
        close_range(0, low - 1, 0);
    if (high > low + 1)
        close_range(low + 1, high - 1, 0);
    close_range(high + 1, ~0U, 0);
}

/* Its rank's output would keep the launcher waiting; its folder a disk from being
 * unmounted; its command line look like a rank. */
static void stand_apart(int told, int launcher)
{
    FILE *f = fopen("/proc/self/cmdline", "re");
    char *own = program_invocation_name; /* argv[0], the others follow */
    size_t n = 0;
    while (f && getc(f) != EOF)
        n++;
    if (n >= sizeof title)
        memcpy(memset(own, 0, n), title, sizeof title);
    prctl(PR_SET_NAME, "pulmo-guard");
    setsid();
    if (chdir("/"))
        _exit(0);
    close_others((unsigned)told, (unsigned)launcher);
}

/* Where the user looks; a file is added to. */
static void tell(pid_t launcher)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd/2", (int)launcher);
    const int fd = open(path, O_WRONLY | O_APPEND | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0)
        dprintf(fd,
                "pulmo: a rank died while it started MPI, all ranks of this host are "
                "gone, and their launcher (process %d) has waited for itself for %.0f s: "
                "it is killed; the same command goes on from what is done\n",
                (int)launcher, patience_seconds);
}

/* Ranks of a host do not all speak: the next one is later by this, and finds it done. */
static double turn_seconds(void)
{
    const char *rank = getenv("OMPI_COMM_WORLD_LOCAL_RANK");
    return rank ? 0.01 * (double)strtol(rank, NULL, 10) : 0;
}

static _Noreturn void stand_guard(int told, int launcher, pid_t pid)
{
    stand_apart(told, launcher);
    struct pollfd events[2] = {{.fd = launcher, .events = POLLIN},
                               {.fd = told, .events = POLLIN}};
    char well;
    while (poll(events, 2, -1) < 0 && errno == EINTR)
        ;
    if (events[0].revents || read(told, &well, 1) == 1)
        _exit(0);
    double since = clock_seconds();
    while (poll(events, 1, LOOK_MS) <= 0) {
        if (is_busy(pid))
            since = clock_seconds();
        if (clock_seconds() - since < patience_seconds + turn_seconds())
            continue;
        tell(pid);
        pidfd_send_signal(launcher, SIGKILL, NULL, 0);
        break;
    }
    _exit(0);
}

/* ---- its rank ---- */

void launcher_guard_begin(struct launcher_guard *g)
{
    int ends[2];
    *g = (struct launcher_guard){.release = -1};
    const pid_t pid = getppid();
    const int launcher = is_launcher(pid) ? pidfd_open(pid, 0) : -1;
    if (launcher < 0)
        return;
    if (getppid() == pid && pipe2(ends, O_CLOEXEC) == 0) {
        const pid_t process = fork();
        if (process == 0)
            stand_guard(ends[0], launcher, pid);
        close(ends[0]);
        if (process > 0)
            *g = (struct launcher_guard){process, ends[1]};
        else
            close(ends[1]);
    }
    close(launcher);
}

void launcher_guard_end(struct launcher_guard *g)
{
    if (g->process == 0)
        return;
    /* A guard that was killed is no reason to die of SIGPIPE: it is asked first. */
    int ended;
    if (waitpid(g->process, &ended, WNOHANG) == 0 && write(g->release, "", 1) == 1)
        while (waitpid(g->process, &ended, 0) < 0 && errno == EINTR)
            ;
    close(g->release);
    *g = (struct launcher_guard){.release = -1};
}

/* ---- leaving ---- */

/* PMIx keeps its socket to itself; those of MPI have the option already. */
void launcher_send_at_once(void)
{
    DIR *all = opendir("/proc/self/fd");
    if (!all)
        return;
    for (const struct dirent *e; (e = readdir(all));) {
        const int fd = (int)strtol(e->d_name, NULL, 10), yes = 1;
        int family, type;
        socklen_t a = sizeof family, b = sizeof type;
        if (isdigit((unsigned char)e->d_name[0]) &&
            !getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &a) &&
            !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &b) && type == SOCK_STREAM &&
            (family == AF_INET || family == AF_INET6))
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    }
    closedir(all);
}
