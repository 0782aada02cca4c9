#include "cache/claim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "cache/lease.h"

enum { OWNER_BYTES = 512, LOOK_SECONDS = 20, ATTEMPTS = 5 };

static const char given_back[] = "given back\n";
static const char name_start[] = "owner.";

struct claim {
    char *folder;
    int64_t number;
    int fd; /* holds a lock for those on the same host */
    struct lease lease;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool beating, ended;
};

static enum status owner_path(const char *folder, int64_t number, char **out,
                              struct error *err)
{
    if (asprintf(out, "%s/%s%" PRId64, folder, name_start, number) < 0) {
        *out = NULL;
        return error_set(err, STATUS_STAGE_MEMORY, "%s: no memory", folder);
    }
    return STATUS_OK;
}

/* The number of an owner's file, or 0. */
static int64_t number_of(const char *name)
{
    char *end;
    const size_t n = sizeof name_start - 1;
    if (strncmp(name, name_start, n) != 0 || name[n] < '1' || name[n] > '9')
        return 0;
    const long long number = strtoll(name + n, &end, 10);
    return *end == '\0' ? number : 0;
}

/* *highest = the number of the last owner, 0 where there was none. With `below` > 0 files
 * with lower numbers than that are removed. */
static enum status look(const char *folder, int64_t below, int64_t *highest,
                        struct error *err)
{
    DIR *d = opendir(folder);
    if (!d)
        return error_set(err, STATUS_STAGE_IO, "%s: %s", folder, strerror(errno));
    *highest = 0;
    for (const struct dirent *e; (e = readdir(d));) {
        const int64_t number = number_of(e->d_name);
        *highest = number > *highest ? number : *highest;
        if (number > 0 && number < below)
            unlinkat(dirfd(d), e->d_name, 0);
    }
    closedir(d);
    return STATUS_OK;
}

/* ---- the owner there is ---- */

/* What tells one start of one machine. */
static void read_boot(char boot[64])
{
    char *text;
    size_t bytes;
    boot[0] = '\0';
    if (file_read("/proc/sys/kernel/random/boot_id", 4096, &text, &bytes, NULL) !=
        STATUS_OK)
        return;
    snprintf(boot, 64, "%.*s", (int)strcspn(text, "\n"), text);
    free(text);
}

static void describe_self(char text[OWNER_BYTES])
{
    char host[256] = "", boot[64], when[32] = "";
    const char *job = getenv("SLURM_JOB_ID");
    const time_t now = time(NULL);
    struct tm parts;
    gethostname(host, sizeof host - 1);
    read_boot(boot);
    if (gmtime_r(&now, &parts))
        strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &parts);
    snprintf(text, OWNER_BYTES, "host %s\npid %ld\n%s%s%sstarted %s\nboot %s\n", host,
             (long)getpid(), job ? "job " : "", job ? job : "", job ? "\n" : "", when,
             boot);
}

/* On the owner's own host a lock that can be had is that of a process that is gone. */
static bool is_gone_here(int fd, const char *text)
{
    char boot[64];
    const char *line = strstr(text, "\nboot ");
    read_boot(boot);
    if (!line || !boot[0] || strncmp(line + 6, boot, strlen(boot)) != 0)
        return false;
    if (flock(fd, LOCK_EX | LOCK_NB))
        return false;
    flock(fd, LOCK_UN);
    return true;
}

/* "host a, pid 12, job 7, started ...": an owner's file without its last line, boot. */
static void put_in_a_line(const char *text, char line[OWNER_BYTES])
{
    const char *boot = strstr(text, "\nboot ");
    const char *end = boot ? boot : text + strlen(text);
    size_t used = 0;
    for (; text < end && used + 2 < OWNER_BYTES; text++) {
        line[used++] = *text == '\n' ? ',' : *text;
        if (*text == '\n')
            line[used++] = ' ';
    }
    line[used] = '\0';
}

static enum status file_clock(const char *folder, int64_t *now_ns, struct error *err)
{
    char *path, host[256] = "";
    gethostname(host, sizeof host - 1);
    if (asprintf(&path, "%s/.clock-%s-%ld", folder, host, (long)getpid()) < 0)
        return error_set(err, STATUS_STAGE_MEMORY, "%s: no memory", folder);
    const enum status status = lease_stamp(path, now_ns, err);
    unlink(path);
    free(path);
    return status;
}

static enum status refuse(const char *folder, const char *path, const char *text,
                          double silence, struct error *err)
{
    if (!text[0])
        return error_set(err, STATUS_JOB_FAILED, "%s: another process is beginning there",
                         folder);
    return error_set(err, STATUS_JOB_FAILED,
                     "%s: another process is at work there: %s, last heard of %.0f s ago "
                     "(%s; remove that file if it is gone for good)",
                     folder, text, silence, path);
}

/* STATUS_OK when the owner with that number is no more, or has given back. */
static enum status judge(const char *folder, int64_t number, struct error *err)
{
    enum status status = STATUS_OK;
    char *path = NULL, text[OWNER_BYTES] = "", line[OWNER_BYTES];
    struct stat s;
    int64_t now_ns;
    int fd = -1;
    TRY(owner_path(folder, number, &path, err));
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        goto out; /* a higher one has come: making ours will fail, or look() tells */
    if (fd < 0 || fstat(fd, &s) || pread(fd, text, sizeof text - 1, 0) < 0)
        TRY(error_set(err, STATUS_STAGE_IO, "%s: %s", path, strerror(errno)));
    if (!strcmp(text, given_back))
        goto out;
    TRY(file_clock(folder, &now_ns, err));
    const int64_t changed = (int64_t)s.st_mtim.tv_sec * 1000000000 + s.st_mtim.tv_nsec;
    const bool gone = is_gone_here(fd, text);
    put_in_a_line(text, line);
    const double silence = (double)(now_ns - changed) * 1e-9;
    if (!gone && !lease_is_dead(changed, now_ns))
        TRY(refuse(folder, path, line, silence, err));
    log_warning("%s: taken over from one that ended without giving it back: %s, last "
                "heard of %.0f s ago",
                folder, line[0] ? line : "it left no name", silence);
out:
    if (fd >= 0)
        close(fd);
    free(path);
    return status;
}

/* ---- signs of life ---- */

static void *beat(void *argument)
{
    struct claim *c = argument;
    pthread_mutex_lock(&c->lock);
    while (!c->ended) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += LOOK_SECONDS;
        pthread_cond_timedwait(&c->changed, &c->lock, &until);
        lease_look_in(&c->lease);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

static enum status begin_beating(struct claim *c, struct error *err)
{
    pthread_condattr_t monotonic;
    pthread_mutex_init(&c->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&c->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    c->beating = pthread_create(&c->thread, NULL, beat, c) == 0;
    if (!c->beating)
        return error_set(err, STATUS_STAGE_MEMORY, "%s: a thread cannot be started",
                         c->folder);
    return STATUS_OK;
}

/* ---- taking and giving back ---- */

/* *made: ours is the highest; else somebody else was quicker. */
static enum status make(struct claim *c, bool *made, struct error *err)
{
    enum status status = STATUS_OK;
    char text[OWNER_BYTES];
    int64_t highest;
    *made = false;
    TRY(owner_path(c->folder, c->number, &c->lease.path, err));
    c->fd = open(c->lease.path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (c->fd < 0 && errno == EEXIST)
        goto out;
    if (c->fd < 0)
        TRY(error_set(err, STATUS_STAGE_IO, "%s: %s", c->lease.path, strerror(errno)));
    flock(c->fd, LOCK_EX | LOCK_NB); /* where there are no locks, age alone tells */
    describe_self(text);
    const ssize_t length = (ssize_t)strlen(text);
    if (pwrite(c->fd, text, (size_t)length, 0) != length || fsync(c->fd)) {
        const int reason = errno ? errno : ENOSPC;
        unlink(c->lease.path);
        TRY(error_set(err, STATUS_STAGE_IO, "%s: %s", c->lease.path, strerror(reason)));
    }
    TRY(look(c->folder, 0, &highest, err));
    *made = highest == c->number;
    if (!*made)
        unlink(c->lease.path);
out:
    if (!*made) {
        if (c->fd >= 0)
            close(c->fd);
        c->fd = -1;
        free(c->lease.path);
        c->lease = (struct lease){0};
    }
    return status;
}

static void claim_free(struct claim *c)
{
    if (c->fd >= 0)
        close(c->fd);
    free(c->lease.path);
    free(c->folder);
    free(c);
}

enum status claim_take(const char *folder, struct claim **out, struct error *err)
{
    enum status status = STATUS_OK;
    struct claim *c = NULL;
    bool made = false;
    int64_t highest;
    TRY(memory_new(1, sizeof *c, "claim", (void **)&c, err));
    c->fd = -1;
    TRY(text_new(folder, &c->folder, err));
    for (int i = 0; i < ATTEMPTS && !made; i++) {
        TRY(look(folder, 0, &highest, err));
        if (highest > 0)
            TRY(judge(folder, highest, err));
        c->number = highest + 1;
        TRY(make(c, &made, err));
    }
    if (!made)
        TRY(refuse(folder, "", "", 0, err));
    TRY(look(folder, c->number, &highest, err));
    TRY(begin_beating(c, err));
    *out = c;
    c = NULL;
out:
    if (c)
        claim_free(c);
    return status;
}

bool claim_is_held(const struct claim *c)
{
    int64_t highest;
    return look(c->folder, 0, &highest, NULL) == STATUS_OK && highest == c->number;
}

void claim_give_back(struct claim *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    c->ended = true;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->thread, NULL);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    if (claim_is_held(c) &&
        file_write(c->lease.path, given_back, sizeof given_back - 1, NULL) != STATUS_OK)
        unlink(c->lease.path); /* a full disk: nobody has to wait for that */
    claim_free(c);
}
