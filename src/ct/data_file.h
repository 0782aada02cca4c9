/*
 * Plain reading of a file at an offset, wherever it lies: in a folder or in a zip archive
 * (archive.h). Only regular files are opened: a pipe or a device that a header names
 * would hang the reader. Data of a file pass through pread alone, never through stdio.
 */
#ifndef CT_DATA_FILE_H
#define CT_DATA_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/file.h"

struct archive_member;

struct data_file {
    int fd;                        /* -1: not a file of its own, or none */
    struct archive_member *member; /* NULL: none */
    int64_t bytes;
    char *path;
};

/* Errors: STATUS_ITEM_IO naming the path. data_file_close is harmless on {.fd = -1}. */
enum status data_file_open(const char *path, struct data_file *out, struct error *err);
void data_file_close(struct data_file *f);

bool data_file_is_open(const struct data_file *f);

/* file_identify, for members of archives too. */
enum status data_file_identify(const char *path, struct file_identity *out,
                               struct error *err);

/* *bytes of the regular file at path. */
enum status data_file_measure(const char *path, int64_t *bytes, struct error *err);

/* Reads up to `bytes` at an offset; *got is less only at the end of the file. */
enum status data_file_read(const struct data_file *f, int64_t offset, void *data,
                           size_t bytes, size_t *got, struct error *err);

#endif
