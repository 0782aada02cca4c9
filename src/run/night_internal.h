/*
 * What a night is made of: night.c is its life, night_folder.c the folder of the chain,
 * night_carry.c what goes over from the last run, night_tree.c which scans take part,
 * night_changes.c what is new since then, night_canaries.c the canaries. All of it is of
 * rank 0 but night.c.
 */
#ifndef RUN_NIGHT_INTERNAL_H
#define RUN_NIGHT_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/hash.h"
#include "cache/claim.h"
#include "run/job.h"
#include "run/night_folder.h"

/* A scan that waits for the next night, and why. */
struct night_waiting {
    char *seriesuid, *reason;
};

/* A scan that canaries may be made of. */
struct night_source {
    char *seriesuid, *path;
};

struct night {
    const struct settings *settings;
    struct night_folder folder;
    struct claim *claim;
    time_t started;
    /* The last run; none: 0 scans. */
    char **last_seriesuids; /* sorted */
    bool *last_done;
    size_t last_count;
    /* Tonight. */
    char *why_all;                 /* nothing carries over since ...; NULL: it does */
    char *identity;                /* what results depend on */
    struct night_waiting *waiting; /* sorted by seriesuid */
    size_t waiting_count, waiting_capacity;
    struct night_source *sources; /* evenly among the scans that were done */
    size_t source_count;
    size_t scans, carried, quarantined;
};

/* Learns what the last run was of. Errors: STATUS_JOB_FAILED when it is damaged. */
enum status night_take_last(struct night *n, struct error *err);

/* Whether the last run had a scan, and whether it was done. */
bool night_last_has(const struct night *n, const char *seriesuid);

/* Refuses a tree that is not there where there were scans. Errors: STATUS_JOB_FAILED. */
enum status night_check_root(const struct night *n, struct error *err);

/* The hooks of the detection; context is the struct night. */
enum status night_choose(void *context, struct dataset *d, struct error *err);
enum status night_carry(void *context, const char *journal, const char *identity,
                        struct error *err);
enum status night_inspect(void *context, const struct dataset *d, struct ledger *l,
                          struct error *err);

/* A scan of an earlier night and what its files were then. */
struct night_record {
    struct hash128 item, identity;
};

/* *out = those that a journal says are finished, sorted by item, appended to what is
 * there; none where there is no journal. */
struct night_records {
    struct night_record *items;
    size_t count, capacity;
};
enum status night_records_add(struct night_records *r, const char *journal,
                              struct error *err);

/* Whether a scan was finished with these files. */
bool night_records_have(const struct night_records *r, struct hash128 item,
                        struct hash128 identity);

/* What is new since the last run. */
struct night_changes {
    size_t new, vanished, changed, quarantined, recovered;
    size_t findings_new, findings_vanished, findings_changed, diagnoses;
    size_t seen; /* scans that the models were trained on */
};

/* Writes changes.csv into the run being made. */
enum status night_changes_write(const struct night *n, struct night_changes *out,
                                struct error *err);

#endif
