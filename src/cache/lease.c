#include "cache/lease.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"

#define SECOND_NS INT64_C(1000000000)

static const double LOOK_IN_S = 60;
static const int64_t DEAD_NS = 15 * 60 * SECOND_NS;

static int64_t changed_ns(const struct stat *s)
{
    return (int64_t)s->st_mtim.tv_sec * SECOND_NS + s->st_mtim.tv_nsec;
}

enum status lease_stamp(const char *path, int64_t *now_ns, struct error *err)
{
    struct stat s;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    bool failed = fd < 0 || futimens(fd, NULL) || fstat(fd, &s);
    int refused = errno;
    if (fd >= 0)
        close(fd);
    if (failed)
        return error_set(err, STATUS_STAGE_IO, "%s: %s", path, strerror(refused));
    *now_ns = changed_ns(&s);
    return STATUS_OK;
}

bool lease_is_dead(int64_t changed, int64_t now_ns)
{
    return now_ns - changed > DEAD_NS;
}

/* DIR/jobs/HOST-PID-THREAD-NUMBER, unlike any other's; to be freed. */
static enum status name_new(const char *cache_folder, char **out, struct error *err)
{
    char host[256] = "", *jobs;
    gethostname(host, sizeof host - 1);
    enum status status = path_join(cache_folder, "jobs", &jobs, err);
    if (status != STATUS_OK)
        return status;
    status = folder_make(jobs, err);
    /* several caches may be open in one thread: the clock tells them apart */
    if (status == STATUS_OK &&
        asprintf(out, "%s/%s-%ld-%ld-%" PRId64, jobs, host, (long)getpid(),
                 (long)gettid(), (int64_t)(clock_seconds() * 1e9)) < 0)
        status = error_set(err, STATUS_STAGE_MEMORY, "%s: no memory", jobs);
    free(jobs);
    return status;
}

enum status lease_begin(struct lease *l, const char *cache_folder, struct error *err)
{
    enum status status = STATUS_OK;
    char *name = NULL;
    *l = (struct lease){0};
    TRY(name_new(cache_folder, &name, err));
    TRY(lease_stamp(name, &l->start_ns, err));
    if (asprintf(&l->path, "%s.%" PRId64, name, l->start_ns) < 0) {
        l->path = NULL;
        status = error_set(err, STATUS_STAGE_MEMORY, "%s: no memory", name);
    } else if (rename(name, l->path)) {
        status = error_set(err, STATUS_STAGE_IO, "%s: %s", name, strerror(errno));
        free(l->path);
        l->path = NULL;
    }
    l->looked_in = clock_seconds();
    if (status != STATUS_OK)
        unlink(name);
out:
    free(name);
    return status;
}

void lease_look_in(struct lease *l)
{
    if (!l->path || clock_seconds() - l->looked_in < LOOK_IN_S)
        return;
    l->looked_in = clock_seconds();
    utimensat(AT_FDCWD, l->path, NULL, 0); /* a failure costs a reprieve, no result */
}

void lease_end(struct lease *l)
{
    if (l->path)
        unlink(l->path);
    free(l->path);
    *l = (struct lease){0};
}

static void consider(DIR *folder, const char *name, int64_t now_ns, int64_t *since_ns)
{
    struct stat s;
    char *end;
    const char *dot = strrchr(name, '.');
    if (name[0] == '.' || fstatat(dirfd(folder), name, &s, 0))
        return;
    int64_t start = dot ? strtoll(dot + 1, &end, 10) : 0;
    if (lease_is_dead(changed_ns(&s), now_ns))
        unlinkat(dirfd(folder), name, 0);
    else if (dot && *end == '\0' && start < *since_ns)
        *since_ns = start;
}

enum status lease_earliest(const char *cache_folder, int64_t *since_ns, struct error *err)
{
    enum status status = STATUS_OK;
    char *name = NULL, *jobs = NULL;
    int64_t now_ns;
    DIR *folder = NULL;
    *since_ns = INT64_MAX;
    TRY(name_new(cache_folder, &name, err));
    TRY(lease_stamp(name, &now_ns, err));
    unlink(name);
    TRY(path_folder(name, &jobs, err));
    folder = opendir(jobs);
    if (!folder)
        TRY(error_set(err, STATUS_STAGE_IO, "%s: %s", jobs, strerror(errno)));
    for (const struct dirent *e; (e = readdir(folder));)
        consider(folder, e->d_name, now_ns, since_ns);
out:
    if (folder)
        closedir(folder);
    free(jobs);
    free(name);
    return status;
}
