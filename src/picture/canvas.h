/*
 * An 8-bit colour picture, and its way into a PNG file.
 */
#ifndef PICTURE_CANVAS_H
#define PICTURE_CANVAS_H

#include <stdint.h>

#include "base/status.h"

/* Sides of a picture end here. */
enum { CANVAS_LIMIT = 16384 };

struct colour {
    uint8_t red, green, blue;
};

struct canvas {
    int64_t width, height;
    struct colour *pixels; /* [height][width], the upper left first */
};

/* A canvas of one colour. canvas_release frees. Errors: STATUS_JOB_CONFIG when a side is
 * not in 1..CANVAS_LIMIT, STATUS_STAGE_MEMORY. */
enum status canvas_init(struct canvas *c, int64_t width, int64_t height,
                        struct colour fill, struct error *err);
void canvas_release(struct canvas *c);

/* Lays a colour over a pixel; alpha 0 leaves the pixel, 1 replaces it. Pixels outside the
 * canvas are passed over. */
void canvas_blend(struct canvas *c, int64_t x, int64_t y, struct colour colour,
                  double alpha);

/* Writes a PNG file, whole or not at all: in greys when no pixel has a colour. The same
 * pixels give the same bytes. Errors: STATUS_STAGE_IO with the path. */
enum status canvas_write_png(const struct canvas *c, const char *path, struct error *err);

#endif
