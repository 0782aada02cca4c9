/*
 * What the parts of the stage train share: train_stage.c goes through the networks,
 * train_network.c trains one, train_samples.c says on what, train_model.c where it begins
 * and what it leaves.
 */
#ifndef RUN_TRAIN_INTERNAL_H
#define RUN_TRAIN_INTERNAL_H

#include "run/train_memory.h"
#include "run/train_metrics.h"
#include "run/train_recipe.h"
#include "run/train_scans.h"
#include "run/train_stage.h"
#include "run/train_team.h"

/* Samples of a validation that a rank takes at a time, the same on all ranks; slices are
 * large, and more threads than these have no part in them. */
enum { VALIDATION_SAMPLES = 16, VALIDATION_SLICES = 4 };

/* Whether a network is validated on whole slices. */
static inline bool train_slices_wanted(enum train_stage stage,
                                       const struct train_recipe *r)
{
    return stage == TRAIN_SEGMENT && r->example.middle_slice;
}

/* Threads that make examples beside those that compute. */
static inline int train_readers(int threads)
{
    enum { COMPUTERS_A_READER = 4 };
    return 1 + threads / COMPUTERS_A_READER;
}

/* All networks of a job; of the master the scans alone. */
struct train_work {
    struct train_job job;
    struct train_team team;
    struct train_scans scans;
    const char *hard_list;            /* of hard negatives; NULL: none. Borrowed */
    bool hard_isolated;               /* nothing that is tested on had a part in it */
    struct loader_scan *loader_scans; /* of the scans, in their order */
    struct train_metrics metrics[TRAIN_STAGES];
    size_t networks; /* begun */
    struct trainer_seconds seconds;
};

/* One network. */
struct train_network {
    struct train_work *work;
    enum train_stage stage;
    char name[32]; /* "classify", "classify-fold3" */
    struct network network;
    struct train_recipe recipe;
    struct training *training;
    struct pool training_pool, validation_pool;
    struct example_options still; /* of the validation */
    struct example_item *items;
    int64_t item_count;
    int64_t (*inside)[2]; /* rows and columns of each item that count; NULL: all */
    struct loader *loader, *validation_loader;
    struct tensor_file origin; /* the weights it begins with, of the first worker */
    char initial[HASH_HEX_BYTES];
    const char *hard_list; /* NULL: none */
    char *binding;
    struct trainer *trainer;
    double epoch_begun;
    int64_t epochs_told;
};

/* Fills the pools and the items of the validation. */
enum status train_samples_init(struct train_network *n, struct error *err);

/* Whether a scan of a role serves this network. */
bool train_takes_part(const struct train_network *n, size_t scan, enum scan_role role);

/* The items of a validation on whole slices, and their size in n->still. */
enum status train_slices_fill(struct train_network *n, const struct nodule_list *nodules,
                              struct error *err);

/* Label volumes into the cache, each worker its share. Collective over the workers. */
enum status train_masks_prepare(struct train_work *w, struct error *err);

/* Makes a cached scan, and its mask, whole again; `context` is the struct train_work. */
enum status train_repair(void *context, int32_t scan, struct error *err);

/* A fold is no test of weights that have seen its scans. Warns where they do not say.
 * Errors: STATUS_JOB_CONFIG naming the scan. Not collective. */
enum status train_check_isolation(const struct train_work *w, const struct tensor_file *f,
                                  const char *path, struct error *err);

/* Random weights, or those of a file; the first worker's count. Errors: STATUS_JOB_CONFIG
 * when they saw a scan that is tested on. Not collective. */
enum status train_model_begin(struct train_network *n, struct error *err);

/* *n->binding = what the result depends on. */
enum status train_model_binding(struct train_network *n, struct error *err);

/* The model file, by the first worker. Not collective. */
enum status train_model_write(struct train_network *n, struct error *err);

/* How a network's gradients are computed; `samples` is left open. */
struct training_options train_training_options(const struct settings *s,
                                               const struct network *n,
                                               const struct train_recipe *r, enum isa isa,
                                               int threads);

/* The network as validations run it, on inputs of a size: *model and *plan are to be
 * freed, also after a failure; both NULL before. Errors: STATUS_JOB_CONFIG,
 * STATUS_STAGE_MEMORY. Not collective. */
enum status train_validation_plan(const struct training *t, const struct network *n,
                                  const int64_t size[3], enum isa isa,
                                  enum conv_algorithm algorithm, struct model **model,
                                  struct model_plan **plan, struct error *err);

/* Trains one network. Collective over the workers. */
enum status train_network_run(struct train_work *w, enum train_stage stage,
                              struct error *err);

#endif
