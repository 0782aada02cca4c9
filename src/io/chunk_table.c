/*
 *     at  bytes
 *      0      8  0x89 "pulmoC\n"
 *      8      8  length of the file
 *     16    176  struct chunk_file_head
 *    192     24  for each chunk: struct chunk_place
 *    end      8  XXH3 of everything before it
 *
 * Numbers stand in the order of bytes of the machine that wrote them. Where that is the
 * other one the magic is, too, and the file is refused: a cache is made again in less
 * time than it takes to argue about it.
 */
#include "io/chunk_table.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/size.h"

enum { LEAST_ROOM = 512 };

const uint64_t CHUNK_TABLE_MAGIC =
    0x0a436f6d6c757089; /* little endian: 0x89 "pulmoC\n" */

struct record {
    uint64_t magic;
    int64_t file_bytes;
    struct chunk_file_head head;
};

/* Neither holds padding: members are multiples of eight bytes, or fill them together. */
_Static_assert(sizeof(struct record) == 8 + 8 + 16 + 16 + 24 + 120, "a record is dense");
_Static_assert(sizeof(struct chunk_place) == 24, "a place is dense");

bool chunk_file_count(const struct chunk_file_head *head, int64_t chunks[3],
                      int64_t *count)
{
    *count = 1;
    for (int a = 0; a < 3; a++) {
        if (head->size[a] <= 0 || head->chunk[a] <= 0)
            return 0;
        chunks[a] = (head->size[a] - 1) / head->chunk[a] + 1;
        if (__builtin_mul_overflow(*count, chunks[a], count))
            return 0;
    }
    return *count <= INT32_MAX; /* a table of 48 GB */
}

static size_t table_bytes(int64_t count)
{
    return sizeof(struct record) + (size_t)count * sizeof(struct chunk_place) +
           sizeof(uint64_t);
}

int64_t chunk_table_room(int64_t count)
{
    size_t room = LEAST_ROOM;
    while (room < table_bytes(count))
        room *= 2;
    return (int64_t)room;
}

enum status chunk_table_pack(const struct chunk_file_head *head, int64_t count,
                             const struct chunk_place *places, int64_t file_bytes,
                             unsigned char **out, size_t *bytes, struct error *err)
{
    void *room;
    enum status status =
        memory_new(table_bytes(count), 1, "table of a chunk file", &room, err);
    if (status != STATUS_OK)
        return status;
    const struct record r = {CHUNK_TABLE_MAGIC, file_bytes, *head};
    unsigned char *p = room;
    size_t n = sizeof r;
    memcpy(p, &r, n);
    memcpy(p + n, places, (size_t)count * sizeof *places);
    n += (size_t)count * sizeof *places;
    uint64_t checksum = hash64(p, n);
    memcpy(p + n, &checksum, sizeof checksum);
    *out = p;
    *bytes = n + sizeof checksum;
    return STATUS_OK;
}

static enum status read_all(const struct chunk_file *f, void *data, size_t bytes,
                            int64_t offset, struct error *err)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t n = pread(f->fd, (char *)data + done, bytes - done,
                          (off_t)(offset + (int64_t)done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set(err, STATUS_ITEM_IO, "%s", strerror(errno));
        if (n == 0)
            return error_set(err, STATUS_ITEM_FORMAT, "cut off: it ends at byte %" PRId64,
                             offset + (int64_t)done);
        done += (size_t)n;
    }
    return STATUS_OK;
}

static enum status take_record(struct chunk_file *f, const struct record *r,
                               struct error *err)
{
    if (r->magic != CHUNK_TABLE_MAGIC)
        return error_set(err, STATUS_ITEM_FORMAT, "not a file of the volume cache");
    if (r->file_bytes != f->file_bytes)
        return error_set(err, STATUS_ITEM_FORMAT,
                         "torn: %" PRId64 " bytes, %" PRId64 " were written",
                         f->file_bytes, r->file_bytes);
    f->head = r->head;
    if (!chunk_file_count(&f->head, f->chunks, &f->count) ||
        (int64_t)table_bytes(f->count) > f->file_bytes)
        return error_set(err, STATUS_ITEM_FORMAT, "its table of chunks is damaged");
    return STATUS_OK;
}

static enum status take_places(struct chunk_file *f, const unsigned char *table,
                               struct error *err)
{
    const size_t bytes = table_bytes(f->count) - sizeof(uint64_t);
    uint64_t checksum;
    memcpy(&checksum, table + bytes, sizeof checksum);
    if (checksum != hash64(table, bytes))
        return error_set(err, STATUS_ITEM_FORMAT, "its table of chunks is damaged");
    memcpy(f->places, table + sizeof(struct record),
           (size_t)f->count * sizeof *f->places);
    for (int64_t i = 0; i < f->count; i++) {
        const struct chunk_place *p = &f->places[i];
        if (p->offset < 0 || p->bytes < 0 || p->bytes > f->file_bytes - p->offset)
            return error_set(err, STATUS_ITEM_FORMAT,
                             "chunk %" PRId64 " lies outside the file", i);
        if (p->bytes > f->most_bytes)
            f->most_bytes = p->bytes;
    }
    return STATUS_OK;
}

enum status chunk_table_read(struct chunk_file *f, struct error *err)
{
    enum status status = STATUS_OK;
    struct record r;
    void *table = NULL, *places;
    TRY(read_all(f, &r, sizeof r, 0, err));
    TRY(take_record(f, &r, err));
    TRY(memory_new(table_bytes(f->count), 1, "table of a chunk file", &table, err));
    TRY(memory_new((size_t)f->count, sizeof *f->places, "places of chunks", &places,
                   err));
    f->places = places;
    TRY(read_all(f, table, table_bytes(f->count), 0, err));
    TRY(take_places(f, table, err));
out:
    free(table);
    return status;
}
