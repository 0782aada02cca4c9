/*
 * Sections side by side in one picture, all on one scale, with square pixels.
 */
#ifndef PICTURE_SHEET_H
#define PICTURE_SHEET_H

#include <stdbool.h>
#include <stddef.h>

#include "picture/canvas.h"
#include "picture/section.h"
#include "picture/window.h"

struct sheet_view {
    const struct section *section; /* HU */
    const struct section
        *overlay; /* of the same plane, 0 .. 1: how much colour; or NULL */
};

struct sheet_options {
    struct window window;
    int64_t width;  /* pixels of the whole sheet; 0: one for the smallest spacing, but no
                       more than a large screen has */
    bool crosshair; /* at the point of each section, open around it */
};

/* Values between voxels are interpolated linearly; where a pixel is larger than a voxel,
 * it is a weighted mean of all that it covers. *mm_per_pixel as it came out.
 * canvas_release frees. Errors: STATUS_JOB_CONFIG when the width leaves no room for the
 * views or the height grows beyond CANVAS_LIMIT; STATUS_STAGE_MEMORY. */
enum status sheet_init(struct canvas *out, const struct sheet_view *views, size_t count,
                       const struct sheet_options *options, double *mm_per_pixel,
                       struct error *err);

#endif
