#include "train/metrics.h"

#include <math.h>

#include "base/memory.h"
#include "score/confusion.h"
#include "score/roc.h"

static const char *const names[] = {
    [METRIC_F1] = "f1",
    [METRIC_AUC] = "auc",
    [METRIC_RECALL] = "recall",
};

int64_t outcome_pack(float probability, int label)
{
    uint32_t bits;
    memcpy(&bits, &probability, sizeof bits);
    return (int64_t)bits << 1 | (label != 0);
}

float outcome_probability(int64_t outcome)
{
    uint32_t bits = (uint32_t)(outcome >> 1);
    float probability;
    memcpy(&probability, &bits, sizeof probability);
    return probability;
}

int outcome_label(int64_t outcome)
{
    return (int)(outcome & 1);
}

static double share(int64_t part, int64_t whole)
{
    return whole > 0 ? (double)part / (double)whole : NAN;
}

static void take_table(const struct confusion *c, struct metrics *m)
{
    const int64_t positives = c->true_positives + c->false_negatives;
    const int64_t negatives = c->true_negatives + c->false_positives;
    m->correct = share(c->true_positives + c->true_negatives, positives + negatives);
    m->correct_positive = share(c->true_positives, positives);
    m->correct_negative = share(c->true_negatives, negatives);
    m->precision = confusion_precision(c);
    m->recall = confusion_recall(c);
    m->f1 = confusion_f1(c);
}

enum status metrics_of_outcomes(const int64_t *outcomes, size_t count, double loss,
                                struct metrics *out, struct error *err)
{
    enum status status;
    double *scores = NULL;
    bool *positive = NULL;
    struct confusion table = {0};
    struct roc_area area;
    TRY(memory_new(count, sizeof *scores, "outcomes", (void **)&scores, err));
    TRY(memory_new(count, sizeof *positive, "outcomes", (void **)&positive, err));
    for (size_t i = 0; i < count; i++) {
        scores[i] = (double)outcome_probability(outcomes[i]);
        positive[i] = outcome_label(outcomes[i]);
    }
    TRY(roc_area_compute(
        &(struct roc_cases){.scores = scores, .positive = positive, .count = count},
        &area, err));
    confusion_add(&table, scores, positive, count, METRICS_THRESHOLD);
    *out = (struct metrics){.samples = (double)count, .loss = loss, .auc = area.area};
    take_table(&table, out);
out:
    free(scores);
    free(positive);
    return status;
}

void voxels_count(const float *probabilities, const float *target, size_t count,
                  int64_t counts[VOXELS])
{
    for (size_t i = 0; i < count; i++) {
        const bool called = (double)probabilities[i] > METRICS_THRESHOLD,
                   is = target[i] > 0;
        counts[called ? is ? VOXELS_TRUE : VOXELS_FALSE
               : is   ? VOXELS_MISSED
                      : VOXELS_RIGHT_OUT]++;
    }
}

void metrics_of_voxels(const int64_t counts[VOXELS], size_t samples, double loss,
                       struct metrics *out)
{
    const struct confusion table = {.true_positives = counts[VOXELS_TRUE],
                                    .false_positives = counts[VOXELS_FALSE],
                                    .false_negatives = counts[VOXELS_MISSED],
                                    .true_negatives = counts[VOXELS_RIGHT_OUT]};
    *out = (struct metrics){.samples = (double)samples, .loss = loss, .auc = NAN};
    take_table(&table, out);
}

enum status metric_parse(const char *name, enum metric *out, struct error *err)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0) {
            *out = (enum metric)i;
            return STATUS_OK;
        }
    return error_set(err, STATUS_JOB_CONFIG, "unknown metric \"%s\" (f1, auc or recall)",
                     name);
}

const char *metric_name(enum metric m)
{
    return names[m];
}

double metric_value(const struct metrics *m, enum metric which)
{
    const double value = which == METRIC_F1    ? m->f1
                         : which == METRIC_AUC ? m->auc
                                               : m->recall;
    return isnan(value) ? 0 : value;
}
