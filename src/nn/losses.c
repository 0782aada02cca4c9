#include "nn/losses.h"

#include <math.h>

#include "nn/elementary.h"

static const char *const names[] = {
    [LOSS_CROSS_ENTROPY] = "cross-entropy",
    [LOSS_FOCAL] = "focal",
    [LOSS_BCE] = "bce",
    [LOSS_DICE] = "dice",
    [LOSS_DICE_BCE] = "dice-bce",
};

enum { LOSS_KINDS = sizeof names / sizeof names[0] };

struct loss loss_make(enum loss_kind kind)
{
    return (struct loss){.kind = kind, .gamma = 2, .positive = 0.25, .overlap_weight = 8};
}

const char *loss_name(enum loss_kind k)
{
    return names[k];
}

enum status loss_parse(const char *name, enum loss_kind *out, struct error *err)
{
    for (int i = 0; i < LOSS_KINDS; i++)
        if (strcmp(names[i], name) == 0) {
            *out = (enum loss_kind)i;
            return STATUS_OK;
        }
    return error_set(err, STATUS_JOB_CONFIG,
                     "unknown loss \"%s\" (cross-entropy, focal, bce, dice or dice-bce)",
                     name);
}

bool loss_takes_logits(enum loss_kind k)
{
    return k != LOSS_DICE;
}

bool loss_serves(enum loss_kind k, bool vector)
{
    return k == LOSS_FOCAL || vector == (k == LOSS_CROSS_ENTROPY);
}

/* a (1 - p)^gamma * -log p, and its derivative by log p. p = 1 - rest; both are given, so
 * that neither loses its digits near 0. */
static double focus(const struct loss *l, double a, double log_p, double p, double rest,
                    double *by_log_p)
{
    if (l->kind != LOSS_FOCAL) {
        *by_log_p = -1;
        return -log_p;
    }
    const double weight = a * same_pow(rest, l->gamma);
    /* d rest / d log p = -p */
    const double slope = rest > 0 ? a * l->gamma * same_pow(rest, l->gamma - 1) * p : 0;
    *by_log_p = slope * log_p - weight;
    return weight * -log_p;
}

double loss_of_class(const struct loss *l, const struct view *logits, int label,
                     double factor, const struct view *gradient)
{
    const int classes = logits->channels;
    const float *x = logits->data;
    double most = (double)x[0], sum = 0, others = 0, by_log_p;

    CHECK(label >= 0 && label < classes);
    for (int c = 1; c < classes; c++)
        most = (double)x[c] > most ? (double)x[c] : most;
    for (int c = 0; c < classes; c++) {
        const double e = same_exp((double)x[c] - most);
        sum += e;
        others += c == label ? 0 : e;
    }
    const double log_p = (double)x[label] - most - same_log(sum);
    const double a = label == 1 ? l->positive : 1 - l->positive;
    const double loss = focus(l, a, log_p, same_exp(log_p), others / sum, &by_log_p);
    for (int c = 0; c < classes; c++) {
        const double p = same_exp((double)x[c] - most) / sum;
        const double log_p_by_x = c == label ? others / sum : -p;
        gradient->data[c] = (float)(factor * by_log_p * log_p_by_x);
    }
    return loss;
}

/* Calls body for every voxel and channel, in the order of the target; x and t are what is
 * there, g where the gradient goes. */
#define EACH_VALUE(body)                                                                 \
    do {                                                                                 \
        const float *target_ = target;                                                   \
        for (int c_ = 0; c_ < output->channels; c_++)                                    \
            for (int64_t z_ = 0; z_ < output->depth; z_++)                               \
                for (int64_t y_ = 0; y_ < output->height; y_++) {                        \
                    const float *x_ = output->data + z_ * output->stride_d +             \
                                      y_ * output->stride_h + c_;                        \
                    float *g = gradient->data + z_ * gradient->stride_d +                \
                               y_ * gradient->stride_h + c_;                             \
                    for (int64_t i_ = 0; i_ < output->width;                             \
                         i_++, x_ += output->stride_w, g += gradient->stride_w) {        \
                        const double x = (double)*x_, t = (double)*target_++;            \
                        body                                                             \
                    }                                                                    \
                }                                                                        \
    } while (0)

/* The binary cross-entropy of a voxel and its derivative by x, of which the target's two
 * sides have the shares weight * t and 1 - t. */
static double binary(const struct loss *l, double x, double t, double weight,
                     double *by_x)
{
    const double e = same_exp(-fabs(x)), larger = 1 / (1 + e), smaller = e / (1 + e);
    const double p = x > 0 ? larger : smaller, rest = x > 0 ? smaller : larger;
    const double log_p = (x > 0 ? 0 : x) - same_log1p(e), log_rest = log_p - x;
    double by_log_p, by_log_rest;
    const double positive = focus(l, l->positive, log_p, p, rest, &by_log_p);
    const double negative = focus(l, 1 - l->positive, log_rest, rest, p, &by_log_rest);
    *by_x = weight * t * by_log_p * rest - (1 - t) * by_log_rest * p;
    return weight * t * positive + (1 - t) * negative;
}

static double value_count(const struct view *output)
{
    return (double)output->channels * (double)output->depth * (double)output->height *
           (double)output->width;
}

static double binary_mean(const struct loss *l, const struct view *output,
                          const float *target, double weight, double factor,
                          const struct view *gradient)
{
    const double share = 1 / value_count(output);
    double sum = 0;
    EACH_VALUE({
        double by_x;
        sum += binary(l, x, t, weight, &by_x);
        *g = (float)(factor * share * by_x);
    });
    return sum * share;
}

static double dice(const struct loss *l, const struct view *output, const float *target,
                   double factor, const struct view *gradient)
{
    double p = 0, t_sum = 0, pt = 0, ptt = 0;
    EACH_VALUE({
        p += x;
        t_sum += t;
        pt += x * t;
        ptt += x * t * t;
        (void)g;
    });
    const double whole = p + t_sum + 1, part = pt + t_sum + 1;
    const double whole_share = (2 * pt + 1) / whole, part_share = (2 * ptt + 1) / part;
    const double by_whole = factor / whole, by_part = factor * l->overlap_weight / part;
    EACH_VALUE({
        (void)x;
        *g = (float)(by_whole * (whole_share - 2 * t) +
                     by_part * t * (part_share - 2 * t));
    });
    return 1 - whole_share + l->overlap_weight * (1 - part_share);
}

/* d(p, t) of p = sigmoid(x); its gradient is added to what stands there. */
static double add_overlap(const struct view *output, const float *target, double factor,
                          const struct view *gradient)
{
    double p_sum = 0, t_sum = 0, pt = 0;
    EACH_VALUE({
        const double p = 1 / (1 + same_exp(-x));
        p_sum += p;
        t_sum += t;
        pt += p * t;
        (void)g;
    });
    const double whole = p_sum + t_sum + 1, share = (2 * pt + 1) / whole;
    EACH_VALUE({
        const double e = same_exp(-fabs(x));
        const double slope = e / ((1 + e) * (1 + e));
        *g = (float)((double)*g + factor * slope * (share - 2 * t) / whole);
    });
    return 1 - share;
}

/* Where the target is empty there is no overlap: a network that says no everywhere would
 * be right at once, which is the first thing that it learns, and the last. */
static double dice_bce(const struct loss *l, const struct view *output,
                       const float *target, double factor, const struct view *gradient)
{
    const double count = value_count(output);
    double sum = 0;
    for (int64_t i = 0; i < (int64_t)count; i++)
        sum += (double)target[i];
    if (sum == 0)
        return binary_mean(l, output, target, 1, factor, gradient);
    const double weight = sqrt(fmax((count - sum) / sum, 1));
    return binary_mean(l, output, target, weight, factor, gradient) +
           add_overlap(output, target, factor, gradient);
}

double loss_of_map(const struct loss *l, const struct view *output, const float *target,
                   double factor, const struct view *gradient)
{
    switch (l->kind) {
    case LOSS_DICE:
        return dice(l, output, target, factor, gradient);
    case LOSS_DICE_BCE:
        return dice_bce(l, output, target, factor, gradient);
    default:
        return binary_mean(l, output, target, 1, factor, gradient);
    }
}
