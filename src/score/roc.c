#include "score/roc.h"

#include <math.h>

#include "base/memory.h"
#include "score/proportion.h"

struct ranked {
    double score;
    size_t index;
    bool positive;
};

/* Descending; ties by place, so that the order is one and the same everywhere. */
static int by_score(const void *left, const void *right)
{
    const struct ranked *a = left, *b = right;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return (a->index > b->index) - (a->index < b->index);
}

static enum status rank(const struct roc_cases *c, const double *scores,
                        struct ranked **out, struct error *err)
{
    enum status status = memory_new(c->count, sizeof **out, "ranks", (void **)out, err);
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < c->count; i++) {
        if (!isfinite(scores[i])) {
            free(*out);
            *out = NULL;
            return error_set(err, STATUS_STAGE_NUMERIC, "score %zu of %zu is %g", i,
                             c->count, scores[i]);
        }
        (*out)[i] = (struct ranked){scores[i], i, c->positive[i]};
    }
    if (c->count > 1)
        qsort(*out, c->count, sizeof **out, by_score);
    return STATUS_OK;
}

/* The end of the run of equal scores that begins at `first`, and how many positives it
 * holds. */
static size_t run_end(const struct ranked *r, size_t count, size_t first, int64_t *hits)
{
    size_t end = first;
    *hits = 0;
    while (end < count && r[end].score == r[first].score)
        *hits += r[end++].positive;
    return end;
}

/* ---- the area ---- */

/* A score's standing among the cases. placement[i] is the share of the other kind that
 * case i is on the right side of, ties half: the mean over either kind is the area. */
struct standing {
    double *placement;
    struct roc_area area; /* no interval yet */
};

static enum status stand(const struct roc_cases *c, const double *scores,
                         struct standing *s, struct error *err)
{
    enum status status = STATUS_OK;
    struct ranked *r = NULL;
    int64_t above = 0, hits; /* positives of higher scores; of this score */
    uint64_t twice = 0;      /* pairs in order, doubled */
    *s = (struct standing){0};
    TRY(rank(c, scores, &r, err));
    TRY(memory_new(c->count, sizeof *s->placement, "placements", (void **)&s->placement,
                   err));
    for (size_t i = 0; i < c->count; i++)
        s->area.positives += c->positive[i];
    s->area.negatives = (int64_t)c->count - s->area.positives;
    int64_t m = s->area.positives, n = s->area.negatives;
    for (size_t first = 0, end; first < c->count; first = end) {
        end = run_end(r, c->count, first, &hits);
        int64_t others = (int64_t)(end - first) - hits;
        int64_t below = n - ((int64_t)first - above) - others; /* negatives */
        for (size_t i = first; i < end; i++)
            s->placement[r[i].index] =
                r[i].positive ? (double)(2 * below + others) / (2 * (double)n)
                              : (double)(2 * above + hits) / (2 * (double)m);
        twice += (uint64_t)hits * (uint64_t)(2 * below + others);
        above += hits;
    }
    s->area.area = (double)twice / (2 * (double)m * (double)n); /* NaN: 0 / 0 */
out:
    free(r);
    return status;
}

/* The covariance of two areas: that of their placements, a kind at a time. NaN below two
 * cases of either kind. */
static double covariance(const struct roc_cases *c, const struct standing *a,
                         const struct standing *b)
{
    double sum[2] = {0}, number[2] = {0};
    for (size_t i = 0; i < c->count; i++) {
        bool kind = c->positive[i];
        sum[kind] += (a->placement[i] - a->area.area) * (b->placement[i] - b->area.area);
        number[kind]++;
    }
    if (number[0] < 2 || number[1] < 2)
        return NAN;
    return sum[0] / ((number[0] - 1) * number[0]) +
           sum[1] / ((number[1] - 1) * number[1]);
}

static void set_interval(struct roc_area *a, double variance)
{
    double half = NORMAL_95 * sqrt(variance);
    a->lower = isnan(half) ? NAN : fmax(0, a->area - half);
    a->upper = isnan(half) ? NAN : fmin(1, a->area + half);
}

enum status roc_area_compute(const struct roc_cases *cases, struct roc_area *out,
                             struct error *err)
{
    struct standing s;
    enum status status = stand(cases, cases->scores, &s, err);
    *out = s.area;
    if (status == STATUS_OK)
        set_interval(out, covariance(cases, &s, &s));
    free(s.placement);
    return status;
}

enum status roc_compare(const struct roc_cases *cases, const double *other_scores,
                        struct roc_difference *out, struct error *err)
{
    enum status status = STATUS_OK;
    struct standing a = {0}, b = {0};
    *out = (struct roc_difference){0};
    TRY(stand(cases, cases->scores, &a, err));
    TRY(stand(cases, other_scores, &b, err));
    double of_a = covariance(cases, &a, &a), of_b = covariance(cases, &b, &b);
    double variance = fmax(0, of_a + of_b - 2 * covariance(cases, &a, &b));
    if (isnan(of_a))
        variance = NAN;
    out->a = a.area;
    out->b = b.area;
    set_interval(&out->a, of_a);
    set_interval(&out->b, of_b);
    out->difference = a.area.area - b.area.area;
    out->lower = out->difference - NORMAL_95 * sqrt(variance);
    out->upper = out->difference + NORMAL_95 * sqrt(variance);
    out->p = out->difference == 0 ? 1 : erfc(fabs(out->difference) / sqrt(2 * variance));
out:
    free(a.placement);
    free(b.placement);
    return status;
}

/* ---- the curve ---- */

enum status roc_curve(const struct roc_cases *c, struct roc_point *points,
                      size_t *point_count, struct error *err)
{
    struct ranked *r;
    int64_t true_ones = 0, false_ones = 0, hits;
    *point_count = 0;
    enum status status = rank(c, c->scores, &r, err);
    if (status != STATUS_OK)
        return status;
    points[(*point_count)++] = (struct roc_point){0, 0, INFINITY};
    for (size_t first = 0, end; first < c->count; first = end) {
        end = run_end(r, c->count, first, &hits);
        true_ones += hits;
        false_ones += (int64_t)(end - first) - hits;
        points[(*point_count)++] =
            (struct roc_point){(double)false_ones, (double)true_ones, r[first].score};
    }
    for (size_t i = 1; i < *point_count; i++) {
        points[i].false_positive_rate /= false_ones ? (double)false_ones : 1;
        points[i].true_positive_rate /= true_ones ? (double)true_ones : 1;
    }
    free(r);
    return STATUS_OK;
}
