/*
 * The journal of a run: an append-only file of checksummed records, written by the master
 * alone, from which a killed job knows what is done and the store is assembled.
 *
 * A record is a fixed header (magic, kind, part, two key hashes, payload bytes, XXH3 of
 * the payload and of the header itself) and its payload, appended with one write. The
 * journal ends at the first record that is not whole: torn by a kill, or damaged.
 * journal_open cuts the file there, whatever stands behind, and says how much was lost.
 * journal_sync makes records lasting; the caller calls it every few seconds. The journal
 * keeps no index: memory is a few hundred bytes, the payloads stay on disk, and who wants
 * to find records again notes them in journal_visit (64 bytes each).
 */
#ifndef IO_JOURNAL_H
#define IO_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/status.h"

/* The largest payload. A longer one is refused by journal_append, damage in journal_open.
 */
#define JOURNAL_PAYLOAD_BYTES ((uint64_t)1 << 30)

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

/* Opens for appending, makes it when it is not there, calls `visit` (may be NULL) for
 * every good record in order, in bounded memory. One writer at a time: the caller's to
 * ensure. Errors: STATUS_STAGE_IO, also when reading fails: nothing is cut then;
 * STATUS_JOB_FAILED when it is no journal at all, or of another version: it is left
 * alone; or what `visit` returned. */
enum status journal_open(const char *path, journal_visit *visit, void *context,
                         struct journal **out, struct error *err);

/* Opens for reading alone: any rank, once the writer has synced or closed.
 * Errors: STATUS_STAGE_IO, STATUS_JOB_FAILED as above. */
enum status journal_open_reader(const char *path, struct journal **out,
                                struct error *err);

/* Syncs and closes; a sync that fails is logged. NULL is nothing. */
void journal_close(struct journal *j);

/* Appends; fills record->offset. `payload` may be NULL when record->bytes is 0.
 * Errors: STATUS_STAGE_IO (disk full), the record is then not there. */
enum status journal_append(struct journal *j, struct journal_record *record,
                           const void *payload, struct error *err);

/* Flushes everything appended so far to disk. Errors: STATUS_STAGE_IO. */
enum status journal_sync(struct journal *j, struct error *err);

/* *out = the payload of a record, to be freed; its checksum is held again. `record` needs
 * offset and bytes only (as journal_open or journal_append gave them). Threads may read
 * at a time. Errors: STATUS_STAGE_IO, STATUS_STAGE_MEMORY. */
enum status journal_read(const struct journal *j, const struct journal_record *record,
                         void **out, struct error *err);

/* *out = `bytes` of a payload from byte `from` of it on, to be freed. The checksum, which
 * is that of the whole, was held when the journal was opened or is of what was appended
 * since. Errors: as journal_read's. */
enum status journal_read_part(const struct journal *j,
                              const struct journal_record *record, uint64_t from,
                              uint64_t bytes, void **out, struct error *err);

#endif
