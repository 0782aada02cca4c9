/*
 * What one scan's header tells, and what its voxels tell. Plain data: may be sent between
 * ranks. Not collective.
 */
#ifndef INSPECT_SCAN_FACTS_H
#define INSPECT_SCAN_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "ct/geometry.h"

/* Voxels at or below it lie outside the scanner's field of view (LUNA16: -2000, -3024).
 */
#define PADDING_HU -2000.0f

struct scan_facts {
    struct geometry geometry;
    int64_t file_bytes;
    char element[16]; /* "MET_SHORT" */
    bool compressed;
    bool has_voxels;       /* the fields below are filled */
    int64_t padding;       /* voxels of field-of-view padding */
    double padding_low;    /* the lowest of them; NaN without any */
    double low, high, sum; /* HU of all other voxels; low and high are NaN without any */
};

/* Reads the header at `path`, and with `deep` all voxels, in slabs of bounded size.
 * Errors: those of volume_open and volume_read, and STATUS_ITEM_LIMIT when a slice is
 * larger than the memory. */
enum status scan_facts_read(const char *path, bool allow_outside, bool deep,
                            struct scan_facts *out, struct error *err);

/* Mean HU of the voxels that are no padding; NaN without any. */
double scan_facts_mean(const struct scan_facts *f);

/* How the axes of a volume lie in the patient. */
enum direction_kind {
    DIRECTION_IDENTITY,
    DIRECTION_FLIPPED, /* -1 -1 1: rows and columns run the other way */
    DIRECTION_AXES,    /* along the patient's axes in another order or sense */
    DIRECTION_OBLIQUE,
    DIRECTION_KINDS,
};

enum direction_kind direction_kind(const double direction[9]);
const char *direction_name(enum direction_kind k);

#endif
