/*
 * Paths, and files that are either whole or not there.
 *
 * Every lasting file is written beside its final name, closed, fsynced and renamed
 * (struct atomic_file); a reader never sees half of one, and a kill at any instant leaves
 * at most a file with the suffix ".part".
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* What tells that a file has not changed since it was last read. */
struct file_identity {
    int64_t bytes;
    int64_t mtime_ns;
    int64_t inode;
};

/* Errors: STATUS_ITEM_IO naming the path. Follows symbolic links. */
enum status file_identify(const char *path, struct file_identity *out, struct error *err);

bool file_exists(const char *path);
bool file_is_folder(const char *path);

/* *out = the whole file plus a NUL, the caller's to free; *bytes without the NUL.
 * Errors: STATUS_ITEM_IO, also when the file is larger than `limit` bytes. */
enum status file_read(const char *path, size_t limit, char **out, size_t *bytes,
                      struct error *err);

/* Removes a folder with all that is in it; links are removed, not followed. One that is
 * not there is no error. Errors: STATUS_STAGE_IO. */
enum status folder_remove(const char *path, struct error *err);

/* Makes a folder and its missing parents. Errors: STATUS_STAGE_IO. */
enum status folder_make(const char *path, struct error *err);

/* A file being written as PATH.part; what is there already and is no regular file (a
 * device, a folder) is refused. Use: open, write through ->stream, then commit
 * (flush, fsync, rename, fsync of the folder) or abandon (removes the part). commit and
 * abandon release the structure. */
struct atomic_file {
    FILE *stream;
    char *path, *part;
};

enum status atomic_file_open(const char *path, struct atomic_file *out,
                             struct error *err);
enum status atomic_file_commit(struct atomic_file *f, struct error *err);
void atomic_file_abandon(struct atomic_file *f);

/* Flushes a finished file that was written by other means (HDF5) and gives it its name.
 */
enum status file_publish(const char *part, const char *path, struct error *err);

/* Makes the name of a new or renamed file durable: syncs its folder. A file system that
 * cannot sync a folder is left alone. */
void file_sync_name(const char *path);

/* Writes text as a whole file, atomically. */
enum status file_write(const char *path, const char *text, size_t bytes,
                       struct error *err);

/* *out = "folder/name" (or name alone when it is absolute or folder is empty), to be
 * freed. */
enum status path_join(const char *folder, const char *name, char **out,
                      struct error *err);

/* *out = the folder part of a path ("." when it has none), to be freed. */
enum status path_folder(const char *path, char **out, struct error *err);

/* *out = an absolute path for `path` seen from the current folder, without resolving
 * links. */
enum status path_absolute(const char *path, char **out, struct error *err);

/* The last component of a path, inside it. */
const char *path_name(const char *path);

/* Whether a relative path, judged by its text alone, stays inside the folder it starts
 * from. Absolute paths do not. Links inside are the owner's business: symlink farms are
 * normal. */
bool path_stays_inside(const char *path);

#endif
