/*
 * The end of a run: from the journal to run.h5 (all ranks together, in bounded batches)
 * and to the CSV files (rank 0). Rows stand in a fixed order, whatever the ranks did:
 * scans sorted by seriesuid, candidates of a scan by descending probability, ties by
 * coordinates.
 */
#ifndef RUN_ASSEMBLY_H
#define RUN_ASSEMBLY_H

#include "base/status.h"
#include "base/watchdog.h"
#include "comm/comm.h"
#include "config/settings.h"
#include "ct/dataset.h"
#include "run/ledger.h"
#include "run/run_folder.h"

struct assembly {
    const struct comm *comm;
    const struct settings *settings;
    struct watchdog *watchdog;
    const char *isa;
    int threads;
    double started_unix;
    int64_t fold;          /* that the models were trained for; -1: none */
    bool ensemble;         /* a stage has several models: candidates have disagreements */
    const double *timings; /* TIMING_COUNT seconds of this rank */
    /* Rank 0 only: */
    const struct dataset *dataset;
    const struct ledger *ledger;
    const struct run_folder *folder;
};

/* Writes run.h5. Collective; the same status on all ranks. */
enum status assembly_store(const struct assembly *a, struct error *err);

/* Writes candidates.csv, submission.csv, diagnosis.csv. `alive` is called between scans,
 * so that the others know that the master lives. Rank 0 only. */
enum status assembly_lists(const struct assembly *a, void (*alive)(void *), void *context,
                           struct error *err);

/* Writes quarantine.csv. Rank 0 only. */
enum status assembly_quarantine(const struct run_folder *f, const struct ledger *l,
                                struct error *err);

#endif
