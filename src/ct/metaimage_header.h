/*
 * The text header of a MetaImage: lines "Key = value" up to and including
 * ElementDataFile. Parsing works on memory and touches no file.
 *
 * Format: https://itk.org/Wiki/ITK/MetaIO/Documentation.
 */
#ifndef CT_METAIMAGE_HEADER_H
#define CT_METAIMAGE_HEADER_H

#include <stdbool.h>

#include "ct/element.h"
#include "ct/file_series.h"
#include "ct/geometry.h"

enum { METAIMAGE_HEADER_LIMIT = 1 << 20 };

struct metaimage_header {
    struct geometry geometry; /* checked */
    const struct element *element;
    bool msb; /* most significant byte first */
    bool compressed;
    int64_t compressed_bytes; /* -1: not stated */
    int64_t skip; /* HeaderSize: bytes of the data file to pass over; -1: data last */
    bool local;   /* the data follow the header in the same file */
    struct file_series series; /* data files, without their folder; empty when local */
    size_t text_bytes;         /* of the header itself */
};

/* Parses a header. `text` need not end in NUL, and may be only the beginning of a file
 * (`whole` false): when the header goes on behind it, *complete is false and nothing else
 * is filled. Errors: STATUS_ITEM_FORMAT, STATUS_ITEM_LIMIT, naming line or key, and
 * value; the caller puts the path before it. metaimage_header_release is due after
 * success. */
enum status metaimage_header_parse(const char *text, size_t bytes, bool whole,
                                   struct metaimage_header *out, bool *complete,
                                   struct error *err);
void metaimage_header_release(struct metaimage_header *h);

#endif
