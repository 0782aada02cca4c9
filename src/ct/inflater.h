/*
 * A deflated part of a file (zlib or gzip, told apart by its first bytes) as a stream
 * that goes forward. Memory is fixed, whatever the stream claims to hold.
 */
#ifndef CT_INFLATER_H
#define CT_INFLATER_H

#include "ct/data_file.h"

struct inflater;

/* Deflate cannot pack more than this many bytes into one. */
enum { INFLATER_MAX_RATIO = 1032 };

/* A stream of file bytes [start, f->bytes). f is borrowed for the inflater's lifetime.
 * *out is the caller's to free. */
enum status inflater_new(const struct data_file *f, int64_t start, struct inflater **out,
                         struct error *err);
void inflater_free(struct inflater *i);

/* Inflated bytes handed out so far. */
int64_t inflater_position(const struct inflater *i);

/* The next `bytes`; *got is less only when the stream is complete and its checksum held.
 * data may be NULL to pass over them. Errors: STATUS_ITEM_FORMAT for a corrupt or cut
 * stream, and for file bytes that follow its end. */
enum status inflater_read(struct inflater *i, void *data, int64_t bytes, int64_t *got,
                          struct error *err);

#endif
