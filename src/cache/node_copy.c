#include "cache/node_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/memory.h"

enum { PIECE_BYTES = 1 << 20 };

static enum status write_piece(int out, const char *data, size_t bytes, const char *path,
                               struct error *err)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t n = write(out, data + done, bytes - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set(err, STATUS_STAGE_IO, "%s: %s", path, strerror(errno));
        done += (size_t)n;
    }
    return STATUS_OK;
}

static enum status copy(int in, const char *from, int out, const char *to,
                        struct error *err)
{
    enum status status = STATUS_OK;
    void *piece;
    TRY(memory_new(PIECE_BYTES, 1, to, &piece, err));
    while (status == STATUS_OK) {
        ssize_t n = read(in, piece, PIECE_BYTES);
        if (n == 0)
            break;
        if (n > 0)
            status = write_piece(out, piece, (size_t)n, to, err);
        else if (errno != EINTR)
            status = error_set(err, STATUS_ITEM_IO, "%s: %s", from, strerror(errno));
    }
    free(piece);
out:
    return status;
}

/* TO.PID-THREAD.part: ranks of one node, and threads of one rank, that copy the same scan
 * do not share a file. */
static enum status copy_beside(int in, const char *from, const char *to,
                               struct error *err)
{
    char *part;
    enum status status = STATUS_OK;
    if (asprintf(&part, "%s.%ld-%ld.part", to, (long)getpid(), (long)gettid()) < 0)
        return error_set(err, STATUS_STAGE_MEMORY, "%s: no memory", to);
    int out = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (out < 0) {
        status = error_set(err, STATUS_STAGE_IO, "%s: %s", part, strerror(errno));
        goto out;
    }
    status = copy(in, from, out, part, err);
    if (close(out) && status == STATUS_OK)
        status = error_set(err, STATUS_STAGE_IO, "%s: %s", part, strerror(errno));
    if (status == STATUS_OK && rename(part, to))
        status = error_set(err, STATUS_STAGE_IO, "%s: %s", to, strerror(errno));
    if (status != STATUS_OK)
        unlink(part);
out:
    free(part);
    return status;
}

enum status node_copy(const char *from, const char *to, struct error *err)
{
    int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return error_set(err, STATUS_ITEM_IO, "%s: %s", from, strerror(errno));
    enum status status = copy_beside(in, from, to, err);
    close(in);
    return status;
}
