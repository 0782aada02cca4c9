/*
 * Nodules put into a scan that exists: real anatomy, exact answers.
 *
 * Places are chosen inside the scan's own lungs (ct/lung_mask.h), apart from one another
 * and from tissue that is dense already; shapes are drawn as those of phantoms are
 * (phantom/finding.h), brought to the scan's sharpness, which is estimated from its own
 * edges, and laid under the scan's own noise: what was there keeps its noise, only the
 * mean changes.
 */
#ifndef PHANTOM_IMPLANT_H
#define PHANTOM_IMPLANT_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "ct/geometry.h"
#include "phantom/finding.h"

struct implant_options {
    uint64_t seed, index;  /* what is implanted is a function of these and the scan */
    size_t count;          /* nodules asked for */
    double diameter_mm[2]; /* drawn between these, as nodules are; zeros: no bounds */
};

/* Changes hu[z][y][x] (whole volume, HU as read, padding kept) in place; changed voxels
 * are rounded to whole HU. *truth: what was implanted, xyz in the frame of `g` (the
 * world's), to be released; fewer than asked for where the lungs have no room, 0 without
 * lungs. Errors: STATUS_STAGE_MEMORY. Not collective. */
enum status implant_scan(const struct geometry *g, float *hu,
                         const struct implant_options *options,
                         struct finding_list *truth, struct error *err);

#endif
