/*
 * Who works in a folder now: one process at a time, on whatever host.
 *
 * A claim is a file FOLDER/owner.N that names host, process, Slurm job and start. It is
 * a lease (lease.h) that one process holds: a thread looks in on it, and one without a
 * sign of life for a quarter of an hour belongs to a process that was killed. On the
 * owner's own host the lock on the file tells at once. All times are those of the file
 * system, so clocks that differ or go back make nobody dead.
 *
 * The owner is who made the file with the highest number, and that file is never removed
 * but by who made a higher one; a file is made only by a process that found the highest
 * one given back or dead, and only one process can make it. So of two that take over a
 * dead one's claim, one gets it, and one that slept through all of it finds a higher
 * number than its own.
 */
#ifndef CACHE_CLAIM_H
#define CACHE_CLAIM_H

#include <stdbool.h>

#include "base/status.h"

struct claim;

/* Takes a folder that exists. *out is the caller's to give back. What a dead owner left
 * is taken over with a warning that names it. Errors: STATUS_JOB_FAILED: it is taken, the
 * message says by whom, since when and how lately it was heard of; STATUS_STAGE_IO. */
enum status claim_take(const char *folder, struct claim **out, struct error *err);

/* Whether it is still ours: a process that was stopped for long may have been taken for
 * dead. To be asked before what must not be done twice. */
bool claim_is_held(const struct claim *c);

/* Gives it back. NULL is nothing. */
void claim_give_back(struct claim *c);

#endif
