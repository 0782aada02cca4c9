#include "ct/folder_names.h"

#include <dirent.h>
#include <errno.h>

#include "base/memory.h"

void folder_names_release(struct folder_names *n)
{
    for (size_t i = 0; i < n->count; i++)
        free(n->items[i]);
    free(n->items);
    *n = (struct folder_names){0};
}

static int by_bytes(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

enum status folder_names_read(const char *path, bool (*wanted)(const char *),
                              struct folder_names *out, struct error *err)
{
    enum status status = STATUS_OK;
    DIR *folder = opendir(path);
    if (!folder)
        return error_set(err, STATUS_JOB_CONFIG, "%s: %s", path, strerror(errno));
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (!entry && errno) {
            status = error_set(err, STATUS_JOB_CONFIG, "%s: %s", path, strerror(errno));
            goto out;
        }
        if (!entry)
            break;
        if (!wanted(entry->d_name))
            continue;
        TRY(memory_grow((void **)&out->items, &out->capacity, out->count + 1,
                        sizeof *out->items, path, err));
        TRY(text_new(entry->d_name, &out->items[out->count], err));
        out->count++;
    }
    if (out->count > 1)
        qsort(out->items, out->count, sizeof *out->items, by_bytes);
out:
    closedir(folder);
    return status;
}
