/*
 * What a run cost: seconds by stage and memory of each rank, in timings.csv,
 * efficiency.csv (efficiency.h) and the last lines of the log. Never part of a result.
 */
#ifndef RUN_USAGE_H
#define RUN_USAGE_H

#include "base/status.h"
#include "comm/comm.h"
#include "run/run_folder.h"

/* Gathers the figures of all ranks; rank 0 writes timings.csv (rank,host,stage,seconds)
 * and says which rank used most memory. `timings` are TIMING_COUNT seconds of this rank,
 * `threads` those that it computed with,
 * `wall` those since the job began. `folder` on rank 0 only. Collective; a file that
 * cannot be written is said and no more. */
enum status usage_report(const struct comm *c, const struct run_folder *folder,
                         const double *timings, int threads, double wall,
                         struct error *err);

#endif
