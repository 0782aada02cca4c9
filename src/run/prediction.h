/*
 * How long a job will take on so many ranks of a cluster, from the rates of its stages
 * (run/rates.h), the sizes of its scans and what the group `cluster` of the settings
 * says: sweeps over the scans by simulation (run/simulation.h), training by a formula.
 *
 *   step        share of the batch / threads, the making of examples where no core is
 * left for it, sums over the workers: alpha 2 log2 W each, beta 2 (W - 1) / W validation
 * samples / workers, after the first epoch, the last, and every so many
 *
 * A host's workers share its cores as comm_threads does; more workers than cores slow
 * each other down. Starting ranks and writing run.h5 is not in it. Pure.
 */
#ifndef RUN_PREDICTION_H
#define RUN_PREDICTION_H

#include "run/rates.h"
#include "run/simulation.h"

/* What is known of a scan. */
struct prediction_scan {
    int64_t bytes, size[3];
    int subset;
};

struct prediction_request {
    const struct settings *settings;
    const struct rates *rates;
    const struct prediction_scan *scans;
    size_t count;
    int cores;     /* of a node */
    int tasks;     /* ranks on a node */
    double losses; /* share of the workers that die, 0: none */
    uint64_t seed;
};

struct prediction {
    int ranks, hosts, workers, threads; /* threads: of a worker on a full host */
    int cores;                          /* that the job is given */
    double prepare_s, detect_s, train_s[TRAIN_STAGES];
    double seconds;     /* all of it */
    double speedup;     /* over one core */
    double efficiency;  /* of the cores it is given */
    double master_load; /* share of a core, while it hands out tasks */
    double input;       /* share of the workers' time, in sweeps */
    double allreduce;   /* share of the training */
    /* With losses, as `pulmo run` has them: the job starts again on the hosts left. */
    double lossy_s;
    int64_t lost, launches;
    /* If the schedule alone lost them; infinite where nobody would be left. */
    double surviving_s;
    bool whole; /* every scan is done, once */
};

/* One for each of ranks[count], out[count]. Errors: STATUS_STAGE_MEMORY. */
enum status prediction_make(const struct prediction_request *r, const int *ranks,
                            size_t count, struct prediction *out, struct error *err);

/* Index of the knee: the most ranks of which at least PREDICTION_KNEE of the cores' time
 * is used; where there are none, those that use most. */
#define PREDICTION_KNEE 0.8
size_t prediction_knee(const struct prediction *p, size_t count);

/* Tasks of one scan; for tests, and for whoever drives the simulation alone. */
void prediction_tasks(const struct prediction_request *r,
                      const struct prediction_scan *scan, struct simulation_scan *out);

/* Seconds of a training on so many workers of one host each with `threads`, when `spare`
 * says that hosts have a core left beside; *allreduce of it. */
double prediction_training(const struct train_rates *r, const struct settings *s,
                           int workers, int threads, bool spare, double *allreduce);

#endif
