/*
 * The journal of a run: an append-only file of checksummed records, written by the master alone,
 * from which a killed job knows what is done and the store is assembled.
 *
 * A record is a fixed header (magic, kind, item, part, two key hashes, payload bytes, XXH3 of header
 * and payload) and its payload. A record that is torn by a kill ends the journal: journal_open cuts
 * the file there and says how much was lost. Records are appended with one write and fsynced at
 * most every `sync_seconds`; the payload stays on disk, memory holds 32 bytes a record.
 */
#ifndef IO_JOURNAL_H
#define IO_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/status.h"

struct journal_record {
    uint32_t kind;       /* the caller's */
    uint32_t part;       /* which slab or batch of an item */
    struct hash128 item; /* hash of the seriesuid */
    struct hash128 key;  /* of everything the content depends on */
    uint64_t bytes;      /* of the payload */
    int64_t offset;      /* of the payload in the file */
};

struct journal;

typedef enum status journal_visit(void *context, const struct journal_record *record,
                                  struct error *err);

/* Opens for appending, makes it when it is not there, calls `visit` for every good record in
 * order. Errors: STATUS_STAGE_IO; STATUS_JOB_FAILED when it is no journal at all. */
enum status journal_open(const char *path, journal_visit *visit, void *context,
                         struct journal **out, struct error *err);

/* Opens for reading alone: any rank, once the writer has synced or closed. */
enum status journal_open_reader(const char *path, struct journal **out, struct error *err);

void journal_close(struct journal *j);

/* Appends; fills record->offset. Errors: STATUS_STAGE_IO (disk full), the record is then not
 * there. */
enum status journal_append(struct journal *j, struct journal_record *record,
                           const void *payload, struct error *err);

/* Flushes everything appended so far to disk. */
enum status journal_sync(struct journal *j, struct error *err);

/* *out = the payload of a record, to be freed; its checksum is held again. `record` needs offset
 * and bytes only (as journal_open or journal_append gave them). */
enum status journal_read(const struct journal *j, const struct journal_record *record,
                         void **out, struct error *err);

#endif
