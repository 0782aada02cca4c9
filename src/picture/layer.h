/*
 * Pictures as PNG in memory, for pages that hold their pictures: greys, and one colour
 * that lets more or less of what lies below shine through.
 *
 * The same pixels give the same bytes. Not collective.
 */
#ifndef PICTURE_LAYER_H
#define PICTURE_LAYER_H

#include <stddef.h>
#include <stdint.h>

#include "picture/canvas.h"

/* How many steps of transparency a tint has beside none. */
enum { LAYER_STEPS = 15 };

/* greys[height][width], the upper left first. *out of *bytes, to be freed. Errors:
 * STATUS_JOB_CONFIG when a side is not in 1..CANVAS_LIMIT, STATUS_STAGE_MEMORY. */
enum status layer_grey_png(const uint8_t *greys, int64_t width, int64_t height,
                           void **out, size_t *bytes, struct error *err);

/* One colour; steps[height][width] from 0, where nothing is seen of it, to LAYER_STEPS,
 * where it has `alpha` (0 to 1). Larger values count as LAYER_STEPS. Errors: as above. */
enum status layer_tint_png(const uint8_t *steps, int64_t width, int64_t height,
                           struct colour colour, double alpha, void **out, size_t *bytes,
                           struct error *err);

#endif
