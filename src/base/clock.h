/* Time for measuring and for deadlines; never part of a result. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/status.h"

/* Seconds since an arbitrary start, never going back. */
double clock_seconds(void);

/* Sleeps for a time in seconds; returns early on a signal. */
void clock_sleep(double seconds);

/* "3 d 4 h", "2 h 05 min", "12 min", "41 s": a duration for people. */
void clock_describe(double seconds, char *text, size_t bytes);

#endif
