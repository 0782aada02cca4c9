/*
 * `pulmo info VOLUME --png OUT.png`: a picture of a volume.
 */
#ifndef CLI_INFO_PICTURE_H
#define CLI_INFO_PICTURE_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "picture/section.h"
#include "picture/window.h"

struct picture_arguments {
    const char *png; /* NULL: no picture is wanted */
    const char *overlay;
    bool dressed; /* an option says how it should look */
    bool has_point;
    double xyz[3];   /* mm; without one the middle of the volume */
    double field_mm; /* 0: the whole plane */
    struct window window;
    int64_t width; /* pixels; 0: as the voxels have it */
    bool crosshair;
    enum section_plane planes[SECTION_PLANES];
    size_t plane_count;
};

/* argp parser of the options of a picture, for use as a child; its input is a struct
 * picture_arguments of zeros. */
extern const struct argp picture_argp;

/* Makes the picture and says so on stdout. Reads one slice at a time, those that the
 * planes need. Errors: volume_open's, volume_read's; STATUS_JOB_CONFIG when the point
 * lies outside or the overlay has another size; canvas_write_png's. */
enum status info_picture(const char *path, const struct picture_arguments *a,
                         struct error *err);

#endif
