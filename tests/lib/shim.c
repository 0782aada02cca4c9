/*
 * An LD_PRELOAD shim that makes a healthy machine misbehave, for the end-to-end tests.
 *
 *   SHIM_HANG=TEXT    read(), pwritev() or fsync() of a file whose path contains TEXT
 *                     never returns
 *   SHIM_SLOW=TEXT    these take 0.3 s longer
 *   SHIM_ENOSPC=TEXT  write() to a file whose path contains TEXT fails with ENOSPC
 *   SHIM_KILL=TEXT    fsync() of a file whose path contains TEXT: half of the file is
 *                     lost, and the process is killed
 *   SHIM_WHILE=FILE   they hang or are slow while that file is there; one that hangs
 *                     returns when it goes
 *
 * The path is that of /proc/self/fd, so it is seen however the file was opened.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static int path_matches(int fd, const char *variable)
{
    const char *wanted = getenv(variable);
    char link[64], path[4096];
    if (!wanted)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0)
        return 0;
    path[n] = '\0';
    return strstr(path, wanted) != NULL;
}

static int is_time(void)
{
    const char *file = getenv("SHIM_WHILE");
    return !file || access(file, F_OK) == 0;
}

static void hold_up_if_asked(int fd)
{
    if (is_time() && path_matches(fd, "SHIM_SLOW"))
        usleep(300000);
    if (path_matches(fd, "SHIM_HANG"))
        while (is_time())
            usleep(20000);
}

ssize_t read(int fd, void *data, size_t bytes)
{
    static ssize_t (*next)(int, void *, size_t);
    if (!next)
        next = (ssize_t(*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");
    hold_up_if_asked(fd);
    return next(fd, data, bytes);
}

ssize_t pread64(int fd, void *data, size_t bytes, off64_t offset)
{
    static ssize_t (*next)(int, void *, size_t, off64_t);
    if (!next)
        next = (ssize_t(*)(int, void *, size_t, off64_t))dlsym(RTLD_NEXT, "pread64");
    hold_up_if_asked(fd);
    return next(fd, data, bytes, offset);
}

ssize_t pread(int fd, void *data, size_t bytes, off_t offset)
{
    return pread64(fd, data, bytes, offset);
}

ssize_t write(int fd, const void *data, size_t bytes)
{
    static ssize_t (*next)(int, const void *, size_t);
    if (!next)
        next = (ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    if (path_matches(fd, "SHIM_ENOSPC")) {
        errno = ENOSPC;
        return -1;
    }
    return next(fd, data, bytes);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    static ssize_t (*next)(int, const struct iovec *, int, off_t);
    if (!next)
        next = (ssize_t(*)(int, const struct iovec *, int, off_t))dlsym(RTLD_NEXT,
                                                                        "pwritev");
    hold_up_if_asked(fd);
    return next(fd, parts, count, offset);
}

int fsync(int fd)
{
    static int (*next)(int);
    struct stat file;
    if (!next)
        next = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    hold_up_if_asked(fd);
    if (path_matches(fd, "SHIM_KILL") && fstat(fd, &file) == 0) {
        if (ftruncate(fd, file.st_size / 2) == 0)
            raise(SIGKILL);
    }
    return next(fd);
}
