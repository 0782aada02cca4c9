#include "ct/data_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

enum status data_file_measure(const char *path, int64_t *bytes, struct error *err)
{
    struct stat s;
    if (stat(path, &s))
        return error_set(err, STATUS_ITEM_IO, "%s: %s", path, strerror(errno));
    if (!S_ISREG(s.st_mode))
        return error_set(err, STATUS_ITEM_IO, "%s: not a regular file", path);
    *bytes = s.st_size;
    return STATUS_OK;
}

enum status data_file_open(const char *path, struct data_file *out, struct error *err)
{
    struct stat s;
    struct data_file f = {.fd = -1};
    enum status status = text_new(path, &f.path, err);
    if (status != STATUS_OK)
        return status;
    /* O_NONBLOCK: opening a pipe would wait for its writer; it means nothing for a file.
     */
    f.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (f.fd < 0 || fstat(f.fd, &s))
        status = error_set(err, STATUS_ITEM_IO, "%s: %s", path, strerror(errno));
    else if (!S_ISREG(s.st_mode))
        status = error_set(err, STATUS_ITEM_IO, "%s: not a regular file", path);
    if (status != STATUS_OK) {
        data_file_close(&f);
        return status;
    }
    f.bytes = s.st_size;
    *out = f;
    return STATUS_OK;
}

void data_file_close(struct data_file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    free(f->path);
    *f = (struct data_file){.fd = -1};
}

enum status data_file_read(const struct data_file *f, int64_t offset, void *data,
                           size_t bytes, size_t *got, struct error *err)
{
    size_t done = 0;
    while (done < bytes) {
        ssize_t n = pread(f->fd, (char *)data + done, bytes - done,
                          (off_t)(offset + (int64_t)done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set(err, STATUS_ITEM_IO, "%s: %s", f->path, strerror(errno));
        if (n == 0)
            break;
        done += (size_t)n;
    }
    *got = done;
    return STATUS_OK;
}
