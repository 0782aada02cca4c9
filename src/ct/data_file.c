#include "ct/data_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "ct/archive.h"

/* ---- members of archives ---- */

static enum status measure_member(const char *path, int64_t *bytes, struct error *err)
{
    struct archive_member *m;
    enum status status = archive_member_open(path, &m, bytes, err);
    if (status == STATUS_OK)
        archive_member_close(m);
    return status;
}

static enum status identify_member(const char *path, struct file_identity *out,
                                   struct error *err)
{
    struct archive_member *m;
    int64_t bytes;
    enum status status = archive_member_open(path, &m, &bytes, err);
    if (status == STATUS_OK) {
        archive_member_identity(m, out);
        archive_member_close(m);
    }
    return status;
}

/* ---- files of either kind ---- */

enum status data_file_identify(const char *path, struct file_identity *out,
                               struct error *err)
{
    size_t archive;
    return archive_path(path, &archive) ? identify_member(path, out, err)
                                        : file_identify(path, out, err);
}

enum status data_file_measure(const char *path, int64_t *bytes, struct error *err)
{
    struct stat s;
    size_t archive;
    if (archive_path(path, &archive))
        return measure_member(path, bytes, err);
    if (stat(path, &s))
        return error_set(err, STATUS_ITEM_IO, "%s: %s", path, strerror(errno));
    if (!S_ISREG(s.st_mode))
        return error_set(err, STATUS_ITEM_IO, "%s: not a regular file", path);
    *bytes = s.st_size;
    return STATUS_OK;
}

static enum status open_regular(const char *path, struct data_file *f, struct error *err)
{
    struct stat s;
    /* O_NONBLOCK: opening a pipe would wait for its writer; it means nothing for a file.
     */
    f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (f->fd < 0 || fstat(f->fd, &s))
        return error_set(err, STATUS_ITEM_IO, "%s: %s", path, strerror(errno));
    if (!S_ISREG(s.st_mode))
        return error_set(err, STATUS_ITEM_IO, "%s: not a regular file", path);
    f->bytes = s.st_size;
    return STATUS_OK;
}

enum status data_file_open(const char *path, struct data_file *out, struct error *err)
{
    struct data_file f = {.fd = -1};
    size_t archive;
    enum status status = text_new(path, &f.path, err);
    if (status != STATUS_OK)
        return status;
    status = archive_path(path, &archive)
                 ? archive_member_open(path, &f.member, &f.bytes, err)
                 : open_regular(path, &f, err);
    if (status != STATUS_OK) {
        data_file_close(&f);
        return status;
    }
    *out = f;
    return STATUS_OK;
}

bool data_file_is_open(const struct data_file *f)
{
    return f->fd >= 0 || f->member;
}

void data_file_close(struct data_file *f)
{
    archive_member_close(f->member);
    if (f->fd >= 0)
        close(f->fd);
    free(f->path);
    *f = (struct data_file){.fd = -1};
}

enum status data_file_read(const struct data_file *f, int64_t offset, void *data,
                           size_t bytes, size_t *got, struct error *err)
{
    size_t done = 0;
    if (f->member)
        return archive_member_read(f->member, offset, data, bytes, got, err);
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
