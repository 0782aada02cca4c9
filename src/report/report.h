/*
 * The report of a run: one HTML file that holds everything it shows, opens from a file
 * share without a network, and prints. What `pulmo report` and the stage `report` write.
 *
 * All is read from the run directory; the scans are opened once more for pictures, and
 * where they are gone the page says so. A run that only trained, or was not scored, gets
 * the parts that it has results for.
 *
 * Memory: the run's candidates (run/stored_run.h), one scan's slices, one picture. The
 * page is written as it is made. Not collective, no MPI calls.
 */
#ifndef REPORT_REPORT_H
#define REPORT_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

enum { REPORT_FINDINGS = 24 };
#define REPORT_MEGABYTES 20.0

struct report_options {
    const char *folder; /* the run directory */
    const char *out;    /* NULL: report.html in it */
    const char *other;  /* a run to compare with, NULL: none */
    const char *scan;   /* whose slices can be looked through; NULL: the scan with the
                           most probable finding */
    const char *masks;  /* label volumes of the truth; NULL: dataset.masks of the run */
    bool pseudonymise;  /* no names of scans, hosts or paths */
    size_t findings;    /* at most so many of each kind, with pictures */
    double megabytes;   /* what pictures may make of the file, all in all */
    void (*alive)(void *context); /* called now and then; NULL: not */
    void *context;
};

/* Errors: STATUS_JOB_FAILED when the folder is no run's, holds damaged results, or no
 * scan `scan`; STATUS_JOB_CONFIG of the comparison; STATUS_STAGE_IO, STATUS_STAGE_MEMORY.
 */
enum status report_write(const struct report_options *o, struct error *err);

#endif
