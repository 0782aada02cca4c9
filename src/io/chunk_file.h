/*
 * A volume of int16 in chunks that somebody else has encoded: an HDF5 file with one
 * dataset, "voxels", whose chunks are written and read as bytes.
 *
 * Reading goes past HDF5. Where each chunk lies, how many bytes it takes and what their
 * checksum is stands in a table in the user block, the room that HDF5 leaves to others at
 * the front of a file; chunks are read by pread. So any number of threads may read one
 * file at once, though the HDF5 library (Debian's, with MPI) serves one thread only, and
 * opening a file costs two reads. The table carries a checksum and the length of the
 * file: a file that is torn, cut or of another kind is known at once.
 *
 * Everything is there for HDF5's own readers too: geometry as attributes, checksums as a
 * dataset, and a filter number on "voxels" that stands for the encoding
 * (docs/formats.md).
 */
#ifndef IO_CHUNK_FILE_H
#define IO_CHUNK_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/status.h"

/* What the file says beside its chunks. */
struct chunk_file_head {
    struct hash128 key;
    uint32_t numerics;
    int32_t chunk[3];                           /* voxels, zyx */
    int64_t size[3];                            /* voxels, zyx */
    double spacing[3], origin[3], direction[9]; /* as struct geometry */
};

struct chunk_place {
    int64_t offset;
    int64_t bytes;
    uint64_t checksum; /* XXH3, 64 bits */
};

struct chunk_file {
    int fd; /* -1: none */
    char *path;
    struct chunk_file_head head;
    int64_t chunks[3]; /* along zyx */
    int64_t count;
    struct chunk_place *places; /* z-major */
    int64_t most_bytes;         /* of the largest chunk */
    int64_t file_bytes;
    int64_t changed_ns; /* when the file was changed, or marked as used */
};

/* Whether a file begins like one: to tell kinds of files apart. */
bool chunk_file_is_one(const char *path);

/* Opens a file and holds its length and table against what it says. Any thread.
 * chunk_file_close is harmless on {.fd = -1}. Errors: STATUS_ITEM_IO (missing,
 * unreadable), STATUS_ITEM_FORMAT (not such a file, torn, cut). */
enum status chunk_file_open(const char *path, struct chunk_file *out, struct error *err);
void chunk_file_close(struct chunk_file *f);

/* Reads the bytes of chunk `index` into data (places[index].bytes) and holds them against
 * their checksum. Any number of threads at once. Errors: STATUS_ITEM_IO,
 * STATUS_ITEM_FORMAT naming the chunk. */
enum status chunk_file_read(const struct chunk_file *f, int64_t index,
                            unsigned char *data, struct error *err);

/* A file being written. Through HDF5: one thread of the process at a time. */
struct chunk_writer;

/* Begins a file at path (which is replaced); the writer is the caller's to finish or
 * abandon. Errors of all three: STATUS_STAGE_IO, STATUS_STAGE_MEMORY. */
enum status chunk_writer_open(const char *path, const struct chunk_file_head *head,
                              struct chunk_writer **out, struct error *err);

/* Writes chunk `index` (z-major), each once, in any order. */
enum status chunk_writer_put(struct chunk_writer *w, int64_t index,
                             const unsigned char *data, size_t bytes, struct error *err);

/* Completes the file, reads all of it back, and frees the writer. All chunks were put. */
enum status chunk_writer_finish(struct chunk_writer *w, struct error *err);
void chunk_writer_abandon(struct chunk_writer *w);

/* Chunks of a volume along zyx, and in all; false when they cannot be counted. */
bool chunk_file_count(const struct chunk_file_head *head, int64_t chunks[3],
                      int64_t *count);

#endif
