/*
 * Waiting for rank 0 while it works alone for as long as that takes (a page, a night that
 * is published): it says now and then that it lives, and those who wait end the job when
 * they do not hear it. If its work hangs, its own watch of that work ends the job.
 *
 *   rank 0: vigil_alive ... vigil_alive, vigil_end        the others: vigil_end
 */
#ifndef COMM_VIGIL_H
#define COMM_VIGIL_H

#include "comm/comm.h"

/* Rank 0's, often: progress, for its own watchdog and for those who wait. *told: when
 * they were last told, 0 at first; kept from call to call. */
void vigil_alive(const struct comm *c, double *told);

/* Rank 0's work is over, whatever came of it; the others return when it is. Of these it
 * takes the place of whatever was watched, and leaves nothing watched. Collective. */
void vigil_end(const struct comm *c);

#endif
