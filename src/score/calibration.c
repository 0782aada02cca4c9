#include "score/calibration.h"

#include <math.h>

#include "base/status.h"

static size_t bin_of(double probability)
{
    CHECK(probability >= 0 && probability <= 1);
    /* 0.3 * 10 and its like may fall on either side of a whole number: the edges are the
     * doubles nearest to k / 10. */
    size_t k = (size_t)(probability * CALIBRATION_BINS);
    if (k > 0 && probability < (double)k / CALIBRATION_BINS)
        k--;
    if (probability >= (double)(k + 1) / CALIBRATION_BINS)
        k++;
    return k < CALIBRATION_BINS ? k : CALIBRATION_BINS - 1;
}

void calibration_compute(struct calibration *c, const double *probabilities,
                         const bool *positive, size_t count)
{
    double sum[CALIBRATION_BINS] = {0}, squares = 0, n = (double)count;
    int64_t cases[CALIBRATION_BINS] = {0}, hits[CALIBRATION_BINS] = {0}, positives = 0;
    for (size_t i = 0; i < count; i++) {
        size_t k = bin_of(probabilities[i]);
        double off = probabilities[i] - positive[i];
        sum[k] += probabilities[i];
        cases[k]++;
        hits[k] += positive[i];
        positives += positive[i];
        squares += off * off;
    }
    *c = (struct calibration){.count = count, .brier = squares / n};
    for (size_t k = 0; k < CALIBRATION_BINS; k++) {
        struct calibration_bin *bin = &c->bins[k];
        bin->predicted = sum[k] / (double)cases[k];
        bin->observed = proportion_of(hits[k], cases[k]);
        c->error += cases[k] ? fabs(sum[k] - (double)hits[k]) : 0;
    }
    c->error /= n;
    double base = (double)positives / n;
    c->skill = base > 0 && base < 1 ? 1 - c->brier / (base * (1 - base)) : NAN;
}
