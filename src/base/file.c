#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

enum status file_identify(const char *path, struct file_identity *out, struct error *err)
{
    struct stat s;
    if (stat(path, &s))
        return error_set(err, STATUS_ITEM_IO, "%s: %s", path, strerror(errno));
    out->bytes = s.st_size;
    out->mtime_ns = (int64_t)s.st_mtim.tv_sec * 1000000000 + s.st_mtim.tv_nsec;
    out->inode = (int64_t)s.st_ino;
    return STATUS_OK;
}

static int remove_one(const char *path, const struct stat *s, int type, struct FTW *walk)
{
    (void)s;
    (void)type;
    (void)walk;
    return remove(path);
}

enum status folder_remove(const char *path, struct error *err)
{
    enum { OPEN_FOLDERS = 16 };
    if (nftw(path, remove_one, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS) && errno != ENOENT)
        return error_set(err, STATUS_STAGE_IO, "%s: cannot be removed: %s", path,
                         strerror(errno));
    return STATUS_OK;
}

bool file_exists(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0;
}

bool file_is_folder(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && S_ISDIR(s.st_mode);
}

enum status file_read(const char *path, size_t limit, char **out, size_t *bytes,
                      struct error *err)
{
    enum status status = STATUS_OK;
    void *text = NULL;
    size_t capacity = 0, length = 0;

    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, STATUS_ITEM_IO, "%s: %s", path, strerror(errno));
    for (;;) {
        TRY(memory_grow(&text, &capacity, length + 4096, 1, path, err));
        ssize_t n = read(fd, (char *)text + length, capacity - length - 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            status = error_set(err, STATUS_ITEM_IO, "%s: %s", path, strerror(errno));
            goto out;
        }
        if (n == 0)
            break;
        length += (size_t)n;
        if (length > limit) {
            status =
                error_set(err, STATUS_ITEM_IO, "%s: larger than %zu bytes", path, limit);
            goto out;
        }
    }
    ((char *)text)[length] = '\0';
    *out = text;
    *bytes = length;
    text = NULL;
out:
    free(text);
    close(fd);
    return status;
}

enum status folder_make(const char *path, struct error *err)
{
    enum status status = STATUS_OK;
    char *part;
    if (!*path)
        return error_set(err, STATUS_STAGE_IO, "a folder without a name");
    TRY(text_new(path, &part, err));
    for (char *p = part + 1;; p++) {
        if (*p != '/' && *p != '\0')
            continue;
        char end = *p;
        *p = '\0';
        int refused = mkdir(part, 0777) ? errno : 0;
        if (refused && refused != EEXIST && !file_is_folder(part)) {
            status = error_set(err, STATUS_STAGE_IO, "%s: %s", part, strerror(refused));
            break;
        }
        *p = end;
        if (end == '\0')
            break;
    }
    if (status == STATUS_OK && !file_is_folder(path))
        status = error_set(err, STATUS_STAGE_IO, "%s: not a folder", path);
    free(part);
out:
    return status;
}

void file_sync_name(const char *path)
{
    char *folder;
    if (path_folder(path, &folder, NULL) != STATUS_OK)
        return;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

static void atomic_file_release(struct atomic_file *f)
{
    free(f->path);
    free(f->part);
    *f = (struct atomic_file){0};
}

enum status atomic_file_open(const char *path, struct atomic_file *out, struct error *err)
{
    struct atomic_file f = {0};
    struct stat there;
    /* A rename would put a file in the place of /dev/null. */
    if (stat(path, &there) == 0 && !S_ISREG(there.st_mode))
        return error_set(err, STATUS_STAGE_IO, "%s: not a regular file", path);
    if (asprintf(&f.part, "%s.part", path) < 0)
        f.part = NULL;
    f.path = strdup(path);
    if (!f.part || !f.path) {
        atomic_file_release(&f);
        return error_set(err, STATUS_STAGE_MEMORY, "%s: no memory", path);
    }
    f.stream = fopen(f.part, "we");
    if (!f.stream) {
        error_set(err, STATUS_STAGE_IO, "%s: %s", f.part, strerror(errno));
        atomic_file_release(&f);
        return STATUS_STAGE_IO;
    }
    *out = f;
    return STATUS_OK;
}

enum status atomic_file_commit(struct atomic_file *f, struct error *err)
{
    int failed = ferror(f->stream);
    failed |= fflush(f->stream) || fsync(fileno(f->stream));
    failed |= fclose(f->stream);
    f->stream = NULL;
    if (failed || rename(f->part, f->path)) {
        error_set(err, STATUS_STAGE_IO, "%s: %s", f->path, strerror(errno));
        unlink(f->part);
        atomic_file_release(f);
        return STATUS_STAGE_IO;
    }
    file_sync_name(f->path);
    atomic_file_release(f);
    return STATUS_OK;
}

void atomic_file_abandon(struct atomic_file *f)
{
    if (!f->path)
        return;
    if (f->stream)
        fclose(f->stream);
    unlink(f->part);
    atomic_file_release(f);
}

enum status file_publish(const char *part, const char *path, struct error *err)
{
    int fd = open(part, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fsync(fd)) {
        error_set(err, STATUS_STAGE_IO, "%s: %s", part, strerror(errno));
        if (fd >= 0)
            close(fd);
        return STATUS_STAGE_IO;
    }
    close(fd);
    if (rename(part, path))
        return error_set(err, STATUS_STAGE_IO, "%s: %s", path, strerror(errno));
    file_sync_name(path);
    return STATUS_OK;
}

enum status file_write(const char *path, const char *text, size_t bytes,
                       struct error *err)
{
    struct atomic_file f;
    enum status status = atomic_file_open(path, &f, err);
    if (status != STATUS_OK)
        return status;
    fwrite(text, 1, bytes, f.stream); /* commit looks at ferror */
    return atomic_file_commit(&f, err);
}

enum status path_join(const char *folder, const char *name, char **out, struct error *err)
{
    size_t n = strlen(folder);
    if (name[0] == '/' || n == 0)
        return text_new(name, out, err);
    if (asprintf(out, "%s%s%s", folder, folder[n - 1] == '/' ? "" : "/", name) < 0)
        return error_set(err, STATUS_STAGE_MEMORY, "%s: no memory", name);
    return STATUS_OK;
}

enum status path_folder(const char *path, char **out, struct error *err)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return text_new(".", out, err);
    *out = strndup(path, slash == path ? 1 : (size_t)(slash - path));
    if (!*out)
        return error_set(err, STATUS_STAGE_MEMORY, "%s: no memory", path);
    return STATUS_OK;
}

enum status path_absolute(const char *path, char **out, struct error *err)
{
    if (path[0] == '/')
        return text_new(path, out, err);
    char *folder = getcwd(NULL, 0);
    if (!folder)
        return error_set(err, STATUS_STAGE_IO, "current folder: %s", strerror(errno));
    while (path[0] == '.' && path[1] == '/')
        path += 2;
    enum status status = path_join(folder, path, out, err);
    free(folder);
    return status;
}

const char *path_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool path_stays_inside(const char *path)
{
    long depth = 0;
    if (path[0] == '/')
        return false;
    for (const char *p = path; *p;) {
        size_t n = strcspn(p, "/");
        if (n == 2 && p[0] == '.' && p[1] == '.')
            depth--;
        else if (n > 0 && !(n == 1 && p[0] == '.'))
            depth++;
        if (depth < 0)
            return false;
        p += n;
        p += strspn(p, "/");
    }
    return true;
}
