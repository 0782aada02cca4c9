/* A forecast for people, as JSON, and as the line that submits the job. */
#include <math.h>

#include "base/clock.h"
#include "inspect/forecast.h"
#include "run/train_recipe.h"

/* --- the line --- */

/* A quarter more than predicted, and starting; whole minutes. A job that comes to its
 * limit is queued again and goes on. */
static int64_t minutes_of(const struct forecast *f)
{
    const struct prediction *p = &f->rows[f->submitted];
    const double seconds = f->request->losses > 0 ? p->lossy_s : p->seconds;
    return (int64_t)ceil((1.25 * seconds + 120) / 60);
}

/* In single quotes, so that a shell gives it back as it is. */
static void write_word(FILE *out, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789_-+=./:,@%";
    if (text[0] && strspn(text, plain) == strlen(text)) {
        fputs(text, out);
        return;
    }
    fputc('\'', out);
    for (; *text; text++)
        *text == '\'' ? fputs("'\\''", out) : fputc(*text, out);
    fputc('\'', out);
}

static void write_environment(const struct settings *s, FILE *out)
{
    if (strcmp(s->cluster.launcher, "mpirun") != 0)
        fprintf(out, "PULMO_LAUNCHER=%s ", s->cluster.launcher);
    if (s->cluster.scratch[0]) {
        fputs("PULMO_SCRATCH=", out);
        write_word(out, s->cluster.scratch);
        fputc(' ', out);
    }
}

static void write_job(const struct forecast_request *r, FILE *out)
{
    bool named = false;
    fputs(" slurm/pulmo.sbatch ", out);
    write_word(out, r->job);
    if (r->site) {
        fputs(" --site ", out);
        write_word(out, r->site);
    }
    for (size_t i = 0; i < r->assignment_count; i++) {
        fputs(" --set ", out);
        write_word(out, r->assignments[i]);
        named = named || !strncmp(r->assignments[i], "output=", strlen("output="));
    }
    if (!named)
        fputs(" --set output=RUN", out);
}

enum status forecast_submission(const struct forecast *f, char **out, struct error *err)
{
    const struct settings *s = f->settings;
    const struct prediction *p = &f->rows[f->submitted];
    const int cpus = f->cores > f->tasks ? f->cores / f->tasks : 1;
    const int here = p->ranks < f->tasks ? p->ranks : f->tasks;
    const int64_t minutes = minutes_of(f),
                  megabytes = (here * f->rank_bytes + 999999) / 1000000;
    size_t bytes;
    FILE *line = open_memstream(out, &bytes);
    if (!line)
        return error_set(err, STATUS_STAGE_MEMORY, "no memory for a line");
    write_environment(s, line);
    fprintf(line,
            "sbatch --nodes=%d --ntasks=%d --ntasks-per-node=%d --cpus-per-task=%d "
            "--mem=%lldM --time=%lld:%02lld:00",
            p->hosts, p->ranks, here, cpus, (long long)megabytes,
            (long long)(minutes / 60), (long long)(minutes % 60));
    if (s->cluster.partition[0]) {
        fputs(" --partition=", line);
        write_word(line, s->cluster.partition);
    }
    write_job(f->request, line);
    return fclose(line) ? error_set(err, STATUS_STAGE_MEMORY, "no memory for a line")
                        : STATUS_OK;
}

/* --- for people --- */

static void print_rates(const struct forecast *f, FILE *out)
{
    const struct rates *r = &f->rates;
    const double mega = 1e6;
    if (f->request->run)
        fprintf(out, "\nrates        of %lld scans of %s", (long long)r->scans,
                f->request->run);
    else
        fprintf(out, "\nrates        measured on this machine with %lld scans",
                (long long)r->scans);
    fprintf(out, ", %.1f s of processor time; a core takes\n", f->measured_s);
    fprintf(out, "  input      %.3f s a million voxels, %.3f s a million bytes hashed\n",
            r->load_voxel * mega, r->open_byte * mega);
    if (r->prepare_voxel > 0)
        fprintf(out, "  prepare    %.3f s a million voxels\n", r->prepare_voxel * mega);
    if (r->segment_voxel + r->search_voxel > 0)
        fprintf(out, "  segment    %.3f s a million voxels\n",
                (r->segment_voxel + r->search_voxel) * mega);
    if (r->group_voxel > 0)
        fprintf(out, "  group      %.3f s a million voxels\n", r->group_voxel * mega);
    if (r->classify_candidate > 0)
        fprintf(out,
                "  classify   %.2f ms a candidate, %.1f candidates a million voxels\n",
                r->classify_candidate * 1e3, r->candidates_voxel * mega);
    for (enum train_stage i = 0; i < TRAIN_STAGES; i++)
        if (r->train[i].trained)
            fprintf(out,
                    "  train      %s: %.2f ms a sample, %.2f ms to make it, %.2f ms to "
                    "validate one; %.2f MB a step to add up\n",
                    train_stage_name(i), r->train[i].step * 1e3,
                    r->train[i].example * 1e3, r->train[i].validate * 1e3,
                    (double)r->train[i].gradient_bytes * 1e-6);
    fprintf(out, "  master     %.1f us a task, without its messages\n",
            r->master_s * 1e6);
}

static void print_row(const struct forecast *f, const struct prediction *p, FILE *out)
{
    char text[32], lossy[32], surviving[32];
    clock_describe(p->seconds, text, sizeof text);
    fprintf(out, "%6d %6d %8d %12.1f  %-13s %7.1f %9.1f %% %9.2f %% %7.1f %%", p->ranks,
            p->hosts, p->threads, p->seconds, text, p->speedup, 100 * p->efficiency,
            100 * p->master_load, 100 * p->input);
    if (f->request->losses > 0) {
        clock_describe(p->lossy_s, lossy, sizeof lossy);
        if (isfinite(p->surviving_s))
            clock_describe(p->surviving_s, surviving, sizeof surviving);
        else
            snprintf(surviving, sizeof surviving, "nobody is left");
        fprintf(out, "  %4lld lost: %s, %lld launches; %s%s", (long long)p->lost, lossy,
                (long long)p->launches + 1, surviving,
                p->whole ? "" : "; NOT ALL SCANS ARE DONE");
    }
    fputc('\n', out);
}

void forecast_print(const struct forecast *f, FILE *out)
{
    const struct settings *s = f->settings;
    char *line = NULL;
    struct error err;
    print_rates(f, out);
    fprintf(out,
            "\nforecast     nodes of %d cores and %d ranks; messages %g us and %g GB/s; "
            "files ",
            f->cores, f->tasks, s->cluster.latency_us, s->cluster.bandwidth_gbs);
    if (s->cluster.storage_gbs > 0)
        fprintf(out, "%g GB/s\n", s->cluster.storage_gbs);
    else
        fprintf(out, "without a bound\n");
    fprintf(out, " ranks  nodes  threads      seconds                speed-up  "
                 "efficiency      master    input");
    if (f->request->losses > 0)
        fprintf(out,
                "  %g %% of the workers die: the job starts again; if the schedule "
                "lost them alone",
                100 * f->request->losses);
    fputc('\n', out);
    for (size_t i = 0; i < f->count; i++)
        print_row(f, &f->rows[i], out);
    fprintf(out, "knee         %d ranks: %.1f %% of their cores' time is used\n",
            f->rows[f->knee].ranks, 100 * f->rows[f->knee].efficiency);
    if (f->detects_later)
        fprintf(out, "             detection with the models that the job trains is not "
                     "in it\n");
    if ((double)f->rank_bytes * f->tasks > s->cluster.memory_gb * 1e9 &&
        s->cluster.memory_gb > 0)
        fprintf(out,
                "             %d ranks take %.1f GB, a node has cluster.memory_gb = "
                "%g: fewer tasks, or a smaller limits.memory_gb\n",
                f->tasks, (double)f->rank_bytes * f->tasks * 1e-9, s->cluster.memory_gb);
    if (forecast_submission(f, &line, &err) == STATUS_OK)
        fprintf(out, "submit       %s\n", line);
    free(line);
}

/* --- for programs --- */

static json_t *row_json(const struct prediction *p)
{
    json_t *train = json_array();
    for (int i = 0; i < TRAIN_STAGES; i++)
        json_array_append_new(train, json_real(p->train_s[i]));
    return json_pack(
        "{s:i, s:i, s:i, s:i, s:i, s:f, s:f, s:f, s:o, s:f, s:f, s:f, s:f, s:f, s:f, "
        "s:o, s:I, s:I, s:b}",
        "ranks", p->ranks, "nodes", p->hosts, "workers", p->workers, "threads",
        p->threads, "cores", p->cores, "seconds", p->seconds, "prepare_s", p->prepare_s,
        "detect_s", p->detect_s, "train_s", train, "speedup", p->speedup, "efficiency",
        p->efficiency, "master_load", p->master_load, "input_share", p->input,
        "allreduce_share", p->allreduce, "lossy_s", p->lossy_s, "surviving_s",
        isfinite(p->surviving_s) ? json_real(p->surviving_s) : json_null(), "lost",
        (json_int_t)p->lost, "launches", (json_int_t)p->launches + 1, "every_scan_once",
        p->whole);
}

json_t *forecast_json(const struct forecast *f)
{
    const struct rates *r = &f->rates;
    json_t *rows = json_array();
    char *line = NULL;
    struct error err;
    for (size_t i = 0; i < f->count; i++)
        json_array_append_new(rows, row_json(&f->rows[i]));
    json_t *rates = json_pack(
        "{s:s?, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "run",
        f->request->run, "scans", (json_int_t)r->scans, "open_s_byte", r->open_byte,
        "load_s_voxel", r->load_voxel, "prepare_s_voxel", r->prepare_voxel,
        "segment_s_voxel", r->segment_voxel, "search_s_voxel", r->search_voxel,
        "group_s_voxel", r->group_voxel, "classify_s_candidate", r->classify_candidate,
        "candidates_voxel", r->candidates_voxel, "master_s_task", r->master_s);
    if (forecast_submission(f, &line, &err) != STATUS_OK)
        line = NULL;
    json_t *all = json_pack("{s:o, s:o, s:i, s:i, s:I, s:s?}", "rates", rates, "rows",
                            rows, "knee_ranks", f->rows[f->knee].ranks, "submitted_ranks",
                            f->rows[f->submitted].ranks, "rank_bytes",
                            (json_int_t)f->rank_bytes, "submit", line);
    free(line);
    return all;
}
