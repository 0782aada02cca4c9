/*
 * The log: lines on stderr for people and for a job's log file, and one progress line
 * that rewrites itself on a terminal and appears now and then in a file.
 *
 * This module holds the only mutable global of the program: who this process is (its
 * rank), where lines go, and whether a progress line stands on the terminal. Lines are
 * written with one write() call each, so those of several ranks never mix.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

#include "base/status.h"

/* Names this process in its log lines. rank < 0: a program on its own, lines carry no
 * rank. */
void log_identify(int rank, const char *host);

/* One line of information, a warning, or an error. No newline at the end of the format.
 */
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Replaces the progress line. On a terminal at most 10 times a second, elsewhere one
 * plain line at most every 30 seconds; `final` always prints. */
void log_progress(bool final, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
