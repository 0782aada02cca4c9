#include "cache/shelf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "cache/lease.h"

static const char ENDING[] = ".h5", PART[] = ".part";
static const time_t PART_S = 24 * 3600;

enum { KEY_DIGITS = HASH_HEX_BYTES - 1 };

enum status shelf_path(const char *cache_folder, struct hash128 key, char **out,
                       struct error *err)
{
    char name[sizeof "scans/" + HASH_HEX_BYTES + sizeof ENDING], hex[HASH_HEX_BYTES];
    hash_hex(key, hex);
    snprintf(name, sizeof name, "scans/%s%s", hex, ENDING);
    return path_join(cache_folder, name, out, err);
}

/* The key of a file name, if it is one. */
static bool key_of(const char *name, struct hash128 *out)
{
    char half[17], again[HASH_HEX_BYTES];
    if (strlen(name) != KEY_DIGITS + sizeof ENDING - 1 ||
        strcmp(name + KEY_DIGITS, ENDING) != 0)
        return false;
    snprintf(half, sizeof half, "%s", name);
    out->high = strtoull(half, NULL, 16);
    snprintf(half, sizeof half, "%s", name + KEY_DIGITS / 2);
    out->low = strtoull(half, NULL, 16);
    hash_hex(*out, again);
    return memcmp(again, name, KEY_DIGITS) == 0;
}

static enum status look_at(struct shelf *s, DIR *folder, const char *name,
                           struct error *err)
{
    struct stat f;
    struct shelf_file file;
    const size_t n = strlen(name);
    const bool part = n >= sizeof PART && strcmp(name + n - (sizeof PART - 1), PART) == 0;
    if (fstatat(dirfd(folder), name, &f, 0) || !S_ISREG(f.st_mode))
        return STATUS_OK; /* somebody else's pruning was here */
    if (part && time(NULL) - f.st_mtim.tv_sec > PART_S)
        unlinkat(dirfd(folder), name, 0);
    if (!key_of(name, &file.key))
        return STATUS_OK;
    void *files = s->files;
    enum status status = memory_grow(&files, &s->capacity, s->count + 1, sizeof file,
                                     "files of the cache", err);
    s->files = files;
    if (status != STATUS_OK)
        return status;
    file.bytes = f.st_size;
    file.used_ns = (int64_t)f.st_mtim.tv_sec * 1000000000 + f.st_mtim.tv_nsec;
    s->files[s->count++] = file;
    s->bytes += file.bytes;
    return STATUS_OK;
}

static int by_use(const void *left, const void *right)
{
    const struct shelf_file *a = left, *b = right;
    if (a->used_ns != b->used_ns)
        return a->used_ns < b->used_ns ? -1 : 1;
    if (a->key.high != b->key.high)
        return a->key.high < b->key.high ? -1 : 1;
    return (a->key.low > b->key.low) - (a->key.low < b->key.low);
}

enum status shelf_init(struct shelf *s, const char *cache_folder, struct error *err)
{
    enum status status = STATUS_OK;
    char *path;
    *s = (struct shelf){0};
    TRY(path_join(cache_folder, "scans", &path, err));
    DIR *folder = opendir(path);
    if (!folder && errno != ENOENT)
        status = error_set(err, STATUS_STAGE_IO, "%s: %s", path, strerror(errno));
    free(path);
    if (!folder)
        return status;
    for (const struct dirent *e; status == STATUS_OK && (e = readdir(folder));)
        status = look_at(s, folder, e->d_name, err);
    closedir(folder);
    if (s->count > 1)
        qsort(s->files, s->count, sizeof *s->files, by_use);
out:
    return status;
}

void shelf_release(struct shelf *s)
{
    free(s->files);
    *s = (struct shelf){0};
}

void shelf_touch(const char *path)
{
    utimensat(AT_FDCWD, path, NULL, 0);
}

enum status shelf_prune(const char *cache_folder, int64_t quota_bytes,
                        struct shelf_pruned *out, struct error *err)
{
    enum status status = STATUS_OK;
    struct shelf s = {0};
    int64_t since_ns;
    *out = (struct shelf_pruned){0};
    TRY(lease_earliest(cache_folder, &since_ns, err));
    TRY(shelf_init(&s, cache_folder, err));
    out->left_bytes = s.bytes;
    for (size_t i = 0; i < s.count && out->left_bytes > quota_bytes; i++) {
        char *path;
        if (s.files[i].used_ns >= since_ns) {
            out->held++;
            continue;
        }
        TRY(shelf_path(cache_folder, s.files[i].key, &path, err));
        if (unlink(path) == 0)
            out->removed++;
        else if (errno != ENOENT)
            status = error_set(err, STATUS_STAGE_IO, "%s: %s", path, strerror(errno));
        free(path);
        TRY(status);
        out->removed_bytes += s.files[i].bytes;
        out->left_bytes -= s.files[i].bytes;
    }
out:
    shelf_release(&s);
    return status;
}
