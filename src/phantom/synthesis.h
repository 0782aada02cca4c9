/*
 * One scan of a data set of phantoms, from its place in the roster to files.
 */
#ifndef PHANTOM_SYNTHESIS_H
#define PHANTOM_SYNTHESIS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "phantom/finding.h"
#include "phantom/patient.h"
#include "phantom/roster.h"
#include "phantom/scanner.h"

/* A scan before it is painted: who is in it, and how it is taken. */
struct synthesis {
    struct roster_scan scan;
    struct patient *patient;
    struct scanner scanner;
    struct finding_list findings;
    uint64_t seed;
};

/* synthesis_release frees, also after a failure. Errors: STATUS_STAGE_MEMORY. */
enum status synthesis_init(struct synthesis *s, const struct scanner_size *size,
                           uint64_t seed, uint64_t index, struct error *err);
void synthesis_release(struct synthesis *s);

/* Voxels of that scan, without its findings. */
enum status synthesis_measure(const struct scanner_size *size, uint64_t seed,
                              uint64_t index, int64_t *voxels, struct error *err);

/* Writes what is true of it as `path`; `negatives`: see phantom_candidates. */
enum status synthesis_write_truth(const struct synthesis *s, double negatives,
                                  const char *path, struct error *err);

/* Where the volumes of a scan go; masks may be NULL. */
struct synthesis_paths {
    const char *volume;
    const char *nodules; /* labels: 1 for the first nodule of annotations.csv ... */
    const char *lungs;   /* 1 right, 2 left */
};

/* Paints, images and writes, slab by slab: holds some slices, whatever the scan's size.
 * Errors: STATUS_STAGE_*. Not collective. */
enum status synthesis_write_volumes(const struct synthesis *s,
                                    const struct synthesis_paths *paths,
                                    struct error *err);

/* Paints and images `count` slices from `first` on and throws them away: for measuring.
 */
enum status synthesis_probe(const struct synthesis *s, int64_t first, int64_t count,
                            struct error *err);

#endif
