#include "config/places.h"

#include <limits.h>
#include <unistd.h>

#include "base/file.h"

/* conf/NAME in a folder when that is there; NULL when not. */
static char *try_folder(const char *folder, const char *below, const char *name)
{
    char *path;
    if (asprintf(&path, "%s/%s/%s", folder, below, name) < 0)
        return NULL;
    if (file_exists(path))
        return path;
    free(path);
    return NULL;
}

enum status places_conf(const char *name, char **out, struct error *err)
{
    char folder[PATH_MAX];
    const char *named = getenv("PULMO_CONF");
    if (named) {
        *out = try_folder(named, ".", name);
        return *out ? STATUS_OK
                    : error_set(err, STATUS_JOB_CONFIG, "$PULMO_CONF: no %s/%s", named,
                                name);
    }
    ssize_t n = readlink("/proc/self/exe", folder, sizeof folder - 1);
    folder[n > 0 ? n : 0] = '\0';
    for (char *slash = strrchr(folder, '/'); slash; slash = strrchr(folder, '/')) {
        *slash = '\0';
        *out = try_folder(folder, "share/pulmo/conf", name);
        if (!*out)
            *out = try_folder(folder, "conf", name);
        if (*out)
            return STATUS_OK;
    }
    return error_set(
        err, STATUS_JOB_CONFIG,
        "conf/%s is not found near the program; $PULMO_CONF can name the folder", name);
}
