/*
 * What scans there are: a LUNA16 tree (subset0/ .. subset9/, each a folder or the
 * subsetN.zip it came as), any other folder of volumes (taken as one subset, number 0),
 * or one volume. Looks at file names and sizes only; headers are read by whoever opens
 * the scan.
 */
#ifndef CT_DATASET_H
#define CT_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum { DATASET_SUBSETS = 10 };

struct scan {
    char *seriesuid; /* file name without its ending */
    char *path; /* header file, as root and name are written: links are not resolved; in
                   an archive as if that were a folder (archive.h) */
    int subset;
    int64_t bytes; /* header and data file of the same stem: an estimate of the work */
};

/* Something the owner of a tree should know. */
struct dataset_problem {
    char *seriesuid; /* of the volume that is left out; "" when none is */
    char *sentence;
};

/* Scans sorted by seriesuid (byte order), each seriesuid once. */
struct dataset {
    struct scan *scans;
    size_t count;
    struct dataset_problem *problems; /* a seriesuid that stands in two places, volumes
                                         beside subset folders, a folder called like a
                                         volume; in a fixed order */
    size_t problem_count;
    bool has_subsets;                     /* the root holds subsetN or subsetN.zip */
    bool subset_present[DATASET_SUBSETS]; /* asked for or not */
};

/* Lists the scans of a tree. Of a seriesuid that stands in two places the first (lowest
 * subset, then name order) is kept and the other reported in `problems`. Subsets that are
 * empty or absent are no error; a root or subset folder that cannot be read is, and a
 * root without a single volume in the subsets asked for (STATUS_JOB_CONFIG, naming it).
 * Symbolic links are followed, hidden files and folders further down passed over.
 * `subsets` may be NULL for all. dataset_release frees what it fills, also after a
 * failure. Not collective. */
enum status dataset_init(struct dataset *d, const char *root, const bool *subsets,
                         struct error *err);

/* A dataset of one volume, in subset 0. Errors: STATUS_JOB_CONFIG when there is no such
 * file, or its name does not end like a volume's. */
enum status dataset_init_scan(struct dataset *d, const char *path, struct error *err);

/* Leaves the scans of one subset; what is known of the tree, its problems included,
 * stays.
 */
void dataset_keep_subset(struct dataset *d, int subset);

/* Leaves the scans i with keep[i]; the same otherwise. */
void dataset_keep(struct dataset *d, const bool *keep);

void dataset_release(struct dataset *d);

/* Index of a seriesuid, or -1. */
int64_t dataset_find(const struct dataset *d, const char *seriesuid);

#endif
