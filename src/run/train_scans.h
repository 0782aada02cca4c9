/*
 * The scans of a training: where their voxels lie in the cache, and which of them train,
 * validate, or are tested on and left alone.
 *
 * Rank 0 looks them up and shares what it found, so that all ranks divide the same scans
 * even where a network file system shows them different folders.
 */
#ifndef RUN_TRAIN_SCANS_H
#define RUN_TRAIN_SCANS_H

#include "base/hash.h"
#include "comm/comm.h"
#include "config/settings.h"
#include "ct/dataset.h"
#include "ct/geometry.h"

enum scan_role { SCAN_TRAINS, SCAN_VALIDATES, SCAN_TESTS };

struct train_scan {
    const char *seriesuid, *path;
    const char *mask_path; /* its label volume, "": none */
    int subset;
    enum scan_role role;
    bool cached;
    struct hash128 voxels;
    struct geometry geometry; /* of a cached one */
};

struct train_scans {
    struct train_scan *items; /* sorted by seriesuid */
    size_t count;
    char *packed; /* that the texts lead into */
};

/* `dataset`: rank 0's, ignored elsewhere. train_scans_release frees, also after a
 * failure. Errors, the same on all ranks: STATUS_JOB_CONFIG when a fold is asked for
 * without subsets, or no scan is left to train on. Collective. */
enum status train_scans_init(struct train_scans *t, const struct comm *c,
                             const struct settings *s, const struct dataset *dataset,
                             struct error *err);
void train_scans_release(struct train_scans *t);

#endif
