/*
 * What the parts of the ledger share: ledger_open.c finds what an earlier start left in
 * the journal, ledger.c enters results and hands out what tasks need of them.
 */
#ifndef RUN_LEDGER_INTERNAL_H
#define RUN_LEDGER_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "run/ledger.h"

/* The books of one scan. `parts` is there only while the scan is in work. */
struct scan_books {
    struct hash128 item, identity;
    struct ledger_entry result;
    struct journal_record *parts; /* in the order they came */
    size_t part_count, part_capacity;
    bool restored; /* the result is that of an earlier start */
};

struct ledger {
    struct journal *journal;
    const struct dataset *dataset;
    struct schedule *schedule;
    struct diagnose_options diagnose;
    int64_t segment_slices; /* of a task of segmentation; 0: none */
    bool classifies;        /* grouped candidates are classified */
    bool verify;            /* what seems unchanged is read all the same */
    const char *identity;   /* during ledger_open */
    bool has_identity;
    struct scan_books *scans;
    int64_t *by_item; /* scans sorted by item */
    struct quarantined *quarantined;
    size_t quarantined_count, quarantined_capacity;
    int64_t restored; /* scans that an earlier start had finished */
    struct ledger_prepared prepared;
};

/* The parts of a scan are needed no more, or are those of other files. */
void ledger_forget_parts(struct scan_books *b);

#endif
