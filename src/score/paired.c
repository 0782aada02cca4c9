#include "score/paired.h"

#include <math.h>

#include "base/memory.h"

/* The seven points and their mean of one resample. */
static void read_resample(const struct curve_input *in, const uint32_t *weights,
                          struct curve_point *points, double summary[BOOTSTRAP_SUMMARY])
{
    double sum = 0;
    size_t count =
        curve_sweep(in, weights, bootstrap_points[BOOTSTRAP_POINTS - 1], points);
    curve_sample(points, count, bootstrap_points, BOOTSTRAP_POINTS, summary);
    for (size_t i = 0; i < BOOTSTRAP_POINTS; i++)
        sum += summary[i];
    summary[BOOTSTRAP_POINTS] = sum / BOOTSTRAP_POINTS;
}

static void check_same_scans(const struct froc_result *a, const struct froc_result *b)
{
    CHECK(a->scan_count == b->scan_count);
    for (size_t i = 0; i < a->scan_count; i++)
        CHECK(a->totals[i].nodules == b->totals[i].nodules);
}

static struct paired_value *value_of(struct paired_result *r, size_t i)
{
    return i < BOOTSTRAP_POINTS ? &r->points[i] : &r->cpm;
}

/* Of values that are sums in another order, what is left is rounding: no bound may lie
 * beyond zero for it. Real differences are no smaller than a share of a nodule. */
static double difference(double of_a, double of_b)
{
    static const double rounding = 1e-12;
    const double d = of_b - of_a;
    return fabs(d) < rounding ? 0 : d;
}

static void observe(const struct froc_result *a, const struct froc_result *b,
                    struct paired_result *out)
{
    for (size_t i = 0; i < BOOTSTRAP_SUMMARY; i++) {
        double of_a = i < BOOTSTRAP_POINTS ? a->sensitivity[i] : a->cpm;
        double of_b = i < BOOTSTRAP_POINTS ? b->sensitivity[i] : b->cpm;
        *value_of(out, i) = (struct paired_value){.a = of_a,
                                                  .b = of_b,
                                                  .difference = difference(of_a, of_b),
                                                  .lower = NAN,
                                                  .upper = NAN};
    }
}

enum status paired_compare(const struct froc_result *a, const struct froc_result *b,
                           size_t resamples, uint64_t seed, struct paired_result *out,
                           struct error *err)
{
    enum status status = STATUS_OK;
    const struct curve_input in[2] = {froc_curve_input(a), froc_curve_input(b)};
    size_t events = in[in[1].event_count > in[0].event_count].event_count;
    uint32_t *weights = NULL;
    struct curve_point *points = NULL;
    double *differences = NULL; /* [BOOTSTRAP_SUMMARY][resamples] */

    check_same_scans(a, b);
    *out = (struct paired_result){0};
    observe(a, b, out);
    if (resamples == 0 || a->counts.nodules == 0)
        return STATUS_OK;
    TRY(memory_new(a->scan_count, sizeof *weights, "weights of scans", (void **)&weights,
                   err));
    TRY(memory_new(events + 1, sizeof *points, "points of a curve", (void **)&points,
                   err));
    TRY(memory_new(resamples, BOOTSTRAP_SUMMARY * sizeof *differences,
                   "differences of resamples", (void **)&differences, err));
    for (size_t i = 0; i < resamples; i++) {
        double of_a[BOOTSTRAP_SUMMARY], of_b[BOOTSTRAP_SUMMARY];
        bootstrap_weights(&in[0], seed, i, weights);
        read_resample(&in[0], weights, points, of_a);
        read_resample(&in[1], weights, points, of_b);
        for (size_t k = 0; k < BOOTSTRAP_SUMMARY; k++)
            differences[k * resamples + i] = difference(of_a[k], of_b[k]);
    }
    for (size_t k = 0; k < BOOTSTRAP_SUMMARY; k++) {
        struct interval found =
            bootstrap_interval(differences + k * resamples, resamples);
        value_of(out, k)->lower = found.lower;
        value_of(out, k)->upper = found.upper;
    }
    out->resamples = resamples;
out:
    free(weights);
    free(points);
    free(differences);
    return status;
}
