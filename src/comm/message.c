#include "comm/message.h"

#include <stdio.h>

#include "base/memory.h"
#include "base/size.h"
#include "comm/guard.h"

/* Pieces of a payload follow their head in order, from the same rank: MPI keeps that
 * order. */
enum { PIECE_BYTES = 1 << 28 };

struct head {
    int32_t kind, part;
    int64_t item;
    uint64_t bytes;
};

/* Names the other rank, to whoever reads why the job ended. */
static bool watch(const struct comm *c, const char *doing, int peer)
{
    char what[64];
    snprintf(what, sizeof what, "%s rank %d", doing, peer);
    return comm_watch(c, what);
}

void message_send(const struct comm *c, int peer, const struct message *m)
{
    struct head head = {m->kind, m->part, m->item, m->bytes};
    const bool watched = watch(c, "sending a message to", peer);
    MPI_Send(&head, sizeof head, MPI_BYTE, peer, COMM_TAG_HEAD, c->mpi);
    for (size_t done = 0; done < m->bytes;) {
        size_t n = m->bytes - done < PIECE_BYTES ? m->bytes - done : PIECE_BYTES;
        MPI_Send((const char *)m->payload + done, count_cast(n), MPI_BYTE, peer,
                 COMM_TAG_PAYLOAD, c->mpi);
        done += n;
    }
    comm_unwatch(c, watched);
}

bool message_take(const struct comm *c, int peer, struct message *m)
{
    MPI_Status status;
    struct head head;
    if (!comm_probe(c, peer, COMM_TAG_HEAD, &status))
        return false;
    MPI_Recv(&head, sizeof head, MPI_BYTE, status.MPI_SOURCE, COMM_TAG_HEAD, c->mpi,
             MPI_STATUS_IGNORE);
    *m = (struct message){head.kind,  head.part,         head.item,
                          head.bytes, status.MPI_SOURCE, NULL};
    if (head.bytes == 0)
        return true;
    /* A message that cannot be held ends the rank: its sender would wait for ever. */
    struct error err;
    CHECK(memory_new(head.bytes, 1, "message", &m->payload, &err) == STATUS_OK);
    const bool watched =
        watch(c, "receiving the rest of a message from", status.MPI_SOURCE);
    for (size_t done = 0; done < head.bytes;) {
        size_t n = head.bytes - done < PIECE_BYTES ? head.bytes - done : PIECE_BYTES;
        MPI_Recv((char *)m->payload + done, count_cast(n), MPI_BYTE, status.MPI_SOURCE,
                 COMM_TAG_PAYLOAD, c->mpi, MPI_STATUS_IGNORE);
        done += n;
    }
    comm_unwatch(c, watched);
    return true;
}
