#include "config/path_list.h"

#include <glob.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/memory.h"

size_t path_list_count(const char *list)
{
    size_t count = list[0] != '\0';
    for (const char *p = list; *p; p++)
        count += *p == '\n';
    return count;
}

size_t path_list_length(const char *path)
{
    return strcspn(path, "\n");
}

const char *path_list_next(const char *path)
{
    const char *end = path + path_list_length(path);
    return *end ? end + 1 : NULL;
}

enum status path_list_item(const char *list, size_t i, char **out, struct error *err)
{
    CHECK(i < path_list_count(list));
    for (; i > 0; i--)
        list = path_list_next(list);
    const size_t bytes = path_list_length(list);
    enum status status = memory_new(bytes + 1, 1, "path", (void **)out, err);
    if (status == STATUS_OK)
        memcpy(*out, list, bytes);
    return status;
}

/* Adds a path as it stands. */
static enum status append(char **list, const char *path, struct error *err)
{
    char *longer;
    if (!*list)
        return text_new(path, list, err);
    if (asprintf(&longer, "%s\n%s", *list, path) < 0)
        return error_set(err, STATUS_STAGE_MEMORY, "no memory for a list of paths");
    free(*list);
    *list = longer;
    return STATUS_OK;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

enum status path_list_add(char **list, const char *path, struct error *err)
{
    enum status status = STATUS_OK;
    glob_t found = {0};
    if (!strpbrk(path, "*?[") || file_exists(path))
        return append(list, path, err);
    const int failed = glob(path, GLOB_NOSORT | GLOB_NOESCAPE, NULL, &found);
    if (failed == GLOB_NOSPACE) {
        status = error_set(err, STATUS_STAGE_MEMORY, "no memory for a list of paths");
    } else if (failed) {
        status = append(list, path, err);
    } else {
        qsort(found.gl_pathv, found.gl_pathc, sizeof *found.gl_pathv, by_bytes);
        for (size_t i = 0; i < found.gl_pathc && status == STATUS_OK; i++)
            status = append(list, found.gl_pathv[i], err);
    }
    globfree(&found);
    return status;
}
