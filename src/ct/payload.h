/*
 * The bytes of a volume's voxels, in order, wherever they lie: in one file or in one file
 * per slice, after a header or last in the file, as they are or deflated.
 *
 * One file is open at a time. Bytes that are stored as they are get read in place; a
 * deflated stream goes forward from where the last read ended, and starts again when
 * asked for what lies behind it.
 */
#ifndef CT_PAYLOAD_H
#define CT_PAYLOAD_H

#include "base/hash.h"
#include "ct/data_file.h"
#include "ct/file_series.h"
#include "ct/inflater.h"

struct payload {
    /* Filled by the reader of a header. */
    struct file_series series;
    int64_t file_voxel_bytes; /* of voxels in each file, inflated */
    int64_t offset; /* in each file, before its voxels; -1: they are its last bytes */
    int64_t
        lead; /* inflated bytes before the voxels: a header that is deflated with them */
    int64_t
        stored_bytes; /* deflated bytes in all files together; -1: all that there are */
    bool deflated;

    /* State of the reading. */
    struct data_file file;
    int64_t file_index;
    struct inflater *inflater;
};

/* An empty payload. */
void payload_init(struct payload *p);
void payload_release(struct payload *p);

/* Holds every file against the layout by its size, and resolves an offset of -1 of
 * deflated data. `wanted` says for messages where file_voxel_bytes comes from ("DimSize =
 * 5 5 5 of MET_SHORT"). *total = bytes of all files. */
enum status payload_check(struct payload *p, const char *wanted, int64_t *total,
                          struct error *err);

/* Reads `bytes` of voxels at `position`. When a read reaches the end of a deflated file,
 * its checksum and the absence of further bytes are verified. */
enum status payload_read(struct payload *p, int64_t position, void *data, int64_t bytes,
                         struct error *err);

/* Feeds the hash with all bytes of all files, or with their sizes, times and inodes. */
enum status payload_hash(const struct payload *p, struct hash *h, struct error *err);
enum status payload_hash_identity(const struct payload *p, struct hash *h,
                                  struct error *err);

#endif
