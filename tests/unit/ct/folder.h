/* A temporary folder for a test, and files in it. */
#ifndef TESTS_CT_FOLDER_H
#define TESTS_CT_FOLDER_H

#include <dirent.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

#include "base/file.h"

static inline int folder_setup(void **state)
{
    const char *root = getenv("TMPDIR");
    char *path;
    if (asprintf(&path, "%s/pulmo-ct-XXXXXX", root ? root : "/tmp") < 0 || !mkdtemp(path))
        return -1;
    *state = path;
    return 0;
}

static inline void folder_empty(const char *folder)
{
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        char *path;
        if (e->d_name[0] == '.' || path_join(folder, e->d_name, &path, NULL) != STATUS_OK)
            continue;
        unlink(path);
        free(path);
    }
    if (d)
        closedir(d);
}

static inline int folder_teardown(void **state)
{
    folder_empty(*state);
    int failed = rmdir(*state);
    free(*state);
    return failed;
}

/* Writes a file of the folder. */
static inline void folder_put(const char *folder, const char *name, const void *data,
                              size_t bytes)
{
    char *path;
    assert_int_equal(path_join(folder, name, &path, NULL), STATUS_OK);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, bytes, f), bytes);
    assert_int_equal(fclose(f), 0);
    free(path);
}

#endif
