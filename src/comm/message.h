/*
 * Messages between the master and its workers: a small fixed head and an optional
 * payload.
 *
 * Waiting is by looking and sleeping, never by spinning: a master beside its workers
 * takes next to nothing of their cores. Sends block until the other side takes them, so a
 * sender arms the watchdog with what it is; comm.h watches what nobody else does. Point
 * to point; not collective.
 */
#ifndef COMM_MESSAGE_H
#define COMM_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "comm/comm.h"

struct message {
    int32_t kind; /* the caller's */
    int32_t part;
    int64_t item;
    uint64_t bytes; /* of the payload */
    int peer;       /* rank it came from; set by message_take */
    void *payload;  /* of a message taken: the receiver's to free; NULL when bytes is 0 */
};

/* Sends a message with its payload. */
void message_send(const struct comm *c, int peer, const struct message *m);

/* Takes the next message of `peer` (or of any rank: MPI_ANY_SOURCE) if there is one. */
bool message_take(const struct comm *c, int peer, struct message *m);

#endif
