/*
 * A scanner and its settings: where the grid of a scan lies, and what imaging does to the
 * noiseless picture.
 */
#ifndef PHANTOM_SCANNER_H
#define PHANTOM_SCANNER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "ct/geometry.h"
#include "phantom/patient.h"

/* What --size says. */
struct scanner_size {
    int64_t voxels[3]; /* z, y, x; zeros: as LUNA16's scans have them */
};

/* Parses "small", "luna" or "XxYxZ". Errors: STATUS_JOB_CONFIG with the text. */
enum status scanner_size_parse(const char *text, struct scanner_size *out,
                               struct error *err);

struct scanner {
    struct geometry grid; /* in the patient's frame */
    double offset[3]; /* mm: patient's frame to the world's, where the file's origin is */
    double sharpness_mm;    /* in-plane Gaussian of the reconstruction kernel, standard
                               deviation */
    double enhancement;     /* 0 smooth .. 1 sharp: edges are over-emphasised */
    double overlap;         /* share of each neighbour in a slice, below 1/3 */
    double noise_hu;        /* standard deviation in soft tissue */
    double streaks;         /* noise that shoulders add, of noise_hu */
    bool circle;            /* outside the field of view `padding`, else what is there */
    int16_t padding;        /* -3024 or -2000 */
    bool compressed;        /* .zraw */
    struct box body, lungs; /* of the patient */
    uint64_t seed, index;   /* of the noise */
};

/* A function of its arguments. Fills everything. */
void scanner_init(struct scanner *s, const struct patient *p,
                  const struct scanner_size *size, uint64_t seed, uint64_t index);

/* The grid in the world, as the file has it. */
struct geometry scanner_world(const struct scanner *s);

/* Blurs a whole painted volume, adds noise and rounds: hu[z][y][x] to voxels[z][y][x].
 * Errors: STATUS_STAGE_MEMORY. */
enum status scanner_image(const struct scanner *s, const float *hu, int16_t *voxels,
                          struct error *err);

/* The same for slices that come one after the other: a slice is finished when the one
 * above it is known. */
struct imager;

/* *out is the caller's to free. s is borrowed. Errors: STATUS_STAGE_MEMORY. */
enum status imager_new(const struct scanner *s, struct imager **out, struct error *err);
void imager_free(struct imager *m);

/* Takes the next painted slice, hu[y][x], or NULL after the last one. Returns whether
 * `voxels` now holds the slice before it: not for the first one. */
bool imager_slice(struct imager *m, const float *hu, int16_t *voxels);

/* The blur alone, of a box of a volume with this spacing (for implants): values[z][y][x]
 * in place. */
enum status scanner_blur(double sharpness_mm, double enhancement, const int64_t size[3],
                         const double spacing_xyz[3], float *values, struct error *err);

#endif
