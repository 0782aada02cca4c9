/*
 * Files inside a zip archive, read where they are: a LUNA16 subset may stay the zip that
 * it was downloaded as. A member is named by the path of the archive and its name inside,
 * as if the archive were a folder: root/subset3.zip/subset3/SERIESUID.mhd.
 *
 * Members that are stored are read in place, deflated ones by a stream that goes forward
 * and starts again for what lies behind it. A member that is read to its end is held
 * against its checksum.
 */
#ifndef CT_ARCHIVE_H
#define CT_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"

/* Whether a path leads into an archive: one of its folders is a file NAME.zip. *archive =
 * bytes of the path up to the end of ".zip". Looks at the file system only for names
 * ending so. */
bool archive_path(const char *path, size_t *archive);

/* A member, open. */
struct archive_member;

/* Opens the member at a path for which archive_path is true. *out is the caller's to
 * close, *bytes its size. Errors: STATUS_ITEM_IO (no such archive or member, no zip),
 * STATUS_ITEM_FORMAT (encrypted, packed by a method that cannot be read). */
enum status archive_member_open(const char *path, struct archive_member **out,
                                int64_t *bytes, struct error *err);
void archive_member_close(struct archive_member *m);

/* Reads up to `bytes` at an offset; *got is less only at the end. Errors: STATUS_ITEM_IO,
 * STATUS_ITEM_FORMAT (corrupt stream, checksum). */
enum status archive_member_read(struct archive_member *m, int64_t offset, void *data,
                                size_t bytes, size_t *got, struct error *err);

/* What tells that a member has not changed: its size, the archive's time, and one number
 * for the archive's inode and size and the member's place in it. */
void archive_member_identity(const struct archive_member *m, struct file_identity *out);

struct archive_entry {
    char *name;
    int64_t bytes;
};

/* The files of an archive, sorted by name (bytes). archive_list_release frees them, also
 * after a failure. Errors: STATUS_JOB_CONFIG naming the archive. */
struct archive_list {
    struct archive_entry *entries;
    size_t count;
};

enum status archive_list_init(struct archive_list *l, const char *path,
                              struct error *err);
void archive_list_release(struct archive_list *l);

/* Bytes of the entry of a name, or -1. */
int64_t archive_list_find(const struct archive_list *l, const char *name);

#endif
