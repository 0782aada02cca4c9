/*
 * A folder of its own for each test: temporary_folder_make and temporary_folder_remove
 * are the setup and teardown of cmocka_unit_test_setup_teardown; removal takes everything
 * inside along.
 */
#ifndef TEMPORARY_FOLDER_H
#define TEMPORARY_FOLDER_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char temporary_folder[200];

static inline int temporary_folder_make(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(temporary_folder, sizeof temporary_folder, "%.150s/pulmo-test-XXXXXX",
             base ? base : "/tmp");
    return mkdtemp(temporary_folder) ? 0 : -1;
}

static inline int temporary_folder_unlink(const char *path, const struct stat *s,
                                          int type, struct FTW *place)
{
    (void)s, (void)type, (void)place;
    return remove(path);
}

static inline int temporary_folder_remove(void **state)
{
    (void)state;
    return nftw(temporary_folder, temporary_folder_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

/* The path of a name in the folder; good until the eighth call after it. */
static inline char *temporary_path(const char *name)
{
    static char paths[8][512];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", temporary_folder, name);
    return path;
}

/* Writes a file of the folder and returns its path. */
static inline char *temporary_file(const char *name, const void *data, size_t bytes)
{
    char *path = temporary_path(name);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, bytes, f) != bytes || fclose(f))
        abort();
    return path;
}

static inline char *temporary_text(const char *name, const char *text)
{
    return temporary_file(name, text, strlen(text));
}

#endif
