/*
 * What is true of a scan, kept beside it until the lists are written.
 *
 * A scan's truth is a CSV file of its own, written before its voxels: so a scan that
 * stands in the data set has its truth, whoever made it and whenever, and the lists of
 * the data set are made of these files alone, in the order of seriesuids.
 */
#ifndef PHANTOM_TRUTH_H
#define PHANTOM_TRUTH_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "phantom/finding.h"

struct truth {
    const char *seriesuid, *patient;
    const struct finding_list *findings; /* nodules first */
    const struct phantom_candidate *candidates;
    size_t candidate_count;
    double offset[3];     /* from their frame to the scan's, mm */
    uint64_t seed, index; /* of readers' opinions */
};

/* Writes the truth of one scan as `path`. Errors: STATUS_STAGE_IO. */
enum status truth_write(const char *path, const struct truth *t, struct error *err);

/* Writes all lists of a data set into `folder` from the truths of its scans, which stand
 * in folder/TRUTH_FOLDER/SERIESUID.csv. seriesuids are sorted. Errors: STATUS_STAGE_*,
 * STATUS_JOB_CONFIG when a truth cannot be read. */
enum status truth_lists(const char *folder, const char *const *seriesuids, size_t count,
                        struct error *err);

#define TRUTH_FOLDER ".truth"

/* Names of the lists, the last one followed by NULL. */
extern const char *const TRUTH_LISTS[];

#endif
