/*
 * A watchdog: a thread that ends a wait which has gone on for too long.
 *
 * Whoever starts something that may never return (a collective call, a write) arms the
 * watchdog with what it is and how long it may take, and disarms it after. When the time
 * passes, the watchdog calls `expired` with the description, from its own thread; that
 * function does not return. One watchdog a process; arm, touch and disarm are called by
 * one thread.
 */
#ifndef BASE_WATCHDOG_H
#define BASE_WATCHDOG_H

#include <stdbool.h>

#include "base/status.h"

struct watchdog;

typedef void watchdog_expired(void *context, const char *description, double seconds);

/* Starts the thread. *out is the caller's; `context` is borrowed. */
enum status watchdog_start(watchdog_expired *expired, void *context,
                           struct watchdog **out, struct error *err);
void watchdog_stop(struct watchdog *w);

/* Begins a watched operation; a second call replaces the first. */
void watchdog_arm(struct watchdog *w, double seconds, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Begins `what` unless an operation is watched already, which then goes on being watched
 * instead. Returns whether it began: only then it is the caller's to disarm. NULL is no
 * watchdog, and watches nothing. */
bool watchdog_arm_idle(struct watchdog *w, double seconds, const char *what);
/* Progress: the time counts from now. */
void watchdog_touch(struct watchdog *w);
void watchdog_disarm(struct watchdog *w);

#endif
