/*
 * What training makes small: the loss of one sample and its gradient by what the network
 * gives. The loss of a batch is the mean over its samples.
 *
 * Two kinds of output are told apart by what is known of the sample: a class (`label`,
 * the network ends in a vector) or a map of the output's shape (`target`, 0 to 1 a
 * voxel).
 *
 *   cross-entropy  -log softmax(output)[label]
 *   focal          a (1 - p)^gamma times cross-entropy, p the probability of the truth:
 *                  of the label's class, or in each voxel of its side (Lin et al.,
 *                  "Focal loss for dense object detection", 2017)
 *   bce            the mean over voxels of the binary cross-entropy with the target
 *   dice           d(p, t) + overlap_weight * d(p t, t),
 *                  d(p, t) = 1 - (2 sum p t + 1) / (sum p + sum t + 1)
 *   dice-bce       bce, in which a voxel of the target counts as sqrt(others / those)
 *                  of the sample (at least 1), and d(p, t); of an empty target bce
 *                  alone. Bce brings the many voxels of background down at once, d
 *                  weighs the few others (as in Isensee et al., "nnU-Net", 2021); the
 *                  root keeps these from being brought down with them
 *
 * All but dice take the numbers before the last sigmoid or softmax, where their gradients
 * are exact; dice takes probabilities. Sums are in double and in the order of the voxels.
 */
#ifndef NN_LOSSES_H
#define NN_LOSSES_H

#include <stdbool.h>

#include "base/status.h"
#include "tensor/view.h"

enum loss_kind { LOSS_CROSS_ENTROPY, LOSS_FOCAL, LOSS_BCE, LOSS_DICE, LOSS_DICE_BCE };

struct loss {
    enum loss_kind kind;
    double gamma;    /* focal: 2 is usual */
    double positive; /* focal: a of positives (label 1, target 1); 1 - it of others */
    double overlap_weight; /* dice: the book's 8 */
};

/* The kind with the usual numbers. */
struct loss loss_make(enum loss_kind kind);

/* "cross-entropy", "focal", "bce", "dice", "dice-bce". */
const char *loss_name(enum loss_kind k);
/* Errors: STATUS_JOB_CONFIG for an unknown name. */
enum status loss_parse(const char *name, enum loss_kind *out, struct error *err);

/* Whether the loss takes the numbers before the last sigmoid or softmax. */
bool loss_takes_logits(enum loss_kind k);

/* Whether it can be had of a class (vector) or of a map. */
bool loss_serves(enum loss_kind k, bool vector);

/* The loss of one sample whose class is known, and factor times its gradient. */
double loss_of_class(const struct loss *l, const struct view *logits, int label,
                     double factor, const struct view *gradient);

/* The loss of one sample with a map as target: dense [channels][depth][height][width]. */
double loss_of_map(const struct loss *l, const struct view *output, const float *target,
                   double factor, const struct view *gradient);

#endif
