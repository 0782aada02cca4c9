#include "io/chunk_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "io/chunk_table.h"

bool chunk_file_is_one(const char *path)
{
    uint64_t magic = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool is_one = fd >= 0 && pread(fd, &magic, sizeof magic, 0) == sizeof magic &&
                  magic == CHUNK_TABLE_MAGIC;
    if (fd >= 0)
        close(fd);
    return is_one;
}

enum status chunk_file_open(const char *path, struct chunk_file *out, struct error *err)
{
    struct chunk_file f = {.fd = -1};
    struct error inner = {0};
    struct stat s;
    enum status status = text_new(path, &f.path, err);
    if (status != STATUS_OK)
        return status;
    f.fd = open(path, O_RDONLY | O_CLOEXEC);
    if (f.fd < 0 || fstat(f.fd, &s)) {
        status = error_set(&inner, STATUS_ITEM_IO, "%s", strerror(errno));
        goto out;
    }
    f.file_bytes = s.st_size;
    f.changed_ns = (int64_t)s.st_mtim.tv_sec * 1000000000 + s.st_mtim.tv_nsec;
    TRY(chunk_table_read(&f, &inner));
    *out = f;
out:
    if (status != STATUS_OK) {
        chunk_file_close(&f);
        error_set(err, status, "%s: %s", path, inner.message);
    }
    return status;
}

void chunk_file_close(struct chunk_file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    free(f->places);
    free(f->path);
    *f = (struct chunk_file){.fd = -1};
}

enum status chunk_file_read(const struct chunk_file *f, int64_t index,
                            unsigned char *data, struct error *err)
{
    CHECK(index >= 0 && index < f->count);
    const struct chunk_place *p = &f->places[index];
    for (int64_t done = 0; done < p->bytes;) {
        ssize_t n = pread(f->fd, data + done, (size_t)(p->bytes - done),
                          (off_t)(p->offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set(err, STATUS_ITEM_IO, "%s: chunk %" PRId64 ": %s", f->path,
                             index, strerror(errno));
        if (n == 0)
            return error_set(err, STATUS_ITEM_FORMAT,
                             "%s: cut off since it was opened, in chunk %" PRId64,
                             f->path, index);
        done += n;
    }
    if (hash64(data, (size_t)p->bytes) != p->checksum)
        return error_set(err, STATUS_ITEM_FORMAT,
                         "%s: chunk %" PRId64 " is damaged (its checksum does not hold)",
                         f->path, index);
    return STATUS_OK;
}
