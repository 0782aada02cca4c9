/*
 * Which HU a picture shows as black, as white, and as the greys between.
 */
#ifndef PICTURE_WINDOW_H
#define PICTURE_WINDOW_H

#include <stdint.h>

#include "base/status.h"

struct window {
    double centre, width; /* HU; the width is positive */
};

/* Lung: centre -600, width 1500. Soft tissue: centre 40, width 400. */
extern const struct window window_lung, window_soft;

/* "lung", "soft", or "C,W" in HU. Errors: STATUS_JOB_CONFIG with the text. */
enum status window_parse(const char *text, struct window *out, struct error *err);

/* 0 at and below centre - width / 2, 255 at and above centre + width / 2, linear between,
 * rounded half up. */
uint8_t window_grey(const struct window *w, double hu);

#endif
