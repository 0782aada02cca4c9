#include "run/efficiency.h"

#include "base/log.h"
#include "io/csv.h"

static const double hour = 3600;

double usage_wait(const struct usage *u)
{
    double busy = 0;
    for (int t = 0; t < TIMING_COUNT; t++)
        busy += u->timings[t];
    return u->wall > busy ? u->wall - busy : 0;
}

/* Time that a rank holds up others by: input and computing of its own. */
static double own_work(const struct usage *u)
{
    double sum = 0;
    for (int t = 0; t < TIMING_COUNT; t++)
        if (t != TIMING_TRAIN_WAIT && t != TIMING_ALLREDUCE)
            sum += u->timings[t];
    return sum;
}

/* The host of rank `first`, where that is the first one there. Returns the mean of its
 * ranks, or below 0. */
static double host_mean(const struct usage *all, int from, int ranks, int first)
{
    double sum = 0;
    int count = 0;
    for (int r = from; r < ranks; r++) {
        if (strcmp(all[r].host, all[first].host) != 0)
            continue;
        if (r < first)
            return -1;
        sum += own_work(&all[r]);
        count++;
    }
    return sum / count;
}

static void find_straggler(const struct usage *all, int from, int ranks,
                           struct efficiency *e)
{
    double mean = 0, most = -1;
    int hosts = 0;
    for (int r = from; r < ranks; r++)
        mean += own_work(&all[r]) / (ranks - from);
    for (int r = from; r < ranks; r++) {
        const double here = host_mean(all, from, ranks, r);
        hosts += here >= 0;
        if (here > most) {
            most = here;
            e->straggler = all[r].host;
        }
    }
    if (hosts < 2 || mean == 0)
        e->straggler = NULL;
    else
        e->ahead = most / mean - 1;
}

void efficiency_of(const struct usage *all, int ranks, struct efficiency *out)
{
    *out = (struct efficiency){.straggler = NULL};
    for (int r = 0; r < ranks; r++) {
        for (int t = 0; t < TIMING_COUNT; t++)
            out->core_seconds[t] += all[r].timings[t] * all[r].threads;
        out->wait += usage_wait(&all[r]) * all[r].threads;
    }
    out->all = out->wait;
    for (int t = 0; t < TIMING_COUNT; t++)
        out->all += out->core_seconds[t];
    find_straggler(all, 0, ranks, out);
}

static double share(const struct efficiency *e, double part)
{
    return e->all > 0 ? part / e->all : 0;
}

static void write_row(struct csv_writer *w, const struct efficiency *e, const char *stage,
                      double seconds)
{
    csv_write_text(w, stage);
    csv_write_number(w, "%.6f", seconds / hour);
    csv_write_number(w, "%.4f", share(e, seconds));
    csv_write_end(w);
}

static enum status write_file(const struct efficiency *e, const struct run_folder *folder,
                              struct error *err)
{
    struct csv_writer w = {0};
    char *path;
    enum status status = run_folder_file(folder, "efficiency.csv", &path, err);
    if (status != STATUS_OK)
        return status;
    status = csv_writer_open(&w, path, "stage,core_hours,share", err);
    free(path);
    if (status != STATUS_OK)
        return status;
    for (int t = 0; t < TIMING_COUNT; t++)
        write_row(&w, e, timing_name((enum timing)t), e->core_seconds[t]);
    write_row(&w, e, "wait", e->wait);
    return csv_writer_commit(&w, err);
}

static void say(const struct efficiency *e)
{
    enum { LINE = 512 };
    char line[LINE];
    size_t used = 0;
    for (int t = 0; t < TIMING_COUNT && used < sizeof line; t++)
        if (e->core_seconds[t] > 0)
            used += (size_t)snprintf(line + used, sizeof line - used, "%s %.1f %%, ",
                                     timing_name((enum timing)t),
                                     100 * share(e, e->core_seconds[t]));
    if (used >= sizeof line)
        used = sizeof line - 1;
    line[used] = '\0';
    log_info("%.3f core-hours: %swait %.1f %%", e->all / hour, line,
             100 * share(e, e->wait));
    if (e->straggler)
        log_info("host %s computed longest: %.1f %% above the mean of all ranks",
                 e->straggler, 100 * e->ahead);
}

enum status efficiency_report(const struct usage *all, int ranks,
                              const struct run_folder *folder, struct error *err)
{
    struct efficiency e;
    efficiency_of(all, ranks, &e);
    say(&e);
    return write_file(&e, folder, err);
}
