/*
 * What this folder keeps to itself: the watch of waits that no caller watches, and the
 * tags of its messages.
 */
#ifndef COMM_GUARD_H
#define COMM_GUARD_H

#include "comm/comm.h"

enum { COMM_TAG_HEAD = 1, COMM_TAG_PAYLOAD, COMM_TAG_VIGIL };

/* Begins a wait for other ranks; `what` says which, to whoever reads why the job ended.
 * Returns what comm_unwatch has to know. */
bool comm_watch(const struct comm *c, const char *what);
void comm_unwatch(const struct comm *c, bool watched);

#endif
