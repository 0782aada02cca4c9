#include "base/watchdog.h"

#include <pthread.h>
#include <stdarg.h>

#include "base/clock.h"

struct watchdog {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stop, armed;
    double since, seconds;
    char description[512];
    watchdog_expired *expired;
    void *context;
};

/* Waits on a condition for a time from now. The clock of the condition is the monotonic
 * one. */
static void wait_for(struct watchdog *w, double seconds)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    double whole = (double)(long)seconds;
    until.tv_sec += (time_t)whole;
    until.tv_nsec += (long)((seconds - whole) * 1e9);
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(&w->changed, &w->lock, &until);
}

static void *watch(void *argument)
{
    struct watchdog *w = argument;
    pthread_mutex_lock(&w->lock);
    while (!w->stop) {
        if (!w->armed) {
            pthread_cond_wait(&w->changed, &w->lock);
            continue;
        }
        double left = w->since + w->seconds - clock_seconds();
        if (left <= 0) {
            w->armed = false;
            w->expired(w->context, w->description, w->seconds);
        } else {
            wait_for(w, left);
        }
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

enum status watchdog_start(watchdog_expired *expired, void *context,
                           struct watchdog **out, struct error *err)
{
    struct watchdog *w = calloc(1, sizeof *w);
    if (!w)
        return error_set(err, STATUS_STAGE_MEMORY, "no memory for the watchdog");
    w->expired = expired;
    w->context = context;
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&w->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (pthread_create(&w->thread, NULL, watch, w)) {
        free(w);
        return error_set(err, STATUS_STAGE_MEMORY,
                         "the watchdog thread cannot be started");
    }
    *out = w;
    return STATUS_OK;
}

void watchdog_stop(struct watchdog *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

/* With the lock held, the description written. */
static void begin(struct watchdog *w, double seconds)
{
    w->armed = true;
    w->since = clock_seconds();
    w->seconds = seconds;
    pthread_cond_signal(&w->changed);
}

void watchdog_arm(struct watchdog *w, double seconds, const char *format, ...)
{
    va_list arguments;
    pthread_mutex_lock(&w->lock);
    va_start(arguments, format);
    vsnprintf(w->description, sizeof w->description, format, arguments);
    va_end(arguments);
    begin(w, seconds);
    pthread_mutex_unlock(&w->lock);
}

bool watchdog_arm_idle(struct watchdog *w, double seconds, const char *what)
{
    if (!w)
        return false;
    pthread_mutex_lock(&w->lock);
    const bool idle = !w->armed;
    if (idle) {
        snprintf(w->description, sizeof w->description, "%s", what);
        begin(w, seconds);
    }
    pthread_mutex_unlock(&w->lock);
    return idle;
}

void watchdog_touch(struct watchdog *w)
{
    pthread_mutex_lock(&w->lock);
    w->since = clock_seconds();
    pthread_mutex_unlock(&w->lock);
}

void watchdog_disarm(struct watchdog *w)
{
    pthread_mutex_lock(&w->lock);
    w->armed = false;
    pthread_mutex_unlock(&w->lock);
}
