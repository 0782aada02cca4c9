/*
 * What a data set is, and what is wrong with it: counted from the headers of all scans
 * and from the lists beside them, with `deep` from the voxels too. What `pulmo check`
 * prints.
 *
 * Reading headers (and voxels) is shared over the ranks, scan i being rank i % size's;
 * the rest is rank 0's. Everything is counted there in the order of the scans, so what
 * comes out is the same for every number of ranks. Memory on rank 0: about 250 bytes a
 * scan, and one list at a time.
 */
#ifndef INSPECT_SURVEY_H
#define INSPECT_SURVEY_H

#include <stdbool.h>
#include <stdint.h>

#include "comm/comm.h"
#include "config/settings.h"
#include "ct/dataset.h"
#include "ct/lists.h"
#include "inspect/scan_facts.h"

/* Quartiles, linear between the values; all NaN when there are none. */
struct spread {
    double low, q1, median, q3, high;
};

enum { THICKNESS_BINS = 7, DIAMETER_BINS = 7, ELEMENT_KINDS = 16 };

/* Upper bounds of the bins of slice thickness, the last is open; a scan stands in the
 * first bin whose bound it does not exceed. */
extern const double thickness_bounds[THICKNESS_BINS - 1];
/* Lower bounds of the bins of nodule diameter; the first bin holds nodules without one.
 */
extern const double diameter_bounds[DIAMETER_BINS];

struct survey_subset {
    bool asked, present;
    int64_t scans, broken, unlisted, bytes;
};

/* One header or voxel statistic needs no scan of its own to be kept: these are counts. */
struct survey_headers {
    int64_t scans;                  /* with a good header */
    struct spread thickness, pixel; /* mm */
    struct spread size[3];          /* voxels: z, y, x */
    int64_t thickness_bins[THICKNESS_BINS];
    int64_t directions[DIRECTION_KINDS];
    int64_t oblong; /* scans whose pixels are not square */
    struct {
        char name[16];
        int64_t scans;
    } elements[ELEMENT_KINDS]; /* in the order they were met */
    int element_count;
    int64_t compressed, compressed_bytes;
    int64_t voxels, largest_voxels; /* of all scans, of one */
    int64_t largest_slice[2];       /* rows, columns of the slice with most voxels */
};

struct survey_voxels {
    int64_t scans;
    int64_t voxels, padding, padded_scans;
    double low, high, mean; /* HU, without padding */
    double padding_low;
    struct spread scan_mean;
};

enum survey_list_kind {
    LIST_SERIES,
    LIST_NODULES,
    LIST_MALIGNANCY,
    LIST_CANDIDATES,
    LIST_EXCLUDED,
    LIST_KINDS
};

/* How a list and the scans on disk go together. A row is here when its scan is among the
 * scans of this job, elsewhere when it is in a subset that the job leaves out (or may be,
 * when that subset is not on this disk), absent otherwise. */
struct survey_list {
    const char *path; /* the settings'; "" when there is none */
    char *error;      /* why it could not be read, NULL */
    int64_t scans, rows;
    int64_t scans_here, rows_here, scans_absent, rows_absent;
    int64_t rows_outside; /* rows here whose centre lies outside its volume */
};

enum { MALIGNANCY_NO, MALIGNANCY_YES, MALIGNANCY_UNSAID, MALIGNANCY_KINDS };

struct survey_weights {
    const char *stage, *path; /* path "": not given; or a list, config/path_list.h */
    bool needed;
    char *error;             /* why they cannot be used, NULL */
    char network[64];        /* of several models the first one's */
    int64_t parameters;      /* of all of them */
    int64_t workspace_bytes; /* a thread, for the largest slice of the data set */
};

/* What training a network takes (run/train_memory.h). */
struct survey_training {
    const char *stage; /* NULL: not trained */
    char *error;       /* why it cannot be, NULL */
    int64_t batch, sample_bytes;
    int64_t alone_bytes; /* of one worker alone */
    int64_t workers;     /* that keep within limits.memory_gb; 0: none do */
};

struct survey_room {
    const char *output; /* "": not given */
    char *folder;       /* output, or the nearest folder above it that is there */
    int64_t free_bytes; /* -1: not known */
    int64_t
        heatmap_bytes; /* that the job's heatmaps would take; 0 without store.heatmaps */
    int64_t voxel_bytes;  /* the most that a rank holds at once */
    int64_t thread_bytes; /* the most that a thread works in */
    int64_t model_bytes;  /* weights of all models, once a rank */
    /* A segmenter in 3D (else 0): what it holds for all threads, slices that it reads. */
    int64_t block_bytes, block_slices;
    /* segment.method "threshold": good scans that do not fit limits.memory_gb whole, and
     * what the largest scan takes. */
    int64_t too_large, whole_bytes;
    /* Stage prepare; "" without it. */
    const char *cache;
    int64_t cache_bytes, cache_free_bytes; /* at most, for all scans; -1: not known */
    double memory_gb;                      /* limits.memory_gb */
    char *refusal; /* why the job's training or folds would be refused, NULL */
    /* Of a cross-validation (run/crossval.c): */
    bool folds[SETTINGS_SUBSETS];
    int fold_count; /* 0: it is none */
    int64_t fold_scans[SETTINGS_SUBSETS];
    int64_t groups; /* as asked */
    struct survey_training training[TRAIN_STAGES];
};

struct survey {
    const char *root; /* the settings' */
    struct dataset dataset;
    bool deep;
    struct scan_facts *facts; /* of each scan */
    char **reasons;           /* of each scan: why it is broken; NULL when it is not */
    int64_t broken, unlisted, bytes;
    struct survey_subset subsets[DATASET_SUBSETS];
    struct survey_headers headers;
    struct survey_voxels voxels;

    struct survey_list lists[LIST_KINDS];
    bool complete; /* a listed scan that is not found is missing: all subsets could be
                      looked at */
    struct series_list series;
    const char **missing; /* of series */
    int64_t missing_count;
    uint8_t *listed; /* of each scan: stands in some list */
    int64_t nodules[DIAMETER_BINS][MALIGNANCY_KINDS];
    int64_t unmatched_malignancies; /* rows of no annotated nodule */
    int64_t candidates[2];          /* by class, of scans that are here */

    struct survey_weights weights[3];
    struct survey_room room;
};

/* Surveys the data set of a job; `s` is borrowed while the survey is used. Only rank 0
 * gets the result. A broken scan and a list that cannot be read are results.
 * survey_release frees, also after a failure. Errors: STATUS_JOB_CONFIG (there is no such
 * data set), ...; the same on all ranks. Collective. */
enum status survey_init(struct survey *v, const struct comm *c, const struct settings *s,
                        bool deep, struct error *err);
void survey_release(struct survey *v);

/* 0 fine; 2 a list or weights cannot be used, or training or folds would be refused; 3
 * scans are broken, missing or left out. */
int survey_exit_code(const struct survey *v);

/* For people; the same as one JSON object, which a forecast (NULL: none) stands in too.
 */
struct forecast;
void survey_print(const struct survey *v, FILE *out);
enum status survey_print_json(const struct survey *v, const struct forecast *f, FILE *out,
                              struct error *err);

/* The parts that it is put together from; local. */

/* *out of `count` values, which are sorted by it. */
struct spread spread_of(double *values, size_t count);
/* The bin of a slice thickness, of a diameter (below 0: not measured). */
int thickness_bin(double mm);
int diameter_bin(double mm);

/* Fills facts and reasons of v->dataset, on rank 0. Collective. */
enum status survey_read_scans(struct survey *v, const struct comm *c,
                              const struct settings *s, struct error *err);
/* Counts them. */
enum status survey_count_scans(struct survey *v, const struct settings *s,
                               struct error *err);
enum status survey_read_lists(struct survey *v, const struct settings *s,
                              struct error *err);
enum status survey_measure_room(struct survey *v, const struct settings *s,
                                struct error *err);

#endif
