#include "base/clock.h"

double clock_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void clock_sleep(double seconds)
{
    struct timespec pause;
    pause.tv_sec = (time_t)seconds;
    pause.tv_nsec = (long)((seconds - (double)pause.tv_sec) * 1e9);
    nanosleep(&pause, NULL);
}

void clock_describe(double seconds, char *text, size_t bytes)
{
    long s = seconds < 0 ? 0 : (long)(seconds + 0.5);
    if (s >= 86400)
        snprintf(text, bytes, "%ld d %ld h", s / 86400, s % 86400 / 3600);
    else if (s >= 3600)
        snprintf(text, bytes, "%ld h %02ld min", s / 3600, s % 3600 / 60);
    else if (s >= 100)
        snprintf(text, bytes, "%ld min", (s + 30) / 60);
    else
        snprintf(text, bytes, "%ld s", s);
}
