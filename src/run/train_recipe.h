/*
 * How a network is trained: the settings of its stage, with what they leave open filled
 * in by mode and stage.
 *
 * The group of a stage (train.classify) comes before the group train, and that before the
 * table of train_recipe.c. Mode book has the numbers of Deep Learning with PyTorch:
 * chapter 13 for the segmenter, chapter 14 for the others.
 */
#ifndef RUN_TRAIN_RECIPE_H
#define RUN_TRAIN_RECIPE_H

#include "config/settings.h"
#include "nn/learning_rate.h"
#include "nn/losses.h"
#include "nn/network.h"
#include "nn/optimizer.h"
#include "train/example.h"
#include "train/metrics.h"
#include "train/sampler.h"

struct train_recipe {
    struct optimizer_options optimizer;
    struct learning_rate rate;
    double clip;
    struct loss loss;
    int64_t epochs, epoch_samples, batch;
    int64_t every, validate_samples, patience;
    enum metric best;
    enum sampler_scheme scheme;
    uint64_t ratio;
    struct example_options example;
    int64_t input[3]; /* what the network takes, z y x: 2D networks have depth 1 */
    int depth;        /* fine-tuning: parts that are trained; 0: all */
    const char *init; /* borrowed from the settings; "": none */
};

/* "segment", "classify", "malignancy". */
const char *train_stage_name(enum train_stage s);

/* The network of a stage in conf/models when nothing else is said; mode: as in the
 * settings. */
const char *train_stage_network(enum train_stage stage, const char *mode);

/* Errors: STATUS_JOB_CONFIG when the network cannot serve the stage. */
enum status train_recipe_init(const struct settings *s, enum train_stage stage,
                              const struct network *n, struct train_recipe *out,
                              struct error *err);

/* The seed of all random numbers of a training: the job's, or the fold's own in a
 * cross-validation. */
uint64_t train_seed(const struct settings *s);

#endif
