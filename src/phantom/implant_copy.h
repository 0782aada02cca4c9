/* A user's scan with nodules put into it, as files: phantom/implant.h for one volume on
 * disk. */
#ifndef PHANTOM_IMPLANT_COPY_H
#define PHANTOM_IMPLANT_COPY_H

#include "base/status.h"
#include "phantom/synthesis.h"

struct implant_copy {
    const char *seriesuid, *source; /* the volume to copy */
    uint64_t seed;
    int64_t count;         /* nodules */
    double diameter_mm[2]; /* see implant_options */
    int64_t negatives;     /* candidates of class 0: places in lung, left alone */
};

/* Reads, implants and writes: first the truth as `truth`, then the volumes (none when
 * paths is NULL). The copy has the source's grid and values; voxels of 16 bits where its
 * values fit into them, else floats. *voxels: how many it has. Holds the whole scan.
 * Errors: STATUS_ITEM_* when the source cannot be read or its grid is no scan's,
 * STATUS_STAGE_*. Not collective. */
enum status implant_copy_write(const struct implant_copy *c, const char *truth,
                               const struct synthesis_paths *paths, int64_t *voxels,
                               struct error *err);

#endif
