/* The user block of a chunk file: how struct chunk_file_head and the places stand in it.
 */
#ifndef IO_CHUNK_TABLE_H
#define IO_CHUNK_TABLE_H

#include "io/chunk_file.h"

/* The first eight bytes. */
extern const uint64_t CHUNK_TABLE_MAGIC;

/* Bytes of the user block of a file with so many chunks: a power of two, as HDF5 wants.
 */
int64_t chunk_table_room(int64_t count);

/* *out = the user block's contents (*bytes, below the room), to be freed. */
enum status chunk_table_pack(const struct chunk_file_head *head, int64_t count,
                             const struct chunk_place *places, int64_t file_bytes,
                             unsigned char **out, size_t *bytes, struct error *err);

/* Fills head, chunks, count, places, most_bytes of an open file whose path, fd and
 * file_bytes are set. Errors: STATUS_ITEM_IO, STATUS_ITEM_FORMAT without the path. */
enum status chunk_table_read(struct chunk_file *f, struct error *err);

#endif
