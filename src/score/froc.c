#include "score/froc.h"

#include <math.h>

#include "base/memory.h"

enum { CURVE_GRID = 10001 };

const char *const froc_reading_names[FROC_READINGS] = {"interpolated", "grid",
                                                       "attained"};

/* ---- from scans to events ---- */

static enum status make_room(const struct scored_scan *scans, size_t scan_count,
                             struct froc_result *r, size_t *most, struct error *err)
{
    enum status status = STATUS_OK;
    size_t marks = 0, nodules = 0;
    if (scan_count == 0 || scan_count >= UINT32_MAX)
        return error_set(err, STATUS_JOB_CONFIG, "%zu scans cannot be scored",
                         scan_count);
    *most = 0;
    for (size_t i = 0; i < scan_count; i++) {
        marks += scans[i].mark_count;
        nodules += scans[i].included_count;
        *most = scans[i].included_count > *most ? scans[i].included_count : *most;
    }
    TRY(memory_new(scan_count, sizeof *r->totals, "scans", (void **)&r->totals, err));
    TRY(memory_new(nodules, sizeof *r->nodules, "nodules", (void **)&r->nodules, err));
    TRY(memory_new(marks, sizeof *r->verdicts, "marks", (void **)&r->verdicts, err));
    TRY(memory_new(nodules + marks, sizeof *r->events, "events of a curve",
                   (void **)&r->events, err));
out:
    return status;
}

static void add_event(struct froc_result *r, size_t scan, double probability, bool hit)
{
    CHECK(isfinite(probability));
    r->events[r->event_count++] =
        (struct event){.probability = probability, .scan = (uint32_t)scan, .hit = hit};
}

/* Matches one scan; its verdicts and nodules stand behind those of the scans before it.
 */
static void add_scan(struct froc_result *r, const struct scored_scan *scan, size_t place,
                     size_t *best)
{
    uint8_t *verdicts = r->verdicts + r->counts.marks;
    struct froc_nodule *nodules = r->nodules + r->counts.nodules;
    struct scan_totals *totals = &r->totals[place];
    match_scan(scan, verdicts, best, &r->counts);
    totals->nodules = (uint32_t)scan->included_count;
    for (size_t k = 0; k < scan->included_count; k++) {
        bool found = best[k] != MATCH_MISSED;
        double probability = found ? scan->marks[best[k]].probability : NAN;
        nodules[k] = (struct froc_nodule){
            .probability = probability, .mark = best[k], .scan = (uint32_t)place};
        totals->hits += found;
        if (found)
            add_event(r, place, probability, true);
    }
    for (size_t i = 0; i < scan->mark_count; i++)
        if (verdicts[i] == MARK_FALSE) {
            totals->falses++;
            add_event(r, place, scan->marks[i].probability, false);
        }
}

/* ---- readings ---- */

static size_t nearest(const double *grid, size_t count, double x)
{
    size_t at = 0;
    for (size_t i = 1; i < count; i++)
        if (fabs(grid[i] - x) < fabs(grid[at] - x))
            at = i;
    return at;
}

static enum status read_points(struct froc_result *r, struct error *err)
{
    double *grid = NULL;
    enum status status =
        memory_new(CURVE_GRID, sizeof *grid, "grid of a curve", (void **)&grid, err);
    if (status != STATUS_OK)
        return status;
    curve_grid(bootstrap_points[0], bootstrap_points[BOOTSTRAP_POINTS - 1], CURVE_GRID,
               grid);
    for (size_t i = 0; i < BOOTSTRAP_POINTS; i++) {
        double x = bootstrap_points[i], on_grid = grid[nearest(grid, CURVE_GRID, x)];
        curve_sample(r->points, r->point_count, &x, 1,
                     &r->readings[FROC_INTERPOLATED][i]);
        curve_sample(r->points, r->point_count, &on_grid, 1, &r->readings[FROC_GRID][i]);
        r->readings[FROC_ATTAINED][i] = curve_attained(r->points, r->point_count, x);
    }
    free(grid);
    for (size_t v = 0; v < FROC_READINGS; v++) {
        double sum = 0;
        for (size_t i = 0; i < BOOTSTRAP_POINTS; i++) {
            if (r->counts.nodules == 0)
                r->readings[v][i] = NAN;
            sum += r->readings[v][i];
        }
        r->reading_cpm[v] = sum / BOOTSTRAP_POINTS;
    }
    memcpy(r->sensitivity, r->readings[FROC_INTERPOLATED], sizeof r->sensitivity);
    r->cpm = r->reading_cpm[FROC_INTERPOLATED];
    return STATUS_OK;
}

/* ---- the whole ---- */

enum status froc_score(const struct scored_scan *scans, size_t scan_count,
                       struct froc_result *out, struct error *err)
{
    enum status status = STATUS_OK;
    size_t *best = NULL, most = 0;
    *out = (struct froc_result){.scan_count = scan_count};
    TRY(make_room(scans, scan_count, out, &most, err));
    TRY(memory_new(most, sizeof *best, "nodules of a scan", (void **)&best, err));
    for (size_t i = 0; i < scan_count; i++)
        add_scan(out, &scans[i], i, best);
    curve_sort(out->events, out->event_count);
    TRY(memory_new(out->event_count + 1, sizeof *out->points, "points of a curve",
                   (void **)&out->points, err));
    struct curve_input input = froc_curve_input(out);
    out->point_count = curve_sweep(&input, NULL, INFINITY, out->points);
    TRY(read_points(out, err));
out:
    free(best);
    return status;
}

struct curve_input froc_curve_input(const struct froc_result *r)
{
    return (struct curve_input){.events = r->events,
                                .scans = r->totals,
                                .event_count = r->event_count,
                                .scan_count = r->scan_count};
}

enum status froc_bootstrap(struct froc_result *out, size_t resamples, uint64_t seed,
                           struct error *err)
{
    enum status status = STATUS_OK;
    struct bootstrap_rows rows = {0};
    struct curve_input input = froc_curve_input(out);
    if (resamples == 0 || out->counts.nodules == 0)
        return STATUS_OK;
    bootstrap_band_release(&out->band);
    TRY(bootstrap_rows_init(&rows, resamples, err));
    TRY(bootstrap_fill(&rows, &input, seed, 0, resamples, err));
    TRY(bootstrap_band_init(&out->band, &rows, seed, err));
out:
    bootstrap_rows_release(&rows);
    return status;
}

double froc_sensitivity(const struct froc_result *r)
{
    if (r->counts.nodules == 0)
        return 0;
    return (double)r->counts.true_positives / (double)r->counts.nodules;
}

void froc_result_release(struct froc_result *r)
{
    free(r->points);
    free(r->events);
    free(r->totals);
    free(r->nodules);
    free(r->verdicts);
    bootstrap_band_release(&r->band);
    *r = (struct froc_result){0};
}
