/*
 * What the parts of a cross-validation share: crossval.c is its life, crossval_lead.c
 * hands out the folds, fold_merge.c makes one run of ten, fold_lists.c its tables.
 */
#ifndef RUN_CROSSVAL_INTERNAL_H
#define RUN_CROSSVAL_INTERNAL_H

#include "io/run_reader.h"
#include "run/job_internal.h"

enum fold_state { FOLD_NONE, FOLD_WAITS, FOLD_RUNS, FOLD_DONE, FOLD_FAILED };

/* A group of ranks as rank 0 sees it. */
struct crossval_group {
    int first, size; /* ranks */
    int fold;        /* that it runs; -1: it waits */
    bool told_to_stop;
    double heard;
    char line[200]; /* where it stands */
};

/* Of one cross-validation, on all ranks; what is said to be rank 0's is nothing
 * elsewhere.
 */
struct crossval {
    struct job *job;
    int group_count;
    struct comm group; /* of this rank; on rank 0 of several there is nobody in it */
    struct job_around around;
    double timings[TIMING_COUNT]; /* of the folds that this rank had a part in */
    double told;                  /* when rank 0 last heard of this leader */
    /* Rank 0's: */
    enum fold_state folds[SETTINGS_SUBSETS];
    int done_now;
    size_t quarantined; /* rows of quarantine.csv, once they are merged */
    struct crossval_group *peers;
    char line[200]; /* where it stands itself */
    double pinged;
};

/* A part of the run that is a job of its own in a folder of its own: the same settings
 * but for a few. Texts are borrowed from `s` but for the folder, which is to be freed. */
struct part {
    struct settings settings;
    char *folder;
};

/* A fold, in OUTPUT/folds/FOLD. */
enum status crossval_fold(const struct settings *s, int fold, struct part *out,
                          struct error *err);

/* Rank 0's, now and then: shows how the folds stand, and tells the ranks that wait that
 * it lives. */
void crossval_look(struct crossval *c);

/* Hears where the job of a part stands: the `tell` of struct job_around. */
void crossval_tell(void *context, const char *line);

typedef enum status crossval_merge(struct crossval *c, struct error *err);

/* Runs the folds that wait; on all ranks but 0, serves until rank 0 is through with
 * `merge`, which it calls when no fold was refused and nobody asked to stop. The same
 * status on all ranks, STATUS_JOB_INTERRUPTED or what merge returned. Collective. */
enum status crossval_run_folds(struct crossval *c, crossval_merge *merge,
                               struct error *err);

/* Which folds are there. Marks those that are done; those that are not are left as they
 * are. Errors: STATUS_JOB_CONFIG when one was made with other settings. Rank 0 only. */
enum status fold_merge_look(struct crossval *c, struct error *err);

/* Joins the folds into one run: run.h5 with the proof that no fold was tested on what its
 * models had seen, the lists, the models. Errors: STATUS_JOB_FAILED naming the folds that
 * are not there, or what a model had seen. Rank 0 only. */
enum status fold_merge(struct crossval *c, struct error *err);

/* A fold that is done. */
struct merged_fold {
    int fold;
    struct part part;
    struct run_reader *store;
};

/* The lists of the folds as those of one run, in `output`. *quarantined is the number of
 * rows of quarantine.csv. `alive` is called now and then. Rank 0 only. */
enum status fold_lists_merge(const char *output, const struct merged_fold *folds,
                             size_t count, size_t *quarantined, struct error *err);

/* The models of all folds. */
struct fold_models {
    struct run_store_models store;
    char (*texts)[2][HASH_HEX_BYTES]; /* that its rows lead to */
};

/* The scans of the merged run, sorted by seriesuid. */
struct merged_scans {
    size_t count;
    char **seriesuids;
    int *folds;    /* that test them */
    int64_t *rows; /* in the fold's store */
};

/* What the models of the folds have to do with the scans, for run.h5; the models
 * themselves get their second names in OUTPUT/models. fold_models_release frees, also
 * after a failure. Errors: STATUS_JOB_FAILED when a model has seen a scan that its fold
 * tests. Rank 0 only.
 */
enum status fold_models_init(struct fold_models *m, const char *output,
                             const struct merged_fold *folds, size_t count,
                             const struct merged_scans *scans, struct error *err);
void fold_models_release(struct fold_models *m);

#endif
