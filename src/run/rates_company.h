/*
 * Company for a measurement: processes that do the same work beside it, since a core
 * computes more slowly when the others of its machine do too (shared memory and caches,
 * clocks that fall), and in a job they do.
 */
#ifndef RUN_RATES_COMPANY_H
#define RUN_RATES_COMPANY_H

#include <sys/types.h>

enum { RATES_COMPANY = 3 };

struct rates_company {
    pid_t processes[RATES_COMPANY];
    int count;
};

/* Starts `count` (at most RATES_COMPANY) processes, each of which calls work(index,
 * context) again and again until it is not 0, or rates_company_end. Fewer when the system
 * gives no more. They are silent, and end with this process, however it ends. Call it
 * while no other thread of this process computes or has files open that `work` uses. Not
 * collective, no MPI calls. */
void rates_company_start(struct rates_company *c, int count,
                         int (*work)(int index, void *context), void *context);
void rates_company_end(struct rates_company *c);

/* How many: what the cores that this process may use leave beside it, no more than
 * `cores` - 1 and RATES_COMPANY. */
int rates_company_size(int cores);

#endif
