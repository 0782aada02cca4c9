/*
 * The master's books: the journal, which record of it holds what of which scan, and the
 * schedule kept in step with it. Every result is written here before it counts; a restart
 * reads the books and goes on.
 *
 * A record made for a scan counts only while the scan's files are what they were: OPEN is
 * done anew for each scan of a restarted job, and what was recorded under another
 * identity is dropped, but for the result of a scan whose content is still the same (its
 * files were touched or copied). Memory: about 150 bytes a scan, and 64 a record of scans
 * in work. Master only; not collective.
 */
#ifndef RUN_LEDGER_H
#define RUN_LEDGER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "ct/dataset.h"
#include "io/journal.h"
#include "run/detector.h"
#include "run/record.h"
#include "run/schedule.h"
#include "stage/diagnose.h"

struct quarantined {
    char *seriesuid;
    char stage[16];
    char *reason;
    int64_t scan; /* -1: a problem of the data set that took no scan away */
};

struct ledger_options {
    struct diagnose_options diagnose;
    int64_t segment_slices; /* of a task of segmentation; 0: there are none */
    bool classifies; /* grouped candidates are classified; else they are judged already */
    bool verify; /* scans whose files seem unchanged are read and compared all the same */
};

struct ledger;

/* Opens the books of a run at `path`, reading what is there. `identity` is what all
 * results depend on: a journal made under another one is refused, naming the lines that
 * differ (STATUS_JOB_CONFIG). Borrows dataset and schedule. */
enum status ledger_open(const char *path, const char *identity,
                        const struct dataset *dataset, struct schedule *schedule,
                        const struct ledger_options *options, struct ledger **out,
                        struct error *err);
void ledger_close(struct ledger *l);

/* Completes the order for a task: what the worker needs beside the scan. *payload is to
 * be freed after use. */
enum status ledger_order(struct ledger *l, const struct task *t, struct order *o,
                         void **payload, struct error *err);

/* Enters a result; when it was the scan's last, its RECORD_SCAN is made.
 * Errors: STATUS_STAGE_IO: the result is not recorded. */
enum status ledger_enter(struct ledger *l, const struct task *t, const void *payload,
                         size_t bytes, struct error *err);

/* Enters a failure. */
enum status ledger_quarantine(struct ledger *l, int64_t scan, const char *seriesuid,
                              const char *stage, const char *reason, struct error *err);

/* The same for a scan that was finished: its result does not count. */
enum status ledger_withdraw(struct ledger *l, int64_t scan, const char *seriesuid,
                            const char *stage, const char *reason, struct error *err);
const struct quarantined *ledger_quarantined(const struct ledger *l, size_t *count);
bool ledger_is_quarantined(const struct ledger *l, int64_t scan);

/* What this start prepared. */
struct ledger_prepared {
    int64_t scans, written, repaired;
    int64_t file_bytes, voxel_bytes;
};
struct ledger_prepared ledger_prepared(const struct ledger *l);

/* Scans that an earlier start had finished. */
int64_t ledger_restored(const struct ledger *l);

/* Whether a finished scan's result is that of an earlier start, and what its files were
 * when it was opened. */
bool ledger_is_restored(const struct ledger *l, int64_t scan);
struct hash128 ledger_identity(const struct ledger *l, int64_t scan);

/* Writes "name (was A, is B), ..." for the lines of two identities (detector_identity)
 * that differ. */
void ledger_describe_differences(const char *old, const char *new, char *text,
                                 size_t bytes);

/* Makes all that was entered durable. */
enum status ledger_sync(struct ledger *l, struct error *err);

/* The result of a finished scan; *payload holds it and is to be freed. */
enum status ledger_result(const struct ledger *l, int64_t scan, struct scan_result *out,
                          void **payload, struct error *err);

/* Where the result of a scan is in the journal; bytes 0 when it has none. */
struct ledger_entry {
    int64_t offset;
    uint64_t bytes;
    int64_t candidates, mask_bytes;
};
struct ledger_entry ledger_entry(const struct ledger *l, int64_t scan);

#endif
