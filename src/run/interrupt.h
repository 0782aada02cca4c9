/*
 * Being asked to stop: USR1 (mpirun passes it on; Slurm's --signal sends it), TERM and
 * INT set a flag that whoever works looks at between slices. The flag is the one thing a
 * handler may set.
 */
#ifndef RUN_INTERRUPT_H
#define RUN_INTERRUPT_H

#include <stdbool.h>

void interrupt_install(void);
bool interrupt_wanted(void);

/* As if this process had got the signal: another rank did. */
void interrupt_raise(void);

#endif
