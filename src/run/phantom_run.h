/*
 * Data sets of phantoms, and of implants, on all ranks: what `pulmo phantom` does.
 *
 *   phantom.json   the options that the data depend on, written first: a start with
 *                  others is refused
 *   .truth/        what is true of each scan (phantom/truth.h)
 *   subsetN/       volumes, each with its header written last
 *   masks/, lungs/ the same layout, when masks are asked for
 *   *.csv          the lists, last
 *
 * A scan is complete when its truth and all its volumes are there and fit together; what
 * is complete is kept, so the same command goes on after a kill.
 */
#ifndef RUN_PHANTOM_RUN_H
#define RUN_PHANTOM_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "comm/comm.h"
#include "phantom/scanner.h"

struct phantom_options {
    const char *folder;
    int64_t scans; /* of phantoms */
    struct scanner_size size;
    const char *size_text;
    uint64_t seed;
    double negatives; /* candidates of class 0 a scan */
    bool masks, dry_run;
    const char *implant; /* a tree of scans to copy with nodules; NULL: phantoms */
    int64_t nodules;     /* implants a scan */
    double diameter_mm[2];
};

/* Returns the exit code, the same on all ranks: 0 done, 1 failed, 2 options or folder, 3
 * done without scans that could not be copied, 75 stopped on request. Messages are
 * written by rank 0. Collective. */
int phantom_run(const struct comm *c, const struct phantom_options *o);

#endif
