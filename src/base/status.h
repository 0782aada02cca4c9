/*
 * Status codes and error messages.
 *
 * A function that can fail returns an enum status and takes a struct error as its last
 * argument. The message is written once, where the failure happens, with the file, the
 * scan and the value; callers may put a prefix before it, never replace it. Codes are
 * grouped by how far a failure reaches, and the caller's policy follows from the group
 * alone:
 *
 *   ITEM   one scan is bad: quarantine it and go on, until limits.quarantine is passed
 *   STAGE  the machine is in trouble (disk full, NaN loss): all ranks stop together
 *   JOB    the request is wrong: found on rank 0 before any work, exit code 2 or 1
 */
#ifndef BASE_STATUS_H
#define BASE_STATUS_H

#include "base/banned.h"

enum status {
    STATUS_OK = 0,

    STATUS_ITEM_IO = 100, /* a file of a scan is missing, unreadable or too short */
    STATUS_ITEM_FORMAT,   /* a file of a scan holds what its format does not allow */
    STATUS_ITEM_LIMIT,    /* a scan is larger than the limits allow */
    STATUS_ITEM_DEADLINE, /* reading a scan took longer than limits.deadline_s */

    STATUS_STAGE_IO = 200, /* an output could not be written */
    STATUS_STAGE_MEMORY,   /* an allocation failed */
    STATUS_STAGE_NUMERIC,  /* a result is not finite */
    STATUS_STAGE_DEADLINE, /* a wait for another rank passed its deadline */

    STATUS_JOB_CONFIG =
        300, /* bad command line, configuration, weights or lists: exit code 2 */
    STATUS_JOB_FAILED,      /* the job cannot be done as asked: exit code 1 */
    STATUS_JOB_INTERRUPTED, /* asked to stop, state is saved: exit code 75 */
};

enum { ERROR_MESSAGE_BYTES = 1024 };

/* What went wrong. Plain data: may be copied, sent between ranks, and needs no release.
 */
struct error {
    enum status code;
    char message[ERROR_MESSAGE_BYTES];
};

/* Writes the message and returns the code, so that a failure reads
 * `return error_set(err, STATUS_ITEM_IO, "%s: %s", path, strerror(errno));`.
 * A message that is too long is cut. err may be NULL where only the code matters. */
enum status error_set(struct error *err, enum status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "prefix: " before the message of an error and returns its code. */
enum status error_prefix(struct error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static inline int status_is_item(enum status s)
{
    return s >= STATUS_ITEM_IO && s < STATUS_STAGE_IO;
}

/* The process exit code for a status: 0, 1, 2 or 75 (design: "Exit codes"). */
int status_exit_code(enum status s);

/* Evaluates an expression of type enum status and leaves through the label `out` when it
 * is not STATUS_OK. The function keeps a variable `status`. */
#define TRY(expression)                                                                  \
    do {                                                                                 \
        status = (expression);                                                           \
        if (status != STATUS_OK)                                                         \
            goto out;                                                                    \
    } while (0)

/* A broken invariant of the program itself: names it and aborts. Kept in release builds.
 */
#define CHECK(condition)                                                                 \
    do {                                                                                 \
        if (!(condition))                                                                \
            check_failed(#condition, __FILE__, __LINE__);                                \
    } while (0)

_Noreturn void check_failed(const char *condition, const char *file, int line);

#endif
