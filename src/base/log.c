#include "base/log.h"

#include <stdarg.h>
#include <unistd.h>

#include "base/clock.h"

enum { LINE_BYTES = 2048 };

static struct {
    int rank;
    char host[64];
    bool progress_shown;
    double progress_time;
} sink = {.rank = -1, .progress_time = -1e9};

void log_identify(int rank, const char *host)
{
    sink.rank = rank;
    snprintf(sink.host, sizeof sink.host, "%s", host ? host : "");
}

static void write_line(const char *line, size_t length)
{
    while (length > 0) {
        ssize_t n = write(STDERR_FILENO, line, length);
        if (n <= 0)
            return; /* nobody is left to tell */
        line += n;
        length -= (size_t)n;
    }
}

/* File names may hold anything: none shall begin a line of ours or speak to the terminal.
 */
static void make_printable(char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            text[i] = '?';
}

static void log_line(const char *level, const char *format, va_list arguments)
{
    char line[LINE_BYTES];
    size_t n = 0;
    if (sink.progress_shown)
        n += (size_t)snprintf(line, sizeof line, "\r\033[K");
    sink.progress_shown = false;
    if (sink.rank > 0)
        n += (size_t)snprintf(line + n, sizeof line - n, "pulmo[%d %s]: %s", sink.rank,
                              sink.host, level);
    else
        n += (size_t)snprintf(line + n, sizeof line - n, "pulmo: %s", level);
    int used = vsnprintf(line + n, sizeof line - n - 1, format, arguments);
    size_t text = n;
    n += used < 0 ? 0 : (size_t)used;
    if (n > sizeof line - 2)
        n = sizeof line - 2;
    make_printable(line + text, n - text);
    line[n++] = '\n';
    write_line(line, n);
}

#define LOG_FUNCTION(name, level)                                                        \
    void name(const char *format, ...)                                                   \
    {                                                                                    \
        va_list arguments;                                                               \
        va_start(arguments, format);                                                     \
        log_line(level, format, arguments);                                              \
        va_end(arguments);                                                               \
    }

LOG_FUNCTION(log_info, "")
LOG_FUNCTION(log_warning, "warning: ")
LOG_FUNCTION(log_error, "error: ")

void log_progress(bool final, const char *format, ...)
{
    static const double terminal_interval = 0.1, file_interval = 30;
    bool terminal = isatty(STDERR_FILENO);
    double now = clock_seconds();
    if (!final &&
        now - sink.progress_time < (terminal ? terminal_interval : file_interval))
        return;
    sink.progress_time = now;

    va_list arguments;
    va_start(arguments, format);
    if (terminal && !final) {
        char line[LINE_BYTES];
        int n = snprintf(line, sizeof line, "\r\033[K");
        int used = vsnprintf(line + n, sizeof line - (size_t)n, format, arguments);
        write_line(line, strnlen(line, sizeof line - 1));
        sink.progress_shown = used > 0;
    } else {
        log_line("", format, arguments);
    }
    va_end(arguments);
}
