/*
 * A share of a number of cases, with Wilson's 95 % interval: it stays inside 0 .. 1 and
 * is of use for few cases and for shares near the ends (Wilson, JASA 22, 1927).
 */
#ifndef SCORE_PROPORTION_H
#define SCORE_PROPORTION_H

#include <stdint.h>

#define NORMAL_95 1.959963984540054 /* 97.5 % of a normal lie below this */

struct proportion {
    int64_t count, of;
    double share, lower, upper; /* NaN of no cases */
};

/* 0 <= count <= of. */
struct proportion proportion_of(int64_t count, int64_t of);

#endif
