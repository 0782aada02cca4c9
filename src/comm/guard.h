/*
 * Watching the waits of this folder that no caller watches.
 */
#ifndef COMM_GUARD_H
#define COMM_GUARD_H

#include "comm/comm.h"

/* Begins a wait for other ranks; `what` says which, to whoever reads why the job ended.
 * Returns what comm_unwatch has to know. */
bool comm_watch(const struct comm *c, const char *what);
void comm_unwatch(const struct comm *c, bool watched);

#endif
