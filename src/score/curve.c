#include "score/curve.h"

#include <math.h>

static int by_score(const void *left, const void *right)
{
    const struct event *a = left, *b = right;
    if (a->probability != b->probability)
        return a->probability > b->probability ? -1 : 1;
    if (a->scan != b->scan)
        return a->scan < b->scan ? -1 : 1;
    return (int)b->hit - (int)a->hit;
}

void curve_sort(struct event *events, size_t count)
{
    if (count == 0)
        return;
    qsort(events, count, sizeof *events, by_score);
    for (size_t i = 0; i < count; i++)
        events[i].last =
            i + 1 == count || events[i + 1].probability < events[i].probability;
}

/* A sweep's totals, in the doubles they are divided as. */
struct scale {
    double hits, falses, nodules, scans;
};

static struct scale weigh(const struct curve_input *in, const uint32_t *weights)
{
    uint64_t hits = 0, falses = 0, nodules = 0;
    for (size_t i = 0; i < in->scan_count; i++) {
        uint64_t w = weights ? weights[i] : 1;
        hits += w * in->scans[i].hits;
        falses += w * in->scans[i].falses;
        nodules += w * in->scans[i].nodules;
    }
    return (struct scale){(double)hits, (double)falses, (double)nodules,
                          (double)in->scan_count};
}

size_t curve_sweep(const struct curve_input *in, const uint32_t *weights,
                   double fps_limit, struct curve_point *points)
{
    struct scale all = weigh(in, weights);
    struct curve_point now = {.event = SIZE_MAX};
    uint64_t hits = 0, falses = 0;
    size_t count = 0;
    points[count++] = now;
    for (size_t i = 0; i < in->event_count && now.fps <= fps_limit; i++) {
        const struct event *e = &in->events[i];
        uint64_t w = weights ? weights[e->scan] : 1;
        hits += e->hit ? w : 0;
        falses += e->hit ? 0 : w;
        if (!e->last || (hits == now.hits && falses == now.falses))
            continue;
        if (falses != now.falses)
            now.fps = (double)falses / all.falses * all.falses / all.scans;
        if (hits != now.hits)
            now.sensitivity = (double)hits / all.hits * all.hits / all.nodules;
        now.hits = hits;
        now.falses = falses;
        now.event = i;
        points[count++] = now;
    }
    return count;
}

void curve_sample(const struct curve_point *points, size_t point_count, const double *fps,
                  size_t count, double *sensitivity)
{
    size_t at = 0;
    bool known = false; /* the slope from `at` to the next point */
    double slope = 0;
    for (size_t i = 0; i < count; i++) {
        while (at + 1 < point_count && points[at + 1].fps <= fps[i]) {
            at++;
            known = false;
        }
        const struct curve_point *p = &points[at];
        if (at + 1 == point_count || p->fps == fps[i]) {
            sensitivity[i] = p->sensitivity;
            continue;
        }
        if (!known)
            slope = (p[1].sensitivity - p->sensitivity) / (p[1].fps - p->fps);
        known = true;
        sensitivity[i] = slope * (fps[i] - p->fps) + p->sensitivity;
    }
}

double curve_attained(const struct curve_point *points, size_t point_count, double fps)
{
    size_t at = 0;
    while (at + 1 < point_count && points[at + 1].fps <= fps)
        at++;
    return points[at].sensitivity;
}

/* scikit-learn's drop_intermediate works on the points after (0, 0), which is put before
 * them afterwards: the first two points are always corners. */
void curve_corners(const struct curve_point *points, size_t point_count, bool *corner)
{
    for (size_t i = 0; i < point_count; i++) {
        corner[i] = i < 2 || i + 1 == point_count;
        if (corner[i])
            continue;
        const struct curve_point *p = &points[i];
        corner[i] = p[1].hits - p->hits != p->hits - p[-1].hits ||
                    p[1].falses - p->falses != p->falses - p[-1].falses;
    }
}

void curve_grid(double first, double last, size_t count, double *grid)
{
    double step = (last - first) / (double)(count - 1);
    for (size_t i = 0; i < count; i++)
        grid[i] = (double)i * step + first;
    grid[count - 1] = last;
}
