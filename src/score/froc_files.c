#include "score/froc_files.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <unistd.h>

#include "base/memory.h"
#include "io/csv.h"

enum { STARS = 60 };

#define MISSED_SCORE (-1000000000.0) /* the script's score of a missed nodule */

/* A folder and a name being scored into it. */
struct target {
    const char *folder, *name;
    const struct evaluation *e;
    const struct froc_result *r;
    const bool *corner; /* of each point of the curve */
};

enum { NUMBER_BYTES = 32 };

/* The shortest decimal text that gives the number back. */
static const char *shortest(double value, char text[NUMBER_BYTES])
{
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, NUMBER_BYTES, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    return text;
}

typedef void body_function(FILE *out, const struct target *t);

/* *path = FOLDER/PREFIX NAME SUFFIX (without a name when suffix is NULL), to be freed. */
static enum status path_of(const struct target *t, const char *prefix, const char *suffix,
                           char **path, struct error *err)
{
    char *name;
    if (asprintf(&name, "%s%s%s", prefix, suffix ? t->name : "", suffix ? suffix : "") <
        0)
        return error_set(err, STATUS_STAGE_MEMORY, "%s: no memory", prefix);
    enum status status = path_join(t->folder, name, path, err);
    free(name);
    return status;
}

/* Opens that file, lets `body` write it, and commits it: write errors stay in the stream
 * until then. */
static enum status write_text(const struct target *t, const char *prefix,
                              const char *suffix, body_function *body, struct error *err)
{
    enum status status = STATUS_OK;
    char *path = NULL;
    struct atomic_file file;
    TRY(path_of(t, prefix, suffix, &path, err));
    TRY(atomic_file_open(path, &file, err));
    body(file.stream, t);
    TRY(atomic_file_commit(&file, err));
out:
    free(path);
    return status;
}

/* A file of an earlier score of that name would be taken for this one's. */
static enum status drop(const struct target *t, const char *prefix, const char *suffix,
                        struct error *err)
{
    char *path;
    enum status status = path_of(t, prefix, suffix, &path, err);
    if (status != STATUS_OK)
        return status;
    if (unlink(path) && errno != ENOENT)
        status = error_set(err, STATUS_STAGE_IO, "%s: %s", path, strerror(errno));
    free(path);
    return status;
}

/* ---- the script's files ---- */

static void write_analysis(FILE *out, const struct target *t)
{
    const struct match_counts *c = &t->r->counts;
    char stars[STARS + 1] = {0};
    memset(stars, '*', STARS);
    fprintf(out, "\n%s\nCAD Analysis: %s\n%s\n\n", stars, t->name, stars);
    fprintf(out, "Candidate detection results:\n");
    fprintf(out, "    True positives: %" PRId64 "\n", c->true_positives);
    fprintf(out, "    False positives: %" PRId64 "\n", c->false_positives);
    fprintf(out, "    False negatives: %" PRId64 "\n", c->false_negatives);
    fprintf(out, "    True negatives: 0\n");
    fprintf(out, "    Total number of candidates: %" PRId64 "\n", c->candidates);
    fprintf(out, "    Total number of nodules: %" PRId64 "\n", c->nodules);
    fprintf(out, "    Ignored candidates on excluded nodules: %" PRId64 "\n",
            c->excluded);
    fprintf(out,
            "    Ignored candidates which were double detections on a nodule: %" PRId64
            "\n",
            c->doubles);
    if (c->nodules == 0)
        fprintf(out, "    Sensitivity: 0.0\n");
    else
        fprintf(out, "    Sensitivity: %.9f\n", froc_sensitivity(t->r));
    fprintf(out, "    Average number of candidates per scan: %.9f\n",
            (double)c->candidates / (double)t->r->scan_count);
}

/* scikit-learn gives (0, 0) a score of one more than the highest. */
static double threshold_of(const struct froc_result *r, const struct curve_point *p)
{
    if (p->event != SIZE_MAX)
        return r->events[p->event].probability;
    return r->event_count ? r->events[0].probability + 1 : 1;
}

static void write_curve(FILE *out, const struct target *t)
{
    const struct froc_result *r = t->r;
    for (size_t i = 0; i < r->point_count; i++)
        if (t->corner[i])
            fprintf(out, "%.9f,%.9f,%.9f\n", r->points[i].fps, r->points[i].sensitivity,
                    threshold_of(r, &r->points[i]));
}

static void write_vectors(FILE *out, const struct target *t)
{
    const struct froc_nodule *nodule = t->r->nodules;
    const uint8_t *verdict = t->r->verdicts;
    for (size_t s = 0; s < t->r->scan_count; s++) {
        const struct scored_scan *scan = &t->e->scans[s];
        for (size_t i = 0; i < scan->included_count; i++, nodule++)
            fprintf(out, "1,%.9f\n",
                    nodule->mark == MATCH_MISSED ? MISSED_SCORE : nodule->probability);
        for (size_t i = 0; i < scan->mark_count; i++, verdict++)
            if (*verdict == MARK_FALSE)
                fprintf(out, "0,%.9f\n", scan->marks[i].probability);
    }
}

static void write_band(FILE *out, const struct target *t)
{
    const struct bootstrap_band *b = &t->r->band;
    fprintf(out,
            "FPrate,Sensivity[Mean],Sensivity[Lower bound],Sensivity[Upper bound]\n");
    for (size_t i = 0; i < BOOTSTRAP_GRID; i++)
        fprintf(out, "%.9f,%.9f,%.9f,%.9f\n", b->fps[i], b->grid[i].mean,
                b->grid[i].lower, b->grid[i].upper);
}

/* The script's findings have no name ("None") and no mark ("-1"). It prints coordinates
 * as the list spells them, which is the shortest text for any list written by a program.
 */
static void write_missed(FILE *out, const struct target *t)
{
    char text[NUMBER_BYTES];
    const struct froc_nodule *nodule = t->r->nodules;
    for (size_t s = 0; s < t->r->scan_count; s++) {
        const struct scored_scan *scan = &t->e->scans[s];
        for (size_t i = 0; i < scan->included_count; i++, nodule++) {
            if (nodule->mark != MATCH_MISSED)
                continue;
            fprintf(out, "%s,None,", t->e->seriesuids[s]);
            for (int k = 0; k < 3; k++)
                fprintf(out, "%s,", shortest(scan->included[i].xyz[k], text));
            fprintf(out, "%.9f,-1\n", scan->included[i].diameter_mm);
        }
    }
}

/* ---- ours ---- */

static enum status write_points(const struct target *t, struct error *err)
{
    enum status status = STATUS_OK;
    const struct froc_result *r = t->r;
    struct csv_writer csv;
    char *path = NULL, text[NUMBER_BYTES];
    TRY(path_join(t->folder, "froc.csv", &path, err));
    TRY(csv_writer_open(&csv, path,
                        "threshold,true_positives,false_positives,"
                        "false_positives_per_scan,sensitivity",
                        err));
    for (size_t i = 0; i < r->point_count; i++) {
        const struct curve_point *p = &r->points[i];
        csv_write_text(&csv, p->event == SIZE_MAX
                                 ? ""
                                 : shortest(r->events[p->event].probability, text));
        csv_write_integer(&csv, (int64_t)p->hits);
        csv_write_integer(&csv, (int64_t)p->falses);
        csv_write_number(&csv, "%.9f", p->fps);
        csv_write_number(&csv, "%.9f", p->sensitivity);
        csv_write_end(&csv);
    }
    TRY(csv_writer_commit(&csv, err));
out:
    free(path);
    return status;
}

static enum status write_json(const struct target *t, struct error *err)
{
    enum status status = STATUS_OK;
    char *path = NULL, *text = NULL;
    TRY(path_join(t->folder, "froc.json", &path, err));
    TRY(froc_json(t->name, t->e, t->r, &text, err));
    TRY(file_write(path, text, strlen(text), err));
out:
    free(path);
    free(text);
    return status;
}

enum status froc_write(const char *folder, const char *name, const struct evaluation *e,
                       const struct froc_result *r, struct error *err)
{
    enum status status = STATUS_OK;
    bool *corner = NULL;
    struct target t = {.folder = folder, .name = name, .e = e, .r = r};
    TRY(memory_new(r->point_count, sizeof *corner, "corners of a curve", (void **)&corner,
                   err));
    curve_corners(r->points, r->point_count, corner);
    t.corner = corner;
    TRY(folder_make(folder, err));
    TRY(write_text(&t, "CADAnalysis.txt", NULL, write_analysis, err));
    TRY(write_text(&t, "froc_", ".txt", write_curve, err));
    TRY(write_text(&t, "froc_gt_prob_vectors_", ".csv", write_vectors, err));
    TRY(write_text(&t, "nodulesWithoutCandidate_", ".txt", write_missed, err));
    if (r->band.resamples > 0)
        TRY(write_text(&t, "froc_", "_bootstrapping.csv", write_band, err));
    else
        TRY(drop(&t, "froc_", "_bootstrapping.csv", err));
    TRY(write_points(&t, err));
    TRY(write_json(&t, err));
out:
    free(corner);
    return status;
}
