#include "base/status.h"

#include <stdarg.h>

enum status error_set(struct error *err, enum status code, const char *format, ...)
{
    if (err) {
        va_list arguments;
        err->code = code;
        va_start(arguments, format);
        vsnprintf(err->message, sizeof err->message, format, arguments);
        va_end(arguments);
    }
    return code;
}

enum status error_prefix(struct error *err, const char *format, ...)
{
    char prefix[ERROR_MESSAGE_BYTES / 2], message[ERROR_MESSAGE_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(prefix, sizeof prefix, format, arguments);
    va_end(arguments);
    memcpy(message, err->message, sizeof message);
    /* The tail of a message that outgrows the buffer is cut, which is what snprintf does.
     */
    size_t used = strlen(prefix);
    memcpy(err->message, prefix, used);
    snprintf(err->message + used, sizeof err->message - used, ": %s", message);
    return err->code;
}

int status_exit_code(enum status s)
{
    switch (s) {
    case STATUS_OK:
        return 0;
    case STATUS_JOB_CONFIG:
        return 2;
    case STATUS_JOB_INTERRUPTED:
        return 75;
    default:
        return 1;
    }
}

void check_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "pulmo: broken invariant: %s (%s:%d)\n", condition, file, line);
    abort();
}
