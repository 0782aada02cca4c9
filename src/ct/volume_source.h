/*
 * What the reader of a header (MetaImage, NIfTI) finds out about a volume: all that is
 * needed to read its voxels without knowing the format.
 */
#ifndef CT_VOLUME_SOURCE_H
#define CT_VOLUME_SOURCE_H

#include "ct/element.h"
#include "ct/geometry.h"
#include "ct/payload.h"

struct volume_source {
    struct geometry geometry; /* checked */
    const struct element *element;
    bool swapped;            /* stored in the other byte order than this machine's */
    double slope, intercept; /* HU = slope * value + intercept */
    struct payload payload;  /* checked against the sizes of its files */
    bool header_apart;  /* the header is a file of its own, not part of the payload's */
    int64_t file_bytes; /* of header and data files */
};

/* *out = bytes of all voxels as they are stored, inflated. Errors: STATUS_ITEM_LIMIT. */
enum status volume_source_voxel_bytes(const struct volume_source *v, int64_t *out,
                                      struct error *err);

#endif
