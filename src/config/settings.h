/*
 * The settings of a job: one table of keys (settings_table.c) from which parsing, --help,
 * the echo that is stored with the run and the comparison on restart all come.
 *
 * Layers, later ones win: built-in defaults < conf/pulmo.cfg < site file < job file <
 * --set. Each file is parsed alone (libconfig refuses a key given twice) and merged
 * through the table. A file may name another with `include = "FILE"` (relative to
 * itself), merged before it. An unknown key, a wrong type and a value out of range are
 * errors naming file and line.
 */
#ifndef CONFIG_SETTINGS_H
#define CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum { SETTINGS_SUBSETS = 10 };

/* The networks that can be trained. */
enum train_stage { TRAIN_SEGMENT, TRAIN_CLASSIFY, TRAIN_MALIGNANCY, TRAIN_STAGES };

/* How a network is trained. "auto", and the numbers that the table names, mean: what the
 * group train says, and if that is auto too, what mode and stage want. */
struct train_settings {
    int64_t epochs, epoch_samples, batch;
    char *optimizer; /* "auto", "sgd", "adam", "adamw", "lars" */
    double learning_rate;
    char *schedule; /* "auto", "constant", "step", "cosine" */
    double warmup;  /* epochs */
    double momentum, weight_decay, clip;
    char *loss;    /* "auto", "cross-entropy", "focal", "bce", "dice", "dice-bce" */
    char *augment; /* "auto", "none", "flip", "rigid", "full" */
    int64_t ratio;
    int64_t validate_every, validate_samples, patience;
    char *best; /* "auto", "f1", "auc", "recall" */
    int64_t depth;
    char *init;
};

/* The values. Strings are never NULL; "" means not given. Paths are absolute. Owned by
 * the structure. Fields are named as the keys. */
struct settings {
    struct {
        bool prepare, train, detect, score, report;
    } stages;
    char *mode; /* "book", "fixed" */
    int64_t seed;
    char *output;
    char *site; /* the site file; not printed: what it says is in the other keys */
    struct {
        char *root, *scan;
        bool subsets[SETTINGS_SUBSETS];
        char *annotations, *candidates, *excluded, *seriesuids, *malignancy, *patients,
            *masks;
        bool allow_outside;
    } dataset;
    struct {
        char *dir, *local;
        double quota_gb; /* 0: no bound */
    } cache;
    struct {
        char *method;            /* "network", "threshold", "candidates" */
        char *network, *weights; /* weights: a list, config/path_list.h */
        double threshold;
    } segment;
    struct { /* of segment.method "threshold" */
        double min_mm, max_mm, min_score;
        int64_t max_candidates;
    } blob;
    struct {
        char *erosion; /* "auto", "3d", "in-plane", "none"; auto: 3d in book, in-plane in
                          fixed */
        int64_t min_voxels;
    } group;
    struct {
        char *network, *weights; /* the same */
        double threshold;
    } classify;
    struct {
        char *network, *weights; /* the same */
        double threshold;
        char *patient; /* "max", "noisy-or" */
    } malignancy;
    struct {
        bool stages[TRAIN_STAGES];
        int64_t fold;         /* -1: none */
        char *labels;         /* "book", "mask" */
        char *hard_negatives; /* "own", or a list of places */
        double hard_share;
        struct train_settings all, stage[TRAIN_STAGES];
        char *start;      /* of the malignancy model: "classifier", "random" */
        bool non_nodules; /* among its samples */
    } train;
    struct {
        bool folds[SETTINGS_SUBSETS]; /* none: no cross-validation */
        int64_t groups;               /* 0: by the number of workers */
        char *patients;               /* "check", "move" */
    } crossval;
    struct {
        double seconds;
        int64_t keep;
    } checkpoint;
    struct {
        bool heatmaps; /* float32 heatmaps in run.h5 */
        char *driver;  /* MPI-IO component: "auto", "romio", "ompio" */
    } store;
    struct {
        bool enabled;
        int64_t keep; /* published runs; 0: all */
        double settle_s;
        double max_vanished; /* a count, or a fraction below 1 */
        bool verify;
        double tolerance, tolerance_mm;
        int64_t canaries;
        double canary_bound;
    } nightly;
    struct {
        double quarantine; /* a count, or a fraction below 1 */
        double memory_gb;  /* for the voxels a rank holds at once */
        double deadline_s;
        double start_s; /* for starting and leaving MPI, at least */
    } limits;
    struct {
        char *isa;       /* "auto", "portable", "avx2", "avx512" */
        int64_t threads; /* 0: cores allotted / compute ranks on the host */
        char *algorithm; /* conv_algorithm_name (tensor/conv.h) */
    } compute;
    struct {                         /* what `check` predicts for; no job depends on it */
        int64_t nodes, tasks, cores; /* tasks and cores of a node; 0: not said */
        double memory_gb;
        char *partition, *launcher, *scratch;
        double latency_us, bandwidth_gbs, storage_gbs, restart_s;
    } cluster;
};

/* What the settings came from, for messages and --help. */
struct settings_sources {
    const char *defaults; /* conf/pulmo.cfg, NULL: none */
    const char *site;     /* path or name; NULL: what the key `site` says elsewhere */
    const char *job;      /* NULL: none */
    const char *const *assignments; /* "key=value", as given after --set */
    size_t assignment_count;
};

/* Reads and merges. settings_release frees, also after a failure, and again. A path in a
 * file is relative to that file, one after --set to the current folder; a network or site
 * without a slash and without ".cfg" is a name (of a file in conf/models, conf/sites) and
 * stays as it is.
 * Errors: STATUS_JOB_CONFIG naming file and line, or the assignment. Not collective. */
enum status settings_init(struct settings *s, const struct settings_sources *sources,
                          struct error *err);
void settings_release(struct settings *s);

/* *out = the whole configuration as a job file that gives it back, to be freed; *bytes
 * without NUL. One key a line in table order, so equal settings are equal text. */
enum status settings_print(const struct settings *s, char **out, size_t *bytes,
                           struct error *err);

/* The same for the keys that bind a run and are no paths: what /results records. */
enum status settings_print_binding(const struct settings *s, char **out, size_t *bytes,
                                   struct error *err);

/* Keys that bind a run and differ, as "key (was A, is B), ..." in *out, to be freed; NULL
 * when none does. Bound: keys that change results. Free: limits, threads, output of logs,
 * the run folder. */
enum status settings_compare(const struct settings *old, const struct settings *new,
                             char **out, struct error *err);

/* The same for those of them that are no paths: keys that change the results of a scan
 * wherever it and its models lie. */
enum status settings_compare_results(const struct settings *old,
                                     const struct settings *new, char **out,
                                     struct error *err);

/* Whether the job is a cross-validation: it names folds, is not cut down to one of them
 * by train.fold, and does more than to prepare the scans. */
bool settings_cross_validates(const struct settings *s);

/* The table for people: key, type, default, range, help. */
void settings_help(FILE *out);

#endif
