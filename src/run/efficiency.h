/*
 * What the cores of a run were used for: efficiency.csv and a line of the log, from the
 * times that its ranks noted. Master only; not collective.
 */
#ifndef RUN_EFFICIENCY_H
#define RUN_EFFICIENCY_H

#include "base/status.h"
#include "comm/comm.h"
#include "run/detector.h"
#include "run/run_folder.h"

/* What a rank cost. */
struct usage {
    char host[COMM_HOST_BYTES];
    int threads;
    double timings[TIMING_COUNT], wall, peak_mb;
};

/* The seconds that a rank spent on none of the timings. */
double usage_wait(const struct usage *u);

/* Of the ranks that compute. */
struct efficiency {
    double core_seconds[TIMING_COUNT], wait, all; /* seconds x threads */
    const char *straggler; /* of several hosts the one whose ranks compute longest on
                              average; NULL: one host. Borrowed from the usages */
    double ahead;          /* how much longer than all ranks on average: 0.08 */
};

/* `all` are the usages of the ranks that compute, `ranks` of them. */
void efficiency_of(const struct usage *all, int ranks, struct efficiency *out);

/* Writes efficiency.csv (stage,core_hours,share) and says it in one line of the log. */
enum status efficiency_report(const struct usage *all, int ranks,
                              const struct run_folder *folder, struct error *err);

#endif
