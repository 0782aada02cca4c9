#include "inspect/forecast.h"

#include <math.h>
#include <unistd.h>

#include "base/memory.h"
#include "run/train_memory.h"

bool forecast_is_wanted(const struct settings *s)
{
    return s->cluster.nodes > 0;
}

/* --- the cluster --- */

static void take_cluster(struct forecast *f)
{
    const struct settings *s = f->settings;
    const long here = sysconf(_SC_NPROCESSORS_ONLN);
    f->cores = s->cluster.cores > 0 ? (int)s->cluster.cores : here > 0 ? (int)here : 1;
    f->tasks = s->cluster.tasks > 0 ? (int)s->cluster.tasks : f->cores;
}

/* The numbers that were asked for, and that of the cluster. */
static enum status take_ranks(const struct forecast *f, int **out, size_t *count,
                              struct error *err)
{
    const struct forecast_request *r = f->request;
    const int64_t whole = f->settings->cluster.nodes * f->tasks;
    enum status status =
        memory_new(r->count + 1, sizeof **out, "ranks", (void **)out, err);
    *count = 0;
    bool there = whole == 0;
    for (size_t i = 0; status == STATUS_OK && i < r->count; i++) {
        if (!there && whole < r->ranks[i]) {
            (*out)[(*count)++] = (int)whole;
            there = true;
        }
        there = there || whole == r->ranks[i];
        (*out)[(*count)++] = r->ranks[i];
    }
    if (status == STATUS_OK && !there)
        (*out)[(*count)++] = (int)whole;
    return status;
}

/* --- scans --- */

/* Those with a good header. */
static enum status take_scans(const struct survey *v, struct prediction_scan **out,
                              size_t *count, struct error *err)
{
    enum status status =
        memory_new(v->dataset.count, sizeof **out, "scans", (void **)out, err);
    *count = 0;
    for (size_t i = 0; status == STATUS_OK && i < v->dataset.count; i++) {
        struct prediction_scan *p = &(*out)[*count];
        if (v->reasons[i])
            continue;
        *p = (struct prediction_scan){.bytes = v->facts[i].file_bytes,
                                      .subset = v->dataset.scans[i].subset};
        memcpy(p->size, v->facts[i].geometry.size, sizeof p->size);
        (*count)++;
    }
    return status;
}

static enum status measure(struct forecast *f, const struct survey *v, struct error *err)
{
    enum status status;
    bool *usable = NULL;
    struct rates_options o = {
        .seconds = f->request->seconds, .cores = f->cores, .dataset = &v->dataset};
    const double start = rates_core_seconds();
    TRY(isa_parse(f->settings->compute.isa, &o.isa, err));
    isa_use(o.isa);
    TRY(memory_new(v->dataset.count, sizeof *usable, "scans", (void **)&usable, err));
    for (size_t i = 0; i < v->dataset.count; i++)
        usable[i] = !v->reasons[i];
    o.usable = usable;
    TRY(rates_measure(&f->rates, f->settings, &o, err));
    if (f->request->run)
        TRY(rates_take_run(&f->rates, f->request->run, err));
    f->measured_s = rates_core_seconds() - start;
out:
    free(usable);
    return status;
}

/* --- memory --- */

/* What a rank takes: the program with its libraries, and the larger of what a sweep and
 * what a training holds. */
static void estimate_memory(struct forecast *f, const struct survey *v)
{
    const int64_t program = 200000000;
    const struct prediction *p = &f->rows[f->submitted];
    const struct survey_room *r = &v->room;
    int64_t most = r->voxel_bytes + r->model_bytes + p->threads * r->thread_bytes;
    for (int i = 0; i < TRAIN_STAGES; i++) {
        const struct survey_training *t = &r->training[i];
        if (!t->stage || t->error)
            continue;
        const int64_t share = (t->batch + p->workers - 1) / p->workers;
        const int64_t bytes = t->alone_bytes - (t->batch - share) * t->sample_bytes;
        most = bytes > most ? bytes : most;
    }
    f->rank_bytes = program + most;
}

/* --- all of it --- */

enum status forecast_init(struct forecast *f, const struct survey *v,
                          const struct settings *s, const struct forecast_request *r,
                          struct error *err)
{
    enum status status;
    struct prediction_scan *scans = NULL;
    int *ranks = NULL;
    *f = (struct forecast){.settings = s, .request = r};
    f->detects_later = s->stages.detect && !rates_can_detect(s);
    take_cluster(f);
    struct prediction_request p = {.settings = s,
                                   .rates = &f->rates,
                                   .cores = f->cores,
                                   .tasks = f->tasks,
                                   .losses = r->losses,
                                   .seed = (uint64_t)s->seed};
    TRY(take_ranks(f, &ranks, &f->count, err));
    TRY(take_scans(v, &scans, &p.count, err));
    TRY(measure(f, v, err));
    p.scans = scans;
    TRY(memory_new(f->count, sizeof *f->rows, "forecast", (void **)&f->rows, err));
    TRY(prediction_make(&p, ranks, f->count, f->rows, err));
    f->knee = f->submitted = prediction_knee(f->rows, f->count);
    for (size_t i = 0; i < f->count; i++)
        if (f->rows[i].ranks == s->cluster.nodes * f->tasks)
            f->submitted = i;
    estimate_memory(f, v);
out:
    free(scans);
    free(ranks);
    return status;
}

void forecast_release(struct forecast *f)
{
    free(f->rows);
    f->rows = NULL;
}
