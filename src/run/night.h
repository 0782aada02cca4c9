/*
 * A night: a tree of scans is processed again, where it has changed.
 *
 *   NIGHTS (the setting `output`)
 *     runs/YYYY-MM-DDTHHMMSS/  published runs, whole run directories, never changed
 * after; with changes.csv, the newest with its journal latest                   a link to
 * the newest store.h5                 links to the run.h5 of all of them next/ the run
 * being made: what a killed night left is gone on with, or begun afresh when it would not
 * fit canaries/, canaries.csv  see night_canaries.h owner.N                  who is at
 * work (cache/claim.h) DONE                     the exit code of the last night that
 * published
 *
 * A run begins with the journal of the last one, from which only finished scans of the
 * same models and settings are taken. From there on it is an ordinary detection: a scan
 * whose files (or, if these were touched, whose content) are those of the record is not
 * done again. So what a night leaves are the bytes that processing everything would.
 */
#ifndef RUN_NIGHT_H
#define RUN_NIGHT_H

#include "comm/comm.h"
#include "config/settings.h"
#include "run/job.h"

/* Does a night on all ranks of `c` (settings with nightly.enabled). Returns the exit
 * code, the same on all ranks: 0 published; 3 published, but scans are quarantined or the
 * canaries raise an alarm; 1 nothing is published: failed, the tree is not there, another
 * night is at work; 2 configuration; 75 stopped on request, the same command goes on.
 * Messages are written by rank 0. `page`: as of job_run. Collective. */
int night_run(const struct comm *c, const struct settings *s, job_report *page);

#endif
