/* A label volume on its way to a file, of either kind. Private to this folder. */
#ifndef EXPORT_LABEL_VOLUME_H
#define EXPORT_LABEL_VOLUME_H

#include <stdbool.h>

#include "ct/geometry.h"
#include "io/run_rows.h"

/* Fills labels[count][y][x] of slices [first, first + count), which hold zeros. */
typedef enum status label_fill(void *context, int64_t first, int64_t count,
                               uint16_t *labels, struct error *err);

/* Writes STEM.nii.gz or STEM.mhd. Errors: the writers'; what `fill` returned. */
enum status label_volume_write(const char *stem, const struct geometry *g, bool nifti,
                               label_fill *fill, void *context, struct error *err);

/* Balls around candidates, the first on top: context is a struct label_balls. */
struct label_balls {
    const struct geometry *geometry;
    const struct run_store_candidate *candidates;
    int64_t count;
};
label_fill label_balls_fill;

#endif
