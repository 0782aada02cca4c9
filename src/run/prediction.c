#include "run/prediction.h"

#include <math.h>

#include "base/memory.h"
#include "run/master.h"
#include "run/record.h"
#include "run/stage_setup.h"
#include "stage/candidate.h"

/* A worker that waits for its next task looks for it this often, on average. */
static const double worker_looks = 100e-6;

/* PULMO_RETRIES of slurm/pulmo.sbatch. */
enum { BATCH_RETRIES = 3 };

/* --- scans --- */

void prediction_tasks(const struct prediction_request *r,
                      const struct prediction_scan *scan, struct simulation_scan *out)
{
    const struct rates *t = r->rates;
    const double voxels =
        (double)scan->size[0] * (double)scan->size[1] * (double)scan->size[2];
    const double candidates = floor(t->candidates_voxel * voxels + 0.5);
    *out = (struct simulation_scan){.bytes = scan->bytes,
                                    .subset = scan->subset,
                                    .load = (float)(t->load_voxel * voxels)};
    if (t->segment_slices > 0)
        out->runs =
            (int32_t)((scan->size[0] + t->segment_slices - 1) / t->segment_slices);
    if (t->classify_candidate > 0)
        out->batches = (int32_t)record_batches((int64_t)candidates);
    out->serial[TASK_PREPARE] = (float)(t->prepare_voxel * voxels);
    out->serial[TASK_OPEN] = (float)(t->open_byte * (double)scan->bytes);
    out->serial[TASK_GROUP] = (float)(t->group_voxel * voxels);
    out->parallel[TASK_GROUP] = (float)(t->search_voxel * voxels);
    out->result_bytes[TASK_GROUP] = (float)(candidates * sizeof(struct candidate));
    out->order_bytes[TASK_GROUP] = (float)(t->mask_bytes_voxel * voxels);
    if (out->runs > 0) {
        out->parallel[TASK_SEGMENT] = (float)(t->segment_voxel * voxels / out->runs);
        out->result_bytes[TASK_SEGMENT] = out->order_bytes[TASK_GROUP] / (float)out->runs;
    }
    if (out->batches > 0) {
        out->parallel[TASK_CLASSIFY] =
            (float)(t->classify_candidate * candidates / out->batches);
        out->order_bytes[TASK_CLASSIFY] =
            (float)(BATCH_CANDIDATES * sizeof(struct candidate));
    }
}

/* --- ranks on hosts --- */

/* How much faster a task is with threads: a batch has so many pieces. A task of slices
 * has 4, but as many of these are done at once as keep the threads at work
 * (detector_segment.c). */
static double speed_of(int threads)
{
    const int pieces = BATCH_CANDIDATES;
    return (double)pieces / ((pieces + threads - 1) / threads);
}

static int workers_on(const struct prediction_request *r, int ranks, int host)
{
    const int left = ranks - host * r->tasks, here = left < r->tasks ? left : r->tasks;
    return here - (host == 0 && ranks > 1);
}

static int threads_on(const struct prediction_request *r, int workers)
{
    if (r->settings->compute.threads > 0)
        return (int)r->settings->compute.threads;
    return workers > 0 && r->cores > workers ? r->cores / workers : 1;
}

static void lay_out(const struct prediction_request *r, struct prediction *p,
                    float *speed)
{
    int w = 0, given = 0;
    p->hosts = (p->ranks + r->tasks - 1) / r->tasks;
    p->workers = p->ranks > 1 ? p->ranks - 1 : 1;
    p->threads = r->cores;
    for (int h = 0; h < p->hosts; h++) {
        const int here = workers_on(r, p->ranks, h), threads = threads_on(r, here);
        const double crowd = (double)r->cores / ((double)here * threads);
        for (int i = 0; i < here; i++)
            speed[w++] = (float)(speed_of(threads) * fmin(1, crowd));
        if (here > 0 && threads < p->threads)
            p->threads = threads;
        given += here * threads;
    }
    const int a_task = r->cores > r->tasks ? r->cores / r->tasks : 1;
    const int asked = p->ranks * a_task, all = p->hosts * r->cores;
    p->cores = asked < all ? asked : all;
    if (p->ranks == 1)
        p->cores = given < all ? given : all;
}

/* --- sweeps --- */

struct sweeps {
    struct simulation_scan *scans;
    struct simulation_cluster cluster;
    double busy, input, master, span;
};

static enum status sweep(const struct prediction_request *r, struct sweeps *s,
                         enum task_kind first, enum task_kind last, struct prediction *p,
                         double *seconds, struct error *err)
{
    enum status status;
    struct simulation_result found;
    struct simulation_losses losses = {.share = r->losses,
                                       .recover_s = r->settings->cluster.restart_s,
                                       .retries = BATCH_RETRIES,
                                       .seed = r->seed};
    s->cluster.first = first;
    s->cluster.last = last;
    TRY(simulation_run(s->scans, r->count, &s->cluster, NULL, &found, err));
    *seconds = found.seconds;
    s->busy += found.busy;
    s->input += found.input;
    s->master += found.master_busy;
    s->span += found.seconds;
    p->whole &= found.finished == (int64_t)r->count;
    if (r->losses == 0 || p->ranks == 1) {
        p->lossy_s += found.seconds;
        p->surviving_s += found.seconds;
        goto out;
    }
    losses.until_s = found.seconds;
    TRY(simulation_run(s->scans, r->count, &s->cluster, &losses, &found, err));
    p->lossy_s += found.seconds;
    p->lost += found.lost;
    p->launches += found.started - 1;
    p->whole &= found.finished == (int64_t)r->count;
    losses.job_goes_on = true;
    TRY(simulation_run(s->scans, r->count, &s->cluster, &losses, &found, err));
    p->surviving_s += found.finished == (int64_t)r->count ? found.seconds : INFINITY;
out:
    return status;
}

static enum status sweep_all(const struct prediction_request *r, struct sweeps *s,
                             struct prediction *p, struct error *err)
{
    const struct settings *job = r->settings;
    const bool detects = rates_can_detect(job);
    enum status status = STATUS_OK;
    if (job->stages.train || (job->stages.prepare && !detects))
        TRY(sweep(r, s, TASK_PREPARE, TASK_PREPARE, p, &p->prepare_s, err));
    if (detects)
        TRY(sweep(r, s,
                  job->stages.prepare && !job->stages.train ? TASK_PREPARE : TASK_OPEN,
                  TASK_CLASSIFY, p, &p->detect_s, err));
out:
    return status;
}

/* --- training --- */

static int64_t validations_of(const struct train_rates *r)
{
    int64_t n = 0;
    for (int64_t e = 1; r->every > 0 && e <= r->epochs; e++)
        n += e == 1 || e == r->epochs || e % r->every == 0;
    return n;
}

double prediction_training(const struct train_rates *r, const struct settings *s,
                           int workers, int threads, bool spare, double *allreduce)
{
    const double alpha = s->cluster.latency_us * 1e-6,
                 beta = 1e-9 / s->cluster.bandwidth_gbs;
    const double share = ceil((double)r->batch / workers),
                 steps = ceil((double)r->epoch_samples / (double)r->batch);
    const double compute = ceil(share / threads) * r->step, made = share * r->example;
    const double sums = workers > 1 ? (double)r->sums * 2 * ceil(log2(workers)) * alpha +
                                          2 * (double)(workers - 1) / workers *
                                              (double)r->gradient_bytes * beta
                                    : 0;
    const double step = (spare ? fmax(compute, made) : compute + made) + sums;
    const double validated = ceil((double)r->validate_samples / workers);
    const double validation =
        ceil(validated / threads) * r->validate + (spare ? 0 : validated * r->example);
    *allreduce = (double)r->epochs * steps * sums;
    return (double)r->epochs * steps * step + (double)validations_of(r) * validation;
}

static void predict_training(const struct prediction_request *r, struct prediction *p)
{
    double all = 0, sums = 0;
    const int full = workers_on(r, p->ranks, p->hosts > 1 ? 1 : 0);
    const int busy = full > 0 ? full : 1;
    const bool spare = busy * p->threads < r->cores;
    const double crowd = fmax(1, (double)(busy * p->threads) / r->cores);
    for (int i = 0; r->settings->stages.train && i < TRAIN_STAGES; i++) {
        double allreduce;
        if (!r->rates->train[i].trained)
            continue;
        p->train_s[i] =
            crowd * prediction_training(&r->rates->train[i], r->settings, p->workers,
                                        p->threads, spare, &allreduce);
        all += p->train_s[i];
        sums += allreduce;
    }
    p->allreduce = all > 0 ? sums / all : 0;
    const double start = r->rates->start;
    p->lossy_s += all + (double)(p->launches + 1) * start;
    if (all > 0) /* on average half of what is between two checkpoints is done again */
        p->lossy_s += (double)p->launches * r->settings->checkpoint.seconds / 2;
    p->surviving_s += all + start;
    p->seconds = start + p->prepare_s + p->detect_s + all;
}

/* --- a row --- */

/* Core-seconds of the work itself: one worker of one thread. */
static double work_of(const struct prediction_request *r,
                      const struct simulation_scan *scans)
{
    const struct settings *s = r->settings;
    const bool detects = rates_can_detect(s),
               prepares = s->stages.prepare || s->stages.train;
    double work = 0, none;
    for (size_t i = 0; i < r->count; i++) {
        const struct simulation_scan *x = &scans[i];
        if (prepares)
            work += (double)x->serial[TASK_PREPARE];
        if (!detects)
            continue;
        work += (double)(x->load + x->serial[TASK_OPEN] + x->serial[TASK_GROUP] +
                         x->parallel[TASK_GROUP]) +
                (double)x->runs * (double)x->parallel[TASK_SEGMENT] +
                (double)x->batches * (double)x->parallel[TASK_CLASSIFY];
    }
    for (int i = 0; s->stages.train && i < TRAIN_STAGES; i++)
        if (r->rates->train[i].trained)
            work += prediction_training(&r->rates->train[i], s, 1, 1, false, &none);
    return work;
}

static enum status predict(const struct prediction_request *r,
                           struct simulation_scan *scans, struct prediction *p,
                           struct error *err)
{
    const struct settings *job = r->settings;
    const double alpha = job->cluster.latency_us * 1e-6;
    float *speed = NULL;
    enum status status;
    TRY(memory_new((size_t)p->ranks, sizeof *speed, "ranks", (void **)&speed, err));
    lay_out(r, p, speed);
    struct sweeps s = {.scans = scans,
                       .cluster = {.workers = p->workers,
                                   .alone = p->ranks == 1,
                                   .ranks_a_host = r->tasks,
                                   .speed = speed,
                                   .latency_s = alpha + worker_looks,
                                   .byte_s = 1e-9 / job->cluster.bandwidth_gbs,
                                   .storage_byte_s = job->cluster.storage_gbs > 0
                                                         ? 1e-9 / job->cluster.storage_gbs
                                                         : 0,
                                   .enter_s = r->rates->master_s / 2 + alpha / 2,
                                   .order_s = r->rates->master_s / 2 + alpha / 2,
                                   .look_s = MASTER_SLEEP_LONGEST}};
    p->whole = true;
    TRY(sweep_all(r, &s, p, err));
    predict_training(r, p);
    const double work = work_of(r, scans);
    p->speedup = p->seconds > 0 ? work / p->seconds : 0;
    p->efficiency = p->speedup / p->cores;
    p->master_load = s.span > 0 ? s.master / s.span : 0;
    p->input = s.busy > 0 ? s.input / s.busy : 0;
out:
    free(speed);
    return status;
}

enum status prediction_make(const struct prediction_request *r, const int *ranks,
                            size_t count, struct prediction *out, struct error *err)
{
    enum status status;
    struct simulation_scan *scans = NULL;
    TRY(memory_new(r->count, sizeof *scans, "scans", (void **)&scans, err));
    for (size_t i = 0; i < r->count; i++)
        prediction_tasks(r, &r->scans[i], &scans[i]);
    for (size_t i = 0; i < count; i++) {
        out[i] = (struct prediction){.ranks = ranks[i]};
        TRY(predict(r, scans, &out[i], err));
    }
out:
    free(scans);
    return status;
}

size_t prediction_knee(const struct prediction *p, size_t count)
{
    size_t knee = count, best = 0;
    for (size_t i = 0; i < count; i++) {
        if (p[i].efficiency >= PREDICTION_KNEE &&
            (knee == count || p[i].ranks > p[knee].ranks))
            knee = i;
        if (p[i].efficiency > p[best].efficiency)
            best = i;
    }
    return knee < count ? knee : best;
}
