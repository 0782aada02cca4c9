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

/* Looks that find no child before a launcher is given up, 5 s: where all is well it takes
 * 0.1 s. Looks are counted, since after a standstill of the machine time says nothing. */
enum { LOOK_MS = 200, IDLE_LOOKS = 25 };

static const char name[] = "pulmo-guard", title[] = "pulmo: guard of a launcher";

/* ---- processes ---- */

enum look { GONE, HIDDEN, UNKNOWN, SEEN };

/* Parent and state of a process; `guard`: it is one of ours. */
static enum look process_look(pid_t pid, pid_t *parent, char *state, bool *guard)
{
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return errno == ENOENT || errno == ESRCH   ? GONE
               : errno == EACCES || errno == EPERM ? HIDDEN
                                                   : UNKNOWN;
    const size_t n = fread(line, 1, sizeof line - 1, f);
    fclose(f);
    line[n] = '\0';
    const char *before = strchr(line, '('), *after = strrchr(line, ')');
    int number;
    if (!before || !after || sscanf(after + 1, " %c %d", state, &number) != 2)
        return n == 0 ? GONE : UNKNOWN;
    *parent = number;
    *guard = !strncmp(before + 1, name, sizeof name - 1);
    return SEEN;
}

/* Whether it has a child that lives, or is held up itself. In doubt it is. Processes that
 * may not be looked at (/proc with hidepid) are another user's: not its children. */
static bool is_busy(pid_t launcher)
{
    pid_t parent;
    char state;
    bool guard;
    const enum look itself = process_look(launcher, &parent, &state, &guard);
    bool busy = itself == UNKNOWN || itself == HIDDEN ||
                (itself == SEEN && (state == 'T' || state == 't'));
    DIR *all = opendir("/proc");
    if (!all)
        return true;
    for (const struct dirent *e; !busy && (e = readdir(all));) {
        if (!isdigit((unsigned char)e->d_name[0]))
            continue;
        const enum look look =
            process_look((pid_t)strtol(e->d_name, NULL, 10), &parent, &state, &guard);
        busy = look == UNKNOWN || (look == SEEN && parent == launcher && !guard &&
                                   state != 'Z' && state != 'X');
    }
    closedir(all);
    return busy;
}

/* By its program: scripts of such a name are not meant. */
static bool is_launcher(pid_t pid)
{
    static const char *const programs[] = {
        "orterun", "orted", "mpirun", "mpirun.openmpi", "mpiexec", "mpiexec.openmpi"};
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/%d/exe", (int)pid);
    const ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0)
        return false;
    path[n] = '\0';
    const char *slash = strrchr(path, '/');
    for (size_t i = 0; slash && i < sizeof programs / sizeof *programs; i++)
        if (!strcmp(slash + 1, programs[i]))
            return true;
    return false;
}

/* ---- the guard: a process that has one thread and no file but these two ---- */

static bool close_from_to(unsigned first, unsigned last)
{
    return first > last || close_range(first, last, 0) == 0;
}

static bool close_others(unsigned a, unsigned b)
{
    const unsigned low = a < b ? a : b, high = a < b ? b : a;
    return (low == 0 || close_from_to(0, low - 1)) && close_from_to(low + 1, high - 1) &&
           close_from_to(high + 1, ~0U);
}

/* Its rank's output would keep the launcher waiting; its folder a disk from being
 * unmounted; its command line look like a rank. A guard that cannot is none. */
static void stand_apart(int told, int launcher)
{
    FILE *f = fopen("/proc/self/cmdline", "re");
    char *own = program_invocation_name; /* argv[0], the others follow */
    size_t n = 0;
    while (f && getc(f) != EOF)
        n++;
    if (n > 0)
        memcpy(memset(own, 0, n), title, n < sizeof title ? n - 1 : sizeof title);
    prctl(PR_SET_NAME, name);
    setsid();
    signal(SIGPIPE, SIG_IGN);
    if (chdir("/") || !close_others((unsigned)told, (unsigned)launcher))
        _exit(0);
}

/* Tells where the user looks. The place is opened before and written to after, since
 * writing may take its time. */
static void end(int launcher, pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd/2", (int)pid);
    const int fd = open(path, O_WRONLY | O_APPEND | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (pidfd_send_signal(launcher, SIGKILL, NULL, 0) == 0 && fd >= 0)
        dprintf(fd,
                "pulmo: a rank died while it started MPI, all ranks of this host are "
                "gone, and their launcher (process %d) has waited for itself for %d s: "
                "it is killed; the same command goes on from what is done\n",
                (int)pid, LOOK_MS * IDLE_LOOKS / 1000);
}

/* The ranks of a host look one after the other: the first that speaks is alone. */
static int turn_ms(void)
{
    const char *rank = getenv("OMPI_COMM_WORLD_LOCAL_RANK");
    return rank ? (int)(strtol(rank, NULL, 10) % (LOOK_MS / 10)) * 10 : 0;
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
    int idle = 0, ms = turn_ms();
    while (idle < IDLE_LOOKS && poll(events, 1, ms) <= 0) {
        idle = is_busy(pid) ? 0 : idle + 1;
        ms = LOOK_MS;
    }
    if (idle == IDLE_LOOKS)
        end(launcher, pid);
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
        if (process == 0) {
            close(ends[1]);
            stand_guard(ends[0], launcher, pid);
        }
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
